"""Renders in this process, on an executor and in workers: the same results."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint
from flask_mplstream.web.app_state import AppState
from tests.apps.worker_figures import grey, load_level, of_data
from tests.support.processes import wait_until
from tests.support.runners import (
    EXECUTORS,
    one_thread,
    read_error_line,
    read_level,
    read_pids,
    register_invalid,
)

Serve = Callable[..., FlaskClient]
FACTORY = "tests.apps.worker_figures:create_app"

RUNNERS = [*EXECUTORS, pytest.param(1, marks=pytest.mark.slow, id="workers")]
PROCESSES = RUNNERS[1:]


@pytest.mark.parametrize("runner", RUNNERS)
def test_eight_requests_are_one_render(
    on: Serve, runner: Any, renders: Path, until: Path
) -> None:
    """A request for a picture that is being rendered waits for that render."""
    app = on(runner, MPLSTREAM_MAX_FOLLOWERS=7).application
    flights = AppState.of(app).pictures(None)._flights
    query = {"level": 30, "renders": renders, "until": until}
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(app.test_client().get, "/plots/slow", query_string=query)
            for _ in range(8)
        ]
        wait_until(lambda: flights._followers == 7)
        until.touch()
        answers = [future.result() for future in asked]
    assert len(read_pids(renders)) == 1
    assert {read_level(answer) for answer in answers} == {30}
    collapsed = ["collapsed" in a.headers["Cache-Status"] for a in answers]
    assert collapsed.count(False) == 1


def two_processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, multiprocessing.get_context("forkserver"))


@pytest.mark.slow
@pytest.mark.parametrize("runner", [two_processes, 2], ids=["processes", "workers"])
def test_two_processes_render_at_once(on: Serve, runner: Any, renders: Path) -> None:
    """Each picture waits for the other: every process has a separate gate."""
    app = on(runner).application
    with ThreadPoolExecutor(2) as threads:
        urls = [f"/plots/meets?renders={renders}&level={n}" for n in (1, 2)]
        answers = list(threads.map(lambda url: app.test_client().get(url), urls))
    assert [read_level(answer) for answer in answers] == [1, 2]


@pytest.mark.parametrize("runner", PROCESSES)
@pytest.mark.parametrize("config", [{}, {"MPLSTREAM_APP": FACTORY}], ids=["", "app"])
def test_data_is_loaded_in_the_process_that_draws(
    on: Serve, runner: Any, config: dict[str, Any]
) -> None:
    """That process also runs coroutines, with and without an app."""
    client = on(runner, **config)
    assert read_level(client.get("/plots/loaded?level=40")) == 40
    assert read_level(client.get("/plots/async?level=41")) == 41


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_figure_function_has_the_app_and_no_request(
    on: Serve, runner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """``MPLSTREAM_APP`` names the app of other processes."""
    client = on(runner, MPLSTREAM_APP=FACTORY)
    assert client.get("/plots/greeting").text == "hello"
    assert client.get("/plots/request").status_code == 500
    assert "Working outside of request context" in caplog.text


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_error_without_an_app_names_the_setting(
    on: Serve, runner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Flask's own message does not mention ``MPLSTREAM_APP``."""
    assert on(runner).get("/plots/greeting").status_code == 500
    line = read_error_line(caplog)
    assert "Working outside of application context" in line
    assert "MPLSTREAM_APP" in line


@pytest.mark.parametrize("runner", PROCESSES)
def test_server_timing_separates_the_wait_from_the_render(
    on: Serve, runner: Any
) -> None:
    """The transfer and the queue count as waiting."""
    answer = on(runner).get("/plots/grey")
    steps = answer.headers["Server-Timing"].split(", ")
    names = [step.partition(";")[0] for step in steps]
    # Whether the figure is kept depends on the time that it took.
    names = [name for name in names if name != "keep"]
    assert names == ["wait", "build", "draw", "encode"]


@pytest.mark.parametrize("runner", PROCESSES)
def test_a_response_of_a_figure_function_is_sent(on: Serve, runner: Any) -> None:
    """It may be returned, or aborted with a status or a response."""
    client = on(runner)
    assert client.get("/plots/fails?kind=abort").status_code == 404
    for kind in ("returned", "aborted-response"):
        answer = client.get(f"/plots/fails?kind={kind}")
        assert (answer.status_code, answer.text) == (410, "gone fishing")
        assert answer.headers["X-Why"] == "fish"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("runner", PROCESSES)
def test_bad_mathtext_from_the_url_is_a_400(on: Serve, runner: Any) -> None:
    """The answer names the argument, as for a render in this process."""
    answer = on(runner).get("/plots/titled", query_string={"title": r"$\nothing$"})
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["errors"][0]["name"] == "title"
    assert "Unknown symbol" in answer.text


CONFIGS = [
    pytest.param({"MPLSTREAM_WORKERS": 1}, id="workers"),
    pytest.param({"MPLSTREAM_EXECUTOR": one_thread}, id="executor"),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_registration_rejects_a_closure(
    plots: FigureBlueprint, config: dict[str, Any]
) -> None:
    """No other process can import it; this process can call it."""

    @plots.figure_route("/closure")
    def closure() -> Figure:
        return grey(0)

    message = register_invalid(plots, **config)
    assert "'test_registration_rejects_a_closure.<locals>.closure'" in message
    assert "Define it with def at the top level of a module" in message
    Flask(__name__).register_blueprint(plots)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("role", ["figure function", "load"])
def test_registration_rejects_a_lambda(
    plots: FigureBlueprint, config: dict[str, Any], role: str
) -> None:
    """Other processes cannot import a figure function or ``load`` without a name."""
    if role == "load":
        plots.figure_route("/loaded", load=lambda level: load_level(level))(of_data)
    else:
        plots.figure_route("/lambda", endpoint="unnamed")(lambda: grey(0))
    message = register_invalid(plots, **config)
    assert f"The {role} '" in message
    assert "not as a lambda" in message
