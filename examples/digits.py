"""Handwritten digits, three times: torch style on the tape, torch style under `jit`, jax style.

    python examples/digits.py

Each program is written once, as a function of the module it runs on: `train_torch(torch, ...)` and
`train_jax(jax, ...)`. Given `compat.torch` and `compat.jax` it runs on minigrad; where the real
frameworks are installed the very same code runs on them too, from the same seeds, and the curves
are compared step by step.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a clone runs without installing

SEED, HIDDEN, BATCH = 0, 64, 64
LEARNING_RATE, MOMENTUM = 0.05, 0.9
TOLERANCE = 1e-4  # curves that differ by less, relative to the loss at each step, coincide
WIDTH = len("jit(value_and_grad)")
SMALLEST = 1e-9  # differences below are drawn here, also 0
WANTED_ACCURACY = 0.96


# ------------------------------------------------------------------ the data


@dataclass
class Digits:
    """Images (n, 64) in [0, 1] and labels (n,), in two parts."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @classmethod
    def load(cls) -> Digits:
        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(SEED).permutation(len(labels))
        x, y = (images[order] / 16).astype(np.float32), labels[order].astype(np.int32)
        return cls(x[:1440], y[:1440], x[1440:], y[1440:])

    def batches(self, epochs: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Minibatches of one size, in an order that is the same in every run."""
        rng = np.random.default_rng(SEED)
        for _ in range(epochs):
            order = rng.permutation(len(self.y))
            for start in range(0, len(order) - BATCH + 1, BATCH):
                chosen = order[start:start + BATCH]
                yield self.x[chosen], self.y[chosen]

    def steps(self, epochs: int) -> int:
        return epochs * (len(self.y) // BATCH)


# ------------------------------------------------------------------ the same network, two styles
#
# Its activation is smooth. With a ReLU, an input within a rounding error of 0 sends the curves of
# two frameworks apart by some 1e-4: both are right, and they took different sides of the kink.


def build_torch(torch):
    """The network and its optimizer."""
    torch.manual_seed(SEED)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(64, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    return model, optimizer


def train_torch(torch, digits: Digits, run: Run, wrap: Callable = lambda step: step) -> None:
    """Torch style. `wrap` may be `torch.compile`: then forward, `backward()` and the optimizer's
    update are one program."""
    model, optimizer = build_torch(torch)

    def step(x, y):  # (batch, 64), (batch,)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    for x, y in run.watch(digits):
        run.record(step(torch.tensor(x), torch.tensor(y, dtype=torch.int64)))
    with torch.no_grad():
        run.accuracy = accuracy(model(torch.tensor(digits.x_test)).numpy(), digits)


def train_jax(jax, digits: Digits, run: Run) -> None:
    """Jax style: parameters go in and come out, and one jitted function is the whole step."""
    jnp = jax.numpy

    def layer(key, n_in, n_out):
        bound = n_in ** -0.5  # what nn.Linear draws from
        weight, bias = jax.random.split(key)
        return {"weight": jax.random.uniform(weight, (n_in, n_out), minval=-bound, maxval=bound),
                "bias": jax.random.uniform(bias, (n_out,), minval=-bound, maxval=bound)}

    def model(params, x):  # (batch, 64) -> (batch, 10)
        first, second = params
        hidden = jnp.tanh(x @ first["weight"] + first["bias"])
        return hidden @ second["weight"] + second["bias"]

    def loss_of(params, x, y):
        log_p = jax.nn.log_softmax(model(params, x))
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    @jax.jit
    def step(params, velocity, x, y):
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, grads)
        params = jax.tree.map(lambda p, v: p - LEARNING_RATE * v, params, velocity)
        return params, velocity, loss

    first, second = jax.random.split(jax.random.key(SEED))
    params = [layer(first, 64, HIDDEN), layer(second, HIDDEN, 10)]
    velocity = jax.tree.map(jnp.zeros_like, params)
    for x, y in run.watch(digits):
        params, velocity, loss = step(params, velocity, jnp.asarray(x), jnp.asarray(y))
        run.record(loss)
    run.accuracy = accuracy(model(params, jnp.asarray(digits.x_test)), digits)


def accuracy(scores, digits: Digits) -> float:
    return float(np.mean(np.asarray(scores).argmax(axis=1) == digits.y_test))


# ------------------------------------------------------------------ watching a run


class Run:
    """One training: its name and what runs it, the loss of every step, the seconds, and the
    accuracy on the test set."""

    def __init__(self, name: str, engine: str, epochs: int):
        self.name, self.engine, self.epochs = name, engine, epochs
        self.losses: list[float] = []
        self.accuracy = self.first = self.seconds = 0.0

    def watch(self, digits: Digits) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The minibatches, under a progress bar (none without a terminal) and a clock."""
        self.start = time.perf_counter()
        with tqdm(desc=self.name.rjust(WIDTH), total=digits.steps(self.epochs), leave=False,
                  disable=None, unit="step") as bar:
            for batch in digits.batches(self.epochs):
                yield batch
                bar.set_postfix(loss=f"{self.losses[-1]:.4f}", refresh=False)
                bar.update()

    def record(self, loss) -> None:
        """The loss as a number: reading it waits for the step, whoever computes it."""
        self.losses.append(float(loss))
        self.seconds = time.perf_counter() - self.start
        if len(self.losses) == 1:
            self.first = self.seconds

    def by_epoch(self, numbers) -> np.ndarray:  # (steps,) -> (epochs, steps in an epoch)
        return np.reshape(numbers, (self.epochs, -1))

    @property
    def final(self) -> float:
        """The mean loss of the last epoch."""
        return float(self.by_epoch(self.losses)[-1].mean())

    @property
    def step_seconds(self) -> float:
        """Of one step, once everything is compiled."""
        return (self.seconds - self.first) / max(1, len(self.losses) - 1)


def difference(a: Run, b: Run) -> np.ndarray:
    """Of two curves at every step, relative to the larger loss."""
    x, y = np.array(a.losses), np.array(b.losses)
    return np.abs(x - y) / np.maximum(np.abs(x), np.abs(y))


# ------------------------------------------------------------------ pictures

COLOURS = {"tape": "#4c78a8", "tape under jit": "#2f8f46", "jit(value_and_grad)": "#d9534f"}
LOOKS = {
    "tape": dict(linewidth=6, alpha=0.35, solid_capstyle="round"),
    "torch": dict(marker="o", markersize=6, markerfacecolor="none", linestyle="none", color="#222"),
    "jax": dict(marker="x", markersize=5, linestyle="none", color="#222"),
}


def plot(runs: dict[str, Run], pairs: list[tuple[str, str]], path: Path) -> None:
    """The mean loss of each epoch, and below how far the runs of each pair differ."""
    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    pyplot.rcParams.update({"axes.spines.top": False, "axes.spines.right": False,
                            "axes.edgecolor": "#888", "legend.frameon": False, "font.size": 10})
    figure, (curves, differences) = pyplot.subplots(
        2, figsize=(8, 6.4), sharex=True, height_ratios=(2, 1), layout="constrained")
    for name, run in runs.items():
        losses = run.by_epoch(run.losses).mean(axis=1)
        look = dict(color=COLOURS.get(name), linewidth=2) | LOOKS.get(name, {})
        label = name if name in COLOURS else f"real {name}"
        curves.semilogy(np.arange(1, run.epochs + 1), losses, label=label, **look)
    for a, b in pairs:
        largest = runs[a].by_epoch(difference(runs[a], runs[b])).max(axis=1)
        look = dict(LOOKS.get(a, {}), color=COLOURS[a], linestyle=":" if b in COLOURS else "-")
        exact = "" if largest.any() else ": same bits"
        differences.semilogy(np.arange(1, len(largest) + 1), np.maximum(largest, SMALLEST),
                             label=f"{a} = {b}{exact}", **look)
    differences.axhline(TOLERANCE, color="#888", linewidth=1, linestyle="--")
    differences.text(1, TOLERANCE * 1.5, f"tolerance {TOLERANCE:g}", color="#666")
    differences.set(xlabel="epoch", ylabel="largest difference", ylim=(SMALLEST / 2, 2e-3))
    curves.set_ylabel("loss (mean of each epoch)")
    curves.set_title("Handwritten digits: the same small network, three ways", loc="left", pad=12)
    curves.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    curves.grid(axis="y", color="#eee")
    curves.legend()
    figure.legend(*differences.get_legend_handles_labels(), ncols=4, fontsize="small",
                  loc="outside lower center")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def draw_tape(torch, digits: Digits, path: Path) -> None:
    """The tape of one step, just before `backward()`."""
    from minigrad.show.drawing import tape_svg

    model, _ = build_torch(torch)
    x, y = next(digits.batches(1))
    loss = torch.nn.functional.cross_entropy(model(torch.tensor(x)),
                                             torch.tensor(y, dtype=torch.int64))
    path.write_text(tape_svg(loss, dict(model.named_parameters())), encoding="utf-8")


# ------------------------------------------------------------------ the report


def print_table(runs: dict[str, Run]) -> None:
    print(f"\n{'run':{WIDTH}}  {'engine':14} {'final loss':>10} {'test accuracy':>14} "
          f"{'seconds':>8} {'first step':>11} {'other steps':>12}")
    for run in runs.values():
        print(f"{run.name:{WIDTH}}  {run.engine:14} {run.final:10.5f} {run.accuracy:14.1%} "
              f"{run.seconds:8.2f} {run.first * 1e3:8.1f} ms {run.step_seconds * 1e3:9.3f} ms")


def check(runs: dict[str, Run], pairs: list[tuple[str, str]], wanted: float) -> bool:
    """Print what is claimed about the runs; is all of it true?"""
    print()
    good = True
    for a, b in pairs:
        largest = difference(runs[a], runs[b]).max()
        good &= bool(largest < TOLERANCE)
        verdict = "curves coincide" if largest < TOLERANCE else "CURVES DIFFER"
        shown = f"{largest:.1e}" if largest else "0"
        print(f"{a} = {b}: {verdict} (max relative difference {shown})")
    lowest = min(run.accuracy for run in runs.values())
    verdict = "above" if lowest > wanted else "NOT above"
    print(f"test accuracy of every run is {verdict} {wanted:.0%} (lowest {lowest:.1%})")
    return good and lowest > wanted


def installed(name: str) -> bool:
    found = importlib.util.find_spec(name) is not None
    if not found:
        print(f"{name} is not installed: nothing to compare with it")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--accuracy", type=float, default=WANTED_ACCURACY,
                        help="what the runs must exceed on the test set")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    options = parser.parse_args()
    digits = Digits.load()

    import compat.jax
    import compat.torch

    runs: dict[str, Run] = {}

    def train(name: str, program: Callable, module, *wrap) -> None:
        ours = module.__name__.startswith("compat.")
        engine = "minigrad" if ours else f"{name} {module.__version__.partition('+')[0]}"
        runs[name] = Run(name, engine, options.epochs)
        program(module, digits, runs[name], *wrap)

    train("tape", train_torch, compat.torch)
    train("tape under jit", train_torch, compat.torch, compat.torch.compile)
    train("jit(value_and_grad)", train_jax, compat.jax)
    pairs = [("tape under jit", "tape")]
    if installed("torch"):
        import torch

        torch.set_num_threads(1)  # matrices this small do not pay for handing work over
        train("torch", train_torch, torch)
        pairs += [("tape", "torch"), ("tape under jit", "torch")]
    if installed("jax"):
        import jax

        train("jax", train_jax, jax)
        pairs += [("jit(value_and_grad)", "jax")]

    print_table(runs)
    good = check(runs, pairs, options.accuracy)
    options.out.mkdir(parents=True, exist_ok=True)
    plot(runs, pairs, options.out / "digits.png")
    draw_tape(compat.torch, digits, options.out / "digits-tape.svg")
    print(f"\nloss curves: {options.out / 'digits.png'}\n"
          f"tape of one step: {options.out / 'digits-tape.svg'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
