"""Lines to copy that show a figure in a template or a Markdown file.

Values: text from a figure's arguments and from finished URLs.
"""

from __future__ import annotations

import re

from ..parameters.canonical import Arguments
from ..parameters.function_signature import Parameters


def jinja_line(endpoint: str, parameters: Parameters, arguments: Arguments) -> str:
    """Return a ``figure()`` call with the arguments that differ from the defaults."""
    given = [repr(endpoint)]
    for parameter in parameters:
        if parameter.name in arguments.query:
            # The JSON form: a date, for example, becomes a string.
            value = parameter.canonicalize(arguments.values[parameter.name])
            given.append(f"{parameter.name}={value!r}")
    return f"{{{{ figure({', '.join(given)}) }}}}"


def markdown_line(alt: str, url: str) -> str:
    """Return a Markdown image (https://spec.commonmark.org/0.31.2/#images)."""
    text = re.sub(r"([\\\[\]])", r"\\\1", " ".join(alt.split()))
    target = url.replace("(", "%28").replace(")", "%29")
    return f"![{text}]({target})"
