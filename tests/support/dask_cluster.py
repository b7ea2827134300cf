"""A Dask cluster on this machine, set up as docs/executors.md describes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT
from tests.support.processes import wait_until
from tests.support.servers import Server, find_free_port

DOCUMENT = ROOT.joinpath("docs", "executors.md").read_text("utf-8")
#: The files of the document, by name.
FILES = dict(re.findall(r"```python\n# (myapp/\S+)\n(.*?)```", DOCUMENT, re.S))


class Cluster:
    """A scheduler and workers on this machine, in separate processes."""

    def __init__(self, folder: Path) -> None:
        self.port = find_free_port()
        #: A folder with more modules for the workers.
        self.folder = folder
        self.scheduler: Server
        self._started: list[Server] = []

    def start_scheduler(self) -> None:
        """Start the scheduler; workers may join and leave."""
        # A task fails after two workers have died of it. The idle timeout ends the
        # cluster if this process is killed.
        self.scheduler = self._start(
            *("dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--idle-timeout", "300s"),
            port=self.port,
            DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1",
        )

    def start_worker(self, *options: str) -> Server:
        """Start a worker with *options*."""
        return self._start(
            *("dask_worker", f"tcp://127.0.0.1:{self.port}", "--host", "127.0.0.1"),
            *("--nthreads", "1", "--local-directory", str(self.folder), *options),
            *("--preload", "flask_mplstream.workers.ipc"),
            PYTHONPATH=f"{ROOT}{os.pathsep}{self.folder}",
        )

    def _start(
        self, program: str, *options: str, port: int | None = None, **more: str
    ) -> Server:
        server = Server(
            *(sys.executable, "-m", f"distributed.cli.{program}", *options),
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0"),
            port=port,
            log=self.folder / f"{len(self._started)}.log",
            environment=more,
        )
        server.start()
        self._started.append(server)
        return server

    def stop(self) -> None:
        """End all processes and their children."""
        for server in self._started:
            server.kill()
        wait_until(lambda: not any(map(has_processes, self._started)))


def has_processes(server: Server) -> bool:
    """Return whether a process of *server*'s group is alive."""
    try:
        os.killpg(server.pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def run_cluster(folder: Path, *workers: str) -> Iterator[Cluster]:
    """Run a cluster with one worker for each of *workers*, which are options."""
    cluster = Cluster(folder)
    try:
        cluster.start_scheduler()
        for option in workers:
            cluster.start_worker(option)
        yield cluster
    finally:
        cluster.stop()


def adapt_to_cluster(code: str, cluster: Cluster) -> str:
    """Return *code* of the document with the address of *cluster*."""
    return code.replace('"dask.example", 8786', f'"127.0.0.1", {cluster.port}')


def load_recipe(cluster: Cluster) -> dict[str, Any]:
    """Return the names that the document defines, for the scheduler of *cluster*."""
    code = adapt_to_cluster(FILES["myapp/cluster.py"], cluster)
    namespace: dict[str, Any] = {}
    exec(compile(code, "executors.md", "exec"), namespace)
    return namespace
