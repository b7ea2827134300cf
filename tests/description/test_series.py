"""Tests for the series read from a figure and the meaning of their values."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from flask_mplstream.description.axis_values import Span
from flask_mplstream.description.figure_content import read
from flask_mplstream.description.plain_text import to_plain
from flask_mplstream.description.series import AxesContent, Series
from flask_mplstream.rendering.figure_lock import gate, use_agg
from tests.apps.shown_figures import FIGURES, draw_by_method, draw_on_axes

use_agg()


@pytest.fixture(autouse=True)
def inside_the_gate() -> Iterator[None]:
    """Hold the figure lock, and ignore warnings of other libraries."""
    with gate(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def axes_of(name: str) -> AxesContent:
    (axes,) = read(FIGURES[name]()).axes
    return axes


def only(build: Callable[[], Figure]) -> Series:
    (axes,) = read(build()).axes
    (series,) = axes.series
    return series


def values(series: Series) -> dict[str, Any]:
    return {name: column.values.tolist() for name, column in series.columns.items()}


def kinds(axes: AxesContent) -> list[str]:
    return [series.kind for series in axes.series]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        pytest.param(
            "category-bars",
            "bar",
            {"x": [1, 2], "x_base": [1, 1], "y": [0, 1]},
            id="bars-across",
        ),
        pytest.param(
            "error-bars",
            "errorbar",
            {
                "x": [1, 2],
                "y": [3, 4],
                "x_low": [0, 1],
                "x_high": [2, 3],
                "y_low": [1, 2],
                "y_high": [5, 6],
            },
            id="error-bars",
        ),
        pytest.param(
            "bars-with-errors",
            "bar",
            {"x": [1, 3], "y": [5, 6], "y_low": [4.5, 5.5], "y_high": [5.5, 6.5]},
            id="bars-with-error-bars",
        ),
        pytest.param(
            "stairs",
            "histogram",
            {
                "x": [0.5, 2, 3.5],
                "x_from": [0, 1, 3],
                "x_to": [1, 3, 4],
                "y": [1, 2, 1],
            },
            id="stairs",
        ),
        pytest.param(
            "pie", "pie", {"name": ["one", "three"], "share": [0.25, 0.75]}, id="pie"
        ),
        pytest.param("stem", "stem", {"x": [0, 1, 2], "y": [1, 2, 3]}, id="stem"),
        pytest.param(
            "across",
            "area",
            {"y": [1, 2, 3], "x_low": [0, 0, 0], "x_high": [1, 2, 3]},
            id="area-across",
        ),
        pytest.param(
            "masked", "scatter", {"x": [1, np.nan, 3], "y": [1, np.nan, 3]}, id="masked"
        ),
        pytest.param(
            "quiver",
            "arrow",
            {"x": [1, 2], "y": [1, 2], "u": [1, 1], "v": [1, 1]},
            id="arrows",
        ),
    ],
)
def test_a_series_has_its_kind_and_values(
    name: str, kind: str, expected: dict[str, list[float]]
) -> None:
    """Each call gives one series with the drawn values."""
    series = only(FIGURES[name])
    assert series.kind == kind
    assert series.columns.keys() == expected.keys()
    for column, numbers in expected.items():
        found = series.columns[column].values
        if found.dtype == object:
            assert found.tolist() == numbers
        else:
            np.testing.assert_allclose(found, numbers)


def test_a_histogram_has_the_edges_of_its_bins() -> None:
    """Bars that touch are bins, unless they have names."""
    series = only(FIGURES["hist"])
    assert series.kind == "histogram"
    np.testing.assert_allclose(series.columns["x_from"].values, [1, 5 / 3, 7 / 3])
    np.testing.assert_allclose(series.columns["y"].values, [1, 2, 1])
    assert "y_from" in only(FIGURES["hist-across"]).columns
    assert only(draw_by_method("bar", ["a", "b"], [1, 2], width=1)).kind == "bar"


def test_names_grouped_bars_by_their_ticks() -> None:
    """Bars beside a tick have its name, as pandas draws them."""
    axes = axes_of("pandas-bars")
    assert [series.label for series in axes.series] == ["a", "b"]
    for series in axes.series:
        assert series.columns["x"].names == list("uvuvu")


@pytest.mark.parametrize(
    ("name", "column", "medians"),
    [
        pytest.param("boxes", "y_median", [2.5, 3.5], id="matplotlib"),
        pytest.param("boxes-across", "x_median", [2.5], id="across"),
        pytest.param("pandas-box", "y_median", [3, 2], id="pandas"),
        pytest.param("seaborn-box", "y_median", [3, 3], id="seaborn"),
    ],
)
def test_reads_a_box_plot_from_its_lines(
    name: str, column: str, medians: list[float]
) -> None:
    """Whiskers, caps and medians are not separate lines."""
    boxes, *others = axes_of(name).series
    assert boxes.kind == "box"
    assert boxes.columns[column].values.tolist() == medians
    assert {series.kind for series in others} <= {"outlier"}


@pytest.mark.parametrize(
    ("places", "options"),
    [
        pytest.param(range(5), {}, id="rectangular"),
        pytest.param([2010, 2020, 2030], {"width": 10}, id="decades"),
        pytest.param(np.arange(4) + 0.5, {"projection": "polar"}, id="polar"),
    ],
)
def test_wide_bars_are_no_histogram(places: Any, options: dict[str, Any]) -> None:
    """Bars that touch at the middle of round places, or on a circle, remain bars."""
    width = options.pop("width", 1)
    build = draw_on_axes(lambda a: a.bar(places, places, width=width), **options)
    assert only(build).kind == "bar"


def test_reads_horizontal_bars() -> None:
    """Horizontal bars without names are side by side in y."""
    assert only(draw_by_method("barh", [1, 2], [5, 6])).across == "y"


def test_ignores_decoration() -> None:
    """Legend handles of seaborn and shadows of wedges are not series."""
    assert kinds(axes_of("seaborn-hues")) == ["bar", "bar"]
    assert only(draw_by_method("pie", [1, 3], shadow=True)).kind == "pie"


def test_reads_the_color_scale_of_hexagons() -> None:
    """The color scale goes from the least to the greatest count."""
    series = only(FIGURES["hexbin"])
    assert series.kind == "hexbin"
    assert series.colors == Span(0, 1)


def test_reference_lines_are_no_series() -> None:
    """Lines and spans that mark a place are not data."""
    assert kinds(axes_of("guides")) == ["line"]


def test_error_bars_of_seaborn_are_no_lines() -> None:
    """Lines of two points on bars are error bars."""
    assert kinds(axes_of("seaborn-bar")) == ["bar"]


def test_reads_the_centers_of_pixels() -> None:
    """Places come from the extent, first row on top; masked values are NaN."""
    image = read(FIGURES["colourful"]()).axes[1].series[0]
    assert values(image)["x"] == [1, 3]
    assert values(image)["y"] == [17.5, 12.5]
    np.testing.assert_array_equal(
        image.columns["value"].values, [[1, np.nan], [np.nan, 1]]
    )


def test_reads_the_centers_of_cells() -> None:
    """The color bar names the values and is not a separate axes."""
    mesh, _, picture, smooth, contour, skewed = read(FIGURES["colourful"]()).axes
    assert mesh.series[0].value_label == "T (K)"
    assert values(mesh.series[0]) == {
        "x": [0.5, 1.5, 2.5],
        "y": [0.5, 1.5],
        "value": [[0, 1, 2], [3, 4, 5]],
    }
    assert values(smooth.series[0])["x"] == [0, 1, 2]
    assert values(skewed.series[0]) == {"x": [0.75], "y": [0.75], "value": [[7]]}
    assert kinds(picture) == ["picture"]
    assert kinds(contour) == ["contour"]


def test_reads_varying_colors_and_sizes() -> None:
    """Equal sizes are omitted."""
    one = draw_by_method("scatter", [1, 2], [3, 4], c=[5, 6], s=[7, 8])
    assert values(only(one)) == {
        "x": [1, 2],
        "y": [3, 4],
        "value": [5, 6],
        "size": [7, 8],
    }
    same = draw_by_method("scatter", [1, 2], [3, 4], s=[7, 7])
    assert values(only(same)) == {"x": [1, 2], "y": [3, 4]}


@pytest.mark.parametrize("is_drawn", [False, True], ids=["before-draw", "after-draw"])
def test_reads_three_dimensions(is_drawn: bool) -> None:
    """Values are those given, although a draw projects them in place."""
    figure = FIGURES["3d"]()
    if is_drawn:
        figure.draw_without_rendering()
    (axes,) = read(figure).axes
    line, scatter, *surfaces = axes.series
    assert values(line) == {"x": [1, 2], "y": [3, 4], "z": [5, 6]}
    assert values(scatter)["z"] == [5, 6]
    # Matplotlib keeps the faces of the bars since 3.11; before, they are a surface.
    bars = (
        "block"
        if hasattr(Poly3DCollection(np.zeros((1, 4, 3))), "_faces")
        else "surface"
    )
    assert [(s.kind, s.count) for s in surfaces] == [("surface", 1), (bars, 1)]


def test_counts_the_lines_of_a_wireframe() -> None:
    """Matplotlib projects the lines only in a draw."""
    assert only(FIGURES["wireframe"]).count == 4


def test_reads_twins_and_insets() -> None:
    """Twins and insets are separate axes with their series."""
    labels = [axes.series[0].label for axes in read(FIGURES["twins"]()).axes]
    assert labels == ["rain", "", "sun"]


def test_ignores_labels_with_an_underscore() -> None:
    """A label with a leading underscore is empty, as in Matplotlib's legends."""
    assert only(draw_by_method("plot", [1, 2], label="_mine")).label == ""


