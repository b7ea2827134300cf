"""The tags in a piece of HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


def elements(markup: str) -> list[tuple[str, dict[str, str | None]]]:
    """Each tag in *markup* and its attributes, in their order."""
    found: list[tuple[str, dict[str, str | None]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            found.append((tag, dict(attrs)))

    Parser().feed(markup)
    return found


def attributes(markup: str, name: str = "img") -> dict[str, str | None]:
    """The attributes of the one *name* in *markup*."""
    (only,) = (found for tag, found in elements(markup) if tag == name)
    return only
