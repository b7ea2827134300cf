"""A picture for a command to render.

Flask side, without a request, which a route's ``inject`` may require.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import click
from werkzeug.datastructures import MultiDict

from ..web.app_state import current_state
from ..web.figure_route import FigureRoute, Picture
from ..web.request_reading import choose_variant
from .grid import split_pairs


@dataclass(frozen=True, slots=True)
class Task:
    """A picture of a figure route."""

    route: FigureRoute
    picture: Picture
    #: Whether it is left out, as by ``figure()``, if it is larger than the route
    #: allows: its scale is a default, not the user's choice.
    is_optional: bool = False

    @classmethod
    def parse(
        cls, endpoint: str, arguments: Iterable[str], options: Mapping[str, Any]
    ) -> Task:
        """Return the picture of a command line.

        :param arguments: texts of the form ``NAME=VALUE``.
        :param options: as for :func:`.choose_variant`.
        :raises MplStreamError: if there is no such picture.
        """
        route = current_state().route(endpoint)
        values = route.parameters.parse(split_pairs(arguments), route.rule_defaults)
        return cls(route, route.picture(values, choose_variant(route, options)))

    def with_words(self) -> Self:
        """Return the task whose render also reads the alternative text."""
        given = self.picture
        variant = given.variant.with_words()
        picture = self.route.picture(given.arguments, variant, given.inject)
        return replace(self, picture=picture)

    @property
    def figure(self) -> str:
        """The figure with its arguments: ``plots.walk n=500``."""
        query = MultiDict(self.picture.arguments.query)
        words = (f"{name}={text}" for name, text in query.items(multi=True))
        return " ".join([self.route.endpoint, *words])

    def __str__(self) -> str:
        return f"{self.figure} {self.picture.variant}"


def check_inject(route: FigureRoute) -> None:
    """Reject a figure if its ``inject`` fails without a request.

    :raises click.ClickException: with the error's first line.
    """
    try:
        route.injected()
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise click.ClickException(
            f"inject of {route.endpoint} failed without a request: "
            f"{type(error).__name__}: {reason}"
        ) from error
