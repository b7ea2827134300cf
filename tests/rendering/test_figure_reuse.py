"""Reused figures: their lines must not appear in another picture."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import pytest
from flask.testing import FlaskClient
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, FigureTypeError, figure_data_uri, render
from flask_mplstream.rendering.figure_lock import use_agg

use_agg()
Serve = Callable[..., FlaskClient]


def axes_of(figure: Figure) -> Axes:
    return figure.subplots()


@pytest.fixture
def shared() -> Axes:
    """Return a figure made at a module's import."""
    return axes_of(Figure(figsize=(2, 1)))


@pytest.fixture
def pyplot_axes() -> Iterator[Axes]:
    """Return a pyplot figure made at a module's import."""
    figure, axes = plt.subplots(figsize=(2, 1))
    yield axes
    plt.close(figure)


@lru_cache
def kept_axes() -> Axes:
    return axes_of(Figure(figsize=(2, 1)))


def whole_figure(axes: Axes, n: int) -> Any:
    axes.plot([0, n])
    return axes.get_figure()


def lines(axes: Axes, n: int) -> Any:
    return axes.plot([0, n])


def bars(axes: Axes, n: int) -> Any:
    return axes.bar([0], [n])


def same_axes(axes: Axes, n: int) -> Any:
    axes.set_title(str(n))
    return [axes]


def cleared(axes: Axes, n: int) -> Any:
    axes.clear()
    axes.plot([0, n])
    return axes


def untouched(axes: Axes, n: int) -> Any:
    return axes


@pytest.mark.parametrize(
    "draw", [whole_figure, lines, bars, same_axes, cleared, untouched]
)
def test_a_figure_is_the_picture_of_one_call(
    plots: FigureBlueprint, serve: Serve, shared: Axes, draw: Callable[..., Any]
) -> None:
    """A second call that returns it, in any object, is an error with the fix."""

    @plots.figure_route("/shared", error_backoff=0, keep=0)
    def user_s(n: int = 1) -> Any:
        return draw(shared, n)

    client = serve(TESTING=True)
    assert client.get("/plots/shared?n=1").status_code == 200
    assert client.get("/plots/shared?n=1").status_code == 200  # A hit.
    for url in ("/plots/shared?n=2", "/plots/shared?n=1&_scale=2"):
        with pytest.raises(
            FigureTypeError,
            match=r"user_s returned .* Create a new figure in",
        ):
            client.get(url)


def test_a_pyplot_figure_in_two_calls_is_an_error(
    plots: FigureBlueprint, serve: Serve, pyplot_axes: Axes
) -> None:
    """The error also occurs if each call adds new Axes."""

    @plots.figure_route("/shared", error_backoff=0)
    def user_s(n: int = 1) -> Any:
        figure = pyplot_axes.get_figure()
        assert isinstance(figure, Figure)
        return axes_of(figure).plot([0, n])

    client = serve()
    assert client.get("/plots/shared?n=1").status_code == 200
    assert client.get("/plots/shared?n=2").status_code == 500


def test_a_figure_of_a_failed_call_is_refused(
    plots: FigureBlueprint, serve: Serve, shared: Axes
) -> None:
    """The next call is refused, as its figure has the failed call's lines."""

    @plots.figure_route("/first", error_backoff=0)
    def first() -> Any:
        shared.plot([0, 1])
        raise LookupError("no data")

    @plots.figure_route("/second", error_backoff=0)
    def second() -> Any:
        return shared

    client = serve()
    assert client.get("/plots/first").status_code == 500
    assert client.get("/plots/second").status_code == 500


