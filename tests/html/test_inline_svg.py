"""SVG in the page itself: it looks the same, and nothing in it acts."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from time import process_time
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import patheffects
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from playwright.sync_api import Browser, Page, Route

from flask_mplstream.html.inline_svg import inline_svg
from tests.support.pictures import pixels

# The browser's driver has some for as long as it runs.
pytestmark = pytest.mark.keeps_threads

SVG = "{http://www.w3.org/2000/svg}"
XMLNS = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SIZE = {"width": "480", "height": "360"}


def lines() -> Figure:
    figure = Figure()
    axes = figure.subplots()
    x = np.linspace(0, 10, 100)
    for shift, style in enumerate(("-", "o--", "^:")):
        axes.plot(x, np.sin(x + shift), style, markevery=10, label=f"shift {shift}")
    axes.set_title(r"text & <b>, $\frac{x^2}{\sqrt{y}}$")
    font: Any = {"style": "italic", "weight": "bold", "size": 20}
    axes.text(5, 0, "two  spaces", font, rotation=30)
    axes.text(5, 0.5, "narrow", variant="small-caps", stretch="condensed")
    axes.legend()
    return figure


def scatter() -> Figure:
    figure = Figure()
    axes = figure.subplots()
    x, y, c, s = np.random.default_rng(1).random((4, 100))
    drawn = axes.scatter(x, y, c=c, s=300 * s, alpha=0.5, edgecolor="k", linewidth=2)
    figure.colorbar(drawn)
    return figure


def images() -> Figure:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.imshow(np.eye(5), interpolation="none")
    image = right.imshow(np.arange(100).reshape(10, 10), alpha=0.5)
    image.set_clip_path(Circle((5, 5), 4, transform=right.transData))
    return figure


def hatches() -> Figure:
    figure = Figure()
    colors = ["w", "r", (0, 0, 1, 0.4)]
    bars: Any = {"hatch": ["/", "xx", "o."], "color": colors, "edgecolor": "k"}
    figure.subplots().bar([1, 2, 3], [1, 2, 3], **bars)
    return figure


def gouraud() -> Figure:
    figure = Figure()
    figure.subplots().pcolormesh(np.arange(9).reshape(3, 3), shading="gouraud")
    return figure


def relief() -> Figure:
    figure = Figure()
    axes: Any = figure.add_subplot(projection="3d")
    x, y = np.mgrid[-2:2:9j, -2:2:9j]
    axes.plot_surface(x, y, np.exp(-x * x - y * y), cmap="viridis")
    return figure


def effects() -> Figure:
    figure = Figure()
    axes = figure.subplots()
    halo = [patheffects.withStroke(linewidth=8, foreground="r")]
    axes.plot([1, 2, 3], path_effects=halo)
    axes.plot([3, 1, 2])[0].set_sketch_params(3, 50, 5)
    axes.text(0, 2, "Halo", size=40, path_effects=halo, alpha=0.5)
    return figure


def rasterized() -> Figure:
    figure = Figure()
    figure.subplots().plot(np.arange(200) % 17, rasterized=True)
    return figure


def linked() -> Figure:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], marker="o", gid="my line", url="https://example.org/?a=1&b=2")
    axes.scatter([1, 2], [2, 1], urls=["details.html", "mailto:me@example.org"])
    axes.set_title("title", url="#my line", gid="title")
    return figure


FIGURES = [lines, scatter, images, hatches, gouraud, relief, effects, rasterized]
FIGURES += [linked]
every_figure = pytest.mark.parametrize("build", FIGURES)
every_text = pytest.mark.parametrize("fonttype", ["path", "none"])


def draw(figure: Figure, **rc: str) -> bytes:
    body = BytesIO()
    params: dict[Any, Any] = {"svg.hashsalt": "test", "savefig.dpi": 100}
    with mpl.rc_context(params | {f"svg.{k}": v for k, v in rc.items()}):
        figure.savefig(body, format="svg", metadata={"Date": None, "Title": "<Title>"})
    return body.getvalue()


@cache
def drawn(build: Callable[[], Figure], fonttype: str) -> bytes:
    return draw(build(), fonttype=fonttype)


def document(content: str) -> bytes:
    return f"<svg {XMLNS}>{content}</svg>".encode()


def inlined(content: str) -> str:
    """Return *content* of an SVG after rewriting, without the ``<svg>``."""
    markup = inline_svg(document(content), "p-")
    return re.sub(r"^<svg [^>]*?(/>|>)|</svg>$", "", markup)


def root(markup: str) -> dict[str, str]:
    return ElementTree.fromstring(markup).attrib


def ids(markup: str) -> list[str]:
    return re.findall(r' id="([^"]*)"', markup)


def references(markup: str) -> set[str]:
    return set(re.findall(r'(?: href="|url\()#([^")]*)', markup))


@pytest.mark.slow
@every_text
@every_figure
def test_drawn_elements_are_kept(build: Callable[[], Figure], fonttype: str) -> None:
    """Only metadata and the style sheet are dropped."""
    body = drawn(build, fonttype)

    def elements(parent: ElementTree.Element) -> Iterator[tuple[str, set[str]]]:
        for child in parent:
            if child.tag not in (f"{SVG}metadata", f"{SVG}style"):
                names = {name.rpartition("}")[2] for name in child.attrib} - {"rel"}
                names |= set(re.findall(r"([a-z-]+) *:", child.attrib.get("style", "")))
                # A link inside of the document opens in the page.
                gone = {"style", *(["target"] if child.tag == f"{SVG}a" else [])}
                yield child.tag, names - gone
                yield from elements(child)

    markup = ElementTree.fromstring(inline_svg(body, "p-"))
    assert list(elements(markup)) == list(elements(ElementTree.fromstring(body)))


@pytest.mark.slow
@every_figure
def test_references_resolve(build: Callable[[], Figure]) -> None:
    """Each leads to an id in the same picture, and ids are unique."""
    markup = inline_svg(drawn(build, "path"), "p-")
    assert references(markup) <= set(ids(markup))
    assert len(ids(markup)) == len(set(ids(markup)))
    assert all(id.startswith("p-") for id in ids(markup))


def test_two_pictures_share_no_id() -> None:
    """One figure may appear twice in a page, under two prefixes."""
    body = drawn(hatches, "path")
    first, second = inline_svg(body, "a-"), inline_svg(body, "b-")
    assert not set(ids(first)) & set(ids(second))
    assert first.replace("a-", "b-") == second.replace("a-", "b-")


def test_the_same_input_gives_the_same_markup() -> None:
    """The bytes are equal, so pages can be cached and compared."""
    body = drawn(linked, "path")
    assert inline_svg(body, "p-") == inline_svg(body, "p-")


def test_the_prolog_is_dropped() -> None:
    """HTML has no XML declaration, DOCTYPE or namespace prefixes."""
    markup = inline_svg(drawn(lines, "path"), "p-")
    assert markup.startswith("<svg xmlns=")
    assert not re.search(r"<[?!]|xlink|ns0:", markup)


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        pytest.param("<script>hack()</script>", "", id="script"),
        pytest.param('<script href="https://e.org/x.js"/>', "", id="script-src"),
        pytest.param(
            '<foreignObject><img xmlns="http://www.w3.org/1999/xhtml" src="x" '
            'onerror="hack()"/></foreignObject>',
            "",
            id="foreign-object",
        ),
        pytest.param(
            '<iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:hack()"/>',
            "",
            id="html",
        ),
        pytest.param('<x:path xmlns:x="urn:x" d="M0 0"/>', "", id="other-namespace"),
        pytest.param(
            '<a href="#x"><animate attributeName="href" to="javascript:hack()"/></a>',
            '<a href="#x"/>',
            id="animate",
        ),
        pytest.param('<set attributeName="onclick" to="hack()"/>', "", id="set"),
        pytest.param("<style>@import 'https://e.org';</style>", "", id="import"),
        pytest.param("<style>body {display: none}</style>", "", id="stylesheet"),
        pytest.param("<metadata><g/></metadata>", "", id="metadata"),
        pytest.param("<svg><script/><g/></svg>", "", id="inner-svg"),
        pytest.param(
            '<filter><feImage href="https://e.org"/></filter>', "<filter/>", id="image"
        ),
        pytest.param("<!-- <script> --><g/><!-- -->", "<g/>", id="comment"),
        pytest.param("<g><?php hack() ?></g>", "<g/>", id="instruction"),
        pytest.param("<g>text that nobody sees</g>", "<g/>", id="text-elsewhere"),
        pytest.param("<G/><Path/>", "", id="other-case"),
        pytest.param(
            "<title>a<g><script/>b</g>c</title>", "<title>ac</title>", id="in-title"
        ),
        pytest.param(
            "<unknown><g><g/></g>a</unknown><text>b</text>",
            "<text>b</text>",
            id="what-follows-is-kept",
        ),
    ],
)
def test_unknown_elements_are_dropped(content: str, kept: str) -> None:
    """Their content is dropped, too."""
    assert inlined(content) == kept


@pytest.mark.parametrize(
    "attribute",
    [
        *('onload="hack()"', 'onclick="hack()"', 'ONCLICK="hack()"', 'class="x"'),
        *('xml:base="https://e.org"', 'xlink:title="x"', 'tabindex="1"', 'name="x"'),
        *('xmlns:x="urn:x" x:d="1"', 'href="#x"', 'src="x"', 'data-x="x"'),
        *('xml:space="preserve"', 'display="none"', 'cursor="wait"', 'style=""'),
        *('aria-hidden="true"', 'requiredExtensions="x"', 'mask="url(#x)"'),
    ],
)
def test_unknown_attributes_are_dropped(
    attribute: str,
) -> None:
    """This includes event handlers; the element stays."""
    assert inlined(f"<g {attribute}/>") == "<g/>"


@pytest.mark.parametrize(
    ("url", "href"),
    [
        pytest.param("https://example.org/", "https://example.org/", id="https"),
        pytest.param("HTTP://example.org", "HTTP://example.org", id="http"),
        pytest.param("mailto:me@example.org", "mailto:me@example.org", id="mailto"),
        pytest.param("//example.org/x", "//example.org/x", id="same-scheme"),
        pytest.param("/sales?y=1&amp;m=2", "/sales?y=1&amp;m=2", id="absolute-path"),
        pytest.param("a/b:c", "a/b:c", id="colon-in-path"),
        pytest.param("?next=javascript:x", "?next=javascript:x", id="in-query"),
        pytest.param("", "", id="empty"),
        pytest.param(" https://e.org&#10;", "https://e.org", id="space-around"),
        pytest.param("&quot; onload=&quot;x", "&quot; onload=&quot;x", id="quotes"),
        pytest.param("javascript:hack()", None, id="javascript"),
        pytest.param("JaVa&#9;scr&#10;ipt&#13;:hack()", None, id="tabs-inside"),
        pytest.param(" &#10;&#9; javascript:hack()", None, id="space-before"),
        pytest.param("java&#115;cript:hack()", None, id="character-reference"),
        pytest.param(" data:text/html,x", None, id="data"),
        pytest.param("vbscript:x", None, id="vbscript"),
        pytest.param("blob:https://e.org/x", None, id="blob"),
        pytest.param("view-source:https://e.org", None, id="view-source"),
        pytest.param("file:///etc/passwd", None, id="file"),
        pytest.param("x-app.1+a:b", None, id="app"),
    ],
)
def test_only_links_to_pages_and_mail_stay(url: str, href: str | None) -> None:
    """URLs are read as browsers read them; the linked element stays."""
    link = "" if href is None else f' href="{href}"'
    for name in ("href", "xlink:href"):
        assert inlined(f'<a {name}="{url}"><g/></a>') == f"<a{link}><g/></a>"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        pytest.param(
            'xlink:href="https://e.org" target="_blank"',
            'href="https://e.org" target="_blank" rel="noopener"',
            id="new-tab",
        ),
        pytest.param('href="x" target="opener"', 'href="x"', id="other-window"),
        pytest.param('href="x" rel="opener"', 'href="x"', id="rel"),
        pytest.param('href="javascript:x" target="_blank"', "", id="refused"),
        pytest.param('target="_blank"', "", id="nowhere"),
        pytest.param('href="#page" target="_blank"', 'href="#page"', id="page"),
        pytest.param('href="#gid"', 'href="#p-gid"', id="to-an-artist"),
    ],
)
def test_targets_of_links_are_safe(written: str, kept: str) -> None:
    """Another site cannot access the page; ``#…`` is in the picture or the page."""
    expected = f"<a {kept}>".replace(" >", ">")
    markup = inlined(f'<a {written}><path/></a><g id="gid"/>')
    assert markup == f'{expected}<path/></a><g id="p-gid"/>'


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        pytest.param('<use href="#m1"/>', '<use href="#p-m1"/>', id="use"),
        pytest.param('<use href="https://e.org/x.svg#m1"/>', "<use/>", id="use-url"),
        pytest.param('<use href="x.svg#m1"/>', "<use/>", id="use-file"),
        pytest.param('<use href="data:image/svg+xml,x#x"/>', "<use/>", id="use-data"),
        pytest.param(
            '<image href="data:image/png;base64,\nAAAA"/>',
            '<image href="data:image/png;base64, AAAA"/>',
            id="png",
        ),
        pytest.param('<image href="https://e.org/x.png"/>', "<image/>", id="image-url"),
        pytest.param('<image href=".image0.png"/>', "<image/>", id="image-file"),
        pytest.param(
            '<image href="data:image/svg+xml;base64,AAAA"/>', "<image/>", id="image-svg"
        ),
    ],
)
def test_no_external_resource_is_loaded(written: str, kept: str) -> None:
    """``use`` refers to the picture, and ``image`` contains its pixels."""
    assert inlined(written) == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param("url(#h1)", "url(#p-h1)", id="local"),
        pytest.param(" URL( '#h1' ) ", "url(#p-h1)", id="quoted"),
        pytest.param("url(https://e.org/#h1)", None, id="external"),
        pytest.param("url(x.svg#h1)", None, id="file"),
        pytest.param("url(#h1) url(//e.org)", None, id="fallback"),
        pytest.param(r"\75rl(//e.org)", None, id="escape"),
        pytest.param(r"\75 \72 \6c \28 //e.org)", None, id="all-escaped"),
        pytest.param("/*'*/url(//e.org)/*'*/", None, id="quote-in-comment"),
        pytest.param("image-set('//e.org')", None, id="image-set"),
        pytest.param("var(--x)", None, id="variable"),
    ],
)
def test_a_value_loads_no_resource(value: str, kept: str | None) -> None:
    """This covers attributes and styles, in any property."""
    for name in ("fill", "filter", "clip-path", "stroke-width"):
        expected = "<g/>" if kept is None else f'<g {name}="{kept}"/>'
        assert inlined(f'<g {name}="{value}"/>') == expected
        assert inlined(f'<g style="{name}: {value}"/>') == expected


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        pytest.param("translate(1 -2e-3) rotate(-30,4,5)", True, id="matplotlib"),
        pytest.param("matrix(1 0 0 1 0 0)", True, id="matrix"),
        pytest.param("url(#x)", False, id="url"),
        pytest.param("scale(1) url(//e.org)", False, id="after"),
        pytest.param("scale(calc(1))", False, id="nested"),
    ],
)
def test_a_transform_has_no_other_functions(value: str, stays: bool) -> None:
    """Transforms and ``url(#…)`` are the only functions that stay."""
    expected = f'<g transform="{value}"/>' if stays else "<g/>"
    assert inlined(f'<g transform="{value}"/>') == expected


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        pytest.param(
            'style="fill: none; stroke: #000; stroke-width: 0.8"',
            'fill="none" stroke="#000" stroke-width="0.8"',
            id="matplotlib",
        ),
        pytest.param('style="FILL:none;;"', 'fill="none"', id="as-css"),
        pytest.param('fill="red" style="fill: lime"', 'fill="lime"', id="style-wins"),
        pytest.param('style="fill: lime" fill="red"', 'fill="lime"', id="last-or-not"),
        pytest.param(
            'style="image-rendering:crisp-edges;image-rendering:pixelated"',
            'image-rendering="pixelated"',
            id="twice",
        ),
        pytest.param(
            "style=\"font-family: 'a;fill:x', &quot;b: (c)&quot;; opacity: .5\"",
            'font-family="\'a;fill:x\', &quot;b: (c)&quot;" opacity=".5"',
            id="quoted",
        ),
        pytest.param(
            'style="position: fixed; background: red; cursor: none"', "", id="others"
        ),
        pytest.param('style="mix-blend-mode: multiply"', "", id="no-attribute"),
        pytest.param('style="--fill: red"', "", id="variable"),
        pytest.param('style="fill"', "", id="no-value"),
        pytest.param('style="font-family: \'a; fill: url(//e.org)"', "", id="open"),
        pytest.param('style="font-family: a, url(//e.org)"', "", id="family-url"),
        pytest.param('style="a 1fill: red; a: b fill: red"', "", id="in-the-middle"),
        pytest.param(
            'style=" fill : red ;\n\topacity:1"', 'fill="red" opacity="1"', id="space"
        ),
    ],
)
def test_a_style_becomes_attributes(written: str, kept: str) -> None:
    """They are equivalent, and no policy forbids them."""
    assert inlined(f"<g {written}/>") == f"<g {kept}/>".replace(" /", "/")


