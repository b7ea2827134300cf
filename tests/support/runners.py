"""Runners of the renders in tests: threads, processes and worker pools."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_mplstream import ConfigError, FigureBlueprint
from tests.apps.worker_figures import create_one_process
from tests.support.pictures import pixels

#: Makes an executor.
MakeExecutor = Callable[[], Executor]


def one_thread() -> Executor:
    return ThreadPoolExecutor(1, "render")


#: An executor of threads, which is quick to start, and one of processes.
EXECUTORS = [
    pytest.param(one_thread, id="threads"),
    pytest.param(create_one_process, marks=pytest.mark.slow, id="processes"),
]


class Counted(ThreadPoolExecutor):
    """Threads that count the submitted calls."""

    submitted = 0

    def submit(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        self.submitted += 1
        return super().submit(function, *args, **kwargs)


def read_pids(renders: Path) -> list[int]:
    """Return the processes of the renders so far."""
    if not renders.exists():
        return []
    return [int(line) for line in renders.read_text().split()]


def read_level(answer: TestResponse) -> int:
    """Return the color of the picture, which is its argument."""
    return int(pixels(answer.data)[0, 0, 0])


def read_error_line(caplog: pytest.LogCaptureFixture) -> str:
    """Return the one logged error."""
    errors = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(errors) == 1
    return errors[0]


def register_invalid(blueprint: FigureBlueprint, **config: Any) -> str:
    """Return the error of an app with *blueprint* and *config*."""
    app = Flask(__name__)
    app.config.from_mapping(config)
    with pytest.raises(ConfigError) as refused:
        app.register_blueprint(blueprint)
    return str(refused.value)
