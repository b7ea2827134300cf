"""A picture that a command is to make, and how it comes by it.

Flask side, without a request: ``inject`` may want one.
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
    #: Whether it is left out if its size is more than the route allows, as it is by
    #: ``figure()``: nobody named that size.
    is_usual: bool = False

    @classmethod
    def named(
        cls, endpoint: str, arguments: Iterable[str], options: Mapping[str, Any]
    ) -> Job:
        """The picture that a command line names.

        :param arguments: texts of the form ``NAME=VALUE``.
        :param options: as for :func:`~flask_mplstream.web.figure_view.named_variant`.
        :raises MplStreamError: where there is no such picture.
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
        """The picture as a request gets it, but never one that is too old.

        A page may be sent an older picture while it is rendered again, or where that
        fails; who renders ahead wants to know.
        """
        wanted, _ = self.route.wanted(self.picture)
        # With a max_age of 0, nothing but a stale one can be rendered ahead.
        if wanted.lifetime.max_age_s:
            wanted = wanted.without_stale()
        wanted = replace(wanted, is_failure=lambda _: False)
        pictures = self.route.pictures()
        return pictures.get(wanted, pictures.find(wanted))


def check_inject(route: FigureRoute) -> None:
    """Refuse a figure whose ``inject`` does not work here.

    :raises click.ClickException: with what it says.
    """
    try:
        route.injected()
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise click.ClickException(
            f"inject=… of {route.endpoint} wants a request, and here is none: "
            f"{type(error).__name__}: {reason}"
        ) from error