def test_the_stylesheet_becomes_attributes_of_the_root() -> None:
    """Matplotlib's rule would otherwise apply to the whole page."""
    markup = inline_svg(drawn(lines, "path"), "p-")
    assert root(markup)["stroke-linejoin"] == "round"
    assert root(markup)["stroke-linecap"] == "butt"
    assert "*{" not in markup


@pytest.mark.parametrize("rule", ["path{fill: red}", "*{fill: red} g{x: y}", "*,g{}"])
def test_other_stylesheets_are_dropped(rule: str) -> None:
    """Only a rule for all elements applies to the root."""
    markup = inline_svg(document(f"<style>{rule}</style>"), "p-")
    assert root(markup)["fill"] == "#000"


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        pytest.param('<g id="a"/>', '<g id="p-a"/>', id="name"),
        pytest.param('<g id="a b"/><g id="ä"/>', '<g id="p-1"/><g id="p-2"/>', id="no"),
        pytest.param('<g id="1"/><g id="x y"/>', '<g id="p-1"/><g id="p-2"/>', id="1"),
        pytest.param(
            '<use href="#&lt;"/><g id="&lt;"/>',
            '<use href="#p-1"/><g id="p-1"/>',
            id="reference-first",
        ),
        pytest.param('<g id="a"/><a id="a"/>', '<g id="p-a"/><a/>', id="twice"),
        pytest.param('<script id="a"/><g id="a"/>', '<g id="p-a"/>', id="left-out"),
        pytest.param(
            '<g aria-labelledby="a 1" id="a"/><text id="1"/>',
            '<g aria-labelledby="p-a p-1" id="p-a"/><text id="p-1"/>',
            id="labelled-by",
        ),
        pytest.param(
            '<g clip-path="url(#a)" fill="url(#b)" style="filter: url(#c)"/>',
            '<g clip-path="url(#p-a)" fill="url(#p-b)" filter="url(#p-c)"/>',
            id="urls",
        ),
    ],
)
def test_every_id_gets_the_prefix(content: str, kept: str) -> None:
    """An id that is not a name becomes a number; references follow."""
    assert inlined(content) == kept


