"""Fixtures and hooks of all tests: apps, counted renders, real servers."""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from flask_mplstream import FigureBlueprint
from flask_mplstream.web import app_state as state_module
from flask_mplstream.workers.keep_rule import KeepRule
from tests.support.doubles import Clock, Counter
from tests.support.processes import wait_until
from tests.support.servers import MemcachedServer, RedisServer, serve_in_threads

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--sweep``."""
    parser.addoption(
        "--sweep",
        action="store_true",
        help="run the complete searches of tests marked 'sweep'",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let hypothesis try the same examples in every run, or many new ones."""
    is_sweep = config.getoption("--sweep")
    settings.register_profile(
        "tests",
        max_examples=1000 if is_sweep else 100,
        derandomize=not is_sweep,
        database=None,
        # The time of an example depends on the machine's other work.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("tests")


class FastFile(pytest.Module):
    """A file of tests that is skipped if it imports a package that is not installed."""

    def collect(self) -> Sequence[pytest.Item | pytest.Collector]:
        """Return the tests, or skip the file if a package is not installed."""
        try:
            return list(super().collect())
        except self.CollectError as error:
            cause = error.__cause__
            if isinstance(cause, ModuleNotFoundError) and cause.name:
                package = cause.name.partition(".")[0]
                if find_spec(package) is None:
                    pytest.skip(f"{package} is not installed", allow_module_level=True)
            raise


#: The mark of a file whose tests are all slow, on one line or several.
SLOW_FILE = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Let ``pytest -m "not slow"`` not import a file whose tests are all slow."""
    if config.getoption("markexpr") != "not slow" or collection_path.suffix != ".py":
        return None
    return bool(SLOW_FILE.search(collection_path.read_text("utf-8"))) or None


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Use :class:`FastFile` for ``pytest -m "not slow"`` only."""
    if parent.config.getoption("markexpr") != "not slow":
        return None
    file: pytest.Module = FastFile.from_parent(parent, path=module_path)
    return file


#: Fixtures that start a server or a browser, which makes a test slow.
SLOW_FIXTURES = {"browser", "redis_port", "memcached_port"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test that uses a server or a browser as slow."""
    if isinstance(item, pytest.Function) and SLOW_FIXTURES & {*item.fixturenames}:
        item.add_marker("slow")


#: Files of more than half a minute.
LONGEST = {"test_fleet.py", "test_pages.py", "test_packaging.py", "test_terminal.py"}


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Start with the slow files; without ``--sweep`` drop the rest of sweeps."""
    # A slow file that starts last would delay the end of the run.
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if config.getoption("--sweep"):
        return
    rest = [item for item in items if is_rest_of_sweep(item)]
    items[:] = [item for item in items if not is_rest_of_sweep(item)]
    config.hook.pytest_deselected(items=rest)


def is_rest_of_sweep(item: pytest.Item) -> bool:
    """Return whether only a sweep runs *item*."""
    return any(mark.kwargs.get("rest") for mark in item.iter_markers("sweep"))


@pytest.fixture(scope="session")
def is_sweep(request: pytest.FixtureRequest) -> bool:
    """Return whether the searches are complete."""
    return bool(request.config.getoption("--sweep"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the cores plus one, as tests of servers wait a third of the time."""
    cores = os.cpu_count() or 1
    # The fast tests keep the cores busy, and each process imports all files.
    return cores if config.getoption("markexpr") == "not slow" else cores + 1


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check that the test leaves no pyplot figure, thread or child process."""
    threads = set(threading.enumerate())
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert not (pyplot and pyplot.get_fignums()), "a pyplot figure is still open"
    keeps_threads = request.node.get_closest_marker("keeps_threads") is not None

    def find_left() -> list[object]:
        started = [] if keeps_threads else set(threading.enumerate()) - threads
        return [*started, *multiprocessing.active_children()]

    with suppress(AssertionError):  # They may be about to end.
        wait_until(lambda: not find_left(), 5)
    assert not find_left(), "threads or child processes are still running"


@pytest.fixture(autouse=True)
def always_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep each figure in this process: the rule depends on times."""
    monkeypatch.setattr(KeepRule, "is_worth", lambda *_: True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the package's time of day with a clock that tests can set."""
    manual_clock = Clock()
    monkeypatch.setattr(state_module, "clock", manual_clock)
    return manual_clock


@pytest.fixture
def renders() -> Counter:
    """Return a counter of renders."""
    return Counter()


@pytest.fixture
def plots() -> FigureBlueprint:
    """Return a blueprint at ``/plots``."""
    return FigureBlueprint("plots", __name__, url_prefix="/plots")


@pytest.fixture
def serve(plots: FigureBlueprint) -> Callable[..., FlaskClient]:
    """Return a function that registers ``plots`` on a new app and returns a client.

    Its keyword arguments are the app's settings.
    """

    def make_client(**config: Any) -> FlaskClient:
        app = Flask(__name__)
        app.config.update(SECRET_KEY="not secret", **config)
        app.register_blueprint(plots)
        return app.test_client()

    return make_client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium. Meanwhile, no test can run another asyncio loop."""
    # Playwright is not installed with the oldest dependencies.
    from tests.support.browsing import run_chromium

    with run_chromium() as browser:
        yield browser


@pytest.fixture
def complaints() -> list[str]:
    """Return a list for the console's errors and warnings."""
    return []


@pytest.fixture(scope="module")
def page_app() -> Iterator[str]:
    """Serve the app for pages with changing figures; yield its URL."""
    from tests.apps.page_app import create_app

    with serve_in_threads(create_app()) as url:
        yield url


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """Open an empty page with a clock; an error in its console is a failure."""
    from tests.support.browsing import open_page

    with open_page(browser, complaints, has_clock=True) as page:
        yield page
    assert complaints == []


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    """Run a real Redis on a free port."""
    with RedisServer() as redis:
        yield redis.port


@pytest.fixture(scope="session")
def memcached_port() -> Iterator[int]:
    """Run a real Memcached on a free port."""
    with MemcachedServer() as memcached:
        yield memcached.port
