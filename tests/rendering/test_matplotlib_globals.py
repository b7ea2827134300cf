"""The app's settings for all figures apply in every process that draws."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import seaborn
from cycler import cycler
from flask import Flask, Response
from matplotlib import pyplot
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_data_uri, render
from flask_mplstream.rendering.figure_lock import gate, read_app_globals
from flask_mplstream.rendering.matplotlib_globals import (
    Globals,
    copy_colors,
    set_colors,
)

plots = FigureBlueprint("plots", __name__, formats=["png", "svg"])
FACTORY = f"{__name__}:create_app"


def create_app(**config: Any) -> Flask:
    """Return an app of the figures here."""
    app = Flask(__name__)
    app.config.from_mapping(config)
    app.register_blueprint(plots)
    return app


@plots.figure_route("/chart", max_age=0)
def chart() -> Figure:
    """Text, a cycle of colors and a color by its letter."""
    figure = Figure(figsize=(2, 1.5))
    axes = figure.subplots()
    axes.plot([1, 3, 2])
    axes.plot([2, 1, 3])
    axes.plot([3, 2, 1], "b")
    axes.set_title("Walk")
    return figure


@plots.figure_route("/styled", max_age=0, style="dark_background")
def styled() -> Figure:
    """A figure with a separate style."""
    return chart()


@plots.figure_route("/inner")
def inner() -> Figure:
    """A figure that another figure requests."""
    return chart()


@plots.figure_route("/outer", max_age=0, style="dark_background")
def outer() -> Response:
    """Show another figure inside one with separate settings."""
    mpl.rcParams["font.size"] = 30
    return Response(figure_data_uri("plots.inner"))


@pytest.fixture(autouse=True)
def matplotlib_as_found() -> Iterator[Callable[[], None]]:
    """Return a function that restores Matplotlib; it is also called after the test."""
    params, colors = mpl.rcParams.copy(), copy_colors()

    def restore() -> None:
        dict.update(mpl.rcParams, params)
        set_colors(colors)

    yield restore
    restore()


def set_rc() -> None:
    mpl.rcParams["font.size"] = 17
    mpl.rcParams["axes.grid"] = True


def set_arrays() -> None:
    mpl.rcParams["axes.prop_cycle"] = cycler(color=pyplot.cm.viridis([0.1, 0.5, 0.9]))


def name_a_color() -> None:
    mpl.colors.get_named_colors_mapping()["b"] = "#123456"


SETTINGS: dict[str, Callable[[], object]] = {
    "rcParams": set_rc,
    "style": lambda: pyplot.style.use("ggplot"),
    "seaborn": seaborn.set_theme,
    "arrays": set_arrays,
    "color": name_a_color,
    "xkcd": pyplot.xkcd,
}
NAMES = ("chart.png", "chart.svg", "styled.png")


def bodies(app: Flask, *names: str) -> list[bytes]:
    answers = [app.test_client().get(f"/{name}") for name in names]
    assert [answer.status_code for answer in answers] == [200] * len(names)
    return [answer.data for answer in answers]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:findfont")
def test_a_worker_draws_with_the_apps_settings(
    matplotlib_as_found: Callable[[], None],
) -> None:
    """The bytes are those of the web process, and earlier settings are reset."""
    inline, workers = create_app(), create_app(MPLSTREAM_WORKERS=1)
    plain = bodies(inline, *NAMES)
    try:
        for name, change in SETTINGS.items():
            change()
            changed = bodies(inline, *NAMES)
            assert changed[0] != plain[0], name
            assert bodies(workers, *NAMES) == changed, name
            matplotlib_as_found()
        assert bodies(workers, *NAMES) == plain
    finally:
        plots.close(workers)


def spawned() -> Executor:
    return ProcessPoolExecutor(1, get_context("spawn"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [spawned, lambda: ThreadPoolExecutor(1)], ids=["spawn", "thread"]
)
def test_an_executor_draws_with_the_apps_settings(
    make: Callable[[], Executor],
) -> None:
    """The bytes are equal in a process without the app's imports, and in a thread."""
    seaborn.set_theme()
    with make() as executor:
        # A spawned process imports everything first.
        app = create_app(MPLSTREAM_EXECUTOR=executor, MPLSTREAM_TIMEOUT=60)
        assert bodies(app, *NAMES) == bodies(create_app(), *NAMES)


