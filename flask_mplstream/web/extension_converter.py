"""The URL converter for the extension of a picture, as in ``/walk.svg``.

Flask side. This module only imports Werkzeug's routing and ``formats``.
"""

from __future__ import annotations

import re
from typing import Any

from werkzeug.routing import BaseConverter, Map

from ..formats import ALIASES

#: The converter's name in a rule.
CONVERTER = "mplstream_extension"


class Respelled(str):
    """The name of a format that is spelled differently in the URL."""

    #: The extension in the URL.
    written: str


class ExtensionConverter(BaseConverter):
    """A converter for the names of formats and their aliases, in any case.

    :param names: the extensions of canonical URLs.
    """

    def __init__(self, map: Map, *names: str) -> None:
        super().__init__(map)
        self._names = names
        aliases = [alias for alias, name in ALIASES.items() if name in names]
        spellings = "|".join(re.escape(text) for text in [*names, *aliases])
        self.regex = f"(?i:{spellings})"

    def to_python(self, value: str) -> str:
        """Return the format's name, as :class:`Respelled` if *value* differs."""
        if value in self._names:
            return value
        key = value.lower()
        name = Respelled(ALIASES.get(key, key))
        name.written = value
        return name

    def to_url(self, value: Any) -> str:
        """Return the canonical name of the format *value*.

        :raises ValueError: if the route doesn't offer the format.
        """
        key = str(value).lower()
        name = ALIASES.get(key, key)
        if name not in self._names:
            offered = ", ".join(self._names)
            raise ValueError(f"{value!r} is not offered, only {offered}.")
        return name
