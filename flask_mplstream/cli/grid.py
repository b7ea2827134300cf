"""The arguments of NAME=VALUE and ``--grid``, and every combination of them.

Flask side. NAME=VALUE has one literal value, as in a URL. Only in ``--grid`` do commas
separate values and two dots span integers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import click

from ..parameters.function_signature import Arguments
from ..web.figure_route import FigureRoute
from .click_options import pair_of, pairs_of

#: Maximum number of values in a span and of combinations per figure; more are a typo.
MAX_PICTURES = 100_000

#: The values of each argument, by name.
Axes = Mapping[str, Sequence[Any]]

_SPAN = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})(?:\.\.(\d{1,18}))?")


def axes_of(route: FigureRoute, arguments: Sequence[str], grid: Sequence[str]) -> Axes:
    """Return the values of each argument in a command line; each is a list of texts.

    A repeated NAME=VALUE gives several values, or one list if the parameter is a list.

    :raises click.UsageError: if one is malformed, or is in NAME=VALUE and in a grid.
    """
    lists = {p.name for p in route.parameters if p.is_repeated}
    given: dict[str, list[str]] = {}
    for name, text in pairs_of(arguments):
        given.setdefault(name, []).append(text)
    axes: dict[str, list[Any]] = {
        name: [texts] if name in lists else [[text] for text in texts]
        for name, texts in given.items()
    }
    for option in grid:
        name, text = pair_of(option)
        if name in given:
            raise click.UsageError(
                f"{name} is given as NAME=VALUE and in --grid. Say all in one of them."
            )
        axes.setdefault(name, []).extend([[value] for value in spread(text)])
    return axes


def spread(text: str) -> list[str]:
    """Return the values of a ``--grid``: ``1,2``, ``0..9`` or ``0..90..10``.

    :raises click.UsageError: if a span is empty, has a step of 0 or is too long.
    """
    values: list[str] = []
    for part in text.split(","):
        span = _SPAN.fullmatch(part)
        values += map(str, _integers(part, *span.groups())) if span else [part]
    return values


def _integers(shown: str, first: str, last: str, step: str | None) -> range:
    if not int(step or 1):
        raise click.UsageError(f"{shown} has a step of 0.")
    integers = range(int(first), int(last) + 1, int(step or 1))
    if not integers:
        raise click.UsageError(f"{shown} is empty: it counts up, from low to high.")
    if len(integers) > MAX_PICTURES:
        raise click.UsageError(f"{shown} are {len(integers):,} values: too many.")
    return integers


def points(axes: Axes) -> Iterator[dict[str, Any]]:
    """Yield every combination of *axes*; the last one varies fastest.

    :raises click.UsageError: if there are more than :data:`MAX_PICTURES`.
    """
    count = math.prod(map(len, axes.values()))
    if count > MAX_PICTURES:
        raise click.UsageError(
            f"That are {count:,} pictures. One command makes {MAX_PICTURES:,} at most."
        )
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def from_texts(route: FigureRoute, point: Mapping[str, Sequence[str]]) -> Arguments:
    """Return arguments from the texts of a URL.

    :raises ArgumentsError: if *route* does not accept them.
    """
    pairs = [(name, text) for name, texts in point.items() for text in texts]
    return route.parameters.parse(pairs, route.rule_defaults)


def from_values(route: FigureRoute, point: Mapping[str, Any]) -> Arguments:
    """Return arguments from typed values; a single value may replace a list of one.

    :raises ArgumentsError: if *route* does not accept them.
    """
    lists = {p.name for p in route.parameters if p.is_repeated}
    return route.bind(
        {
            name: [value] if name in lists and not _is_list(value) else value
            for name, value in point.items()
        }
    )


def _is_list(value: object) -> bool:
    return value is None or isinstance(value, list)
