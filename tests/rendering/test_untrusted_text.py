"""Untrusted text in a figure is shown and does nothing else."""

from __future__ import annotations

import importlib
import logging
import re
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib import mathtext, ticker
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.figure import Figure
from matplotlib.texmanager import TexManager

from flask_mplstream import (
    ConfigError,
    FigureBlueprint,
    ImageTooLargeError,
    TexError,
    render,
)
from flask_mplstream.rendering import figure_guards
from flask_mplstream.rendering.figure_lock import gate
from flask_mplstream.rendering.safe_links import clean_link
from tests.support.pictures import pixels

dates: Any = importlib.import_module("matplotlib.dates")  # Half typed.

Serve = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def figures(plots: FigureBlueprint) -> None:
    @plots.figure_route("/titled", inject={"own": lambda: ""})
    def titled(
        own: str, title: str = "", labels: list[str] = [], suffix: str = ""
    ) -> Figure:
        figure = Figure(figsize=(3, 2))
        figure.suptitle(title + suffix + own)
        figure.text(0.1, 0.1, "; ".join(labels))
        return figure

    @plots.figure_route("/fixed")
    def fixed(title: str = "") -> Figure:
        figure = Figure(figsize=(3, 2))
        figure.suptitle(r"$\nothing$")
        figure.text(0.1, 0.1, title)
        return figure


@pytest.mark.parametrize("name", ["png", "svg", "pdf"])
@pytest.mark.parametrize(
    "title",
    [
        pytest.param(r"$\foo$", id="unknown"),
        pytest.param(r"$\frac{$", id="open"),
        pytest.param("$^$", id="nothing-to-raise"),
        pytest.param("$$", id="empty"),
        pytest.param("$x_1_2$", id="twice"),
        pytest.param("$" + "{" * 60 + "x" + "}" * 60 + "$", id="nested"),
        pytest.param("$" + r"\sqrt{" * 35 + "x" + "}" * 35 + "$", id="roots"),
    ],
)
def test_bad_mathtext_from_the_url_is_a_400(
    serve: Serve, title: str, name: str
) -> None:
    """The error names the argument and the accepted text, in every format."""
    answer = serve().get(f"/plots/titled.{name}", query_string={"title": title})
    assert answer.status_code == 400
    assert answer.json is not None
    (fault,) = answer.json["errors"]
    assert fault["name"] == "title"
    assert "cannot read it as mathtext" in fault["reason"]
    assert r"\$ for a dollar sign" in fault["accepted"]


def test_the_error_names_one_of_several_texts(serve: Serve) -> None:
    """The error names an item of a list or a piece of a longer text."""
    client = serve()
    query = {"title": "a", "labels": ["b", r"$\nix$", "c"]}
    problem = client.get("/plots/titled", query_string=query).json
    assert problem is not None
    assert [fault["name"] for fault in problem["errors"]] == ["labels"]
    query = {"title": r"a\nix", "suffix": "x"}
    assert client.get("/plots/titled", query_string=query).status_code == 200


def test_bad_mathtext_in_the_figure_function_is_a_500(serve: Serve) -> None:
    """The error does not name the client's valid text."""
    assert serve().get("/plots/fixed?title=a").status_code == 500


def test_good_mathtext_is_drawn(serve: Serve) -> None:
    """An escaped or single dollar sign is accepted too."""
    for title in (r"$\frac{1}{x^2}$", r"5 \$ and 6 \$", "5 $ only"):
        answer = serve().get("/plots/titled", query_string={"title": title})
        assert answer.status_code == 200, title


def equation() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, "$a=b$")
    return figure


def broken() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, r"$\sin^\foo$")
    return figure


def test_broken_mathtext_changes_no_other_picture() -> None:
    """The parser's state after an error does not reach the next figure."""
    parser: Any = mathtext.MathTextParser
    parser._parse_cached.cache_clear()
    before = render(equation).body
    parser._parse_cached.cache_clear()
    with pytest.raises(ValueError, match="foo"):
        render(broken)
    assert render(equation).body == before