def test_a_figure_from_lru_cache_is_for_one_call(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``lru_cache`` returns the same object again, which is refused."""

    @plots.figure_route("/kept", error_backoff=0)
    def kept(n: int = 1) -> Any:
        return kept_axes().plot([0, n])

    client = serve()
    statuses = [client.get(f"/plots/kept?n={n}").status_code for n in (1, 2)]
    assert statuses == [200, 500]


def test_a_copy_of_a_template_is_a_new_figure(
    plots: FigureBlueprint, serve: Serve, shared: Axes
) -> None:
    """A call may unpickle or copy a template any number of times."""
    template: Any = shared.get_figure()
    pickled = pickle.dumps(template)

    @plots.figure_route("/copied")
    def copied(n: int = 1) -> Any:
        figure = copy.deepcopy(template) if n % 2 else pickle.loads(pickled)
        figure.axes[0].plot([0, n])
        assert len(figure.axes[0].lines) == 1
        return figure

    client = serve(TESTING=True)
    statuses = [client.get(f"/plots/copied?n={n}").status_code for n in range(4)]
    assert statuses == [200] * 4


def test_figures_inside_a_figure_are_separate(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A figure function may call another one and request the picture of a third."""

    @plots.figure_route("/inner")
    def inner(n: int = 1) -> Any:
        return axes_of(Figure(figsize=(2, 1))).plot([0, n])

    @plots.figure_route("/outer")
    def outer(n: int = 1) -> Any:
        drawn = inner(n)
        assert figure_data_uri("plots.inner", n=n)
        drawn[0].axes.set_title("later")
        return drawn

    client = serve(TESTING=True)
    statuses = [client.get(f"/plots/outer?n={n}").status_code for n in (1, 2)]
    assert statuses == [200, 200]


def deep_copy(axes: Axes) -> Any:
    return copy.deepcopy(axes.get_figure())


def pickled_copy(axes: Axes) -> Any:
    return pickle.loads(pickle.dumps(axes.get_figure()))


@pytest.mark.parametrize("pass_on", [deep_copy, pickled_copy])
def test_a_copy_with_lines_of_an_earlier_call_is_refused(
    plots: FigureBlueprint,
    serve: Serve,
    shared: Axes,
    pass_on: Callable[[Axes], Any],
) -> None:
    """A template is refused if a call draws on it before copying it."""

    @plots.figure_route("/passed", error_backoff=0)
    def passed(n: int = 1) -> Any:
        shared.plot([0, n])
        return pass_on(shared)

    client = serve(TESTING=True)
    assert client.get("/plots/passed?n=1").status_code == 200
    with pytest.raises(FigureTypeError, match="passed drew on a figure of an earlier"):
        client.get("/plots/passed?n=2")


def test_a_figure_of_another_thread_is_new(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A figure that ``load`` makes during another figure function is accepted."""
    made: list[Figure] = []

    def load() -> Figure:
        made.append(Figure(figsize=(2, 1)))
        made[0].subplots().plot([0, 1])
        return made[0]

    @plots.figure_route("/loaded", load=load)
    def loaded(figure: Figure) -> Any:
        return figure

    @plots.figure_route("/meanwhile")
    def meanwhile() -> Any:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(load).result()
        return Figure(figsize=(2, 1))

    client = serve(TESTING=True)
    assert client.get("/plots/meanwhile").status_code == 200
    assert render(lambda: made[0]).body
    assert client.get("/plots/loaded").status_code == 200


def test_simultaneous_calls_share_no_figure(
    plots: FigureBlueprint, serve: Serve, shared: Axes
) -> None:
    """Only one of eight calls gets it."""

    @plots.figure_route("/shared")
    def user_s(n: int = 1) -> Any:
        return shared.plot([0, n])

    client = serve()
    with ThreadPoolExecutor(8) as pool:
        urls = [f"/plots/shared?n={n}" for n in range(8)]
        statuses = list(
            pool.map(
                lambda url: client.application.test_client().get(url).status_code, urls
            )
        )
    assert sorted(statuses) == [200] + [500] * 7


def test_render_accepts_a_callers_figure_again(shared: Axes) -> None:
    """``render()`` accepts the same figure again, directly or from a function."""
    shared.plot([0, 1])
    assert render(shared).body == render(lambda: shared).body == render(shared).body


def test_the_watch_is_removed_after_a_render(
    plots: FigureBlueprint, serve: Serve, shared: Axes
) -> None:
    """Matplotlib's class is unchanged after a render."""

    @plots.figure_route("/fails")
    def fails() -> Any:
        assert "stale" in vars(Figure)
        raise LookupError("no data")

    serve().get("/plots/fails")
    assert "stale" not in vars(Figure)
