"""Widths and texts: a picture's variants other than scales."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from flask.testing import FlaskClient
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from flask_mplstream import ConfigError, FigureBlueprint, render
from flask_mplstream.formats import FORMATS, Theme, Variant
from flask_mplstream.parameters.size_steps import WIDTHS_PX, snap_width
from flask_mplstream.rendering.pipeline import Limits, Meaning, render_variant
from flask_mplstream.rendering.styles import Look
from flask_mplstream.rendering.svg_title import add_title
from tests.support.doubles import Counter
from tests.support.pictures import pixels

Serve = Callable[..., FlaskClient]
SVG = "{http://www.w3.org/2000/svg}"


def drawn(figure: Figure, variant: Variant, look: Look | None = None) -> bytes:
    image = render_variant(
        lambda: figure,
        variant,
        source="test",
        look=look or Look(),
        limits=Limits(),
        meaning=Meaning("A walk."),
    )
    return image.body


def walk(width: float = 6.4, dpi: float = 100) -> Figure:
    figure = Figure(figsize=(width, 3.3), dpi=dpi, layout="constrained")
    figure.subplots().plot([1, 3, 2])
    return figure


@pytest.mark.parametrize("width_px", WIDTHS_PX[:-2])
@pytest.mark.parametrize(("inches", "dpi"), [(6.4, 100), (5, 128), (3.37, 72.27)])
def test_a_width_is_exact_to_the_pixel(
    width_px: int, inches: float, dpi: float
) -> None:
    """This holds for any size of the figure; its proportions stay."""
    figure = Figure(figsize=(inches, inches / 2), dpi=dpi)
    shape = pixels(drawn(figure, Variant(FORMATS["png"], width_px=width_px))).shape
    assert shape[1] == width_px
    assert abs(shape[0] - width_px / 2) <= 1


def beside(layout: Any, dpi: float) -> Figure:
    """Return a figure with a legend beside its axes, inside a tight box."""
    figure = Figure(figsize=(4, 3), dpi=dpi, layout=layout)
    axes = figure.subplots()
    axes.plot([1, 3, 2], label="a long label")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    axes.set(xticks=[0, 2], yticks=[1, 3])
    return figure


@pytest.mark.parametrize("layout", [None, "constrained", "tight", "compressed"])
@pytest.mark.parametrize(
    ("dpi", "savefig"),
    [
        pytest.param(100, {}, id="usual"),
        pytest.param(133, {"pad_inches": 0}, id="no-padding"),
        pytest.param(72.27, {"pad_inches": 0.5}, id="wide-padding"),
    ],
)
@pytest.mark.parametrize("width_px", [160, 640])
def test_a_width_with_a_tight_box_is_exact_to_the_pixel(
    layout: Any, dpi: float, savefig: dict[str, Any], width_px: int
) -> None:
    """Only a draw gives the size of the box, and texts grow unevenly."""
    look = Look(None, {"bbox_inches": "tight", **savefig})
    variant = Variant(FORMATS["png"], width_px=width_px)
    shown = pixels(drawn(beside(layout, dpi), variant, look))
    assert shown.shape[1] == width_px
    if "pad_inches" not in savefig:  # Nothing is cut off to meet the width.
        assert (shown[:, [0, -1], :3] == 255).all()


def test_the_same_width_is_the_same_picture() -> None:
    """At the figure's own width, the picture equals scale 1."""
    one = drawn(walk(), Variant(FORMATS["png"]))
    other = drawn(walk(), Variant(FORMATS["png"], width_px=640))
    assert np.array_equal(pixels(one), pixels(other))


@pytest.mark.parametrize(
    ("asked", "step"), [(1, 120), (120, 120), (121, 160), (3840, 3840), (9999, 3840)]
)
def test_widths_are_rounded_up_to_the_next_step(asked: int, step: int) -> None:
    """A larger picture stays sharp."""
    assert snap_width(asked) == step


@pytest.mark.parametrize("name", ["svg", "pdf", "csv", "json", "txt"])
def test_a_format_without_pixels_has_one_size(name: str) -> None:
    """All sizes are one variant, and one entry in the cache."""
    plain = Variant(FORMATS[name])
    assert Variant(FORMATS[name], 2.0) == plain
    assert Variant(FORMATS[name], 1.0, 640) == plain


def test_text_has_no_theme() -> None:
    """Both themes have the same text."""
    assert Variant(FORMATS["txt"], theme=Theme.DARK) == Variant(FORMATS["txt"])
    assert Variant(FORMATS["svg"], theme=Theme.DARK) != Variant(FORMATS["svg"])


def test_a_picture_has_a_scale_or_a_width() -> None:
    """A request for both is an error."""
    with pytest.raises(ConfigError, match="either"):
        Variant(FORMATS["png"], 2.0, 640)


@pytest.mark.parametrize(
    ("layout", "has_layout"),
    [("constrained", True), ("tight", True), (None, False)],
)
def test_the_layout_is_timed_separately(layout: Any, has_layout: bool) -> None:
    """A layout engine's time is not counted as drawing."""
    figure = Figure(layout=layout)
    figure.subplots().plot([1, 2])
    steps = dict(render(figure).timings_s)
    assert ("layout" in steps) is has_layout
    assert list(steps) == [
        step for step in ("wait", "build", "layout", "draw", "encode") if step in steps
    ]
    assert all(seconds >= 0 for seconds in steps.values())


