"""The cost of a figure's words and data.

Each figure is drawn once before, as in the app. The best of several rounds counts, in
processor time, as other programs only make it slower.

* ordinary figures: at most 3 ms
* 100,000 points, with their exact extremes: at most 20 ms

    python -m benchmarks.words [--rounds 20]
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks._pairs import Result, print_table, read_rounds
from flask_mplstream.description.data_export import write_csv
from flask_mplstream.description.generated_alt import describe
from flask_mplstream.rendering.figure_lock import gate

ORDINARY_MS, LARGE_MS = 3.0, 20.0
MANY = 100_000
RANDOM = np.random.default_rng(0)
WALK = RANDOM.normal(size=MANY).cumsum()


def lines(axes: Any) -> None:
    """Plot three walks with a legend."""
    for name in ("a", "b", "c"):
        axes.plot(RANDOM.normal(size=400).cumsum(), label=name)
    axes.legend()
    axes.set(title="Walks", xlabel="Step", ylabel="Place")


def zoomed(axes: Any) -> None:
    """Plot the long walk with limits inside the data."""
    axes.plot(WALK)
    axes.set(xlim=(10.5, 50_000), ylim=(-10, 10))


ORDINARY: dict[str, Callable[[Any], object]] = {
    "three lines of 400 points": lines,
    "100 bars": lambda axes: axes.bar(range(100), range(1, 101)),
    "histogram, 30 bins": lambda axes: axes.hist(RANDOM.normal(size=1000), bins=30),
    "5 boxes": lambda axes: axes.boxplot(RANDOM.normal(size=(50, 5))),
    "pie": lambda axes: axes.pie([3, 2, 1], labels=["a", "b", "c"]),
    "heat map, 100 x 100": lambda axes: axes.imshow(RANDOM.normal(size=(100, 100))),
}
LARGE: dict[str, Callable[[Any], object]] = {
    "line": lambda axes: axes.plot(WALK),
    "line over dates": lambda axes: axes.plot(
        np.datetime64("2024-01-01") + np.arange(MANY).astype("m8[m]"), WALK
    ),
    "line beyond its limits": zoomed,
    "scatter": lambda axes: axes.scatter(*RANDOM.normal(size=(2, MANY))),
    "area": lambda axes: axes.fill_between(np.arange(MANY), WALK),
}


def measure_best_ms(draw: Callable[[Any], object], write: Any, rounds: int) -> float:
    """Return the milliseconds of the fastest of several rounds."""
    figure = Figure()
    with gate():
        draw(figure.subplots())
        figure.draw_without_rendering()
        times = []
        for _ in range(rounds):
            began = process_time()
            write(figure)
            times.append(process_time() - began)
    return 1000 * min(times)


def main() -> None:
    """Measure and print."""
    rounds = read_rounds(__doc__, 20)
    results = []
    for figures, most in ((ORDINARY, ORDINARY_MS), (LARGE, LARGE_MS)):
        for name, draw in figures.items():
            spent = measure_best_ms(draw, describe, rounds)
            label = name if figures is ORDINARY else f"{name}, {MANY:,} points"
            results.append(Result(f"words: {label}", spent, most))
    csv = measure_best_ms(LARGE["line"], lambda figure: write_csv(figure, 10**8), 3)
    results.append(Result(f"CSV: line, {MANY:,} points", csv))
    print_table("Milliseconds", results)


if __name__ == "__main__":
    main()
