"""The page of one figure: form, picture, links and problems.

Flask side: it builds URLs, but does not read the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup
from werkzeug.routing import BuildError

from ..html.alt_choice import choose_alt
from ..html.parameter_form import Form
from ..parameters.callables import read_documentation, summarize
from ..web.figure_route import FigureRoute
from .share_links import Links, build_links, drop_fixed
from .thumbnails import list_needed, write_page_picture, write_title


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
            links = build_links(route, url, form.arguments)
            shown = drop_fixed(route, form.arguments.values)
            return cls(route, url, form, links, write_page_picture(route, shown))
        except (BuildError, ValueError) as error:
            # A converter of the rule accepts fewer values than the annotation.
            problem = f"No URL of the figure can have these arguments: {error}"
            return cls(route, url, form, None, None, [problem])

    @property
    def is_faulty(self) -> bool:
        """Whether there is an error; an empty query is not one."""
        return bool(self.problems) or self.form.is_faulty

    @property
    def title(self) -> str:
        """The heading."""
        return write_title(self.route)

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return summarize(self.route.function)

    @property
    def alt(self) -> str:
        """The alternative text."""
        return choose_alt(self.route)

    @property
    def doc(self) -> str:
        """The docstring."""
        return read_documentation(self.route.function)

    @property
    def needed(self) -> list[str]:
        """The parameters that a URL must contain."""
        return list_needed(self.route)

    def state(self) -> dict[str, Any]:
        """Return the state of the page as JSON data for its script."""
        errors = {f.control.name: f.error for f in self.form.fields if f.error}
        links = {} if self.links is None else asdict(self.links)
        return {"errors": errors, "problems": list(self.problems), **links}
