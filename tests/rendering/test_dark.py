"""Dark and light pictures of one function: styles, contrast, unchanged parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib import style as mpl_style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.quiver import Barbs, Quiver
from matplotlib.table import Table
from matplotlib.text import Text

from example_app import create_app
from flask_mplstream import (
    DARK_STYLE,
    ConfigError,
    FigureBlueprint,
    MplStreamError,
    render,
)
from flask_mplstream.formats import FORMATS, Variant
from flask_mplstream.rendering.pipeline import Limits, render_variant
from flask_mplstream.rendering.return_values import as_figure
from flask_mplstream.rendering.styles import Look
from flask_mplstream.web.app_state import AppState
from tests.apps import dark_figures
from tests.support.doubles import Counter
from tests.support.paths import DOCS
from tests.support.pictures import pixels

Serve = Callable[..., FlaskClient]
PAGE = to_rgb(DARK_STYLE["figure.facecolor"])


def contrast(one: Any, other: Any) -> float:
    """Return the contrast ratio of two colors (WCAG 2.2, relative luminance)."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: Any) -> float:
    channels = np.array(to_rgb(color))
    linear = np.where(
        channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
    )
    return float(linear @ (0.2126, 0.7152, 0.0722))


def busy_figure() -> Figure:
    """Return a figure with text in every place and every color of the cycle."""
    figure = Figure(figsize=(6, 4))
    figure.suptitle("Title of all")
    left, right = figure.subplots(1, 2)
    for number in range(10):
        left.plot([0, 1], [number, number + 1], label=f"line {number}")
    left.set(title="Title", xlabel="x", ylabel="y")
    left.legend(title="Legend")
    left.annotate("note", (0, 0))
    right.boxplot([[1, 2, 3, 9]])
    figure.colorbar(right.imshow([[0, 1], [1, 0]]), ax=right, label="bar")
    return figure


#: The styles and figures that fast runs try; each takes a quarter of a second.
FAST = {"classic", "dark_background", "black_lines", "polar"}


def mark_slow(names: Iterable[str]) -> list[Any]:
    """Mark the *names* that fast runs leave out."""
    return [
        pytest.param(name, marks=[] if name in FAST else pytest.mark.slow)
        for name in names
    ]


@pytest.mark.parametrize("base", [None, *mark_slow(mpl_style.available)])
def test_text_can_be_read_on_every_style(base: str | None) -> None:
    """Each text has a contrast of 4.5 and each line one of 3, on any background."""
    seen: list[tuple[str, float]] = []
    lines: list[float] = []

    def build() -> Figure:
        figure = busy_figure()
        figure.draw_without_rendering()  # Only then have ticks their labels.
        for text in figure.findobj(Text):
            axes = getattr(text, "axes", None)
            ground = axes.get_facecolor() if axes in figure.axes else PAGE
            if isinstance(text, Text) and text.get_text():
                seen.append((text.get_text(), contrast(text.get_color(), ground)))
        axes = figure.axes[0]
        lines.extend(contrast(x.get_color(), axes.get_facecolor()) for x in axes.lines)
        return Figure(figsize=(1, 1))  # All is measured, and need not be drawn.

    render(build, style=Look(base).darken(True).style)
    assert len(seen) > 20
    assert min(ratio for _, ratio in seen) >= 4.5, sorted(seen, key=lambda s: s[1])[:3]
    assert min(lines) >= 3


def test_text_has_the_declared_lightness() -> None:
    """The picture's lightest pixels have that contrast to its most common one."""

    def build() -> Figure:
        figure = Figure(figsize=(3, 1))
        figure.text(0.5, 0.5, "M" * 6, ha="center", va="center", size=30)
        return figure

    image = render(build, style=Look().darken(True).style)
    found = pixels(image.body)[..., :3].reshape(-1, 3) / 255
    assert contrast(found[found.sum(axis=1).argmax()], np.median(found, axis=0)) >= 4.5


#: How far antialiasing and a JPEG-like mixture of pixels may take a measurement.
SLACK = 0.97


