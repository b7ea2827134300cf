"""What every test may use: apps, counted renders, real servers."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pytest
from flask import Flask, Response
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask.testing import FlaskClient
from PIL import Image

from flask_mplstream import FigureBlueprint
from flask_mplstream import state as state_module

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: What a run leaves for people to look at, and for the next run to find.
OUTPUT = Path(__file__).parent.parent / "test-output"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sweep",
        action="store_true",
        help="make the searches of tests with the mark 'sweep' complete",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of cores: some tests bound how long servers take."""
    return os.cpu_count() or 1


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test leaves no pyplot figure, no thread and no child process behind."""
    threads = set(threading.enumerate())
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert not (pyplot and pyplot.get_fignums()), "a pyplot figure is still open"
    left = set(threading.enumerate()) - threads
    if request.node.get_closest_marker("keeps_threads") is None:
        assert not left, f"threads still run: {left}"
    assert not multiprocessing.active_children(), "child processes still run"


class Counter:
    """Counts the renders of a figure function: the main thing to assert on."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, *values: Any) -> None:
        self.calls.append(values[0] if len(values) == 1 else values)

    def __len__(self) -> int:
        return len(self.calls)


class Clock:
    """A clock in hand."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What the package takes for the time of day."""
    held = Clock()
    monkeypatch.setattr(state_module, "clock", held)
    return held


class SilentSessions(SecureCookieSessionInterface):
    """Sessions that do not say ``Vary: Cookie``, as in several extensions."""

    def save_session(
        self, app: Flask, session: SessionMixin, response: Response
    ) -> None:
        if session.modified:
            super().save_session(app, session, response)


@pytest.fixture
def renders() -> Counter:
    return Counter()


@pytest.fixture
def plots() -> FigureBlueprint:
    return FigureBlueprint("plots", __name__, url_prefix="/plots")


@pytest.fixture
def serve(plots: FigureBlueprint) -> Callable[..., FlaskClient]:
    """Register ``plots`` on a new app with the given settings; a client for it."""

    def make(**config: Any) -> FlaskClient:
        app = Flask(__name__)
        app.config.update(SECRET_KEY="not secret", **config)
        app.register_blueprint(plots)
        return app.test_client()

    return make


def pixels(body: bytes) -> np.ndarray[Any, Any]:
    """The picture in *body* as RGBA, shape ``(height, width, 4)``."""
    with Image.open(BytesIO(body)) as image:
        return np.array(image.convert("RGBA"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[Any]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


@contextmanager
def server(
    *command: str, port: int, cwd: Path | None = None, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* until the block ends; it must listen on *port* first."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def need(program: str) -> str:
    """The path of *program*; a test that needs it fails under ``CI=true`` without."""
    path = shutil.which(program)
    if path is None:
        lacking(f"{program} is not installed: apt-get install it to run this test")
    return path


def lacking(message: str) -> NoReturn:
    """Skip the test for something that the machine lacks; under ``CI=true`` fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium. While it runs, no test can have an asyncio loop of its own."""
    # Playwright is not there where the oldest dependencies are tested.
    from .browsing import chromium

    with chromium() as running:
        yield running


@pytest.fixture
def complaints() -> list[str]:
    """What the console of each page opened with it says."""
    return []


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    """A real Redis on a free port."""
    program, port = need("redis-server"), free_port()
    command = (program, "--port", str(port), "--save", "", "--bind", "127.0.0.1")
    with server(*command, port=port):
        yield port


@pytest.fixture(scope="session")
def memcached_port() -> Iterator[int]:
    """A real Memcached on a free port."""
    program, port = need("memcached"), free_port()
    # "-u" is for root only, who must name somebody else; all others ignore it.
    command = (program, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "nobody")
    with server(*command, port=port):
        yield port
