"""gevent: all requests of a process share a thread, which a render holds."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace

import pytest

from flask_mplstream.workers.greenlets import (
    USUAL_FOLLOWERS,
    choose_max_followers,
    find_greenlet_library,
)
from tests.support.processes import wait_until
from tests.support.servers import Gunicorn


@contextmanager
def gevent_server(log: Path, **config: str) -> Iterator[int]:
    """Run gunicorn with one gevent worker and its output in *log*."""
    environment = {f"FLASK_{key}": value for key, value in config.items()}
    with Gunicorn(
        "tests.apps.greenlet_app:create_app()",
        worker_class="gevent",
        log=log,
        environment=environment,
    ) as server:
        yield server.port


def ask(port: int, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@pytest.mark.slow
def test_the_log_suggests_workers_under_gevent(tmp_path: Path) -> None:
    """It does so once, at the first render."""
    log = tmp_path / "log"
    with gevent_server(log) as port:
        assert [ask(port, "/slow") for _ in range(2)] == [200, 200]
    assert log.read_text().count("Set MPLSTREAM_WORKERS") == 1


@pytest.mark.slow
def test_hits_do_not_wait_with_workers(tmp_path: Path) -> None:
    """The log has no warning."""
    log = tmp_path / "log"
    with gevent_server(log, MPLSTREAM_WORKERS="1") as port:
        assert ask(port, "/slow") == 200
        with ThreadPoolExecutor(3) as pool:
            paths = [f"/slow?n={n}&folder={tmp_path}" for n in (1, 2, 1)]
            renders = [pool.submit(ask, port, path) for path in paths]
            wait_until((tmp_path / "begun").exists)
            assert ask(port, "/slow") == 200
            assert not any(render.done() for render in renders)
            (tmp_path / "go").touch()
            assert [render.result() for render in renders] == [200] * 3
    assert "MPLSTREAM_WORKERS" not in log.read_text()


@pytest.mark.parametrize(
    ("module", "name", "library"),
    [
        ("gevent.monkey", "is_module_patched", "gevent"),
        ("eventlet.patcher", "is_monkey_patched", "eventlet"),
    ],
)
@pytest.mark.parametrize("is_patched", [True, False])
def test_greenlets_are_detected_by_patched_modules(
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    name: str,
    library: str,
    is_patched: bool,
) -> None:
    """A library that is only imported changes nothing."""
    for other in ("gevent.monkey", "eventlet.patcher"):
        monkeypatch.delitem(sys.modules, other, raising=False)
    assert find_greenlet_library() is None
    fake = SimpleNamespace(**{name: lambda _: is_patched})
    monkeypatch.setitem(sys.modules, module, fake)
    assert find_greenlet_library() == (library if is_patched else None)
    # A greenlet that waits holds no thread of the server.
    assert choose_max_followers() == (math.inf if is_patched else USUAL_FOLLOWERS)