def figure_functions_of(app: Flask) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Return the figure functions of *app* that need no arguments."""
    with app.app_context():
        for endpoint, route in AppState.of(app).routes.items():
            needed = [p for p in route.parameters if p.is_required]
            if not needed and not route.options.inject and route.options.load is None:
                values = route.parameters.bind({}).values
                yield endpoint, partial(route.function, **values)


def figures_of_the_docs() -> Iterator[tuple[str, Callable[[], Any]]]:
    for page in sorted(DOCS.glob("*.md")):
        blocks = re.findall(
            r"^```\{testcode\}\n(.*?)^```", page.read_text(), re.M | re.S
        )
        space: dict[str, Any] = {"__name__": f"docs_{page.stem}"}
        apps: dict[int, Flask] = {}
        for block in blocks:
            exec(compile(block, page.name, "exec", dont_inherit=True), space)
            found = [value for value in space.values() if isinstance(value, Flask)]
            apps |= {id(app): app for app in found}
        for app in apps.values():
            for name, build in figure_functions_of(app):
                yield f"{page.stem} {name}", build


def faint_parts(build: Callable[[], Any]) -> list[str]:
    """Return the texts and lines of *build* that are invisible on a dark page."""
    made: list[Figure] = []
    params: list[Any] = []

    def kept() -> Figure:
        made.append(as_figure(build()))
        params.append(mpl.rcParams.copy())
        return made[0]

    look = Look().darken(True)
    png = Variant(FORMATS["png"])
    render_variant(kept, png, source="a test", look=look, limits=Limits())
    with mpl.rc_context(params[0]):
        return [*faint_lines(made[0]), *faint_texts(made[0])]


def drawn(figure: Figure) -> Any:
    """Return the pixels of *figure*, enlarged, channels 0 to 1, top row last."""
    figure.set_dpi(150)
    canvas: Any = FigureCanvasAgg(figure)  # Its methods have no types.
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255


def texts_of(figure: Figure) -> list[Text]:
    tables: Any = figure.findobj(Table)
    cells = [cell for table in tables for cell in table.get_celld().values()]
    texts: Any = [*figure.findobj(Text), *(cell.get_text() for cell in cells)]
    return [text for text in texts if is_shown(text)]


def is_shown(text: Text) -> bool:
    return text.get_visible() and bool(text.get_text().strip())


def faint_texts(figure: Figure) -> Iterator[str]:
    """Return the texts whose pixels lack contrast to those behind them."""
    with_text = drawn(figure)
    texts = texts_of(figure)
    boxes = [text.get_window_extent() for text in texts]
    for text in texts:
        text.set_alpha(0)
    without = drawn(figure)
    height, width = with_text.shape[:2]
    for text, box in zip(texts, boxes, strict=True):
        rows = slice(max(int(box.y0), 0), min(int(box.y1) + 1, height))
        columns = slice(max(int(box.x0), 0), min(int(box.x1) + 1, width))
        here, ground = with_text[rows, columns], without[rows, columns]
        change = np.abs(here - ground).sum(axis=-1)
        if not change.size or not change.any():
            continue  # Outside of the picture, or behind something.
        strokes = np.argwhere(change >= np.quantile(change[change > 0], 0.95))
        ratios = [contrast(here[r, c], ground[r, c]) for r, c in strokes]
        if np.median(ratios) < 4.5 * SLACK:
            yield f"{text.get_text()!r} {np.median(ratios):.2f}"


def faint_lines(figure: Figure) -> Iterator[str]:
    """Return the lines and points whose color lacks contrast to their axes."""
    for axes in figure.axes:
        ground = axes.get_facecolor() if axes.axison else figure.get_facecolor()
        for artist in [*axes.lines, *axes.collections]:
            for choices in colors_of(artist):
                seen = [contrast(color, ground) for color in choices if color[3] > 0]
                if seen and max(seen) < 3:
                    yield f"{artist} {max(seen):.2f}"


def colors_of(artist: Any) -> Iterator[list[Any]]:
    """Return the visible colors of each line or point."""
    if isinstance(artist, Line2D) and artist.get_linestyle() != "None":
        yield [to_rgba(artist.get_color())]
    elif isinstance(artist, Line2D):
        marks = (artist.get_markerfacecolor(), artist.get_markeredgecolor())
        yield [to_rgba(color) for color in marks]
    elif isinstance(artist, LineCollection | PathCollection | Quiver | Barbs):
        faces, edges = artist.get_facecolor(), artist.get_edgecolor()
        for number in range(max(len(faces), len(edges))):
            yield [c[number % len(c)] for c in (faces, edges) if len(c)]


# seaborn passes an argument on that Matplotlib 3.11 has another name for.
@pytest.mark.filterwarnings("ignore:vert")
@pytest.mark.parametrize("name", mark_slow(dark_figures.FIGURES))
def test_colors_for_white_paper_are_readable_on_a_dark_page(name: str) -> None:
    """Text has a contrast of 4.5 and lines one of 3, with any named colors."""
    assert not faint_parts(dark_figures.FIGURES[name])


@pytest.mark.slow
def test_the_figures_of_docs_and_example_app_are_readable_on_a_dark_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures are used unchanged."""
    monkeypatch.chdir(tmp_path)  # An app of the docs stores pictures beside it.
    measured = []
    for name, build in [*figures_of_the_docs(), *figure_functions_of(create_app())]:
        try:
            assert not faint_parts(build), name
        except MplStreamError:
            continue  # A mistake that the page shows.
        measured.append(name)
    assert len(measured) > 10


