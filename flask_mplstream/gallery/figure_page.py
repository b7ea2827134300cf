"""The page of one figure: its form, its picture, and all that is told beside them.

Flask side, as it makes URLs. It reads nothing of the request.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup
from werkzeug.routing import BuildError

from ..html.parameter_form import Form
from ..http.headers import STEPS
from ..web.figure_route import FigureRoute, summary_of
from .share_links import Links, links_of, without_fixed
from .thumbnails import alt_of, picture_of, title_of


@dataclass(frozen=True, slots=True)
class FigurePage:
    """The page of one figure."""

    route: FigureRoute
    #: Its URL without a query.
    url: str
    form: Form
    #: ``None`` where the arguments are not complete or not accepted.
    links: Links | None
    picture: Markup | None
    #: What is wrong with no field in particular.
    problems: Sequence[str] = ()

    @classmethod
    def of(cls, route: FigureRoute, url: str, form: Form) -> FigurePage:
        """The page of *route* at *url*, as *form* was filled in."""
        if form.arguments is None:
            problems = [str(fault) for fault in form.faults]
            return cls(route, url, form, None, None, problems)
        try:
            links = links_of(route, url, form.arguments)
            shown = without_fixed(route, form.arguments.values)
            return cls(route, url, form, links, picture_of(route, shown))
        except (BuildError, ValueError) as error:
            # A converter of the rule takes less than the annotation.
            problem = f"There is no URL for it: {error}"
            return cls(route, url, form, None, None, [problem])

    @property
    def is_faulty(self) -> bool:
        """Whether something is wrong, and not just missing yet."""
        return bool(self.problems) or self.form.is_faulty

    @property
    def title(self) -> str:
        """Its heading."""
        return title_of(self.route)

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return summary_of(self.route.function)

    @property
    def alt(self) -> str:
        """What the picture shows."""
        return alt_of(self.route)

    @property
    def steps(self) -> list[str]:
        """What is timed, in order."""
        return list(STEPS)

    @property
    def injected(self) -> list[str]:
        """The parameters that the app fills in."""
        return list(self.route.options.inject)

    @property
    def doc(self) -> str:
        """The docstring."""
        return inspect.cleandoc(self.route.function.__doc__ or "")

    @property
    def missing(self) -> list[str]:
        """The parameters that must be given and are not."""
        return [f.control.name for f in self.form.fields if f.control.is_required]

    def state(self) -> dict[str, Any]:
        """What the page's script is told of it."""
        errors = {f.control.name: f.error for f in self.form.fields if f.error}
        links = {} if self.links is None else asdict(self.links)
        return {"errors": errors, "problems": list(self.problems), **links}
