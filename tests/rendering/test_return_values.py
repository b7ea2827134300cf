"""Return values of figure functions, and the figures that are closed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flask_mplstream import FigureTypeError, render
from flask_mplstream.rendering.figure_lock import use_agg

use_agg()


def figure() -> Figure:
    made = Figure(figsize=(2, 1))
    made.subplots(1, 2)
    return made


def seaborn_grid() -> Any:
    import seaborn as sns

    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 2, 1, 2], "c": list("xyxy")})
    return sns.relplot(frame, x="a", y="b", col="c", height=1)


def seaborn_axes() -> Any:
    import seaborn as sns

    return sns.lineplot(x=[1, 2], y=[1, 2], ax=figure().axes[0])


def plotnine_plot() -> Any:
    from plotnine import aes, geom_point, ggplot

    frame = pd.DataFrame({"a": [1, 2], "b": [1, 2]})
    x_and_y = aes("a", "b")
    return ggplot(frame, x_and_y) + geom_point()


def pyplot_state() -> Any:
    plt.plot([1, 2])
    return plt.gcf()


def subfigure() -> Any:
    subfigures: Any = Figure(figsize=(2, 1)).subfigures(1, 2)
    return subfigures[0]


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(figure, id="figure"),
        pytest.param(lambda: figure().axes[0], id="axes"),
        pytest.param(lambda: figure().axes, id="list-of-axes"),
        pytest.param(lambda: Figure().subplots(2, 2), id="array-of-axes"),
        pytest.param(lambda: Figure().subplot_mosaic("AB"), id="dict-of-axes"),
        pytest.param(lambda: figure().axes[0].plot([1, 2]), id="lines"),
        pytest.param(lambda: figure().axes[0].bar([1], [2]), id="container"),
        pytest.param(lambda: figure().axes[0].hist([1, 2, 2]), id="hist"),
        pytest.param(lambda: figure().axes[0].imshow(np.eye(2)), id="image"),
        pytest.param(lambda: figure().axes[0].boxplot([1, 2, 3]), id="boxplot"),
        pytest.param(subfigure, id="subfigure"),
        pytest.param(lambda: plt.subplots(), id="pyplot-pair"),
        pytest.param(pyplot_state, id="pyplot-state"),
        pytest.param(lambda: pd.Series([1, 2]).plot(), id="pandas"),
        pytest.param(seaborn_grid, id="seaborn-grid"),
        pytest.param(seaborn_axes, id="seaborn-axes"),
        pytest.param(plotnine_plot, id="plotnine"),
    ],
)
def test_objects_of_one_figure_are_accepted(build: Callable[[], Any]) -> None:
    """It becomes a picture, and pyplot has no open figure afterwards."""
    with warnings.catch_warnings():
        # pandas and plotnine warn of each other's deprecations.
        warnings.simplefilter("ignore")
        image = render(build)
    assert image.body.startswith(b"\x89PNG")
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        pytest.param(None, "returned None.*forget to return", id="none"),
        pytest.param(3, "returned <class 'int'>", id="number"),
        pytest.param("plot", "returned <class 'str'>", id="text"),
        pytest.param([], "returned <class 'list'>", id="nothing"),
        pytest.param(np.zeros(3), "returned <class 'numpy.ndarray'>", id="numbers"),
        pytest.param(Line2D([], []), "belongs to no figure", id="artist-of-none"),
        pytest.param([figure(), figure()], "2 different figures", id="two-figures"),
    ],
)
def test_everything_else_is_named(returned: object, message: str) -> None:
    """The error names the function, the returned object and the accepted types."""

    def plot_sales() -> object:
        return returned

    with pytest.raises(FigureTypeError, match=message) as caught:
        render(plot_sales)
    assert "plot_sales" in str(caught.value)


def test_a_figure_function_that_raises_leaves_nothing_open() -> None:
    """Its figures are closed and rcParams are restored."""
    before = dict(mpl.rcParams)

    def fails() -> Figure:
        plt.figure()
        plt.style.use("dark_background")
        raise LookupError("no data")

    with pytest.raises(LookupError):
        render(fails)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_a_figure_of_the_app_stays_open() -> None:
    """Only figures opened by the function are closed."""
    mine = plt.figure("mine")
    try:
        render(lambda: plt.subplots())
        assert plt.get_fignums() == [mine.number]
    finally:
        plt.close(mine)


def test_a_figure_can_be_rendered_again() -> None:
    """A figure of a module gives the same bytes each time."""
    kept = Figure(figsize=(3, 2), layout="constrained")
    kept.subplots().set_title("kept")
    canvas, engine = kept.canvas, kept.get_layout_engine()
    first, document = render(kept), render(kept, "svg")
    assert render(kept).body == first.body
    assert render(kept, "svg").body == document.body
    assert kept.canvas is canvas
    assert kept.get_layout_engine() is engine