def test_the_dark_colormap_is_visible_over_its_whole_range() -> None:
    """Every color of the default colormap has contrast to the page."""
    colors = mpl.colormaps[DARK_STYLE["image.cmap"]](np.linspace(0, 1, 256))
    assert min(contrast(color[:3], PAGE) for color in colors) >= 3
    lightness = [luminance(color[:3]) for color in colors]
    assert lightness == sorted(lightness), "a greater value must be lighter"


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve, renders: Counter) -> FlaskClient:
    @plots.figure_route("/walk", style={"figure.facecolor": "white"})
    def walk() -> Figure:
        renders(mpl.rcParams["text.color"])
        return Figure(figsize=(1, 1))

    @plots.figure_route(
        "/own",
        savefig={"facecolor": "yellow", "transparent": False},
        dark_style=[DARK_STYLE, {"figure.facecolor": "navy"}],
    )
    def own() -> Figure:
        return Figure(figsize=(1, 1))

    @plots.figure_route("/clear", savefig={"transparent": True})
    def clear() -> Figure:
        return Figure(figsize=(1, 1))

    return serve()


def corner(client: FlaskClient, url: str) -> tuple[int, ...]:
    """Return the color of the picture's first pixel, RGBA."""
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    return tuple(int(channel) for channel in pixels(answer.data)[0, 0])


def as_bytes(color: str) -> tuple[int, ...]:
    return tuple(round(channel * 255) for channel in to_rgba(color))


@pytest.mark.parametrize(
    ("url", "color"),
    [
        pytest.param("/plots/walk", (255, 255, 255, 255), id="light"),
        pytest.param("/plots/walk?_theme=light", (255, 255, 255, 255), id="by-name"),
        pytest.param(
            "/plots/walk?_theme=dark",
            as_bytes(DARK_STYLE["figure.facecolor"]),
            id="over-the-style",
        ),
        pytest.param("/plots/own", as_bytes("yellow"), id="savefig"),
        pytest.param("/plots/own?_theme=dark", as_bytes("navy"), id="own-dark"),
        pytest.param("/plots/clear?_theme=dark", (0, 0, 0, 0), id="transparent"),
    ],
)
def test_the_background_follows_the_theme(
    client: FlaskClient, url: str, color: tuple[int, ...]
) -> None:
    """A dark page replaces a light facecolor and keeps transparency."""
    found = corner(client, url)
    assert found[3] == color[3]
    if color[3]:
        assert found == color


def test_two_entries_of_one_function(client: FlaskClient, renders: Counter) -> None:
    """Each theme is rendered once and has a separate ETag."""
    urls = ["/plots/walk", "/plots/walk?_theme=dark"]
    tags = [[client.get(url).headers["ETag"] for url in urls] for _ in range(2)]
    assert tags[0] == tags[1]
    assert len(set(tags[0])) == 2
    assert renders.calls == ["black", DARK_STYLE["text.color"]]


def test_data_and_text_have_no_theme(client: FlaskClient, renders: Counter) -> None:
    """The dark and the light picture have the same alternative text."""
    tags = {
        client.get(f"/plots/walk.txt{q}").headers["ETag"] for q in ("", "?_theme=dark")
    }
    assert len(tags) == len(renders) == 1


@pytest.mark.parametrize("suffix", ["svg", "pdf", "webp", "jpg", "avif"])
def test_every_format_has_a_theme(client: FlaskClient, suffix: str) -> None:
    """SVG and PDF have a theme too."""
    bodies = {client.get(f"/plots/walk.{suffix}{q}").data for q in ("", "?_theme=dark")}
    assert len(bodies) == 2


def test_a_dark_downloads_file_name_has_the_theme(client: FlaskClient) -> None:
    """The two downloads can be in one folder."""
    answer = client.get("/plots/walk.png?_theme=dark&_download=1")
    assert "walk-dark.png" in answer.headers["Content-Disposition"]


def test_an_invalid_dark_style_is_refused(plots: FigureBlueprint) -> None:
    """The error occurs when the app starts, as for ``style``."""
    blueprint = FigureBlueprint("bad", __name__, dark_style="no such style")
    blueprint.figure_route("/a", endpoint="a")(busy_figure)
    with pytest.raises(ConfigError, match="no such style"):
        Flask(__name__).register_blueprint(blueprint)


def test_rcparams_are_restored(client: FlaskClient) -> None:
    """The next light picture is unaffected."""
    client.get("/plots/walk?_theme=dark")
    assert mpl.rcParams["text.color"] == "black"
