"""Renders on a Dask cluster, whose scheduler and workers are killed.

The code in docs/executors.md creates the executor, with the address of the tests'
scheduler.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_mplstream.web.app_state import AppState
from tests.apps.worker_figures import create_app, plots
from tests.support.dask_cluster import (
    FILES,
    Cluster,
    adapt_to_cluster,
    load_recipe,
    run_cluster,
)
from tests.support.pictures import pixels
from tests.support.processes import wait_until
from tests.support.runners import read_pids

# A client that has lost its scheduler closes, but leaves an idle event loop in a
# daemon thread.
pytestmark = [pytest.mark.keeps_threads, pytest.mark.slow]


@contextmanager
def served_by(cluster: Cluster, workers: int = 2) -> Iterator[Flask]:
    """Create the app of docs/executors.md, and wait for *workers*."""
    recipe = load_recipe(cluster)
    app = create_app(
        MPLSTREAM_EXECUTOR=recipe["executor"],
        MPLSTREAM_APP="tests.apps.worker_figures:create_app",
    )
    try:
        AppState.of(app).renders().start()
        app.config["CLIENTS"] = recipe["clients"]
        app.config["CLIENTS"][0].wait_for_workers(workers, timeout=120)
        yield app
    finally:
        AppState.of(app).stop()
        for client in recipe["clients"]:
            client.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a scheduler and two workers, which restart when they die."""
    folder = tmp_path_factory.mktemp("cluster")
    with run_cluster(folder, "--nanny", "--nanny") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def app(cluster: Cluster) -> Iterator[Flask]:
    with served_by(cluster) as app:
        yield app


def level(answer: TestResponse) -> int:
    assert answer.status_code == 200, answer.text
    return int(pixels(answer.data)[0, 0, 0])


def ask(app: Flask, path: str, **query: Any) -> TestResponse:
    return app.test_client().get(f"/plots/{path}", query_string=query)


def test_the_cluster_draws_the_same_pixels(app: Flask, renders: Path) -> None:
    """A worker of the cluster draws them."""
    drawn, right = ask(app, "walk").data, ask(create_app(), "walk").data
    assert np.array_equal(pixels(drawn), pixels(right))
    assert level(ask(app, "grey", renders=renders)) == 0
    assert read_pids(renders) != [os.getpid()]


def test_the_cluster_has_the_app_and_loads_the_data(app: Flask) -> None:
    """``load`` runs in the process that draws."""
    assert ask(app, "greeting").text == "hello"
    assert level(ask(app, "loaded", level=40)) == 40
    assert ask(app, "nested").text == "data:image/png;"


def test_each_picture_is_rendered_once(app: Flask, renders: Path) -> None:
    """Each of 20 pictures is requested five times."""
    with ThreadPoolExecutor(6) as threads:
        asked = [
            threads.submit(ask, app, "slow", seconds=0.05, level=n, renders=renders)
            for n in sorted([*range(20)] * 5)
        ]
        levels = [level(future.result()) for future in asked]
    assert levels == sorted([*range(20)] * 5)
    assert len(read_pids(renders)) == 20


def test_an_invalidated_picture_is_rendered_again(
    app: Flask, renders: Path, tmp_path: Path
) -> None:
    """Dask would merge equal tasks without ``pure=False``."""
    with ThreadPoolExecutor(2) as threads:
        query = {"level": 50, "renders": renders, "until": tmp_path / "until"}
        first = threads.submit(ask, app, "slow", **query)
        wait_until(lambda: len(read_pids(renders)) == 1)
        with app.app_context():
            plots.invalidate("slow")
        second = threads.submit(ask, app, "slow", **query)
        wait_until(lambda: len(read_pids(renders)) == 2)
        Path(tmp_path / "until").touch()
        assert level(second.result()) == level(first.result()) == 50
    assert len(read_pids(renders)) == 2


