"""A copy of a figure is drawn like the figure, or is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib._pylab_helpers import Gcf
from matplotlib.cbook import CallbackRegistry
from matplotlib.dates import MonthLocator
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from flask_mplstream import render
from flask_mplstream.rendering.figure_copy import (
    Copy,
    CopyLimits,
    DrawGlobals,
    FigureCopy,
    NotCopyableError,
    copy_figure,
)
from flask_mplstream.rendering.figure_lock import gate
from tests.apps.shown_figures import FIGURES

AMPLE = CopyLimits(2**26, 10.0)
NONE: frozenset[str] = frozenset()


def copy_built(build: Callable[[], Figure]) -> FigureCopy:
    """Build a figure in the gate and copy it."""
    with gate():
        before = DrawGlobals.now()
        return copy_figure(build(), before, NONE, AMPLE)


@pytest.mark.filterwarnings("ignore:vert. bool was deprecated")  # seaborn's call
@pytest.mark.parametrize("name", FIGURES)
def test_a_copy_is_drawn_like_the_figure(name: str) -> None:
    """Every kind of chart has a faithful copy."""
    built: list[Figure] = []  # Some figures are random.

    def build() -> Figure:
        built.append(FIGURES[name]())
        return built[0]

    copy = copy_built(build)
    assert render(copy.restore).body == render(built[0]).body


def style_in_function() -> Figure:
    """Use a style whose rcParams affect the draw, and a color of its own."""
    plt.style.use("ggplot")
    plt.rcParams["path.simplify_threshold"] = 1.0
    mpl.colors.get_named_colors_mapping()["mine"] = "#123456"
    figure = plt.figure(figsize=(2, 1))
    figure.add_subplot().plot(np.random.default_rng(1).random(500), color="mine")
    return figure


def set_dpi() -> Figure:
    """Change the dpi after the figure was created."""
    figure = Figure(figsize=(2, 1))
    figure.dpi = 150
    figure.add_subplot().plot([1, 2])
    return figure


@pytest.mark.parametrize("build", [style_in_function, set_dpi])
def test_a_copy_has_the_state_that_a_pickle_lacks(build: Callable[[], Figure]) -> None:
    """The dpi, and the rcParams and colors that the figure function has set."""
    copy = copy_built(build)
    assert render(copy.restore).body == render(build).body
    assert "mine" not in mpl.colors.get_named_colors_mapping()


def test_the_copy_of_a_pyplot_figure_does_not_open() -> None:
    """The original stays open in pyplot; its copy belongs to no window."""
    with gate():
        before = DrawGlobals.now()
        figure = plt.figure()
        copy = copy_figure(figure, before, NONE, AMPLE)
        assert plt.get_fignums() == [figure.number]
        copy.restore()
        assert plt.get_fignums() == [figure.number]


def limit_callback(axes: Any) -> None:
    axes.callbacks.connect("xlim_changed", axes.set_autoscaley_on)


def draw_callback(axes: Any) -> None:
    axes.figure.canvas.mpl_connect("draw_event", print)


def norm_callback(axes: Any) -> None:
    axes.imshow(np.eye(2)).norm.callbacks.connect("changed", lambda: None)


def own_limit_callback(axes: Any) -> None:
    axes.callbacks.connect("ylim_changed", lambda axes: axes.set_title("changed"))


@pytest.mark.parametrize("connect", [draw_callback, norm_callback, own_limit_callback])
def test_a_figure_whose_copy_lacks_a_callback_is_refused(
    connect: Callable[[Any], None],
) -> None:
    """A draw would call it."""

    def build() -> Figure:
        figure = Figure()
        connect(figure.add_subplot())
        return figure

    with pytest.raises(NotCopyableError):
        copy_built(build)


def test_matplotlibs_own_callbacks_are_not_in_the_way() -> None:
    """It connects them again, or needs them only in windows."""

    def build() -> Figure:
        figure = Figure()
        limit_callback(axes := figure.add_subplot())
        figure.colorbar(axes.imshow(np.eye(3)))
        return figure

    copy_built(build)


def format_tick(value: float, position: int | None) -> str:
    """Format a tick with a function of the app."""
    return f"{value} units"


def test_a_function_of_the_app_is_refused_unless_its_package_is_named() -> None:
    """It may read a variable that the figure function has set."""

    def build() -> Figure:
        figure = Figure()
        figure.add_subplot().xaxis.set_major_formatter(FuncFormatter(format_tick))
        return figure

    copy = copy_built(build)
    with pytest.raises(NotCopyableError, match="format_tick may depend"):
        copy.restore()
    with gate():
        named = frozenset(["tests"])
        copy = copy_figure(build(), DrawGlobals.now(), named, AMPLE)
    assert render(copy.restore).body == render(build).body


def place_ticks_by_months() -> Figure:
    """Use a locator that holds a rule of dateutil."""
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot(np.arange("2026-01", "2026-06", dtype="datetime64[D]"))
    axes.yaxis.set_major_locator(MonthLocator(tz=ZoneInfo("Europe/Paris")))
    return figure


def plot_times_with_a_zone() -> Figure:
    """Plot with pandas, whose axes get our note about the zone."""
    pandas = pytest.importorskip("pandas")
    times = pandas.date_range("2026-10-24", periods=60, freq="h", tz="Europe/Paris")
    axes = pandas.Series(range(60), times).plot(ax=Figure().add_subplot())
    assert hasattr(axes, "_mplstream_times")
    figure: Figure = axes.figure
    return figure


@pytest.mark.parametrize("build", [place_ticks_by_months, plot_times_with_a_zone])
def test_times_are_in_the_copy(build: Callable[[], Figure]) -> None:
    """Their classes are not of the app."""
    copy = copy_built(build)
    for format in ("svg", "csv"):
        assert render(copy.restore, format).body == render(build, format).body


@pytest.mark.parametrize(
    ("value", "limits", "reason"),
    [
        (np.zeros((1000, 1000)), CopyLimits(2**20, 10), "over 1,048,576 bytes"),
        (np.zeros((2, 200_000)).T, CopyLimits(2**20, 10), "over 1,048,576 bytes"),
        (list(range(10**6)), CopyLimits(2**26, 1e-6), "over 1e-06 seconds"),
        (lambda: None, AMPLE, "lambda"),
        (io.TextIOWrapper(io.BytesIO()), AMPLE, "TextIOWrapper"),
    ],
)
def test_a_large_slow_or_impossible_copy_is_refused(
    value: object, limits: CopyLimits, reason: str
) -> None:
    """The error gives the reason."""
    with pytest.raises(NotCopyableError, match=reason):
        Copy.of(value, NONE, limits)


def test_a_counter_is_copied_in_each_version_of_python() -> None:
    """An axis of categories has one. Python 3.12 warns, and 3.14 cannot pickle it."""
    counters = [count(3), count(1, step=2)]
    copy = Copy.of(counters, NONE, AMPLE).restore()
    assert [[next(c), next(c)] for c in copy] == [[3, 4], [1, 3]]
    with pytest.raises(NotCopyableError):
        Copy.of(count(Fraction(1, 2)), NONE, AMPLE)


def test_a_large_file_in_the_data_is_not_read(tmp_path: Path) -> None:
    """Its array may be larger than the memory; a small one is copied."""
    array = np.memmap(tmp_path / "numbers", np.uint8, "w+", shape=1000)
    assert np.array_equal(Copy.of(array, NONE, AMPLE).restore(), array)
    with pytest.raises(NotCopyableError, match=r"A mapped file has 1,000 bytes\."):
        Copy.of(array, NONE, CopyLimits(999, 10))


def test_the_size_is_that_of_the_pickle() -> None:
    """It includes the data and the objects around it."""
    size = Copy.of(np.zeros(10_000), NONE, AMPLE).size_bytes
    assert 80_000 < size < 81_000


def test_matplotlib_has_the_private_names() -> None:
    """Another version may lack them: then a lost callback could go unnoticed."""
    registry: Any = CallbackRegistry()
    number = registry._connect_picklable("changed", print)
    assert number in registry._pickled_cids
    assert registry.callbacks["changed"][number]() is print
    assert not Gcf.figs
