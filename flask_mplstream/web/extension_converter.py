"""The converter for the extension of a picture's URL: ``/walk.svg``.

Flask side: Werkzeug's routing alone.
"""

from __future__ import annotations

import re
from typing import Any

from werkzeug.routing import BaseConverter, Map

from ..formats import ALIASES

#: The converter's name in a rule.
CONVERTER = "mplstream_extension"


class Respelled(str):
    """A format's name that the URL writes in another way."""

    #: The extension as it is in the URL.
    written: str


class ExtensionConverter(BaseConverter):
    """Matches names of formats in any case, and their aliases.

    :param names: the extensions of canonical URLs.
    """

    def __init__(self, map: Map, *names: str) -> None:
        super().__init__(map)
        self._names = names
        aliases = [alias for alias, name in ALIASES.items() if name in names]
        spellings = "|".join(re.escape(text) for text in [*names, *aliases])
        self.regex = f"(?i:{spellings})"

    def to_python(self, value: str) -> str:
        """Return the format's name, marked if *value* is not it."""
        if value in self._names:
            return value
        key = value.lower()
        name = Respelled(ALIASES.get(key, key))
        name.written = value
        return name

    def to_url(self, value: Any) -> str:
        """Return the canonical name of the format *value*.

        :raises ValueError: if the route does not offer it.
        """
        key = str(value).lower()
        name = ALIASES.get(key, key)
        if name not in self._names:
            offered = ", ".join(self._names)
            raise ValueError(f"{value!r} is not offered, only {offered}.")
        return name
