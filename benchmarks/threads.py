"""The correctness of pictures rendered by eight threads at once.

The figure functions use the parts of Matplotlib that are not thread-safe: mathtext, log
axes, contour labels, ``tight_layout()``, ``rc_context``. Every picture is compared byte
for byte with the same picture rendered alone. Targets: no error, no mismatch, no
changed rcParams.

    python -m benchmarks.threads [--count 2000] [--rounds 1]
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks._pairs import Result, create_parser, print_table
from flask_mplstream import render

THREADS = 8
FORMATS = ("png", "jpg", "svg")
SEEDS = 8

Job = tuple[Callable[[int], Figure], int, str]


def formulas(seed: int) -> Figure:
    """Plot a line on log axes with mathtext."""
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    ax.loglog(np.geomspace(1, 10 ** (seed + 1), 40))
    ax.set_title(rf"$\sum_{{i=0}}^{{{seed}}} \frac{{x_i^2}}{{\sqrt{{\alpha}}}}$")
    ax.set_xlabel(r"$\log_{10}\,\omega$")
    figure.tight_layout()
    return figure


def contours(seed: int) -> Figure:
    """Draw labeled contour lines."""
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    x, y = np.meshgrid(np.linspace(-2, 2, 30), np.linspace(-2, 2, 30))
    lines = ax.contour(np.exp(-(x**2) - y**2) * (seed + 1))
    ax.clabel(lines, fontsize=7)
    return figure


def styled(seed: int) -> Figure:
    """Plot a line inside ``rc_context``."""
    options: dict[Any, Any] = {
        "lines.linewidth": seed + 1,
        "font.size": 6 + seed,
        "axes.grid": True,
    }
    with mpl.rc_context(options):
        figure = Figure(figsize=(3, 2))
        ax = figure.subplots()
        ax.semilogy(np.random.default_rng(seed).random(30), label=rf"$\beta_{seed}$")
        ax.legend()
        figure.tight_layout()
        return figure


def draw(job: Job) -> bytes:
    """Render the picture of one job."""
    function, seed, format = job
    return render(lambda: function(seed), format).body


def run(count: int) -> tuple[Counter[str], list[str]]:
    """Render *count* pictures; return the counted faults and the changed rcParams."""
    jobs = [
        (function, seed, format)
        for seed in range(SEEDS)
        for function in (formulas, contours, styled)
        for format in FORMATS
    ]
    alone = {job: draw(job) for job in jobs}
    before: dict[Any, Any] = dict(mpl.rcParams)
    wrong: Counter[str] = Counter()

    def check(number: int) -> None:
        job = jobs[number % len(jobs)]
        try:
            right = draw(job) == alone[job]
        except Exception as error:
            wrong[f"error: {type(error).__name__}: {error}"[:120]] += 1
        else:
            wrong["mismatch"] += not right

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(check, range(count)))
    after: dict[Any, Any] = dict(mpl.rcParams)
    return wrong, [name for name in before if before[name] != after[name]]


def main() -> None:
    """Run and print."""
    options = create_parser(__doc__)
    options.add_argument("--count", type=int, default=2000, help="pictures in a round")
    options.add_argument("--rounds", type=int, default=1)
    chosen = options.parse_args()
    for _ in range(chosen.rounds):
        started = time.perf_counter()
        wrong, changed = run(chosen.count)
        mismatches = wrong.pop("mismatch", 0)
        for message, number in wrong.most_common():
            print(f"{number} x {message}")
        for name in changed:
            print(f"rcParams[{name!r}] has changed")
        print_table(
            f"{chosen.count:,} pictures from {THREADS} threads in "
            f"{time.perf_counter() - started:.0f} s",
            [
                Result("errors", wrong.total(), 0, "d"),
                Result("mismatches", mismatches, 0, "d"),
                Result("changed rcParams", len(changed), 0, "d"),
            ],
        )


if __name__ == "__main__":
    main()
