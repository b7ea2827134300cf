"""The tags in a piece of HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


def read_elements(markup: str) -> list[tuple[str, dict[str, str | None]]]:
    """Return each tag in *markup* and its attributes, in order."""
    found: list[tuple[str, dict[str, str | None]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            """Record the tag."""
            found.append((tag, dict(attrs)))

    Parser().feed(markup)
    return found


def read_attributes(markup: str, name: str = "img") -> dict[str, str | None]:
    """Return the attributes of the only tag *name* in *markup*."""
    (only,) = (found for tag, found in read_elements(markup) if tag == name)
    return only