def latex() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, r"\input{/etc/passwd}", usetex=True)
    return figure


def latex_by_rc() -> Figure:
    mpl.rcParams["text.usetex"] = True
    figure = Figure(figsize=(2, 1))
    figure.subplots().set_title("a")
    return figure


def latex_measured() -> Figure:
    figure = latex()
    drawn: Any = figure
    figure.texts[0].get_window_extent(drawn._get_renderer())
    return figure


@pytest.mark.parametrize("name", ["png", "svg", "pdf"])
@pytest.mark.parametrize("build", [latex, latex_by_rc, latex_measured])
def test_latex_is_refused(build: Callable[[], Figure], name: str) -> None:
    """LaTeX is never started, not even to measure text."""
    with pytest.raises(TexError, match="without usetex"):
        render(build, name)
    assert not mpl.rcParams["text.usetex"]


def test_latex_in_the_servers_settings_is_ignored() -> None:
    """A matplotlibrc with ``text.usetex`` has no effect."""

    def plain() -> Figure:
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.5, "a")
        return figure

    with mpl.rc_context({"text.usetex": True}):
        assert render(plain).body == render(plain).body


def test_a_style_with_latex_is_refused_at_start(plots: FigureBlueprint) -> None:
    """The error occurs at the start, as every picture would fail."""
    plots.figure_route("/latex", style={"text.usetex": True})(equation)
    with pytest.raises(ConfigError, match="usetex"):
        Flask(__name__).register_blueprint(plots)


def test_the_guards_are_gone_afterwards() -> None:
    """Other code in the process uses Matplotlib unchanged."""
    make_dvi, set_url = TexManager.__dict__["make_dvi"], GraphicsContextBase.set_url
    with gate(), gate():
        assert TexManager.__dict__["make_dvi"] is not make_dvi
    with pytest.raises(TexError):
        render(latex)
    assert TexManager.__dict__["make_dvi"] is make_dvi
    assert GraphicsContextBase.set_url is set_url


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://example.org/?a=1#b", True),
        ("http://example.org", True),
        ("HTTPS://EXAMPLE.ORG", True),
        ("mailto:me@example.org", True),
        ("/plots/walk?n=5", True),
        ("walk?at=12:30", True),
        ("//example.org/", True),
        ("#figure", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        (" \x01javascript:alert(1)", False),
        ("java\tscr\nipt:alert(1)", False),
        ("data:text/html,<script>", False),
        ("vbscript:x", False),
        ("file:///etc/passwd", False),
        ("blob:x", False),
    ],
)
def test_which_links_are_safe(url: str, is_safe: bool) -> None:
    """Links are parsed as a browser parses them."""
    assert (clean_link(url) is not None) is is_safe


def linked(*urls: str) -> Figure:
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    figure.text(0.1, 0.1, "text", url=urls[0])
    axes.plot([1, 2], url=urls[0])
    axes.scatter([1, 2], [1, 2]).set_urls(list(urls))
    axes.imshow(np.eye(2), url=urls[0])
    axes.bar([1, 2], [1, 2], url=urls[0])
    return figure


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("svg", rb'<a xlink:href="([^"]*)"'), ("pdf", rb"/URI \((.*?)\)")],
)
def test_a_link_that_runs_code_is_dropped(name: str, pattern: bytes) -> None:
    """The artist is drawn without the link; other links remain."""
    bad = render(lambda: linked("javascript:alert(1)", "https://example.org/"), name)
    assert b"javascript" not in bad.body
    good = render(lambda: linked("https://example.org/a", "/b"), name)
    assert b"https://example.org/a" in re.findall(pattern, good.body)