def test_names_seaborn_lines_by_the_legend() -> None:
    """seaborn labels the legend instead of the lines."""
    labels = [s.label for s in axes_of("seaborn-line").series if s.kind == "line"]
    assert labels == ["u", "v"]


def test_a_color_is_no_name() -> None:
    """A line with the color of a named line has no name."""

    def draw(axes: Any) -> None:
        axes.plot([1, 2], "C0", label="mine")
        axes.plot([2, 3], "C0")
        axes.legend()

    (axes,) = read(draw_on_axes(draw)()).axes
    assert [series.label for series in axes.series] == ["mine", ""]


@pytest.mark.parametrize("method", ["plot", "scatter", "bar"])
def test_a_legend_names_its_handles(method: str) -> None:
    """Handles have the names that only the legend received."""

    def draw(axes: Any) -> None:
        getattr(axes, method)([1, 2], [1, 2])
        getattr(axes, method)([4, 5], [2, 3])
        axes.legend(["one", "two"])

    (axes,) = read(draw_on_axes(draw)()).axes
    assert [series.label for series in axes.series] == ["one", "two"]


def test_every_axes_has_shared_labels() -> None:
    """Labels of a figure, a subfigure and a plotnine plot apply to their axes."""
    left, right = read(FIGURES["subfigures"]()).axes
    assert (left.title, right.dimensions["x"].label) == ("Left", "Time")
    content = read(FIGURES["ggplot-line"]())
    assert content.title == "By plotnine"
    assert content.axes[0].dimensions["x"].label == "a"


