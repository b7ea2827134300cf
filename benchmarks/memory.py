"""Memory during 5,000 renders by Figure and by pyplot functions.

The program compares resident memory after the first 500 renders with that at the end,
and counts open pyplot figures and file descriptors. It reads /proc, so it requires
Linux. Target: less than 16 MB more, nothing left open.

    python -m benchmarks.memory [--count 5000] [--rounds 1]
"""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks._pairs import Result, create_parser, print_table
from flask_mplstream import render

WARM = 500
MB = 2**20


def plot_with_figure(seed: int) -> Figure:
    """Plot 200 points on a new ``Figure``."""
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    ax.plot(np.random.default_rng(seed).random(200))
    ax.set_title(f"${seed}^2$")
    return figure


def plot_with_pyplot(seed: int) -> object:
    """Draw a histogram with pyplot, and leave another figure open."""
    import matplotlib.pyplot as plt

    plt.figure(figsize=(2, 2))  # never closed, as in many scripts
    figure, ax = plt.subplots(figsize=(3, 2))
    ax.hist(np.random.default_rng(seed).random(200))
    return figure


def read_resident_bytes() -> int:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def count_open_files() -> int:
    """Return the number of file descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


def run(count: int) -> list[Result]:
    """Render *count* pictures; return the growth after the first 500."""
    import matplotlib.pyplot as plt

    warm = min(WARM, count // 2)
    for number in range(count):
        if number == warm:
            memory, files = read_resident_bytes(), count_open_files()
            print(f"after {number:,}: {memory / MB:.1f} MB")
        function = plot_with_pyplot if number % 2 else plot_with_figure
        render(partial(function, number), ("png", "svg", "jpg", "png")[number % 4])
    end = read_resident_bytes()
    print(f"after {count:,}: {end / MB:.1f} MB")
    return [
        Result("MB more", (end - memory) / MB, 16, ".1f"),
        Result("open pyplot figures", len(plt.get_fignums()), 0, "d"),
        Result("more file descriptors", count_open_files() - files, 0, "d"),
    ]


def main() -> None:
    """Run and print."""
    options = create_parser(__doc__)
    options.add_argument("--count", type=int, default=5000, help="renders in a round")
    options.add_argument("--rounds", type=int, default=1)
    chosen = options.parse_args()
    mpl.use("agg")
    for _ in range(chosen.rounds):
        started = time.perf_counter()
        results = run(chosen.count)
        seconds = time.perf_counter() - started
        print_table(f"{chosen.count:,} renders in {seconds:.0f} s", results)


if __name__ == "__main__":
    main()