@pytest.mark.slow
def test_a_spawned_worker_draws_with_the_apps_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bytes are also equal if the web process was forked from one with workers."""
    module = "flask_mplstream.workers.process_pool.start_context"
    monkeypatch.setattr(module, lambda: get_context("spawn"))
    set_rc()
    app = create_app(MPLSTREAM_WORKERS=1)
    try:
        assert bodies(app, *NAMES) == bodies(create_app(), *NAMES)
    finally:
        plots.close(app)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_figure_in_a_figure_has_the_settings_of_the_app(workers: int) -> None:
    """The outer figure's settings are not in its key, so they do not apply."""
    set_rc()
    [alone] = bodies(create_app(), "inner.png")
    app = create_app(MPLSTREAM_WORKERS=workers, MPLSTREAM_APP=FACTORY)
    try:
        [uri] = bodies(app, "outer")
    finally:
        plots.close(app)
    assert base64.b64decode(uri.partition(b",")[2]) == alone


def test_a_render_restores_the_named_colors() -> None:
    """``seaborn.set_theme()`` in a figure function changes the color "b"."""
    before = copy_colors()

    def themed() -> Figure:
        seaborn.set_theme()
        return chart()

    plain = render(chart).body
    assert render(themed).body != plain
    assert copy_colors() == before
    assert render(chart).body == plain


def test_a_style_during_a_render_does_not_affect_the_app() -> None:
    """A render that begins during another one uses the app's settings."""
    set_rc()
    before = read_app_globals()
    with gate("dark_background"):
        mpl.rcParams["font.size"] = 30
        assert read_app_globals() == before
    assert before.params["font.size"] == 17


def test_nothing_is_sent_for_an_unchanged_matplotlib() -> None:
    """Settings for windows and key bindings are not sent."""
    with mpl.rc_context({"interactive": True, "keymap.save": ["x"]}):
        plain = read_app_globals()
    assert (dict(plain.params), dict(plain.colors)) == ({}, {})


PROGRAM = """
import sys
import matplotlib
from flask import Flask, Response
from matplotlib import pyplot
from flask_mplstream import FigureBlueprint
pyplot.xkcd()
if len(sys.argv) > 1:
    pyplot.style.use("ggplot")
plots = FigureBlueprint("plots", __name__)
plots.figure_route("/chart", endpoint="chart")(lambda: pyplot.figure())
app = Flask(__name__)
app.register_blueprint(plots)
print(app.extensions["mplstream"].routes["plots.chart"]._identity)
"""


@pytest.mark.slow
def test_the_apps_settings_are_part_of_the_key() -> None:
    """The text is equal in each process and differs after a change."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        for arguments in ([], [], ["changed"])
    ]
    one, same, other = [process.communicate()[0] for process in processes]
    assert one == same
    assert "" != other != one


def test_settings_after_the_registration_count() -> None:
    """Settings are read at the first use, as apps set them in any order."""
    first = create_app()
    set_rc()
    second = create_app()
    keys = []
    for app in (first, second):
        route = app.extensions["mplstream"].routes["plots.inner"]
        keys.append(route._identity)
    assert keys[0] == keys[1]


def test_changes_are_the_differences() -> None:
    """Arrays are always sent, as comparing them gives no single answer."""
    params = {"font.size": 10.0, "x": np.array([1, 2])}
    given = Globals.of(params, {"b": (0, 0, 1)})
    assert list(given.params) == ["x"]
    assert dict(given.colors) == {}


WITHOUT_PYPLOT = """
import sys
from matplotlib.figure import Figure
from flask_mplstream import render
render(Figure(figsize=(1, 1)))
print("matplotlib.pyplot" in sys.modules)
"""


def test_a_render_does_not_resolve_the_backend() -> None:
    """Matplotlib would import pyplot and look for a display."""
    environ = {n: v for n, v in os.environ.items() if n != "MPLBACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYPLOT],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