def test_no_file_is_written_beside_an_svg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figure function cannot enable image files."""
    monkeypatch.chdir(tmp_path)

    def figure() -> Figure:
        mpl.rcParams["svg.image_inline"] = False
        made = Figure(figsize=(2, 2))
        made.subplots().imshow(np.eye(2))
        return made

    assert b"data:image/png" in render(figure, "svg").body
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fonttype", ["none", "path"])
def test_a_text_that_xml_cannot_hold_is_replaced(fonttype: str) -> None:
    """The SVG is well-formed with any text, gid and metadata."""
    odd = "a\x00\x08\x0b\x1b\x1f\ufffe\uffffz --> ]]> <script>alert(1)</script> & é"

    def figure() -> Figure:
        mpl.rcParams["svg.fonttype"] = fonttype
        made = Figure(figsize=(3, 2))
        made.text(0.1, 0.1, odd, gid=odd, url=f"https://example.org/{odd}")
        return made

    svg = render(figure, "svg", savefig={"metadata": {"Title": odd}}).body
    root = ET.fromstring(svg)
    assert not [e for e in root.iter() if e.tag.endswith("script")]
    assert "\ufffd" in svg.decode()


def test_control_characters_do_not_reach_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The log line has no control characters, although Matplotlib's warning does."""
    title = "a\x1b[31m\x07 \N{CUNEIFORM SIGN A}"
    answer = serve().get("/plots/titled", query_string={"title": title})
    assert answer.status_code == 200
    (message,) = caplog.messages
    assert "CUNEIFORM SIGN A" in message
    assert message.isprintable()


