"""Interleaved timing, and the small tables that the programs print.

Machines are noisy, so no time is compared with one from another moment: every
round runs each contender once, in alternating order, and a result is the median
over the rounds of the ratio *within* a round. The clock counts the processor
time of this process, as nothing measured here waits: what other processes take
in the meantime does not count.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: Seconds that each contender took, one number for each round.
Times = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a table: a measured value and the most it may be."""

    name: str
    value: float
    target: float | None = None
    #: How the value is written.
    form: str = ".3f"

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "reached" if self.value <= self.target else "not reached"


def interleaved(
    contenders: Mapping[str, Callable[[], object]], rounds: int, *, calls: int = 1
) -> dict[str, list[float]]:
    """Time *contenders* in turns; processor seconds for one call in each round.

    :param rounds: how often each takes its turn, after one turn unmeasured.
    :param calls: calls in a turn.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        gc.collect()
        for name in list(contenders)[:: 1 if number % 2 else -1]:
            call = contenders[name]
            started = time.process_time()
            for _ in range(calls):
                call()
            if number:
                times[name].append((time.process_time() - started) / calls)
    return times


def median_ratio(times: Times, ours: str, theirs: str) -> float:
    """Median over the rounds of *ours* divided by *theirs*."""
    pairs = zip(times[ours], times[theirs], strict=True)
    return statistics.median(our / their for our, their in pairs)


def show(title: str, results: Sequence[Result]) -> None:
    """Print *results* as a table with targets and verdicts."""
    print(f"\n{title}")
    width = max(len(result.name) for result in results)
    for result in results:
        target = "" if result.target is None else f"<= {result.target:g}"
        value = format(result.value, result.form)
        print(f"  {result.name:<{width}}  {value:>10}  {target:>9}  {result.verdict}")


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that shows the program's docstring as its help."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def rounds_from_command_line(description: str | None, default: int) -> int:
    """The ``--rounds`` of a program that has no other option."""
    options = parser(description)
    options.add_argument("--rounds", type=int, default=default)
    return int(options.parse_args().rounds)
