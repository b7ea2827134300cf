"""The arguments of one call of ``figure()``, and facts about its figure.

Flask side. The call is read once into a value with the figure function's arguments,
the keywords of ``figure()`` and HTML attributes. The figure's size and alternative text
are looked up if the call does not set them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from flask import current_app
from pydantic import Field

# Not functools.cached_property: its lock in Python 3.11 would make each page wait for
# the renders of all others.
from werkzeug.utils import cached_property

from ..errors import ArgumentFault, ArgumentsError
from ..formats import (
    ALT_FORMAT,
    DENSITIES,
    MAX_SIDE_PX,
    WIDTHS_PX,
    ImageFormat,
    Theme,
    Variant,
    page_formats,
    snapped_width,
)
from ..parameters.function_signature import Arguments, Parameters
from ..rendered_image import RenderedImage
from ..web.figure_route import FigureRoute
from ..web.figure_view import named_variant
from ..web.urls import (
    FigureUrls,
    bind_arguments,
    find_route,
    refuse_unknown,
    split_values,
)
from .alt_choice import choose_alt, has_words

logger = logging.getLogger("flask_mplstream")

#: Attributes of ``<img>``, besides ``data-*``, ``aria-*`` and the like.
_ATTRIBUTES = frozenset(
    (
        *("alt", "class", "crossorigin", "decoding", "dir", "draggable"),
        *("fetchpriority", "height", "hidden", "id", "ismap", "itemprop", "lang"),
        *("loading", "part", "referrerpolicy", "role", "sizes", "slot", "style"),
        *("tabindex", "title", "translate", "usemap", "width"),
    )
)
_ATTRIBUTE_FAMILIES = re.compile(r"(data|aria|hx|x|v)-[a-z][a-z0-9:.-]*")

#: Widths for ``sizes`` if the figure's is unknown; the first is always the minimum.
_USUAL_WIDTHS_PX = (320, 480, 640, 960, 1280, 1920)
#: The widest candidate as a multiple of the figure's width.
_WIDEST_DENSITY = 3


def _words(
    inline: bool = False,
    downloads: Sequence[str] = (),
    refresh: Annotated[float, Field(ge=1, le=86_400)] | None = None,
    theme: Literal["auto", "light", "dark"] | None = None,
    widths: Sequence[Annotated[int, Field(ge=1, le=WIDTHS_PX[-1])]] = (),
) -> None:
    """Declare the keywords of ``figure()`` and their types, except ``caption``."""


_WORDS = Parameters(_words)
_WORD_NAMES = [word.name for word in _WORDS]


@dataclass(frozen=True)
class Embedding:
    """One call of ``figure()``."""

    route: FigureRoute
    arguments: Arguments
    #: Options with a leading ``_``, as for ``figure_url``.
    options: Mapping[str, Any]
    #: The keywords ``inline``, ``downloads``, ``refresh``, ``theme`` and ``widths``.
    words: Mapping[str, Any]
    caption: str | None
    #: HTML attributes.
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, endpoint: str, values: Mapping[str, Any]) -> Embedding:
        """Read the call; parameters of the figure take precedence over other names.

        :raises ArgumentsError: naming each wrong argument.
        :raises UnknownFigureError: if there is no such figure.
        """
        route = find_route(endpoint)
        words, rest = take_words(route, [*_WORD_NAMES, "caption"], values)
        caption = words.pop("caption", None)
        if words.get("downloads") is True:
            words["downloads"] = [format.name for format in route.options.formats]
        arguments, attributes = _told_apart(route, rest)
        given, options = split_values(route, arguments)
        read = _WORDS.bind(words).values
        _check(read, attributes, options)
        bound = bind_arguments(route, given)
        return cls(route, bound, options, read, caption, attributes)

    @cached_property
    def variant(self) -> Variant:
        """Return the requested variant, by default in the first image format."""
        if self.options.get("_format") is not None:
            return named_variant(self.route, self.options)
        pictures = (f.name for f in self.route.options.formats if not f.is_text)
        return named_variant(self.route, {**self.options, "_format": next(pictures)})

    @cached_property
    def formats(self) -> Sequence[ImageFormat]:
        """Return the formats for browsers, best first; the last is the fallback."""
        first = self.variant.format
        if first.is_text:
            fault = ArgumentFault("_format", first.name, "It is no picture.", "png, …")
            raise ArgumentsError([fault])
        if self.options.get("_format") is not None:
            return [first]
        return page_formats([f for f in self.route.options.formats if not f.is_text])

    @property
    def is_canonical(self) -> bool:
        """Whether the URL without a format may serve the fallback.

        Not with ``refresh``: the script's ``Accept`` header differs from that of an
        ``<img>``, so the URL must name the format.
        """
        is_first = self.formats[-1] is self.route.options.formats[0]
        is_named = self.options.get("_format") is not None
        return is_first and not is_named and not self.words["refresh"]

    @cached_property
    def urls(self) -> FigureUrls:
        """Return the URLs of the figure."""
        return FigureUrls.of(self.route, self.arguments, self.options)

    @property
    def theme(self) -> str:
        """``light``, ``dark`` or ``auto``."""
        if "_theme" in self.options:
            return self.variant.theme.value
        has_dark = self.route.options.dark_style is not False
        return self.words["theme"] or ("auto" if has_dark else "light")

    @property
    def needs_script(self) -> bool:
        """Whether the markup requires the script."""
        is_image = not self.words["inline"]
        return is_image and (self.theme == "auto" or bool(self.words["refresh"]))

    @cached_property
    def described(self) -> RenderedImage | None:
        """Return the figure's text and size if the call or route lacks any of them.

        :return: ``None`` if none is needed, or if describing the figure fails.
        """
        known = {n for n in ("alt", "width", "height") if n in self.attributes}
        if self.route.options.alt is not None:
            known.add("alt")
        if len(known) == 3:
            return None
        try:
            return self.route.described(self.arguments, self.options.get("_inject", {}))
        except Exception:
            # Any exception: inject and version are the app's code and may require a
            # login or a database. The picture shows the error; the page survives.
            name = self.route.endpoint
            logger.warning("Cannot describe %s.", name, exc_info=True)
            return None

    @property
    def alt(self) -> str:
        """The alternative text."""
        if "alt" in self.attributes:
            given: str = self.attributes["alt"]
            return given
        generated = ""
        if self._reads_alt and self.described:
            generated = self.described.alt
        route = self.route
        if not generated and current_app.debug and not has_words(route):
            logger.warning(
                "The figure %s has no alternative text but its name. Give it a title, "
                "its function a docstring, or figure() an alt=….",
                route.endpoint,
            )
        return choose_alt(route, generated)

    @property
    def _reads_alt(self) -> bool:
        """Whether the alternative text is read from the figure.

        A private figure's text is available only from its URL, because the page may
        be public or cached.
        """
        is_given = "alt" in self.attributes or self.route.options.alt is not None
        return not (is_given or self.route.is_private)

    @property
    def size(self) -> dict[str, Any]:
        """``width`` and ``height`` in the page, in CSS pixels, if known.

        If the call sets only one, the other follows from the figure's proportions.
        """
        given = {n: v for n, v in self.attributes.items() if n in ("width", "height")}
        if self.described is None or len(given) == 2:
            return given
        width, height = self.described.width_px, self.described.height_px
        match [(name, _whole(value)) for name, value in given.items()]:
            case [("width", int(shown))]:
                return {**given, "height": round(height * shown / width)}
            case [("height", int(shown))]:
                return {"width": round(width * shown / height), **given}
            case [_]:
                return given  # A percentage, or not a size.
        shown = self.variant.width_px or width
        return {"width": shown, "height": round(height * shown / width)}

    @property
    def followed(self) -> dict[str, str | None]:
        """Data attributes for the script: the interval, and text and size to update."""
        if not self.words["refresh"]:
            return {}
        own = [n for n in ("width", "height") if n not in self.attributes]
        sides = "both" if len(own) == 2 else "".join(own)
        has_size = len(self.size) == 2
        alt = self.urls.of_variant(Variant(ALT_FORMAT)) if self._reads_alt else None
        return {
            "data-mplstream-refresh": f"{self.words['refresh']:g}",
            "data-mplstream-alt": alt,
            "data-mplstream-sides": sides if sides and has_size else None,
        }

    def sizes(self, format: ImageFormat, theme: Theme) -> list[tuple[Variant, str]]:
        """Return the variants of all sizes, each with its ``srcset`` descriptor."""
        one = self.one_of(format, theme)
        if not format.is_raster or one.scale != 1:
            return [(one, "")]
        found = [
            (Variant(format, scale, width_px, theme), descriptor)
            for scale, width_px, descriptor in self._steps()
        ]
        return [pair for pair in found if self._fits(pair[0])] or [(one, "")]

    def one_of(self, format: ImageFormat, theme: Theme) -> Variant:
        """Return the variant for browsers without ``srcset``."""
        return Variant(format, self.variant.scale, self.variant.width_px, theme)

    def _steps(self) -> Iterator[tuple[float, int | None, str]]:
        """Yield scale, width and descriptor of each size, ascending."""
        width_px = self.variant.width_px
        if "sizes" in self.attributes:
            for step in self._widths():
                yield 1.0, step, f"{step}w"
        elif width_px is not None:
            steps = {snapped_width(width_px * d): d for d in reversed(DENSITIES)}
            for step in sorted(steps):
                yield 1.0, step, f"{steps[step]}x"
        else:
            # If the size is unknown, the largest density may exceed the limits.
            known = DENSITIES if self.described else DENSITIES[:-1]
            for density in known:
                yield float(density), None, f"{density}x"

    def _widths(self) -> Sequence[int]:
        """Return the widths for ``sizes``, ascending."""
        if self.words["widths"]:
            return sorted({snapped_width(px) for px in self.words["widths"]})
        if self.described is None:
            return _USUAL_WIDTHS_PX
        widest = snapped_width(self.described.width_px * _WIDEST_DENSITY)
        return [px for px in WIDTHS_PX if _USUAL_WIDTHS_PX[0] <= px <= widest]

    def _fits(self, variant: Variant) -> bool:
        """Return whether the size is within the route's limits, as far as known."""
        options = self.route.options
        if variant.scale > options.max_scale or (
            variant.width_px is not None and variant.width_px > options.max_width
        ):
            return False
        if self.described is None:
            return True
        own = self.described
        scale = variant.scale
        if variant.width_px is not None:
            scale = variant.width_px / own.width_px
        width, height = own.width_px * scale, own.height_px * scale
        return (
            width * height <= options.max_pixels and max(width, height) <= MAX_SIDE_PX
        )