def test_errors_and_responses_of_the_cluster_are_sent(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the error."""
    assert ask(app, "fails").status_code == 500
    assert "ChartError: no such chart" in caplog.text
    assert ask(app, "fails", kind="abort").status_code == 404
    assert ask(app, "titled", title=r"$\no$").status_code == 400


def test_a_slow_render_on_the_cluster_is_a_504(app: Flask, tmp_path: Path) -> None:
    """The worker renders again when that render has ended."""
    assert ask(app, "brief", until=tmp_path / "until").status_code == 504
    Path(tmp_path / "until").touch()
    assert level(ask(app, "slow", seconds=0, level=60)) == 60


def test_a_figure_that_kills_cluster_workers_fails_after_two(
    app: Flask, renders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The cluster replaces them."""
    answer = ask(app, "dies", renders=renders)
    assert answer.status_code == 500
    assert len(set(read_pids(renders))) == 2
    errors = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "KilledWorker: Attempted to run task" in errors[0]
    assert "those workers died" in errors[0]
    assert level(ask(app, "slow", seconds=0, level=61)) == 61


def test_no_picture_is_lost_with_a_worker(
    app: Flask, cluster: Cluster, renders: Path
) -> None:
    """One of three workers is killed during 100 renders."""
    victim = cluster.start_worker("--no-nanny")
    app.config["CLIENTS"][-1].wait_for_workers(3, timeout=120)
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(ask, app, "slow", seconds=0.05, level=n, renders=renders)
            for n in range(100, 200)
        ]
        wait_until(lambda: len(read_pids(renders)) >= 30)
        assert victim.pid in read_pids(renders)
        victim.kill()
        answers = [future.result() for future in asked]
    assert [level(answer) for answer in answers] == [*range(100, 200)]
    assert read_pids(renders).count(victim.pid) < 90


def test_hits_are_served_without_a_scheduler(
    tmp_path: Path, renders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Renders fail before their deadline, including one in progress."""
    with (
        run_cluster(tmp_path, "--no-nanny") as cluster,
        served_by(cluster, 1) as app,
        ThreadPoolExecutor(1) as threads,
    ):
        assert level(ask(app, "grey", level=70)) == 70
        query = {"renders": renders, "until": tmp_path / "never"}
        under_way = threads.submit(ask, app, "slow", **query)
        wait_until(lambda: read_pids(renders))
        cluster.scheduler.kill()
        assert under_way.result().status_code == 500
        for n in range(3):
            assert ask(app, "grey", level=71 + n).status_code == 500
        assert "ConnectionRefusedError" in caplog.text
        assert "MPLSTREAM_EXECUTOR" in caplog.text
        hit = ask(app, "grey", level=70)
        assert "; hit" in hit.headers["Cache-Status"]
        cluster.start_scheduler()
        cluster.start_worker("--no-nanny")
        assert level(ask(app, "slow", seconds=0, level=75)) == 75

        # Without a render in progress, nothing shows that the client has closed.
        cluster.scheduler.kill()
        wait_until(lambda: app.config["CLIENTS"][0].status == "closed")
        cluster.start_scheduler()
        cluster.start_worker("--no-nanny")
        assert level(ask(app, "slow", seconds=0, level=76)) == 76


@pytest.mark.usefixtures("app")  # Wait for the workers.
def test_a_dask_executor_is_shut_down(cluster: Cluster) -> None:
    """Its ``shutdown`` has fewer arguments; the next render creates another."""
    recipe = load_recipe(cluster)
    made: list[Executor] = []

    def make() -> Executor:
        made.append(recipe["executor"]())
        return made[-1]

    app = create_app(MPLSTREAM_EXECUTOR=make)
    assert level(ask(app, "grey", level=80)) == 80
    AppState.of(app).stop()
    with pytest.raises(RuntimeError):
        made[0].submit(abs, -1)
    assert level(ask(app, "grey", level=81)) == 81
    AppState.of(app).stop()
    for client in recipe["clients"]:
        client.close()


@pytest.mark.usefixtures("app")
def test_the_documented_app_renders_on_the_cluster(
    cluster: Cluster, renders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test uses the files of the documentation unchanged."""
    for name, code in FILES.items():
        path = cluster.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(adapt_to_cluster(code, cluster))
    monkeypatch.syspath_prepend(cluster.folder)
    myapp = import_module("myapp")
    try:
        app = myapp.create_app()
        assert pixels(ask(app, "walk").data).shape == (480, 640, 4)
        del app.config["STEP"]  # The worker has a separate app.
        assert ask(app, "walk", n=60).status_code == 200
    finally:
        AppState.of(app).stop()
        for client in import_module("myapp.cluster").clients:
            client.close()
        for name in [name for name in sys.modules if name.startswith("myapp")]:
            del sys.modules[name]
