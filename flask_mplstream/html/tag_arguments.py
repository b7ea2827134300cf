"""The arguments of one call of ``figure()``, told apart and validated.

Flask side. It renders nothing and builds no URL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from ..errors import ArgumentFault, ArgumentsError
from ..formats import ImageFormat, Theme, Variant
from ..parameters.canonical import Arguments
from ..parameters.function_signature import Parameters
from ..parameters.size_steps import WIDTHS_PX
from ..web.figure_route import FigureRoute
from ..web.request_reading import choose_variant
from ..web.urls import bind_arguments, find_route, refuse_unknown, split_values

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


@dataclass(frozen=True, slots=True)
class Keywords:
    """The keywords of ``figure()``, except ``caption``, which may be markup."""

    inline: bool = False
    downloads: Sequence[str] = ()
    refresh: Annotated[float, Field(ge=1, le=86_400)] | None = None
    theme: Literal["auto", "light", "dark"] | None = None
    widths: Sequence[Annotated[int, Field(ge=1, le=WIDTHS_PX[-1])]] = ()


_KEYWORDS = Parameters(Keywords)
_KEYWORD_NAMES = [keyword.name for keyword in _KEYWORDS]
_DEFAULTS = Keywords()


@dataclass(frozen=True, slots=True)
class TagArguments:
    """The arguments of one call of ``figure()``."""

    route: FigureRoute
    arguments: Arguments
    #: Options with a leading ``_``, as for ``figure_url``.
    options: Mapping[str, Any]
    keywords: Keywords
    caption: str | None
    #: HTML attributes.
    attributes: Mapping[str, Any]
    #: The first variant that a page can show, or the one that the call names.
    variant: Variant
    #: Formats for browsers, best first; the last is the fallback.
    formats: Sequence[ImageFormat]

    @classmethod
    def read(cls, endpoint: str, values: Mapping[str, Any]) -> TagArguments:
        """Read the call; parameters of the figure take precedence over other names.

        :raises ArgumentsError: naming each wrong argument.
        :raises UnknownFigureError: if there is no such figure.
        """
        route = find_route(endpoint)
        given, rest = take_keywords(route, [*_KEYWORD_NAMES, "caption"], values)
        caption = given.pop("caption", None)
        if given.get("downloads") is True:
            given["downloads"] = [format.name for format in route.options.formats]
        named, attributes = _split_attributes(route, rest)
        own, options = split_values(route, named)
        keywords = Keywords(**_KEYWORDS.bind(given).values) if given else _DEFAULTS
        _check_effects(keywords, attributes, options)
        variant = _choose_variant(route, keywords, options)
        return cls(
            route,
            bind_arguments(route, own),
            options,
            keywords,
            caption,
            attributes,
            variant,
            _choose_formats(route, variant, options),
        )

    @property
    def has_both_themes(self) -> bool:
        """Whether the page also offers the picture in the other theme."""
        if "_theme" in self.options or self.keywords.theme == "light":
            return False
        has_dark = self.route.options.dark_style is not False
        return has_dark or self.keywords.theme is not None

    @property
    def follows_page(self) -> bool:
        """Whether the picture is dark in a dark page and else light."""
        return self.has_both_themes and self.variant.theme is Theme.LIGHT


def take_keywords(
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
    keywords = {name: values[key] for key, name in keys.items()}
    return keywords, {key: value for key, value in values.items() if key not in keys}


def _split_attributes(
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
            usual = ["alt", "class_", "id", "loading", "caption", *_KEYWORD_NAMES]
            known = [parameter.name for parameter in route.parameters]
            raise refuse_unknown(name, value, [*known, *usual])
    if attributes.get("alt", "") is None:
        del attributes["alt"]  # Every <img> has an alt, even if empty.
    return arguments, attributes


def _check_effects(
    keywords: Keywords, attributes: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Reject keywords and options that would have no effect.

    :raises ArgumentsError: naming the argument.
    """
    fault = None
    if keywords.widths and "sizes" not in attributes:
        reason = "Widths have no effect without sizes, by which browsers choose one."
        fault = ArgumentFault("widths", str(keywords.widths), reason, "sizes='…'")
    elif "_download" in options:
        reason = "A picture in a page is not a download."
        hint = "Use downloads=True for links that save it."
        fault = ArgumentFault("_download", None, reason, "downloads", hint=hint)
    elif keywords.inline and keywords.refresh:
        reason = "An inline figure is part of the page and cannot be refreshed."
        fault = ArgumentFault("refresh", str(keywords.refresh), reason, "nothing")
    if fault:
        raise ArgumentsError([fault])


def _choose_variant(
    route: FigureRoute, keywords: Keywords, options: Mapping[str, Any]
) -> Variant:
    """Return the variant that *options* name, with defaults for a page.

    :raises ArgumentsError: if the route does not offer it, or a page cannot show it.
    """
    named = {"_theme": "dark" if keywords.theme == "dark" else "light", **options}
    if keywords.inline and named.get("_format") is None:
        named["_format"] = "svg"
    elif named.get("_format") is None:
        pictures = (f.name for f in route.options.formats if not f.is_text)
        named["_format"] = next(pictures)
    variant = choose_variant(route, named)
    if keywords.inline and variant.format.name != "svg":
        reason, accepted = "An inline figure is an SVG.", "svg"
    elif variant.format.is_text:
        reason, accepted = "This format is not a picture.", "png, …"
    else:
        return variant
    fault = ArgumentFault("_format", variant.format.name, reason, accepted)
    raise ArgumentsError([fault])


def _choose_formats(
    route: FigureRoute, variant: Variant, options: Mapping[str, Any]
) -> Sequence[ImageFormat]:
    if options.get("_format") is not None:
        return [variant.format]
    return route.options.shown_formats
