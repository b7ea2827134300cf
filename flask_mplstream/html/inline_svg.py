"""Matplotlib's SVG -> markup that is safe inside an HTML page.

Values layer: imports only the standard library and ``safe_links``. An inline SVG is
part of the document: its scripts run, and its styles and ids apply to the whole page.
The markup is therefore rewritten from a list of the elements and attributes that
Matplotlib uses (``backend_svg.py`` of 3.10 and 3.11); everything else is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.parsers.expat import ExpatError, ParserCreate

from ..rendering.safe_links import clean_link

_SVG = "http://www.w3.org/2000/svg"

#: Presentation attributes, equivalent to the ``style`` properties of the same names.
#: A Content-Security-Policy without ``unsafe-inline`` forbids ``style`` only.
_PRESENTATION = frozenset(
    (
        *("clip-path", "fill", "fill-opacity", "filter", "font-family", "font-size"),
        *("font-stretch", "font-style", "font-variant", "font-weight"),
        *("image-rendering", "opacity", "shape-rendering", "stop-color"),
        *("stop-opacity", "stroke", "stroke-dasharray", "stroke-dashoffset"),
        *("stroke-linecap", "stroke-linejoin", "stroke-opacity", "stroke-width"),
        "text-anchor",
    )
)
_EVERYWHERE = _PRESENTATION | {"aria-labelledby", "id", "transform"}

#: Allowed elements, each with its specific attributes.
_ELEMENTS: Mapping[str, str] = {
    "a": "href target",
    "clipPath": "",
    "defs": "",
    "desc": "",
    "feColorMatrix": "type values",
    "feComposite": "in in2 k2 k3 operator",
    "filter": "",
    "g": "",
    "image": "height href width x y",
    "linearGradient": "gradientUnits x1 x2 y1 y2",
    "path": "d",
    "pattern": "height patternUnits width x y",
    "rect": "height width x y",
    "stop": "offset",
    "svg": "height viewBox width",
    "text": "x y",
    "title": "",
    "tspan": "x y",
    "use": "href x y",
}
_HOLD_TEXT = {"desc", "text", "title", "tspan"}
#: HTML parsers read the content of these elements as HTML.
_HOLD_ONLY_TEXT = {"desc", "title"}

#: The allowed elements by the parser's names, which include the namespace.
_ALLOWED = {
    f"{_SVG} {tag}": (tag, _EVERYWHERE.union(own.split()))
    for tag, own in _ELEMENTS.items()
}
_ROOT = f"{_SVG} svg"
_STYLE = f"{_SVG} style"
_HREFS = {"http://www.w3.org/1999/xlink href": "href"}

#: Initial values, set so that the picture does not inherit from the page.
_INITIAL: Mapping[str, str] = {
    "fill": "#000",
    "stroke": "none",
    "stroke-width": "1",
    "direction": "ltr",
    "font-stretch": "normal",
    "font-style": "normal",
    "font-variant": "normal",
    "font-weight": "normal",
    "letter-spacing": "normal",
    "text-anchor": "start",
    "text-rendering": "auto",
    "word-spacing": "normal",
    "writing-mode": "horizontal-tb",
}

_NAME = re.compile(r"[a-z_][\w.-]*", re.ASCII | re.IGNORECASE)
_ATTRIBUTE = re.compile(r"[a-z_][\w.:-]*", re.ASCII | re.IGNORECASE)
#: The only rule in the style sheets that Matplotlib writes.
_RULE_FOR_ALL = re.compile(r"\s*\*\s*\{([^{}]*)\}\s*")
_DECLARATION = re.compile(
    r"""(?:^|;)\s*+([a-z-]++)\s*+:((?:[^;'"]++|'[^']*+'|"[^"]*+")*+)""", re.I
)
_QUOTED = re.compile(r"'[^'\\\n\r\f]*+'|\"[^\"\\\n\r\f]*+\"")
_LOCAL_URL = re.compile(r"""\s*url\(\s*(["']?)#([^"'()\\\s]+)\1\s*\)\s*""", re.I)
_TRANSFORM = re.compile(
    r"\s*(?:(?:matrix|translate|scale|rotate|skewX|skewY)\([\d\s.,e+-]*+\)[\s,]*)*+"
)

_IMAGES = ("data:image/png;base64,", "data:image/jpeg;base64,")


def inline_svg(body: bytes, prefix: str, *, attributes: Mapping[str, str] = {}) -> str:
    """Return the SVG in *body* as markup for an HTML page.

    It looks the same as in an ``<img>``, even if the page's Content-Security-Policy
    forbids inline styles (images in the figure need ``img-src data:``). It runs no
    scripts and loads nothing. A link that is not ``http``, ``https``, ``mailto`` or
    relative loses its target; ``#name`` leads to the artist with this ``gid``, or
    else to the page's ``name``. The page's style sheets apply to the picture: a rule
    such as ``path {fill: red}`` overrides its attributes, and with
    ``svg.fonttype: none`` its text inherits ``text-transform`` and ``text-shadow``,
    which no attribute can reset.

    expat is safe here: only texts, links and ids of the input are foreign, nothing
    external is fetched, and a document that declares entities is rejected before the
    first declaration is read.

    :param body: output of Matplotlib's SVG backend, UTF-8.
    :param prefix: prefix for every id and every reference to one. No prefix in a
        page may be the beginning of another.
    :param attributes: attributes that override those of the ``<svg>``: ``width``,
        ``class``, ``aria-label``. Names are trusted, values are escaped.
    :return: one ``<svg>`` element, identical for equal arguments, with the same
        meaning in HTML and XML.
    :raises ValueError: if *body* is not well-formed, is not an SVG or declares
        entities, or if *prefix* or an attribute name is invalid.
    """
    _check_names(prefix, attributes)
    rewriter = _Rewriter(prefix)
    parser = ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_declarations
    parser.StartElementHandler = rewriter.start
    parser.EndElementHandler = rewriter.end
    parser.CharacterDataHandler = rewriter.add_text
    try:
        parser.Parse(body, True)
    except ExpatError as error:
        raise ValueError(f"The SVG is not well-formed: {error}.") from error
    return rewriter.finish(attributes)


def _check_names(prefix: str, attributes: Mapping[str, str]) -> None:
    if not _NAME.fullmatch(prefix):
        raise ValueError(
            f"The prefix {prefix!r} is not the beginning of an id. Use a letter or "
            f"'_', then ASCII letters, digits, '_', '-' and '.'."
        )
    for name in attributes:
        if not _ATTRIBUTE.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of an attribute.")


def _refuse_declarations(*doctype: str | bool | None) -> None:
    *_, has_subset = doctype
    if has_subset:
        raise ValueError(
            "The SVG has a DOCTYPE with declarations. They can make a small "
            "document very large, and Matplotlib writes none."
        )


class _Names:
    """The ids of one picture, renamed for the page."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._taken: set[str] = set()
        #: Number of each id that is not a name. A name never begins with a digit, so
        #: a number cannot collide with one.
        self._numbers: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def rename(self, name: str) -> str:
        """Return the new name of the id *name*, for the id and its references."""
        if _NAME.fullmatch(name):
            return self._prefix + name
        number = self._numbers.setdefault(name, len(self._numbers) + 1)
        return f"{self._prefix}{number}"

    def take(self, name: str) -> str | None:
        """Return the new name for an element's id; ``None`` for a repeated id.

        An id must be unique in a page, and references mean its first element.
        """
        if name in self._taken:
            return None
        self._taken.add(name)
        return self.rename(name)


class _Rewriter:
    """The handler of parser events, which writes the allowed markup."""

    def __init__(self, prefix: str) -> None:
        self._names = _Names(prefix)
        self._parts: list[str] = []
        #: Open elements, outermost first.
        self._open: list[str] = []
        #: Depth inside a dropped element; 0 outside.
        self._dropped_depth = 0
        #: Whether the last start tag lacks its ``>`` or ``/>``.
        self._is_bare = False
        self._is_sheet = False
        self._sheet = ""
        self._root: dict[str, str] = {}
        #: Attributes of ``#name`` links by index in the parts; resolved after all ids.
        self._anchors: dict[int, dict[str, str]] = {}
        #: Parsed styles: many elements have equal ones.
        self._styles: dict[str, dict[str, str]] = {}

    def start(self, name: str, given: dict[str, str]) -> None:
        if not self._open and name != _ROOT:
            raise ValueError(
                f"The document is not an SVG: its root element is {name!r}. Pass the "
                f"output of Matplotlib's SVG backend."
            )
        if not self._may_keep(name):
            self._is_sheet = name == _STYLE and not self._dropped_depth
            self._dropped_depth += 1
            return
        tag, allowed = _ALLOWED[name]
        attributes = self._select_attributes(tag, allowed, given)
        self._close_tag()
        if tag == "svg":
            self._root = attributes
        elif tag == "a":
            attributes = self._complete_link(attributes)
        self._parts.append(_write_start(tag, attributes))
        self._open.append(tag)
        self._is_bare = True

    def end(self, name: str) -> None:
        if self._dropped_depth:
            self._dropped_depth -= 1
            self._is_sheet = False
            return
        tag = self._open.pop()
        self._parts.append("/>" if self._is_bare else f"</{tag}>")
        self._is_bare = False

    def add_text(self, text: str) -> None:
        if self._is_sheet:
            self._sheet += text
        elif not self._dropped_depth and self._open[-1] in _HOLD_TEXT:
            self._close_tag()
            self._parts.append(_escape(text))

    def finish(self, attributes: Mapping[str, str]) -> str:
        rule = _RULE_FOR_ALL.fullmatch(self._sheet)
        defaults = self._read_style(rule[1]) if rule else {}
        root = {"xmlns": _SVG, **_INITIAL, **defaults, **self._root, **attributes}
        self._parts[0] = _write_start("svg", root)
        for index, link in self._anchors.items():
            name = link["href"][1:]
            if name in self._names:
                link["href"] = f"#{self._names.rename(name)}"
            self._parts[index] = _write_start("a", link)
        return "".join(self._parts)

    def _may_keep(self, name: str) -> bool:
        if self._dropped_depth or name not in _ALLOWED:
            return False
        if name == _ROOT:
            return not self._open
        return self._open[-1] not in _HOLD_ONLY_TEXT

    def _close_tag(self) -> None:
        if self._is_bare:
            self._parts.append(">")
            self._is_bare = False

    def _select_attributes(
        self, tag: str, allowed: frozenset[str], given: Mapping[str, str]
    ) -> dict[str, str]:
        kept = {}
        for name, value in given.items():
            name = _HREFS.get(name, name)
            if name in allowed:
                checked = self._check(tag, name, value)
                if checked is not None:
                    kept[name] = checked
        # As in the cascade, a style overrides an attribute of the same name.
        return kept | self._read_style(given["style"]) if "style" in given else kept

    def _check(self, tag: str, name: str, value: str) -> str | None:
        if name == "id":
            return self._names.take(value)
        if name == "href":
            return self._check_href(tag, value)
        if name == "aria-labelledby":
            return " ".join(map(self._names.rename, value.split()))
        return self._check_value(name, value)

    def _check_href(self, tag: str, url: str) -> str | None:
        if tag == "a":
            return clean_link(url)
        if tag == "image":
            return url if url.startswith(_IMAGES) else None
        return f"#{self._names.rename(url[1:])}" if url.startswith("#") else None

    def _check_value(self, name: str, value: str) -> str | None:
        """Return *value* if it loads nothing: no functions but transforms and ids."""
        if "(" not in value and "\\" not in value:
            return value
        if name == "transform":
            return value if _TRANSFORM.fullmatch(value) else None
        if url := _LOCAL_URL.fullmatch(value):
            return f"url(#{self._names.rename(url[2])})"
        # No other property: a quote in a comment could hide a url().
        if name == "font-family" and not re.search(r"[(\\]", _QUOTED.sub("", value)):
            return value
        return None

    def _read_style(self, style: str) -> dict[str, str]:
        if style not in self._styles:
            declared = _DECLARATION.findall(style)
            checked = {
                name.lower(): self._check_value(name, value.strip())
                for name, value in declared
                if name.lower() in _PRESENTATION
            }
            self._styles[style] = {k: v for k, v in checked.items() if v}
        return self._styles[style]

    def _complete_link(self, attributes: dict[str, str]) -> dict[str, str]:
        """Complete the attributes of an ``<a>``; its ``href`` is already checked."""
        target = attributes.pop("target", None)
        if attributes.get("href", "").startswith("#"):
            self._anchors[len(self._parts)] = attributes
        elif "href" in attributes and target == "_blank":
            # No noreferrer: the page decides whether to send a referrer.
            attributes |= {"target": "_blank", "rel": "noopener"}
        return attributes


def _write_start(tag: str, attributes: Mapping[str, str]) -> str:
    """Return a start tag without ``>``, because the element may turn out empty."""
    pairs = [f' {name}="{_escape(value)}"' for name, value in attributes.items()]
    return f"<{tag}{''.join(pairs)}"


def _escape(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return text.replace(">", "&gt;").replace('"', "&quot;")