def take_words(
    route: FigureRoute, names: Sequence[str], values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split *values* into the keywords *names* and the rest.

    A parameter of the figure function takes precedence over a keyword of the same
    name; the name with a trailing ``_`` is the keyword.
    """
    keys = {
        key: name
        for name in names
        for key in (name, f"{name}_")
        if key in values and key not in route.parameters
    }
    words = {name: values[key] for key, name in keys.items()}
    return words, {key: value for key, value in values.items() if key not in keys}


def _told_apart(
    route: FigureRoute, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split *values* into arguments and HTML attributes; parameters take precedence."""
    arguments, attributes = {}, {}
    for name, value in values.items():
        attribute = name.rstrip("_").replace("_", "-")
        if name in route.parameters or name.startswith("_"):
            arguments[name] = value
        elif attribute in _ATTRIBUTES or _ATTRIBUTE_FAMILIES.fullmatch(attribute):
            attributes[attribute] = value
        else:
            known = [parameter.name for parameter in route.parameters]
            usual = ["alt", "class_", "id", "loading", "caption", *_WORD_NAMES]
            raise refuse_unknown(name, value, [*known, *usual])
    if attributes.get("alt", "") is None:
        del attributes["alt"]  # Every <img> has an alt, even if empty.
    return arguments, attributes


def _check(
    words: Mapping[str, Any],
    attributes: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    """Reject keywords and options that would have no effect.

    :raises ArgumentsError: naming the argument.
    """
    if words["widths"] and "sizes" not in attributes:
        reason = "Browsers choose a width by sizes, which is not given."
        fault = ArgumentFault("widths", str(words["widths"]), reason, "sizes='…'")
        raise ArgumentsError([fault])
    if "_download" in options:
        reason = "A picture in a page is not a download."
        hint = "Write downloads=True for links that save it."
        fault = ArgumentFault("_download", None, reason, "downloads", hint=hint)
        raise ArgumentsError([fault])
    if words["inline"] and words["refresh"]:
        reason = "An inline figure is part of the page."
        fault = ArgumentFault("refresh", str(words["refresh"]), reason, "nothing")
        raise ArgumentsError([fault])


def _whole(value: object) -> int | None:
    """Return *value*, a number or its text, as whole pixels; ``None`` for any other."""
    text = str(value)
    return int(float(text)) if re.fullmatch(r"[1-9]\d*(\.0)?", text) else None
