"""The cost of a render against the article's code, with equal pixels.

Each figure of benchmarks/_figures.py is built and turned into a PNG by
``figure.savefig(BytesIO(), format="png", **options)`` and by
``flask_mplstream.render(build, "png", savefig=options)``, in turns. The decoded pixels
are compared first; a difference ends the program with exit code 1.

Targets: geometric mean of the time ratios <= 0.9, none above 1.05; geometric mean of
the size ratios of opaque figures <= 0.94.

    python -m benchmarks.miss [--rounds 15]
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from statistics import geometric_mean, median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._figures import SAMPLES, Sample
from benchmarks._pairs import (
    Result,
    median_ratio,
    print_table,
    read_rounds,
    time_in_turns,
)
from flask_mplstream import render


def render_theirs(sample: Sample) -> bytes:
    """Render with the article's code."""
    buffer = BytesIO()
    sample.build().savefig(buffer, format="png", **sample.savefig)
    return buffer.getvalue()


def render_ours(sample: Sample) -> bytes:
    """Render with the package."""
    return render(sample.build, "png", savefig=sample.savefig).body


def read_pixels(body: bytes) -> np.ndarray[Any, Any]:
    """Return the picture as RGBA, shape ``(height, width, 4)``."""
    with Image.open(BytesIO(body)) as image:
        return np.array(image.convert("RGBA"))


def compare(sample: Sample) -> tuple[float, bool]:
    """Return the size ratio and whether the picture is opaque.

    :raises SystemExit: the pixels differ.
    """
    our_body, their_body = render_ours(sample), render_theirs(sample)
    drawn, right = read_pixels(our_body), read_pixels(their_body)
    if not np.array_equal(drawn, right):
        raise SystemExit(
            f"{sample.name}: PIXELS DIFFER, {drawn.shape} ours, {right.shape} savefig's"
        )
    return len(our_body) / len(their_body), bool((drawn[..., 3] == 255).all())


def main() -> None:
    """Measure and print."""
    rounds = read_rounds(__doc__, 15)
    time_ratios: list[float] = []
    opaque_ratios: list[float] = []
    print(f"{'figure':<20}{'savefig ms':>11}{'ours ms':>9}{'time':>8}{'size':>8}")
    for sample in SAMPLES:
        size_ratio, is_opaque = compare(sample)
        times = time_in_turns(
            {
                "ours": partial(render_ours, sample),
                "theirs": partial(render_theirs, sample),
            },
            rounds,
        )
        ratio = median_ratio(times, "ours", "theirs")
        time_ratios.append(ratio)
        opaque_ratios += [size_ratio] if is_opaque else []
        their_ms, our_ms = (median(times[n]) * 1e3 for n in ("theirs", "ours"))
        note = "" if is_opaque else "  not opaque"
        print(
            f"{sample.name:<20}{their_ms:>11.1f}{our_ms:>9.1f}{ratio:>8.3f}"
            f"{size_ratio:>8.3f}{note}"
        )
    print_table(
        f"All {len(SAMPLES)} figures, pixels equal, {rounds} rounds",
        [
            Result("time, geometric mean", geometric_mean(time_ratios), 0.9),
            Result("time, largest", max(time_ratios), 1.05),
            Result(
                "size of opaque, geometric mean", geometric_mean(opaque_ratios), 0.94
            ),
            Result("size of opaque, largest", max(opaque_ratios)),
        ],
    )


if __name__ == "__main__":
    main()