@given(st.lists(st.text('a1-. "<é', min_size=1), min_size=2, unique=True))
def test_different_ids_stay_different(names: list[str]) -> None:
    """All of them become names."""
    groups = ElementTree.Element(f"{SVG}svg")
    for name in names:
        ElementTree.SubElement(groups, f"{SVG}g", id=name)
    found = ids(inline_svg(ElementTree.tostring(groups), "p-"))
    assert len(set(found)) == len(names)
    assert all(re.fullmatch(r"p-[\w.-]+", name, re.ASCII) for name in found)


def test_the_root_keeps_its_size() -> None:
    """It is that of the ``<img>``."""
    attributes = root(inline_svg(drawn(lines, "path"), "p-"))
    assert attributes["viewBox"] == "0 0 460.8 345.6"
    assert (attributes["width"], attributes["height"]) == ("460.8pt", "345.6pt")


def test_attributes_of_the_caller_take_precedence() -> None:
    """They override those of the root, and values may be any text."""
    given = {"width": "640", "class": "a chart", "aria-label": "\"<&'>", "fill": "red"}
    attributes = root(inline_svg(drawn(lines, "path"), "p-", attributes=given))
    assert {name: attributes[name] for name in given} == given
    assert attributes["height"] == "345.6pt"


@pytest.mark.parametrize("name", ["", "a b", "a=", "a>", 'a"', "1a", "ä", "a\n"])
def test_an_invalid_name_raises(name: str) -> None:
    """As a prefix or attribute name it could be markup."""
    with pytest.raises(ValueError, match="is not the beginning of an id"):
        inline_svg(document(""), name)
    with pytest.raises(ValueError, match="is not the name of an attribute"):
        inline_svg(document(""), "p-", attributes={name: ""})


