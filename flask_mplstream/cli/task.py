"""A picture for a command to make.

Flask side, without a request, which a route's ``inject`` may require.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import click

from ..cache.lookup import Served
from ..web.app_state import current_state
from ..web.figure_route import FigureRoute, Picture
from ..web.figure_view import named_variant
from .click_options import pairs_of


@dataclass(frozen=True, slots=True)
class Job:
    """A picture of a figure route."""

    route: FigureRoute
    picture: Picture
    #: Whether it is left out, as by ``figure()``, if it is larger than the route
    #: allows: its scale is a default, not the user's choice.
    is_usual: bool = False

    @classmethod
    def named(
        cls, endpoint: str, arguments: Iterable[str], options: Mapping[str, Any]
    ) -> Job:
        """Return the picture of a command line.

        :param arguments: texts of the form ``NAME=VALUE``.
        :param options: as for :func:`~flask_mplstream.web.figure_view.named_variant`.
        :raises MplStreamError: if there is no such picture.
        """
        route = current_state().route(endpoint)
        pairs = pairs_of(arguments)
        values = route.parameters.parse(pairs, route.rule_defaults)
        return cls(route, route.picture(values, named_variant(route, options)))

    @property
    def figure(self) -> str:
        """The figure with its arguments: ``plots.walk n=500``."""
        given = [self.route.endpoint]
        for name, texts in self.picture.arguments.query.items():
            given += [
                f"{name}={t}" for t in ([texts] if isinstance(texts, str) else texts)
            ]
        return " ".join(given)

    def __str__(self) -> str:
        return f"{self.figure} {self.picture.variant}"

    def fetch(self) -> Served:
        """Return the picture as for a request, but not stale unless ``max_age`` is 0.

        A request may get a stale picture during a renewal or after an error; here the
        caller waits for the renewal and gets the error.
        """
        wanted, _ = self.route.wanted(self.picture)
        # With a max_age of 0, every picture that was rendered ahead is stale.
        if wanted.lifetime.max_age_s:
            wanted = wanted.without_stale()
        wanted = replace(wanted, is_failure=lambda _: False)
        pictures = self.route.pictures()
        return pictures.get(wanted, pictures.find(wanted))


def check_inject(route: FigureRoute) -> None:
    """Reject a figure if its ``inject`` fails without a request.

    :raises click.ClickException: with the error's first line.
    """
    try:
        route.injected()
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise click.ClickException(
            f"inject=… of {route.endpoint} wants a request, and here is none: "
            f"{type(error).__name__}: {reason}"
        ) from error