def test_a_slow_layout_is_not_counted_as_drawing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its time counts once, even if a layout renders another figure."""
    execute = ConstrainedLayoutEngine.execute

    def slow(self: ConstrainedLayoutEngine, fig: Figure) -> None:
        time.sleep(0.5)
        execute(self, fig)

    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", slow)
    steps = dict(render(walk()).timings_s)
    assert steps["layout"] >= 0.5
    assert steps["draw"] < steps["layout"]


def test_two_figures_may_share_a_layout_engine() -> None:
    """After overlapping draws, the engine is unchanged."""
    outer, inner = walk(), Figure()
    inner.subplots()
    engine = outer.get_layout_engine()
    inner.set_layout_engine(engine)

    class Nested(Line2D):
        def draw(self, renderer: object) -> None:
            render(inner)

    outer.axes[0].add_line(Nested([0], [0]))
    assert "layout" in dict(render(outer).timings_s)
    assert "execute" not in vars(engine)


@pytest.mark.parametrize("name", ["svg", "pdf", "txt"])
@pytest.mark.parametrize(
    ("figure", "look"),
    [
        pytest.param(Figure(figsize=(3.339, 2.227)), Look(), id="odd"),
        pytest.param(Figure(figsize=(4, 3)), Look(None, {"dpi": 77.7}), id="dpi"),
        pytest.param(
            Figure(figsize=(2, 1)),
            Look({"savefig.bbox": "tight"}, {"bbox_inches": None}),
            id="none-is-the-rcparam",
        ),
        pytest.param(
            Figure(figsize=(2, 1)),
            Look({"savefig.dpi": 50}, {"dpi": None}),
            id="no-dpi-either",
        ),
    ],
)
def test_every_format_has_the_size_of_the_png(
    figure: Figure, look: Look, name: str
) -> None:
    """A page reserves the right space for every format."""
    if not figure.axes:
        figure.subplots().set_xlabel("x")
    png, other = (
        render_variant(
            lambda: figure,
            Variant(FORMATS[format]),
            source="test",
            look=look,
            limits=Limits(),
        )
        for format in ("png", name)
    )
    # A tight box depends on how each writer measures text.
    slack_px = 1 if "savefig.bbox" in (look.style or ()) else 0
    assert abs(other.width_px - png.width_px) <= slack_px
    assert abs(other.height_px - png.height_px) <= slack_px
    assert pixels(png.body).shape[1::-1] == (png.width_px, png.height_px)


def test_a_figure_without_a_size_is_not_an_error() -> None:
    """A page that reserves space for it does not divide by zero."""
    image = render(Figure(figsize=(0.001, 0.001)), "txt")
    assert (image.width_px, image.height_px) == (1, 1)


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve, renders: Counter) -> FlaskClient:
    @plots.figure_route("/walk", formats=["png", "csv"])
    def served(n: int = 3) -> Figure:
        """A walk."""
        renders(n)
        return walk()

    @plots.figure_route("/told", alt="What <it> & shows", formats=["svg"])
    def told() -> Figure:
        return walk()

    return serve()


def test_every_route_has_an_alternative_text(client: FlaskClient) -> None:
    """The text needs no entry in the formats; negotiation never selects it."""
    answer = client.get("/plots/walk.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.text.startswith("A walk.")
    assert client.get("/plots/told.txt").text == "What <it> & shows"
    accept = {"Accept": "text/plain"}
    assert client.get("/plots/walk", headers=accept).status_code == 406


def test_data_formats_are_offered_if_listed(client: FlaskClient) -> None:
    """They are selected by extension or by name, never by a wildcard."""
    answer = client.get("/plots/walk.csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert client.get("/plots/walk", headers={"Accept": "text/csv"}).data == answer.data
    assert client.get("/plots/walk", headers={"Accept": "text/*"}).status_code == 406
    assert client.get("/plots/walk.json").status_code == 404


def test_an_svg_has_its_title_and_description(client: FlaskClient) -> None:
    """``<title>`` and ``<desc>`` come first, with escaped text."""
    root = ElementTree.fromstring(client.get("/plots/told.svg").data)
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0].text == root[1].text == "What <it> & shows"


def test_the_title_is_the_first_sentence() -> None:
    """The description is the whole text."""
    svg = add_title(b"<svg a='1'>\n</svg>", "A walk. It goes up.")
    root = ElementTree.fromstring(svg)
    assert [child.text for child in root] == ["A walk", "A walk. It goes up."]
    assert root.get("a") == "1"


def test_a_title_in_the_metadata_stays() -> None:
    """The description follows it, and there is no second title."""
    look = Look(None, {"metadata": {"Title": "Mine & yours"}})
    root = ElementTree.fromstring(drawn(walk(), Variant(FORMATS["svg"]), look))
    texts = [child.text for child in root if child.tag in (f"{SVG}title", f"{SVG}desc")]
    assert texts[0] == "Mine & yours"
    assert len(texts) == 2


def test_text_that_xml_cannot_hold_is_replaced() -> None:
    """The SVG is well-formed with any text, and unchanged without text."""
    ElementTree.fromstring(add_title(b"<svg >\n</svg>", "A\x00\x1b\ud800\ufffe]]><b>."))
    assert add_title(b"<svg >", "") == b"<svg >"


def test_the_text_is_stored_with_every_entry(
    client: FlaskClient, renders: Counter
) -> None:
    """The picture after its text is one draw of the same figure."""
    for _ in range(2):
        client.get("/plots/walk.txt")
        client.get("/plots/walk.png")
    assert renders.calls == [3]


def test_a_figure_without_words_is_still_a_picture(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A figure that cannot be described has its name; the log says why."""

    def fail(*_: object) -> str:
        raise ValueError("no words")

    monkeypatch.setattr(sys.modules[render.__module__], "describe", fail)
    variant = Variant(FORMATS["svg"])
    assert b"<title>A walk</title>" in drawn(walk(), variant)
    assert "no words" in caplog.text