ENTITIES = '<!ENTITY a "aa"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            f"<!DOCTYPE svg [{ENTITIES}]><svg {XMLNS}><text>&c;</text></svg>",
            "DOCTYPE with declarations",
            id="entities",
        ),
        pytest.param(
            f'<!DOCTYPE svg SYSTEM "x" [<!ENTITY a SYSTEM "x">]><svg {XMLNS}/>',
            "DOCTYPE with declarations",
            id="external-entity",
        ),
        pytest.param(
            f'<!DOCTYPE svg [<!ATTLIST svg onload CDATA "x">]><svg {XMLNS}/>',
            "DOCTYPE with declarations",
            id="default-attribute",
        ),
        pytest.param(
            "<svg/>", "not an SVG: its root element is 'svg'", id="no-namespace"
        ),
        pytest.param(f"<g {XMLNS}/>", "not an SVG", id="other-root"),
        pytest.param("<html><svg/></html>", "not an SVG", id="html"),
        pytest.param(f"<svg {XMLNS}><g></svg>", "not well-formed", id="torn"),
        pytest.param(f"<svg {XMLNS}/><svg {XMLNS}/>", "not well-formed", id="two"),
        pytest.param(
            "<svg>&nbsp;</svg>", "not an SVG|not well-formed", id="html-entity"
        ),
        pytest.param("", "not well-formed", id="empty"),
        pytest.param("\x89PNG", "not well-formed", id="png"),
    ],
)
def test_other_documents_raise(body: str, message: str) -> None:
    """None of their content reaches the page."""
    with pytest.raises(ValueError, match=message):
        inline_svg(body.encode(), "p-")


