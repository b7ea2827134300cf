"""The Jinja environment for the package's own pages.

It is independent of the app's environment and of Flask's template globals.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(template: str, **values: Any) -> str:
    """Render *template* with *values*."""
    return _load_templates().get_template(template).render(values)


@cache
def _load_templates() -> Environment:
    return Environment(
        loader=PackageLoader("flask_mplstream", "templates/mplstream"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
