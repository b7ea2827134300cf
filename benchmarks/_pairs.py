"""Interleaved timing and the small tables that the programs print.

Machines are noisy, so times from different moments are not compared. Every round runs
each contender once, in alternating order, and a result is the median over the rounds of
the ratio *within* a round. The clock counts the processor time of this process, so
other processes do not affect it; nothing measured here waits.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: The seconds of each contender, one number for each round.
Times = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a table: a measured value and its upper limit."""

    name: str
    value: float
    target: float | None = None
    #: The format specification of the value.
    form: str = ".3f"

    @property
    def verdict(self) -> str:
        """Whether the target is reached, in words; empty without a target."""
        if self.target is None:
            return ""
        return "reached" if self.value <= self.target else "not reached"


def time_in_turns(
    contenders: Mapping[str, Callable[[], object]], rounds: int, *, calls: int = 1
) -> dict[str, list[float]]:
    """Return the processor seconds of one call of each contender in each round.

    :param rounds: turns of each contender, after one unmeasured turn.
    :param calls: calls in a turn, 1 by default.
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
    """Return the median over the rounds of *ours* divided by *theirs*."""
    pairs = zip(times[ours], times[theirs], strict=True)
    return statistics.median(our / their for our, their in pairs)


def print_table(title: str, results: Sequence[Result]) -> None:
    """Print *results* as a table with targets and verdicts."""
    print(f"\n{title}")
    width = max(len(result.name) for result in results)
    for result in results:
        target = "" if result.target is None else f"<= {result.target:g}"
        value = format(result.value, result.form)
        print(f"  {result.name:<{width}}  {value:>10}  {target:>9}  {result.verdict}")


def create_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the program's docstring as its help."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def read_rounds(description: str | None, default: int) -> int:
    """Return ``--rounds`` from the command line of a program without other options."""
    options = create_parser(description)
    options.add_argument("--rounds", type=int, default=default)
    return int(options.parse_args().rounds)