def test_an_axis_has_its_limits_and_direction() -> None:
    """The lower limit is first, even if the axis is inverted."""

    def zoomed(axes: Any) -> None:
        axes.plot([0, 10])
        axes.set_ylim(8, 2)

    y = read(draw_on_axes(zoomed)()).axes[0].dimensions["y"]
    assert (y.view, y.is_inverted) == (Span(2, 8), True)


def test_copies_no_values_of_a_line() -> None:
    """The series shares the memory of the line."""
    figure = draw_by_method("plot", np.arange(1000.0) + 1, np.arange(1000.0) + 1)()
    line: Line2D = figure.axes[0].lines[0]
    (axes,) = read(figure).axes
    drawn = np.asarray(line.get_ydata(orig=False))
    assert np.shares_memory(axes.series[0].columns["y"].values, drawn)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(r"Area (m$^2$)", "Area (m²)", id="raised"),
        pytest.param(r"$\mathrm{CO_2}$", "CO₂", id="lowered"),
        pytest.param(r"$\frac{1}{2}\,\pi$", "1/2 π", id="fraction"),
        pytest.param(r"$\frac{a+b}{\sqrt{x}}$", "(a+b)/√x", id="grouped"),
        pytest.param(r"$\sum_{k=1}^{n} x_k$", "∑ from k=1 to n x k", id="sum"),
        pytest.param(r"$\Lambda \leq 90^\circ$", "Λ≤90°", id="symbols"),
        pytest.param(r"$e^{-t}\sin x$", "e to the -t sin x", id="functions"),
        pytest.param(r"cost \$5", "cost $5", id="escaped"),
        pytest.param("$5", "$5", id="one-dollar"),
        pytest.param("two\nlines\x00\x1b\ud800", "two lines", id="control"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_replaces_mathtext(text: str, expected: str) -> None:
    """The text is on one line, with mathtext in words and no control characters."""
    assert to_plain(text) == expected


def test_cuts_a_huge_text() -> None:
    """Only the first 1,000 characters are read, including nested braces."""
    assert len(to_plain("a" * 5000)) == 1000
    assert len(to_plain("$" + "{" * 100_000 + "}" * 100_000 + "$")) <= 1000
