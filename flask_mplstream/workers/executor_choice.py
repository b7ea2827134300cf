"""Choose whether to render in workers, on an executor or in this process.

Flask side. Some processes can't start the workers that are configured for the app. They
draw the figures themselves.
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
from ..limits.deadline import Deadline
from ..settings import Settings
from ..signals import send_signal, worker_killed
from .futures_executor import FuturesExecutor
from .ipc import check_app_object

logger = logging.getLogger("flask_mplstream")

#: One of these is in an interpreter's file name, also in a Nix store.
_INTERPRETERS = ("python", "pypy", "graalpy")


class PayloadRunner(Protocol):
    """A runner of payloads outside this process."""

    def clock(self) -> float:
        """Return the time in seconds, on a clock that stops while workers start."""

    def start(self) -> None:
        """Get ready before the first render."""

    def run(self, payload: bytes, deadline: Deadline) -> bytes:
        """Return the result of *payload*.

        :param deadline: a deadline that uses the clock of this runner. Its step becomes
            "the render" when the render begins.
        """

    def stop(self) -> None:
        """Stop everything that was started."""


def choose_executor(
    app: Flask, settings: Settings, modules: tuple[str, ...]
) -> PayloadRunner | None:
    """Return the runner for the renders of *app*, or ``None`` for this process.

    :param modules: the figure functions' modules, which workers import.
    """
    if settings.executor is not None:
        return FuturesExecutor(settings.executor)
    if not settings.workers:
        return None
    if cause := find_obstacle():
        logger.warning(
            "MPLSTREAM_WORKERS is %d, but this process draws the figures of %r itself: "
            "%s. Set MPLSTREAM_WORKERS to 0, or use MPLSTREAM_EXECUTOR.",
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
        on_killed=_make_reporter(app),
    )


def find_obstacle() -> str | None:
    """Return the reason why this process can't have workers, or ``None``."""
    if getattr(multiprocessing.current_process(), "daemon", False):
        return (
            "it is daemonic, like the processes of Celery's prefork pool and of "
            "multiprocessing.Pool, and cannot have children"
        )
    executable = os.fsdecode(spawn.get_executable() or "")
    if not any(name in Path(executable).name.lower() for name in _INTERPRETERS):
        return (
            f"its sys.executable is {executable!r}, which is not a Python interpreter "
            f"(as in uWSGI)"
        )
    return _find_semaphore_fault()


def _find_semaphore_fault() -> str | None:
    """Create a lock, which fails without shared memory, as on AWS Lambda."""
    methods = multiprocessing.get_all_start_methods()
    # A lock of the fork context is unlinked at once and needs no resource tracker.
    method = "fork" if "fork" in methods else "spawn"
    try:
        multiprocessing.get_context(method).Lock()
    except (ImportError, OSError) as error:
        return f"it cannot create semaphores, which require /dev/shm ({error})"
    return None


def _make_reporter(app: Flask) -> Callable[[str], None]:
    """Return a function that signals a killed worker, with a weak *app*."""
    held = ref(app)

    def report(reason: str) -> None:
        app = held()
        if app is not None:
            send_signal(worker_killed, app, reason=reason)

    return report


def check_app_name(name: str | None) -> None:
    """Reject ``MPLSTREAM_APP`` if it is obviously wrong.

    This doesn't import anything. A module that is still being imported is accepted,
    because it may define the app later.

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
            f"MPLSTREAM_APP is {name!r}, but there is no module {module!r}. Name the "
            f"module as in an import statement."
        )
    loaded = sys.modules.get(module)
    if loaded is None or _is_being_imported(loaded):
        return
    if not hasattr(loaded, attribute):
        raise ConfigError(
            f"MPLSTREAM_APP is {name!r}, but {module!r} has no {attribute!r}. Name the "
            f"Flask app in it, or the function that returns it."
        )
    check_app_object(name, getattr(loaded, attribute))


def _is_findable(module: str) -> bool:
    """Return ``False`` if *module*, or a parent of it, does not exist.

    ``find_spec`` imports a module's parents. If they are not loaded, only the topmost
    of them is looked up.
    """
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
    # A module without a spec is a script, which is still running.
    return spec is None or getattr(spec, "_initializing", False)
