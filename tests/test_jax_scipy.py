"""The smaller rooms of jax.scipy, jax.image and jax.experimental.ode: values, under jit, and
slopes, beside JAX's own."""

import importlib

import numpy as np
import pytest

ROOMS = ("scipy.ndimage", "scipy.interpolate", "scipy.sparse.linalg", "scipy.fft",
         "scipy.cluster.vq", "scipy.integrate", "experimental.ode", "image")


def world(name: str):
    jax = importlib.import_module(name)
    for room in ROOMS:
        importlib.import_module(f"{name}.{room}")
    return jax


THEIRS, OURS = world("jax"), world("compat.jax")

# name: (a function of the framework that gives a function of one array, that array)
PICTURE = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
VECTOR = np.linspace(0.5, 2.0, 6, dtype=np.float32)
SPD = np.eye(4, dtype=np.float32) * 3 + np.ones((4, 4), np.float32)


def pendulum(jax):
    jnp = jax.numpy
    times = jnp.linspace(0.0, 2.0, 5)
    slope = lambda y, t, gravity: {"angle": y["speed"], "speed": -gravity * jnp.sin(y["angle"])}

    def final(x):
        y0 = {"angle": x[0], "speed": x[1] - 1}
        return jax.experimental.ode.odeint(slope, y0, times, x[2])["angle"]

    return final


def solved(method):
    return lambda jax: lambda b: getattr(jax.scipy.sparse.linalg, method)(
        lambda v: jax.numpy.asarray(SPD) @ v, b, tol=1e-6)[0]


def resized(method):
    return lambda jax: lambda x: jax.image.resize(x, (8, 4), method)


PROGRAMS = {
    "odeint": (pendulum, VECTOR),
    **{m: (solved(m), VECTOR[:4]) for m in ("cg", "bicgstab", "gmres")},
    **{m: (resized(m), PICTURE) for m in ("nearest", "linear", "cubic", "lanczos3", "lanczos5")},
    "scaled": (lambda jax: lambda x: jax.image.scale_and_translate(
        x, (6, 6), (0, 1), np.array([1.5, 0.5], np.float32), np.array([0.25, 1.0], np.float32),
        "linear"), PICTURE),
    "coordinates": (lambda jax: lambda x: jax.scipy.ndimage.map_coordinates(
        x, [np.array([0.5, 2.2, 3.9]), np.array([1.1, 5.5, 0.0])], order=1, mode="nearest"),
        PICTURE),
    "grid": (lambda jax: lambda x: jax.scipy.interpolate.RegularGridInterpolator(
        (np.arange(5.0), np.arange(7.0)), x)(np.array([[0.5, 2.5], [3.25, 5.75]])), PICTURE),
    "dct": (lambda jax: lambda x: jax.scipy.fft.dct(x, norm="ortho"), PICTURE),
    "idctn": (lambda jax: lambda x: jax.scipy.fft.idctn(x), PICTURE),
    "trapezoid": (lambda jax: lambda x: jax.scipy.integrate.trapezoid(x, dx=0.5), PICTURE),
    "vq": (lambda jax: lambda x: jax.scipy.cluster.vq.vq(x, x[:2] * 0.5)[1], PICTURE),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_slopes(name):
    make, given = PROGRAMS[name]

    def answers(jax):
        f, x = make(jax), jax.numpy.asarray(given)
        total = lambda x: (f(x) * jax.numpy.cos(f(x))).sum()
        return [np.asarray(v) for v in (f(x), jax.jit(f)(x), jax.grad(total)(x))]

    for ours, theirs in zip(answers(OURS), answers(THEIRS)):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)
