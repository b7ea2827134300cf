"""Read a URL and its ``Accept`` header into a picture and its presentation.

Flask side. The result is a :class:`PictureRequest`. If a URL was read before, it isn't
parsed again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from time import time
from typing import Any
from uuid import UUID

from flask import Flask, Request

from ..errors import ArgumentFault, ArgumentsError, SignatureError
from ..formats import ALT_FORMAT, ImageFormat, Theme, Variant, find_format
from ..http.content_negotiation import negotiate
from ..http.headers import Presentation, make_file_stem
from ..http.query_string import explain_unknown, parse_query
from ..http.words import asks_for_words
from ..parameters.canonical import Arguments
from ..parameters.function_signature import Parameters
from ..parameters.reserved import RESERVED, VARIANT_WORDS
from .figure_route import FigureRoute, Picture
from .signed_urls import EXPIRED, NOT_SIGNED, Place, UrlSigner

#: Parsed URLs that each route remembers.
REMEMBERED_URLS = 512
#: Characters of a query and ``Accept`` together; longer ones are not remembered.
LONGEST_REMEMBERED = 512
#: Types of path values with a complete ``repr``; URLs with others are not remembered.
_SHOWN_WHOLE = (str, int, float, UUID)


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """The picture that a request asks for, and how to present it."""

    picture: Picture
    presentation: Presentation
    #: The data's version in the URL, or an empty text.
    version: str
    #: Unix time at which a signed URL expires; ``None`` for never.
    expires_at: int | None = None

    @property
    def ends_in_s(self) -> int | None:
        """The seconds until the URL expires, or ``None`` if it doesn't.

        :raises SignatureError: if it has expired.
        """
        if self.expires_at is None:
            return None
        ends_in_s = math.ceil(self.expires_at - time())
        if ends_in_s <= 0:
            raise SignatureError(EXPIRED)
        return ends_in_s


class _PathValues:
    """The values from the converters of a URL, which are compared by ``repr``.

    ``==`` doesn't distinguish 0.0 from -0.0, or noon in London from one o'clock in
    Berlin. Lists are not hashable.
    """

    __slots__ = ("_text", "values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self._text = repr(values)

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _PathValues) and self._text == other._text


class RequestReader:
    """A reader of the requests for *route*.

    :param ignore_unknown: whether unknown arguments in a URL are ignored; without
        effect on a signed route, which rejects them.
    """

    def __init__(self, app: Flask, route: FigureRoute, *, ignore_unknown: bool) -> None:
        self._route = route
        self._signer = UrlSigner(app) if route.options.signed else None
        is_lenient = ignore_unknown and self._signer is None
        self._parse = partial(Parameters.parse, ignore_unknown=is_lenient)
        self._remember_url = lru_cache(REMEMBERED_URLS)(self._read_url)

    def read(
        self, request: Request, format_name: str | None, path: Mapping[str, Any]
    ) -> PictureRequest | None:
        """Read *request*. Return ``None`` if it accepts none of the offered formats.

        :param format_name: the extension in the URL, or ``None`` to use ``Accept``.
        :param path: the values from the URL's converters.
        :raises ArgumentsError: if an argument is invalid.
        :raises SignatureError: if the route is signed and the signature isn't valid.
        """
        environ, signer = request.environ, self._signer
        query = environ.get("QUERY_STRING", "")
        accept = None if format_name else environ.get("HTTP_ACCEPT")
        is_odd = len(query) + len(accept or "") > LONGEST_REMEMBERED or (
            path and any(type(v) not in _SHOWN_WHOLE for v in path.values())
        )
        return (self._read_url if is_odd else self._remember_url)(
            query,
            accept,
            format_name,
            _PathValues(path) if path else None,
            signer.place_of(self._route.endpoint, request) if signer else None,
            asks_for_words(environ),
        )

    def _read_url(
        self,
        query: str,
        accept: str | None,
        format_name: str | None,
        path: _PathValues | None,
        place: Place | None,
        has_words: bool,
    ) -> PictureRequest | None:
        route = self._route
        if format_name:
            format = find_format(format_name)
        elif chosen := negotiate(accept, route.options.formats):
            format = chosen
        else:
            return None
        arguments, reserved, variant = self._read_query(query, format, path)
        expires_at = None
        if self._signer:
            assert place is not None
            expires_at = self._signer.check(place, arguments, reserved)
        picture = route.picture(
            arguments, variant.with_words() if has_words else variant
        )
        presentation = Presentation(
            stem=_name_file(route.name, picture),
            is_negotiated=format_name is None,
            is_download=reserved.values["_download"],
            has_words=has_words,
        )
        return PictureRequest(picture, presentation, reserved.values["_v"], expires_at)

    def _read_query(
        self, query: str, format: ImageFormat, path: _PathValues | None
    ) -> tuple[Arguments, Arguments, Variant]:
        """Return the arguments, the reserved ones and the variant."""
        route = self._route
        own: list[tuple[str, str]] = []
        words: list[tuple[str, str]] = []
        for pair in parse_query(query):
            (words if pair[0].startswith("_") else own).append(pair)
        try:
            reserved = self._parse(RESERVED, words)
            arguments = self._parse(route.parameters, own, path.values if path else {})
            return arguments, reserved, _make_variant(route, format, reserved.values)
        except ArgumentsError as error:
            if self._signer:  # Do not reveal which arguments exist.
                raise SignatureError(NOT_SIGNED) from None
            raise ArgumentsError(list(map(explain_unknown, error.faults))) from None


def choose_variant(
    route: FigureRoute, options: Mapping[str, Any], word: str = "_format"
) -> Variant:
    """Return the variant of *route* for *options*.

    :param options: ``_format``, ``_scale``, ``_width`` and ``_theme``. Other names are
        ignored.
    :param word: the name of the format argument in an error.
    :raises ArgumentsError: if the route doesn't offer the variant.
    :raises ConfigError: if there is no such format.
    """
    formats = route.options.formats
    name = options.get("_format")
    format = formats[0] if name is None else find_format(name)
    if format not in (*formats, ALT_FORMAT):
        accepted = ", ".join(format.name for format in formats)
        reason = f"{route.endpoint} is not offered in this format."
        hint = f"Add {format.name!r} to its formats."
        fault = ArgumentFault(word, format.name, reason, accepted, hint=hint)
        raise ArgumentsError([fault])
    named = {name: options[name] for name in VARIANT_WORDS if name in options}
    return _make_variant(route, format, RESERVED.bind(named).values)


def _make_variant(
    route: FigureRoute, format: ImageFormat, reserved: Mapping[str, Any]
) -> Variant:
    """Return the variant for the *reserved* arguments.

    :raises ArgumentsError: with the scales or widths that *route* offers.
    """
    scale, width_px, options = reserved["_scale"], reserved["_width"], route.options
    faults = []
    if scale > options.max_scale:
        accepted = ", ".join(f"{step:g}" for step in options.scales)
        reason = "The picture is not offered at this scale."
        faults.append(ArgumentFault("_scale", f"{scale:g}", reason, accepted))
    # Omit the value of _width: it is a step of the ladder, not the given width.
    if width_px is not None and width_px > options.max_width:
        reason = "The picture is not offered in this width."
        accepted = f"1 to {options.max_width}"
        faults.append(ArgumentFault("_width", None, reason, accepted))
    elif width_px is not None and scale != 1 and not faults:
        reason = "A picture has either a width or a scale."
        faults.append(ArgumentFault("_width", None, reason, "_width or _scale"))
    if faults:
        raise ArgumentsError(faults)
    return Variant(format, scale, width_px, reserved["_theme"])


def _name_file(name: str, picture: Picture) -> str:
    """Return the file name of *picture* without an extension."""
    words = [name]
    for argument, text in picture.arguments.query.items():
        words += [argument, *([text] if isinstance(text, str) else text)]
    variant = picture.variant
    words += [f"{variant.scale:g}x"] if variant.scale != 1 else []
    words += [f"{variant.width_px}w"] if variant.width_px else []
    words += ["dark"] if variant.theme is Theme.DARK else []
    return make_file_stem(*words)
