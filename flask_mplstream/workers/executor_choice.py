"""Where an app's figures are drawn: in workers, on an executor, or in this process.

Flask side. The only place that decides it. Worker processes are a setting of the app,
but not every process can start them; there the figures are drawn by the process itself.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing import spawn
from pathlib import Path
from typing import Protocol
from weakref import ref

from flask import Flask

from ..errors import ConfigError
from ..settings import Settings
from ..signals import tell, worker_killed
from .futures_executor import OnExecutor
from .ipc import check_found

logger = logging.getLogger("flask_mplstream")

#: What the name of an interpreter has in it, in a Nix store as well.
_INTERPRETERS = ("python", "pypy", "graalpy")


class Elsewhere(Protocol):
    """Runs payloads outside this process."""

    def clock(self) -> float:
        """Return seconds that never fall, and stand still while workers start."""

    def start(self) -> None:
        """Be ready before the first render."""

    def run(
        self, payload: bytes, timeout_s: float, on_turn: Callable[[], object]
    ) -> bytes:
        """Return the result of *payload*, in *timeout_s* seconds.

        :param on_turn: called when the render begins.
        """

    def stop(self) -> None:
        """Leave nothing running."""


def choose_executor(
    app: Flask, settings: Settings, modules: tuple[str, ...]
) -> Elsewhere | None:
    """Return what draws the figures of *app*; ``None`` for this process itself.

    :param modules: where the figure functions are, for workers to import.
    """
    if settings.executor is not None:
        return OnExecutor(settings.executor)
    if not settings.workers:
        return None
    if cause := find_obstacle():
        logger.warning(
            "MPLSTREAM_WORKERS is %d, but the figures of %r are drawn in this process: "
            "%s. Set MPLSTREAM_WORKERS to 0 here, or use MPLSTREAM_EXECUTOR.",
            settings.workers,
            app.name,
            cause,
        )
        return None
    from .process_pool import Pool, Startup

    return Pool(
        settings.workers,
        Startup(settings.worker_bytes, settings.app, modules),
        max_renders=settings.worker_renders,
        on_killed=_reporter(app),
    )


def find_obstacle() -> str | None:
    """Return why this process can have no worker processes, or ``None``."""
    if getattr(multiprocessing.current_process(), "daemon", False):
        return (
            "it is daemonic, as the processes of Celery's prefork pool and of "
            "multiprocessing.Pool are, and may have no children"
        )
    executable = os.fsdecode(spawn.get_executable() or "")
    if not any(name in Path(executable).name.lower() for name in _INTERPRETERS):
        return (
            f"its sys.executable is {executable!r}, as in uWSGI, which is no Python "
            f"interpreter to start"
        )
    return _find_fault_of_semaphores()


def _find_fault_of_semaphores() -> str | None:
    """Try a lock, which needs the shared memory that AWS Lambda does not have."""
    methods = multiprocessing.get_all_start_methods()
    # A forked child's lock is unlinked at once: nothing has to track it.
    method = "fork" if "fork" in methods else "spawn"
    try:
        multiprocessing.get_context(method).Lock()
    except (ImportError, OSError) as error:
        return f"it can have no semaphores, which need /dev/shm ({error})"
    return None


def _reporter(app: Flask) -> Callable[[str], None]:
    """Return the function that reports killed workers; it does not keep *app* alive."""
    held = ref(app)

    def report(reason: str) -> None:
        app = held()
        if app is not None:
            tell(worker_killed, app, reason=reason)

    return report


def check_app(name: str | None) -> None:
    """Refuse a ``MPLSTREAM_APP`` that no worker could import, as far as is known here.

    Nothing is imported: what is being imported just now may define the app later.

    :raises ConfigError: with the reason.
    """
    if name is None:
        return
    module, _, attribute = name.replace(":", ".").rpartition(".")
    if not module or not attribute:
        raise ConfigError(
            f"MPLSTREAM_APP is {name!r}. Write it as 'module:factory' or 'module:app'."
        )
    if not _is_findable(module):
        raise ConfigError(
            f"MPLSTREAM_APP is {name!r}, but Python finds no module {module!r}. Name "
            f"the module as an import statement does."
        )
    loaded = sys.modules.get(module)
    if loaded is None or _is_being_imported(loaded):
        return
    if not hasattr(loaded, attribute):
        raise ConfigError(
            f"MPLSTREAM_APP is {name!r}, but {module!r} has no {attribute!r}. Name the "
            f"Flask app in it, or the function that makes it."
        )
    check_found(name, getattr(loaded, attribute))


def _is_findable(module: str) -> bool:
    """Whether *module* may be imported, as far as its imported parents can tell."""
    if module in sys.modules:
        return True
    parent = module.rpartition(".")[0]
    if parent and parent not in sys.modules:
        return _is_findable(parent)
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _is_being_imported(module: object) -> bool:
    spec = getattr(module, "__spec__", None)
    # A script has no such state, and is being run.
    return spec is None or getattr(spec, "_initializing", False)
