"""Molecular dynamics: forces as gradients, velocity Verlet under scan, in float64."""

import jax
import jax.numpy as jnp
from jax import lax, random


def displacement(a, b, box):
    d = a - b
    return d - box * jnp.round(d / box)


def pair_energy(r2, epsilon=1.0, sigma=1.0):
    s6 = (sigma ** 2 / r2) ** 3
    return 4 * epsilon * (s6 ** 2 - s6)


def total_energy(positions, box):
    d = displacement(positions[:, None], positions[None], box)
    r2 = jnp.sum(d ** 2, axis=-1)
    n = positions.shape[0]
    mask = ~jnp.eye(n, dtype=bool)
    safe = jnp.where(mask & (r2 < 6.25), r2, 1.0)
    return 0.5 * jnp.sum(jnp.where(mask & (r2 < 6.25), pair_energy(safe), 0.0))


def simulate(positions, velocities, box, dt, steps):
    force = lambda r: -jax.grad(total_energy)(r, box)

    def verlet(state, _):
        r, v, f = state
        r = r + v * dt + 0.5 * f * dt ** 2
        new = force(r)
        v = v + 0.5 * (f + new) * dt
        kinetic = 0.5 * jnp.sum(v ** 2)
        return (r, v, new), (total_energy(r, box), kinetic)

    state = positions, velocities, force(positions)
    return lax.scan(verlet, state, None, length=steps)


def main(steps=20):
    with jax.enable_x64(True):
        grid = jnp.stack(jnp.meshgrid(*[jnp.arange(3.0)] * 2), -1).reshape(-1, 2) * 1.3
        velocities = 0.3 * random.normal(random.PRNGKey(0), grid.shape, jnp.float64)
        velocities = velocities - velocities.mean(0)
        run = jax.jit(simulate, static_argnums=4)
        (r, v, _), (potential, kinetic) = run(grid, velocities, 3.9, 0.005, steps)
        assert r.dtype == jnp.float64 and potential.shape == (steps,)
        modes = jnp.linalg.eigvalsh(jax.hessian(lambda x: total_energy(
            x.reshape(-1, 2), 3.9))(grid.ravel()))
        return [*map(float, potential), *map(float, kinetic), *map(float, modes[-3:]),
                float(jnp.abs(v).sum())]
