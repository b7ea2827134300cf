"""Clients of apps whose figures run on executors or in workers."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from flask_mplstream.web.app_state import AppState
from tests.apps.worker_figures import create_app
from tests.support.processes import wait_until
from tests.support.runners import MakeExecutor

Serve = Callable[..., FlaskClient]


@pytest.fixture
def on() -> Iterator[Serve]:
    """Return a client of an app on an executor, its maker or a number of workers."""
    before = set(threading.enumerate())
    apps = []

    def make(
        runner: Executor | MakeExecutor | int | None, **config: Any
    ) -> FlaskClient:
        name = "WORKERS" if isinstance(runner, int) else "EXECUTOR"
        app = create_app(**{f"MPLSTREAM_{name}": runner}, **config)
        apps.append(app)
        return app.test_client()

    yield make
    for app in apps:
        AppState.of(app).stop()
        given = app.config.get("MPLSTREAM_EXECUTOR")
        if isinstance(given, Executor):
            given.shutdown()
    # An app does not wait for the end of its executor.
    wait_until(lambda: set(threading.enumerate()) <= before)
    wait_until(lambda: not multiprocessing.active_children())


@pytest.fixture
def renders(tmp_path: Path) -> Path:
    """Return a file that gets one line for each render, in any process."""
    return tmp_path / "renders"


@pytest.fixture
def until(tmp_path: Path) -> Iterator[Path]:
    """Return a file that some figures wait for; create it at the end."""
    yield tmp_path / "until"
    (tmp_path / "until").touch()
