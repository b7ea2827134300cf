"""Lines that show a figure elsewhere, to be copied.

Values: text made of a figure's arguments and of URLs that somebody else made.
"""

from __future__ import annotations

import re

from ..parameters.function_signature import Arguments, Parameters


def jinja_line(endpoint: str, parameters: Parameters, arguments: Arguments) -> str:
    """The line for a template: it names only what differs from the defaults."""
    given = [repr(endpoint)]
    for parameter in parameters:
        if parameter.name in arguments.query:
            # As JSON has it: a date is a text there, which is accepted as well.
            value = parameter.canonical(arguments.values[parameter.name])
            given.append(f"{parameter.name}={value!r}")
    return f"{{{{ figure({', '.join(given)}) }}}}"


def markdown_line(alt: str, url: str) -> str:
    """The picture at *url* in Markdown, https://spec.commonmark.org/0.31.2/#images."""
    text = re.sub(r"([\\\[\]])", r"\\\1", " ".join(alt.split()))
    target = url.replace("(", "%28").replace(")", "%29")
    return f"![{text}]({target})"