@pytest.mark.parametrize(
    "unit", ["a", "a:", "'", "\"'", ";", "url(#", "scale(1)", "/*"]
)
@pytest.mark.parametrize("name", ["style", "fill", "font-family", "transform"])
def test_a_long_value_is_read_in_linear_time(name: str, unit: str) -> None:
    """A hostile font name or link cannot slow down the server."""
    group = ElementTree.Element(f"{SVG}svg", {name: unit * 50_000 + "x("})
    body = ElementTree.tostring(group)
    started = process_time()
    inline_svg(body, "p-")
    assert process_time() - started < 2


def test_depth_has_no_limit() -> None:
    """No function of the module is recursive."""
    content = "<g>" * 50_000 + "</g>" * 50_000
    assert inlined(content).count("<g") == 50_000


HOSTILE = [
    *('"><script>hack()</script>', "</svg><script>hack()</script>", "' onload='hack()"),
    *("]]><script>hack()</script>", "--><script>hack()</script>", "&lt;script&gt;"),
    *(
        "javascript:hack()",
        "JaVaScRiPt:hack()",
        " data:text/html,<script>",
        "vbscript:",
    ),
    *("x;}*{display:none", "url(//evil.example)", "<style>*{fill:red}</style>"),
]


def stranger(text: str) -> Figure:
    """Return a figure with *text* in every place that Matplotlib accepts."""
    figure = Figure()
    figure.patch.set_url(text)
    axes = figure.subplots()
    axes.set_gid(text)
    axes.plot([1, 2], marker="o", url=text, gid=text, label=text)
    axes.scatter([1, 2], [2, 1], urls=[text, text])
    axes.imshow(np.eye(2), url=text, gid=text)
    axes.set_title(text, url=text)
    axes.legend()
    return figure


