"""A stranger's text in a figure: it is shown, and does nothing else."""

from __future__ import annotations

import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib import mathtext
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.figure import Figure
from matplotlib.texmanager import TexManager

from flask_mplstream import ConfigError, FigureBlueprint, TexError, render
from flask_mplstream.links import safe_link
from flask_mplstream.render import gate

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
    """It names the argument and what is accepted, in every format."""
    answer = serve().get(f"/plots/titled.{name}", query_string={"title": title})
    assert answer.status_code == 400
    assert answer.json is not None
    (fault,) = answer.json["errors"]
    assert fault["name"] == "title"
    assert "cannot read it as mathtext" in fault["reason"]
    assert r"\$ for a dollar sign" in fault["accepted"]


def test_one_of_several_texts_is_to_blame(serve: Serve) -> None:
    """An item of a list, or a piece of a longer text."""
    client = serve()
    query = {"title": "a", "labels": ["b", r"$\nix$", "c"]}
    told = client.get("/plots/titled", query_string=query).json
    assert told is not None
    assert [fault["name"] for fault in told["errors"]] == ["labels"]
    query = {"title": r"a\nix", "suffix": "x"}
    assert client.get("/plots/titled", query_string=query).status_code == 200


def test_mathtext_of_the_developer_s_own_is_a_500(serve: Serve) -> None:
    """The client's innocent text is not blamed for it."""
    assert serve().get("/plots/fixed?title=a").status_code == 500


def test_good_mathtext_is_drawn(serve: Serve) -> None:
    """And an escaped dollar sign, and a single one."""
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
    """Matplotlib's parser remembers half an operator, also across figures."""
    mathtext.MathTextParser._parse_cached.cache_clear()  # type: ignore[attr-defined]
    before = render(equation).body
    mathtext.MathTextParser._parse_cached.cache_clear()  # type: ignore[attr-defined]
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
    figure.texts[0].get_window_extent(figure._get_renderer())  # type: ignore[attr-defined]
    return figure


@pytest.mark.parametrize("name", ["png", "svg", "pdf"])
@pytest.mark.parametrize("build", [latex, latex_by_rc, latex_measured])
def test_latex_is_refused(build: Callable[[], Figure], name: str) -> None:
    """It reads files; nothing of it is started, not even to measure."""
    with pytest.raises(TexError, match="Mathtext needs no usetex"):
        render(build, name)
    assert not mpl.rcParams["text.usetex"]


def test_latex_in_the_server_s_own_settings_is_left_out() -> None:
    """A matplotlibrc with ``text.usetex`` stops no picture."""

    def plain() -> Figure:
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.5, "a")
        return figure

    with mpl.rc_context({"text.usetex": True}):
        assert render(plain).body == render(plain).body


def test_a_style_with_latex_is_refused_at_start(plots: FigureBlueprint) -> None:
    """Each of its pictures would be an error."""
    plots.figure_route("/latex", style={"text.usetex": True})(equation)
    with pytest.raises(ConfigError, match="usetex"):
        Flask(__name__).register_blueprint(plots)


def test_the_guards_are_gone_afterwards() -> None:
    """What else draws in this process has Matplotlib as it is."""
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
    """Judged as a browser reads them."""
    assert (safe_link(url) is not None) is is_safe


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
def test_a_link_that_would_run_something_is_left_out(name: str, pattern: bytes) -> None:
    """The artist is drawn, without it; other links stay."""
    bad = render(lambda: linked("javascript:alert(1)", "https://example.org/"), name)
    assert b"javascript" not in bad.body
    good = render(lambda: linked("https://example.org/a", "/b"), name)
    assert b"https://example.org/a" in re.findall(pattern, good.body)


def test_no_file_is_written_beside_an_svg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the figure function wants its images in files."""
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
    """The SVG is well-formed, whatever the text, the gid and the metadata."""
    odd = "a\x00\x08\x0b\x1b\x1f\ufffe\uffffz --> ]]> <script>alert(1)</script> & é"

    def figure() -> Figure:
        mpl.rcParams["svg.fonttype"] = fonttype
        made = Figure(figsize=(3, 2))
        made.text(0.1, 0.1, odd, gid=odd, url=f"https://example.org/{odd}")
        return made

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        svg = render(figure, "svg", savefig={"metadata": {"Title": odd}}).body
    root = ET.fromstring(svg)
    assert not [e for e in root.iter() if e.tag.endswith("script")]
    assert "\ufffd" in svg.decode()


def test_control_characters_do_not_reach_the_log(serve: Serve) -> None:
    """Matplotlib warns of a missing glyph with the glyph itself."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = serve()
        title = "a\x1b[31m\x07 \N{CUNEIFORM SIGN A}"
        answer = client.get("/plots/titled", query_string={"title": title})
    assert answer.status_code == 200
    told = " ".join(str(warning.message) for warning in caught)
    assert "CUNEIFORM" in told
    assert told.isprintable()
