"""The arguments of a CLI grid: NAME=VALUE and ``--grid``, and their combinations.

Flask side. NAME=VALUE has one literal value, as in a URL. Only in ``--grid`` do commas
separate values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import click

from ..parameters.canonical import Arguments
from ..web.figure_route import FigureRoute

#: Maximum number of combinations per figure; more are a typo.
MAX_PICTURES = 100_000

#: The values of each argument, by name.
Grid = Mapping[str, Sequence[Any]]

#: A range, which earlier versions expanded.
_RANGE = re.compile(r"-?\d+\.\.-?\d+(\.\.\d+)?")


def split_pairs(arguments: Iterable[str]) -> list[tuple[str, str]]:
    """Return the name and the text of each ``NAME=VALUE``, as in a URL.

    :raises click.UsageError: if one contains no ``=``.
    """
    pairs = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals:
            raise click.UsageError(f"{argument!r} is not of the form NAME=VALUE.")
        pairs.append((name, value))
    return pairs


def read_grid(
    route: FigureRoute, arguments: Sequence[str], options: Sequence[str]
) -> Grid:
    """Return the values of each argument in a command line; each is a list of texts.

    A repeated NAME=VALUE gives several values, or one list if the parameter is a list.

    :param arguments: texts of the form ``NAME=VALUE``.
    :param options: texts of the form ``NAME=A,B,C``.
    :raises click.UsageError: if one is malformed, or a name is in both.
    """
    lists = {p.name for p in route.parameters if p.is_repeated}
    given: dict[str, list[str]] = {}
    for name, text in split_pairs(arguments):
        given.setdefault(name, []).append(text)
    grid: dict[str, list[Any]] = {
        name: [texts] if name in lists else [[text] for text in texts]
        for name, texts in given.items()
    }
    for name, text in split_pairs(options):
        if name in given:
            raise click.UsageError(
                f"{name!r} is in NAME=VALUE and in --grid. Use only one of them."
            )
        values = text.split(",")
        if ranges := [value for value in values if _RANGE.fullmatch(value)]:
            raise click.UsageError(
                f"{ranges[0]!r} is a range, which --grid does not expand. List the "
                f"values: --grid {name}=1,2,3."
            )
        grid.setdefault(name, []).extend([value] for value in values)
    return grid


def combine(grid: Grid) -> Iterator[dict[str, Any]]:
    """Yield every combination of *grid*; the last argument varies fastest.

    :raises click.UsageError: if there are more than :data:`MAX_PICTURES`.
    """
    count = math.prod(map(len, grid.values()))
    if count > MAX_PICTURES:
        raise click.UsageError(
            f"The grid has {count:,} pictures; the limit is {MAX_PICTURES:,}."
        )
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def parse_texts(route: FigureRoute, texts: Mapping[str, Sequence[str]]) -> Arguments:
    """Return arguments from the texts of a URL.

    :raises ArgumentsError: if *route* does not accept them.
    """
    pairs = [(name, text) for name, listed in texts.items() for text in listed]
    return route.parameters.parse(pairs, route.rule_defaults)