@cache
def harmless_tags(fonttype: str) -> set[str]:
    markup = inline_svg(draw(stranger("harmless"), fonttype=fonttype), "p-")
    return {element.tag for element in ElementTree.fromstring(markup).iter()}


@pytest.mark.slow
@every_text
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str, fonttype: str) -> None:
    """As title, label, id and link, it adds no elements."""
    markup = inline_svg(draw(stranger(text), fonttype=fonttype), "p-")
    tags = harmless_tags(fonttype)
    for element in ElementTree.fromstring(markup).iter():
        assert element.tag in tags
        assert not [name for name in element.attrib if name.startswith("on")]
        assert not re.search("script:|data:text", element.get("href", ""), re.I)


def test_a_text_is_escaped() -> None:
    """Markup in a title is shown as text."""
    text = "</text></svg><script>hack()</script> & 'x'"
    markup = inline_svg(draw(stranger(text), fonttype="none"), "p-")
    shown = [text.text for text in ElementTree.fromstring(markup).iter(f"{SVG}text")]
    assert shown.count(text) == 2


@pytest.mark.parametrize(
    "url", ["JaVa\tscript:hack()", "java\nscript:hack()", "\n x:y"]
)
def test_matplotlib_does_not_escape_links(url: str) -> None:
    """XML parsers read line breaks and tabs as spaces."""
    figure = Figure()
    figure.patch.set_url(url)
    markup = inline_svg(draw(figure), "p-")
    assert not re.search(r'href="\s*\w+:', markup)


