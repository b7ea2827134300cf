"""Servers for the tests, which start and stop in one way."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import NoReturn, Self

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.support.paths import ROOT


class Server:
    """A server process on this machine; as a context, it runs during the block.

    :param command: the program and its arguments.
    :param port: the server has started when it listens here.
    :param log: a file for the output, which is discarded by default.
    :param keeps_group: whether the test ends the children instead of :meth:`stop`.
    :param environment: variables added to those of this process.
    """

    process: subprocess.Popen[bytes]

    def __init__(
        self,
        *command: str | Path,
        port: int | None = None,
        log: Path | None = None,
        keeps_group: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = command
        self.port = port
        self._log = log or Path(os.devnull)
        self._keeps_group = keeps_group
        self._environment = {**os.environ, **(environment or {})}

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.process.pid

    def start(self) -> None:
        """Start the process and wait until it listens.

        :raises RuntimeError: it ended at once or does not listen after half a minute.
        """
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self.port is not None:
            try:
                self._wait_for_port(self.port)
            except BaseException:
                self.kill()
                raise

    def stop(self) -> None:
        """End the process as its operator would, and kill the rest of its group."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self._kill_group()

    def kill(self) -> None:
        """Kill the process, which may be suspended."""
        self.process.kill()
        self.process.wait(10)
        self._kill_group()

    def suspend(self) -> None:
        """Stop the process until :meth:`resume`; its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(
            self.process.pid, os.WUNTRACED
        )  # Wait until all its threads have stopped.

    def resume(self) -> None:
        """Continue the process after :meth:`suspend`."""
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _kill_group(self) -> None:
        if not self._keeps_group:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _wait_for_port(self, port: int) -> None:
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"{self.command!r} ended with {self.process.returncode}"
                )
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{self.command!r} does not listen on {port}")


class RedisServer(Server):
    """A real Redis, empty at each start, on a free port unless *port* is given."""

    def __init__(self, *options: str, port: int | None = None) -> None:
        port = port or find_free_port()
        super().__init__(
            *(find_program("redis-server"), "--port", str(port), "--save", ""),
            *("--bind", "127.0.0.1", *options),
            port=port,
        )
        self.port: int = port


class MemcachedServer(Server):
    """A real Memcached on a free port."""

    def __init__(self, *options: str) -> None:
        port = find_free_port()
        # Only root needs "-u", to name another user; others ignore it.
        super().__init__(
            *(find_program("memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0"),
            *("-u", "nobody", *options),
            port=port,
        )
        self.port: int = port


class Gunicorn(Server):
    """A gunicorn on a free port, by default one process with threads.

    :param app: in gunicorn's notation, such as ``example_app:create_app()``.
    """

    def __init__(
        self,
        app: str,
        *options: str,
        worker_class: str = "gthread",
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        port = find_free_port()
        super().__init__(
            *(sys.executable, "-m", "gunicorn", "--worker-class", worker_class),
            *("--bind", f"127.0.0.1:{port}", *options, app),
            port=port,
            log=log,
            environment=environment,
        )
        self.port: int = port
        self.url = f"http://127.0.0.1:{port}"


class _SilentHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Write no log."""


class _PersistentHandler(_SilentHandler):
    protocol_version = "HTTP/1.1"


@contextmanager
def serve_in_threads(
    app: Flask, port: int = 0, *, keeps_connections: bool = False
) -> Iterator[str]:
    """Serve *app* in threads of this process.

    :param port: 0 for any free one, the default.
    :return: its URL.
    """
    handler = _PersistentHandler if keeps_connections else _SilentHandler
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def find_free_port() -> int:
    """Return a port without a server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_program(program: str) -> str:
    """Return the path of *program*, or call :func:`skip_or_fail`."""
    path = shutil.which(program)
    if path is None:
        skip_or_fail(f"{program} is not installed. Install it with apt-get.")
    return path


def skip_or_fail(message: str) -> NoReturn:
    """Skip the test with *message*; fail it under ``CI=true``."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
