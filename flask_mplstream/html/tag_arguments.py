"""One call of ``figure()``: what it asks for, and what is known of its figure.

Flask side. What a template wrote is read once, into a value: the figure function's
arguments, the package's words, HTML attributes. The figure's size and its text are
looked up where the call leaves them open.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from flask import current_app
from pydantic import Field

# Not of functools, which lets one thread at a time compute it in Python 3.11: pages
# would wait for the renders of all others.
from werkzeug.utils import cached_property

from ..errors import ArgumentFault, ArgumentsError
from ..formats import (
    ALT_FORMAT,
    DENSITIES,
    MAX_SIDE_PX,
    WIDTHS_PX,
    ImageFormat,
    RenderedImage,
    Theme,
    Variant,
    page_formats,
    snapped_width,
)
from ..parameters.function_signature import Arguments, Parameters
from ..web.figure_route import FigureRoute, summary_of
from ..web.figure_view import named_variant
from ..web.urls import FigureUrls, bind_arguments, route_named, split, unknown_argument

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

#: Widths where a figure's own is not known, and times its own where it is.
_USUAL_WIDTHS_PX = (320, 480, 640, 960, 1280, 1920)
_WIDEST_DENSITY = 3


def _words(
    inline: bool = False,
    downloads: Sequence[str] = (),
    refresh: Annotated[float, Field(ge=1, le=86_400)] | None = None,
    theme: Literal["auto", "light", "dark"] | None = None,
    widths: Sequence[Annotated[int, Field(ge=1, le=WIDTHS_PX[-1])]] = (),
) -> None:
    """What ``figure()`` takes besides arguments, attributes and ``caption``."""


_WORDS = Parameters(_words)
_WORD_NAMES = [word.name for word in _WORDS]


@dataclass(frozen=True)
class Embedding:
    """What a template asked ``figure()`` for."""

    route: FigureRoute
    arguments: Arguments
    #: Names with ``_`` in front, as for ``figure_url``.
    options: Mapping[str, Any]
    #: ``inline``, ``downloads``, ``refresh``, ``theme`` and ``widths``.
    words: Mapping[str, Any]
    caption: str | None
    #: HTML attributes.
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, endpoint: str, values: Mapping[str, Any]) -> Embedding:
        """What *values* mean for the figure *endpoint*; an argument's name is first.

        :raises ArgumentsError: naming what is wrong.
        :raises UnknownFigureError: where there is no such figure.
        """
        route = route_named(endpoint)
        words, rest = take_words(route, [*_WORD_NAMES, "caption"], values)
        caption = words.pop("caption", None)
        if words.get("downloads") is True:
            words["downloads"] = [format.name for format in route.options.formats]
        arguments, attributes = _told_apart(route, rest)
        given, options = split(route, arguments)
        read = _WORDS.bind(words).values
        _check(read, attributes, options)
        bound = bind_arguments(route, given)
        return cls(route, bound, options, read, caption, attributes)

    @cached_property
    def variant(self) -> Variant:
        """The one that the call names, or the route's first that is a picture."""
        if self.options.get("_format") is not None:
            return named_variant(self.route, self.options)
        pictures = (f.name for f in self.route.options.formats if not f.is_text)
        return named_variant(self.route, {**self.options, "_format": next(pictures)})

    @cached_property
    def formats(self) -> Sequence[ImageFormat]:
        """What browsers may choose from, best first; the last is for all of them."""
        first = self.variant.format
        if first.is_text:
            fault = ArgumentFault("_format", first.name, "It is no picture.", "png, …")
            raise ArgumentsError([fault])
        if self.options.get("_format") is not None:
            return [first]
        return page_formats([f for f in self.route.options.formats if not f.is_text])

    @property
    def is_canonical(self) -> bool:
        """Whether the URL that leaves the format open gives the one for all browsers.

        A script that looks for a newer picture accepts other formats than an
        ``<img>``, so there the format is named.
        """
        is_first = self.formats[-1] is self.route.options.formats[0]
        is_named = self.options.get("_format") is not None
        return is_first and not is_named and not self.words["refresh"]

    @cached_property
    def urls(self) -> FigureUrls:
        """The URLs of the figure."""
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
        """Whether something in the markup is for the script."""
        is_image = not self.words["inline"]
        return is_image and (self.theme == "auto" or bool(self.words["refresh"]))

    @property
    def name(self) -> str:
        """What to call the figure in a few words."""
        return (summary_of(self.route.function) or self._spoken).removesuffix(".")

    @property
    def _spoken(self) -> str:
        return self.route.name.replace("_", " ")

    @cached_property
    def described(self) -> RenderedImage | None:
        """The figure's text and size, where the call leaves them open."""
        known = {n for n in ("alt", "width", "height") if n in self.attributes}
        if self.route.options.alt is not None:
            known.add("alt")
        if len(known) == 3:
            return None
        try:
            return self.route.described(self.arguments, self.options.get("_inject", {}))
        except Exception:
            # The picture will say what is wrong; it must not cost the page. inject
            # and version are the app's, and may need a login or a database.
            name = self.route.endpoint
            logger.warning("Cannot describe %s.", name, exc_info=True)
            return None

    @property
    def alt(self) -> str:
        """The alternative text."""
        options = self.route.options
        if "alt" in self.attributes:
            given: str = self.attributes["alt"]
            return given
        if options.alt is not None:
            return options.alt
        text = summary_of(self.route.function)
        if self._reads_alt and self.described:
            text = self.described.alt or text
        if not text and current_app.debug:
            logger.warning(
                "The figure %s has no alternative text but its name. Give it a title, "
                "its function a docstring, or figure() an alt=….",
                self.route.endpoint,
            )
        return text or self._spoken

    @property
    def _reads_alt(self) -> bool:
        """Whether the alternative text is read from the figure.

        The text of a picture that is behind a login, or one person's, is given by its
        own URL alone: the page may be for others, or be cached.
        """
        is_given = "alt" in self.attributes or self.route.options.alt is not None
        return not (is_given or self.route.is_private)

    @property
    def size(self) -> dict[str, Any]:
        """``width`` and ``height`` in the page, in CSS pixels, as far as known.

        Where the call has one of them, the other keeps the figure's proportions.
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
                return given  # A percentage, or no size at all.
        shown = self.variant.width_px or width
        return {"width": shown, "height": round(height * shown / width)}

    @property
    def followed(self) -> dict[str, str | None]:
        """What the script has to renew with the picture, as data attributes."""
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
        """The variants that differ in size alone, each with its descriptor."""
        one = self.one_of(format, theme)
        if not format.is_raster or one.scale != 1:
            return [(one, "")]
        found = [
            (Variant(format, scale, width_px, theme), descriptor)
            for scale, width_px, descriptor in self._steps()
        ]
        return [pair for pair in found if self._fits(pair[0])] or [(one, "")]

    def one_of(self, format: ImageFormat, theme: Theme) -> Variant:
        """The picture for browsers that do not choose."""
        return Variant(format, self.variant.scale, self.variant.width_px, theme)

    def _steps(self) -> Iterator[tuple[float, int | None, str]]:
        """Scale, width and descriptor of each size, ascending."""
        width_px = self.variant.width_px
        if "sizes" in self.attributes:
            for step in self._widths():
                yield 1.0, step, f"{step}w"
        elif width_px is not None:
            steps = {snapped_width(width_px * d): d for d in reversed(DENSITIES)}
            for step in sorted(steps):
                yield 1.0, step, f"{steps[step]}x"
        else:
            # The last is left out if the size is unknown: it may be too large.
            known = DENSITIES if self.described else DENSITIES[:-1]
            for density in known:
                yield float(density), None, f"{density}x"

    def _widths(self) -> Sequence[int]:
        """Widths for ``sizes``, ascending."""
        if self.words["widths"]:
            return sorted({snapped_width(px) for px in self.words["widths"]})
        if self.described is None:
            return _USUAL_WIDTHS_PX
        widest = snapped_width(self.described.width_px * _WIDEST_DENSITY)
        return [px for px in WIDTHS_PX if _USUAL_WIDTHS_PX[0] <= px <= widest]

    def _fits(self, variant: Variant) -> bool:
        """Whether the route serves a picture of that size, as far as is known."""
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
    """Return those of *values* that are the words *names*, and the others.

    A parameter of the figure function with such a name comes first; with ``_``
    behind it, the name always means the word.
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
    """*values* as arguments and HTML attributes; a parameter's name comes first."""
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
            raise unknown_argument(name, value, [*known, *usual])
    if attributes.get("alt", "") is None:
        del attributes["alt"]  # Every picture has one, if it is empty.
    return arguments, attributes


def _check(
    words: Mapping[str, Any],
    attributes: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    """Refuse words that would do nothing.

    :raises ArgumentsError: naming the word and what it goes with.
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
    """*value* as a number of pixels, where it is one; text in HTML is one as well."""
    text = str(value)
    return int(float(text)) if re.fullmatch(r"[1-9]\d*(\.0)?", text) else None