@pytest.mark.parametrize("name", ["png", "svg", "pdf"])
def test_missing_glyphs_and_fonts_are_one_line_of_the_log(
    serve: Serve, plots: FigureBlueprint, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The line names the figure and a limited number of glyphs."""

    @plots.figure_route("/odd")
    def odd(title: str = "", family: str = "no\nsuch font") -> Figure:
        figure = Figure(figsize=(3, 2))
        for number in range(3):
            family = f"no\nsuch font {number} {title[0]} {name}"
            figure.text(0, number / 3, title, family=family)
            figure.text(0, number / 3, f"${title[number]}$")
        return figure

    title = "".join(map(chr, range(0x12000, 0x12000 + 250)))
    answer = serve().get(f"/plots/odd.{name}", query_string={"title": title})
    assert answer.status_code == 200
    (message,) = caplog.messages
    assert "odd: no glyph in DejaVu Sans for U+12000 CUNEIFORM SIGN A, " in message
    assert "and 245 more" in message
    assert "Font family" in message
    assert message.isprintable()
    assert len(message) <= 1000


def test_other_threads_keep_their_log(caplog: pytest.LogCaptureFixture) -> None:
    """Only the render's own warnings are gathered."""
    fonts = logging.getLogger("matplotlib.font_manager")
    with gate(name="a test"):
        thread = threading.Thread(target=fonts.warning, args=("from elsewhere",))
        thread.start()
        thread.join()
        assert caplog.messages == ["from elsewhere"]
        fonts.warning("from here")
        assert caplog.messages == ["from elsewhere"]
    assert caplog.messages[1:] == ["Matplotlib on a test: from here"]
    fonts.warning("afterwards")
    assert caplog.messages[-1] == "afterwards"


def axes_and_figure() -> tuple[Any, Figure]:
    figure = Figure(figsize=(2, 1))
    return figure.subplots(), figure


def many_ticks(n: int) -> Figure:
    axes, figure = axes_and_figure()
    axes.set_xlim(0, n)
    axes.xaxis.set_major_locator(ticker.MultipleLocator(1))
    return figure


def many_minor_ticks(n: int) -> Figure:
    axes, figure = axes_and_figure()
    axes.set_xlim(0, n)
    axes.xaxis.set_minor_locator(ticker.MultipleLocator(1))
    return figure


def between_ticks(n: int) -> Figure:
    axes, figure = axes_and_figure()
    axes.xaxis.set_minor_locator(ticker.AutoMinorLocator(n))
    return figure


def located(locator: ticker.Locator) -> Figure:
    axes, figure = axes_and_figure()
    axes.xaxis.set_major_locator(locator)
    return figure


def indexed(n: int) -> Figure:
    figure = located(ticker.IndexLocator(1, 0))
    figure.axes[0].plot(range(0, n, n // 10))
    figure.axes[0].set_xlim(0, n)
    figure.axes[0].dataLim.intervalx = (0, n)
    return figure


def at_dates(locator: Any, days: int) -> Figure:
    axes, figure = axes_and_figure()
    start = datetime(2000, 1, 1)
    axes.plot([start, start + timedelta(days)], [0, 1])
    axes.xaxis.set_major_locator(locator)
    return figure


def listed(n: int) -> Figure:
    axes, figure = axes_and_figure()
    axes.set_xticks(np.arange(n))
    return figure


def drawn_by(method: str, *args: Any, **options: Any) -> Figure:
    axes, figure = axes_and_figure()
    getattr(axes, method)(*args, **options)
    return figure


def flowing(density: Any) -> Figure:
    x, flow = np.linspace(0, 1, 4), np.ones((4, 4))
    return drawn_by("streamplot", x, x, flow, flow, density=density)


def collected(width: float) -> Figure:
    return drawn_by("hlines", [0, 1], 0, 1, linestyles=":", linewidths=width)


SOME = [1, 2, 3]
GRID = np.arange(25.0).reshape(5, 5)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: many_ticks(1_200), id="ticks"),
        pytest.param(lambda: many_ticks(10**12), id="ticks-without-memory"),
        pytest.param(lambda: many_minor_ticks(10**9), id="minor"),
        pytest.param(lambda: between_ticks(10**9), id="auto-minor"),
        pytest.param(lambda: located(ticker.LinearLocator(10**9)), id="linear"),
        pytest.param(lambda: located(ticker.MaxNLocator(10**9)), id="max-n"),
        pytest.param(lambda: indexed(10**9), id="index"),
        pytest.param(lambda: at_dates(dates.DayLocator(), 9000), id="days"),
        pytest.param(lambda: at_dates(dates.SecondLocator(), 3000), id="seconds"),
        pytest.param(lambda: at_dates(dates.MicrosecondLocator(1), 9), id="micro"),
        pytest.param(lambda: listed(100_000), id="listed"),
        pytest.param(lambda: drawn_by("hist", SOME, 10**8), id="bins"),
        pytest.param(
            lambda: drawn_by("hist", SOME, bins=10**8, histtype="step"), id="step-bins"
        ),
        pytest.param(lambda: drawn_by("hist2d", SOME, SOME, 10**4), id="hist2d"),
        pytest.param(
            lambda: drawn_by("hist2d", SOME, SOME, bins=(2, 10**8)), id="hist2d-two"
        ),
        pytest.param(
            lambda: drawn_by("hexbin", SOME, SOME, gridsize=10**4), id="hexbin"
        ),
        pytest.param(lambda: drawn_by("contour", GRID, levels=10**8), id="levels"),
        pytest.param(
            lambda: drawn_by("contourf", GRID, levels=np.arange(10**5)), id="own-levels"
        ),
        pytest.param(lambda: flowing(10**4), id="density"),
        pytest.param(lambda: flowing((1, 10**4)), id="two-densities"),
        pytest.param(lambda: drawn_by("plot", SOME, "--", lw=1e-7), id="dashes"),
        pytest.param(
            lambda: drawn_by("plot", SOME, ls=(0, (1e-7, 1e-7))), id="own-dashes"
        ),
        pytest.param(lambda: collected(1e-7), id="dashes-of-a-collection"),
        pytest.param(lambda: drawn_by("grid", ls=":", lw=1e-7), id="grid"),
        pytest.param(lambda: drawn_by("set_title", "W", fontsize=1e6), id="font"),
        pytest.param(lambda: drawn_by("plot", SOME, "o", ms=1e7), id="marker"),
        pytest.param(lambda: drawn_by("scatter", SOME, SOME, s=1e14), id="scatter"),
        pytest.param(
            lambda: drawn_by("plot", SOME, marker=(10**8, 0, 0)), id="corners"
        ),
        pytest.param(lambda: drawn_by("plot", SOME, marker=(10**8, 1, 0)), id="star"),
    ],
)
def test_a_number_cannot_create_a_million_parts(make: Callable[[], Figure]) -> None:
    """The error occurs before time or memory is spent."""
    with pytest.raises(ImageTooLargeError, match="can be drawn"):
        render(make)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: many_ticks(60), id="ticks"),
        pytest.param(lambda: located(ticker.LinearLocator(50)), id="linear"),
        pytest.param(lambda: at_dates(dates.DayLocator(), 50), id="days"),
        pytest.param(
            lambda: at_dates(dates.HourLocator(byhour=[0]), 100), id="hours-of-days"
        ),
        pytest.param(lambda: drawn_by("hist", SOME, bins=[0, 2, 20_000]), id="edges"),
        pytest.param(lambda: drawn_by("hist", SOME, bins="auto"), id="rule"),
        pytest.param(lambda: drawn_by("hist2d", SOME, SOME, bins=(3, 4)), id="hist2d"),
        pytest.param(lambda: drawn_by("hexbin", SOME, SOME, gridsize=20), id="hexbin"),
        pytest.param(lambda: drawn_by("contourf", GRID, levels=100), id="levels"),
        pytest.param(lambda: flowing((2, 3)), id="density"),
        pytest.param(lambda: drawn_by("plot", SOME, "--", lw=0), id="no-width"),
        pytest.param(lambda: drawn_by("plot", SOME, "--", lw=0.1), id="thin"),
        pytest.param(lambda: collected(0.1), id="collection"),
        pytest.param(lambda: drawn_by("plot", SOME, marker=(6, 1, 0)), id="star"),
        pytest.param(lambda: drawn_by("scatter", SOME, SOME, s=SOME), id="scatter"),
        pytest.param(lambda: drawn_by("scatter", [], [], s=[]), id="no-markers"),
        pytest.param(lambda: drawn_by("set_title", "W", size="xx-large"), id="font"),
    ],
)
def test_ordinary_numbers_change_nothing(make: Callable[[], Figure]) -> None:
    """The pixels are those of ``savefig`` without a guard."""
    plain = BytesIO()
    make().savefig(plain, format="png")
    assert (pixels(render(make).body) == pixels(plain.getvalue())).all()


def test_a_locator_may_allow_more() -> None:
    """A figure function may set a locator's ``MAXTICKS``."""
    locator = ticker.MultipleLocator(1)
    locator.MAXTICKS = 2_000
    with gate():
        assert len(locator.tick_values(0, 1_100)) > 1_100
        with pytest.raises(ImageTooLargeError):
            locator.tick_values(0, 2_100)


def test_too_many_ticks_of_a_url_are_a_400(
    serve: Serve, plots: FigureBlueprint
) -> None:
    """The process is not blocked; the next picture is drawn."""
    plots.figure_route("/ticks")(many_ticks)
    client = serve()
    answer = client.get("/plots/ticks?n=1000000000000")
    assert answer.status_code == 400
    assert "1,000,000,000,003 ticks" in answer.text
    assert client.get("/plots/ticks?n=10").status_code == 200


def test_no_guard_remains_after_a_render() -> None:
    """Matplotlib is unchanged after an error."""
    before = [vars(owner)[name] for owner, name, _ in figure_guards._GUARDS]
    with pytest.raises(ImageTooLargeError):
        render(lambda: many_ticks(10**6))
    assert [vars(owner)[name] for owner, name, _ in figure_guards._GUARDS] == before
    assert vars(ticker)["np"] is np
