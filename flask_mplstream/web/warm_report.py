"""Render pictures before they are requested.

Flask side. See :mod:`flask_mplstream.cli.warm` for the shell command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..cache.lookup import Served
from ..errors import ArgumentFault, ArgumentsError, cut
from .figure_route import FigureRoute, Picture
from .urls import read_picture


class WarmReport(NamedTuple):
    """The result of :meth:`.FigureBlueprint.warm`: the given arguments, in order."""

    #: Arguments of the pictures that were rendered.
    rendered: list[Mapping[str, Any]]
    #: Arguments of the pictures that were in the cache.
    hits: list[Mapping[str, Any]]


def warm(
    routes: Sequence[FigureRoute], pictures: Iterable[Mapping[str, Any]]
) -> WarmReport:
    """Render and store *pictures* of each route, unless they are in the cache.

    All arguments are checked before the first render.

    :param pictures: arguments and options, as for :func:`.figure_url`.
    :raises ArgumentsError: with a fault for each invalid argument.
    """
    planned = [
        (given, [(route, read_picture(route, _check_given(given))) for route in routes])
        for given in pictures
    ]
    report = WarmReport([], [])
    for given, named in planned:
        served = [fetch_ahead(route, picture) for route, picture in named]
        is_hit = all(one.status.fwd is None for one in served)
        (report.hits if is_hit else report.rendered).append(given)
    return report


def fetch_ahead(route: FigureRoute, picture: Picture) -> Served:
    """Return *picture* from the cache if it is fresh, or else render it.

    :raises Exception: if the render fails, even if there is a stale picture.
    """
    # With a max_age of 0, a picture that was rendered ahead is stale.
    return route.fetch(picture, strict=route.options.max_age > 0)


def _check_given(given: object) -> Mapping[str, Any]:
    """Return *given* if it is a mapping.

    :raises ArgumentsError: if it is not.
    """
    if isinstance(given, Mapping):
        return given
    reason = "It is not a dict of arguments."
    accepted = "a list of dicts, such as [{'n': 100}, {'n': 500}]"
    raise ArgumentsError([ArgumentFault("pictures", cut(str(given)), reason, accepted)])
