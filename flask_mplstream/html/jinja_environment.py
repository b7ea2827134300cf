"""The package's own pages, made of its templates.

Jinja and nothing else: nothing of the app's, nor of Flask's, reaches into them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def page_html(template: str, **values: Any) -> str:
    """The HTML document that *template* makes of *values*."""
    return _templates().get_template(template).render(values)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("flask_mplstream", "templates/mplstream"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