#: Nothing but the page itself: no script, no style, no font, no other server.
POLICY = "default-src 'none'; img-src data:"
PAGE = "https://page.example/"


class Site:
    """A page with the content of a test, its errors and its requests."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.content = self.policy = ""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.context.route("**/*", self.answer)

    def answer(self, route: Route) -> None:
        if route.request.url != PAGE:
            self.requests.append(route.request.url)
        route.fulfill(
            body=f"<!doctype html><meta charset=utf-8><title>A</title>{self.content}",
            content_type="text/html",
            headers={"Content-Security-Policy": self.policy},
        )

    def show(self, content: str, policy: str = "") -> Page:
        self.content, self.policy = content, policy
        self.complaints.clear()
        self.requests.clear()
        for opened in self.page.context.pages[1:]:
            opened.close()
        self.page.goto(PAGE)
        return self.page

    def pixels(self, content: str, policy: str = POLICY) -> Any:
        """Return a screenshot of a page without errors."""
        shown = pixels(self.show(content, policy).screenshot()).astype(int)
        assert self.complaints == []
        return shown


@pytest.fixture(scope="module")
def site(browser: Browser) -> Site:
    return Site(browser.new_page(viewport={"width": 500, "height": 400}))


def picture(body: bytes) -> str:
    """Return *body* as an ``<img>``."""
    uri = f"data:image/svg+xml;base64,{b64encode(body).decode()}"
    return f'<img width="480" height="360" src="{uri}">'


@every_text
@every_figure
def test_an_inline_figure_looks_as_in_an_image(
    site: Site, build: Callable[[], Figure], fonttype: str
) -> None:
    """The pixels are equal, under a policy that forbids inline styles."""
    body = drawn(build, fonttype)
    before = site.pixels(picture(body))
    after = site.pixels(inline_svg(body, "p-", attributes=SIZE))
    assert np.ptp(before) > 200
    assert np.abs(before - after).max() <= 8


#: Properties of ancestors in a page that a picture would inherit.
INHERITED = [
    *("fill: red", "stroke: red", "stroke-width: 5px", "stroke-linejoin: bevel"),
    *("direction: rtl", "font: italic bold 40px serif", "letter-spacing: 5px"),
    *("font-variant: small-caps", "font-stretch: condensed", "word-spacing: 9px"),
    *("text-anchor: end", "text-rendering: geometricPrecision", "color: red"),
    *("writing-mode: vertical-rl", "white-space: pre", "line-height: 3"),
    *("stroke-linecap: round", "font-style: italic", "font-weight: bold"),
]


def test_an_inline_figure_inherits_no_style(site: Site) -> None:
    """Texts and shapes look as in a page without styles."""
    markup = inline_svg(drawn(lines, "none"), "p-", attributes=SIZE)
    page = site.show(f'<div style="position: absolute">{markup}</div>')
    before = pixels(page.screenshot()).astype(int)
    changed = []
    for style in INHERITED:
        page.locator("div").evaluate(
            "(div, style) => { div.style = 'position: absolute; ' + style }", style
        )
        after = pixels(page.screenshot()).astype(int)
        if np.abs(before - after).max() > 8:
            changed.append(style)
    assert changed == []


def test_an_inline_figure_does_not_affect_the_page(site: Site) -> None:
    """An unchanged style sheet or id would."""
    own = '<svg id="figure_1" width="9" height="9"><path id="axes_1" d="M0 0"/></svg>'
    join = "getComputedStyle(document.getElementById('axes_1')).strokeLinejoin"
    body = drawn(lines, "path")
    page = site.show(own + body.decode())
    assert page.evaluate(join) == "round"
    page = site.show(inline_svg(body, "p-") + own)
    assert page.evaluate(join) == "miter"
    assert page.evaluate("document.getElementById('figure_1').clientWidth") == 9


def test_two_pictures_in_a_page_do_not_mix(site: Site) -> None:
    """The second has separate clip paths, glyphs and patterns."""
    first, second = (
        inline_svg(drawn(build, "path"), prefix, attributes=SIZE)
        for build, prefix in ((hatches, "a-"), (lines, "b-"))
    )
    hidden = first.replace("<svg", "<svg display='none'", 1)
    assert np.array_equal(site.pixels(hidden + second), site.pixels(second))


def test_a_base_does_not_break_the_references(site: Site) -> None:
    """``url(#…)`` and ``href="#…"`` refer to the page despite its ``<base>``."""
    markup = inline_svg(drawn(hatches, "path"), "p-", attributes=SIZE)
    based = f'<base href="https://other.example/">{markup}'
    assert np.array_equal(site.pixels(based), site.pixels(markup))


SAME_TREE = """markup => {
    const parsed = type => new DOMParser().parseFromString(markup, type);
    const asXml = parsed('image/svg+xml').documentElement;
    return asXml.isEqualNode(parsed('text/html').querySelector('svg'));
}"""


@every_text
@every_figure
def test_html_and_xml_parsers_agree(
    site: Site, build: Callable[[], Figure], fonttype: str
) -> None:
    """They find the same elements, attributes, namespaces and texts."""
    markup = inline_svg(drawn(build, fonttype), "p-")
    assert site.show("").evaluate(SAME_TREE, markup)


#: A shape to click on, over the whole picture.
SHEET = '<path d="M0 0H900V900H0z"/>'
ATTACKS = [
    pytest.param("<script>window.hacked = 1</script>", id="script"),
    pytest.param('<g onclick="window.hacked = 1">' + SHEET + "</g>", id="onclick"),
    pytest.param(
        f'<a href="javascript:void(window.hacked = 1)">{SHEET}</a>', id="javascript"
    ),
    pytest.param(
        f'<a xlink:href=" &#10;JaVa&#9;Script:void(window.hacked=1)">{SHEET}</a>',
        id="hidden-javascript",
    ),
    pytest.param(
        f'<a>{SHEET}<animate attributeName="href" '
        'values="javascript:void(window.hacked = 1)" dur="1s" fill="freeze" /></a>',
        id="animate",
    ),
    pytest.param(
        '<image href="data:image/png;base64,x" onerror="window.hacked = 1"/>',
        id="onerror",
    ),
    pytest.param(
        '<foreignObject width="9" height="9"><img src="x" onerror="window.hacked = 1"'
        ' xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>',
        id="foreign-object",
    ),
    pytest.param('<image href="https://evil.example/x.png"/>', id="image"),
    pytest.param("<style>@import 'https://evil.example/x.css';</style>", id="import"),
    pytest.param(
        '<text style="font-family: x">x</text><style>@font-face {font-family: x; '
        "src: url(https://evil.example/x.woff)}</style>",
        id="font",
    ),
]


TWO_FRAMES = """() => new Promise(resolve =>
    requestAnimationFrame(() => requestAnimationFrame(resolve)))"""


def clicked(site: Site, content: str) -> Page:
    """Return a page after clicks on the edge and in the middle of its picture."""
    page = site.show(content)
    for x, y in ((50, 50), (240, 180)):
        page.mouse.click(x, y)
        page.evaluate(TWO_FRAMES)
    return page


def harm(site: Site, content: str) -> bool:
    """Return whether a visit ran or loaded something."""
    return bool(clicked(site, content).evaluate("window.hacked") or site.requests)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_does_nothing_in_a_browser(site: Site, attack: str) -> None:
    """The unchanged markup runs a script or loads something."""
    body = f'<svg {XMLNS} width="480" height="360">{attack}</svg>'
    assert harm(site, body)
    assert not harm(site, inline_svg(body.encode(), "p-"))


@every_text
@pytest.mark.parametrize(
    "text",
    [
        '"><script>window.hacked = 1</script>',
        "</svg><img src=x onerror=hacked=1>",
        "<img src=x onerror=window.hacked=1 ",
    ],
)
def test_hostile_text_does_nothing_in_a_browser(
    site: Site, text: str, fonttype: str
) -> None:
    """The page is unchanged, and no script has run."""
    body = draw(stranger(text), fonttype=fonttype)
    page = site.show(inline_svg(body, "p-", attributes=SIZE))
    page.evaluate(TWO_FRAMES)
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.body.childElementCount") == 1
    assert site.requests == []


@pytest.mark.parametrize("scheme", ["javascript", "JaVaScript", " javascript"])
def test_a_hostile_link_does_nothing_in_a_browser(site: Site, scheme: str) -> None:
    """It is on the figure and on an image inside it."""
    body = draw(stranger(f"{scheme}:void(window.hacked = 1)"))
    # Matplotlib 3.10 writes none, and then it would run in the page.
    body = body.replace(b' target="_blank"', b"")
    page = clicked(site, inline_svg(body, "p-", attributes=SIZE))
    assert page.evaluate("window.hacked") is None
    assert page.url == PAGE
