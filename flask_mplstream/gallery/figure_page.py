"""The page of one figure: form, picture, links and problems.

Flask side: it builds URLs, but does not read the request.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup
from werkzeug.routing import BuildError

from ..html.alt_choice import choose_alt
from ..html.parameter_form import Form
from ..http.headers import STEPS
from ..parameters.callables import summarize
from ..web.figure_route import FigureRoute
from .share_links import Links, links_of, without_fixed
from .thumbnails import picture_of, title_of


@dataclass(frozen=True, slots=True)
class FigurePage:
    """The content of a figure's page."""

    route: FigureRoute
    #: URL of the page without a query.
    url: str
    form: Form
    #: ``None`` if arguments are missing or invalid.
    links: Links | None
    picture: Markup | None
    #: Problems that concern no single field.
    problems: Sequence[str] = ()

    @classmethod
    def of(cls, route: FigureRoute, url: str, form: Form) -> FigurePage:
        """Build the page of *route* at *url* for the filled-in *form*."""
        if form.arguments is None:
            problems = [str(fault) for fault in form.faults]
            return cls(route, url, form, None, None, problems)
        try:
            links = links_of(route, url, form.arguments)
            shown = without_fixed(route, form.arguments.values)
            return cls(route, url, form, links, picture_of(route, shown))
        except (BuildError, ValueError) as error:
            # A converter of the rule accepts fewer values than the annotation.
            problem = f"There is no URL for it: {error}"
            return cls(route, url, form, None, None, [problem])

    @property
    def is_faulty(self) -> bool:
        """Whether there is an error; an empty query is not one."""
        return bool(self.problems) or self.form.is_faulty

    @property
    def title(self) -> str:
        """The heading."""
        return title_of(self.route)

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return summarize(self.route.function)

    @property
    def alt(self) -> str:
        """The alternative text."""
        return choose_alt(self.route)

    @property
    def steps(self) -> list[str]:
        """The timed steps of a render, in order."""
        return list(STEPS)

    @property
    def injected(self) -> list[str]:
        """The names of injected parameters."""
        return list(self.route.options.inject)

    @property
    def doc(self) -> str:
        """The docstring."""
        return inspect.cleandoc(self.route.function.__doc__ or "")

    @property
    def missing(self) -> list[str]:
        """The names of required parameters."""
        return [f.control.name for f in self.form.fields if f.control.is_required]

    def state(self) -> dict[str, Any]:
        """Return the state of the page as JSON data for its script."""
        errors = {f.control.name: f.error for f in self.form.fields if f.error}
        links = {} if self.links is None else asdict(self.links)
        return {"errors": errors, "problems": list(self.problems), **links}
