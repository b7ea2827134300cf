"""Pickle the renders and results that a web process and a worker exchange.

Flask side. This module is used in both processes, which belong to the same app. The
worker unpickles the payload in a function, so if a module can't be imported there, this
leads to an error message and doesn't end the worker.
"""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from inspect import signature
from time import time
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.utils import import_string
from werkzeug.wrappers import Response

from ..errors import ConfigError, RemoteError
from ..forks import make_lock
from ..formats import Variant
from ..rendered_image import RenderedImage
from ..rendering.figure_lock import read_app_globals, use_agg
from ..rendering.matplotlib_globals import Globals, carry_globals
from .job import Recipe
from .kept_figures import KeepLimits, KeptFigures, KeptPicture, Origin
from .request_isolation import run_without_request


def pack(
    app_name: str | None,
    recipe: Recipe,
    values: Mapping[str, Any],
    variant: Variant,
    png: RenderedImage | None = None,
    origin: Origin | None = None,
    limits: KeepLimits | None = None,
) -> bytes:
    """Return a render as bytes that can be passed to :func:`run_payload`.

    :param app_name: ``MPLSTREAM_APP``.
    :param png: the picture to encode as *variant*; ``None`` to draw.
    :param origin: the origin of the data, or ``None`` to keep nothing.
    :param limits: the limits of kept figures, or ``None`` to keep nothing.
    :raises ConfigError: if an argument cannot be pickled.
    """
    given = read_app_globals()
    job = (app_name, recipe, values, variant, png, origin, limits, given)
    try:
        return pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"A render of {recipe.source} cannot be sent to a worker: {error}. Define "
            f"the classes of its arguments and options at the top level of a module, "
            f"so that they can be pickled."
        ) from error


def run_payload(payload: bytes) -> bytes:
    """Render *payload* in the worker, and return bytes for :func:`unpack`."""
    try:
        # Unpickling may import a module that renders; it must render in this process.
        result: RenderedImage | _Failure = run_without_request(
            None, lambda: _render(payload)
        )
    except BaseException as error:  # sys.exit() must not end the worker.
        if hint := _find_hint(error):
            error.add_note(hint)
        result = _Failure.of(error)
    return pickle.dumps(result)


def _find_hint(error: BaseException) -> str | None:
    """Return the setting that fixes an error in a worker, if there is one."""
    if isinstance(error, MemoryError):
        return "A worker is limited to MPLSTREAM_WORKER_BYTES. Raise it or draw less."
    if isinstance(error, RuntimeError) and "outside of application" in str(error):
        return "A worker has no app. Set MPLSTREAM_APP = 'module:create_app' to yours."
    return None


def _render(payload: bytes) -> RenderedImage:
    use_agg()
    recipe: Recipe
    given: Globals
    app_name, recipe, values, variant, png, origin, limits, given = _unpickle(payload)
    if png is not None:
        return recipe.derive(values, variant, png)
    app = None if app_name is None else load_app(app_name)
    is_text = variant.format.is_text
    store = limits and _keep(limits)
    kept = KeptPicture(store, recipe.endpoint, origin, is_text=is_text)
    with carry_globals(given):
        return run_without_request(
            app, lambda: recipe.render(values, variant, kept=kept)
        )


@cache
def _keep(limits: KeepLimits) -> KeptFigures:
    """Return this worker's kept figures.

    The web process may have another clock, so it is told only the age of the data. A
    monotonic clock would stop while the machine is suspended.
    """
    return KeptFigures(limits, time)


def unpack(result: bytes) -> RenderedImage:
    """Return the picture, or raise the error that was raised in the worker.

    :param result: the result of :func:`run_payload`.
    :raises RemoteError: if the original error couldn't be pickled.
    """
    received: RenderedImage | _Failure = _unpickle(result)
    if isinstance(received, _Failure):
        raise received.restore_error() from _RemoteTraceback(received.traceback)
    return received


def _unpickle(pickled: bytes) -> Any:
    # It came through a pipe or the app's executor.
    return pickle.loads(pickled)  # noqa: S301 - from the same app  # nosec B301


class _RemoteTraceback(Exception):  # noqa: N818 - as in concurrent.futures
    """The worker's traceback, shown as the cause."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error of a render in a form that can be pickled."""

    pickled: bytes | None
    shown: str
    notes: tuple[str, ...]
    traceback: str
    #: Status, headers and body of an ``abort(response)``.
    response: tuple[int, list[tuple[str, str]], bytes] | None = None

    @classmethod
    def of(cls, error: BaseException) -> _Failure:
        text = "".join(traceback.format_exception(error))
        response = None
        if isinstance(error, HTTPException) and isinstance(error.response, Response):
            sent = error.response
            response = (sent.status_code, list(sent.headers), sent.get_data())
        pickled = _pickle_error(error) if response is None else None
        shown = f"{type(error).__name__}: {error}"
        notes = tuple(getattr(error, "__notes__", ()))
        return cls(pickled, shown, notes, text, response)

    def restore_error(self) -> Exception:
        """Return the original error, or a :class:`RemoteError` with its text."""
        if self.response is not None:
            status, headers, body = self.response
            # The headers include Content-Type, so werkzeug adds no default.
            return HTTPException(response=Response(body, status, headers))
        if self.pickled is not None:
            error: Exception = _unpickle(self.pickled)
            return error
        remote = RemoteError(self.shown)
        for note in self.notes:
            remote.add_note(note)
        return remote


def _pickle_error(error: BaseException) -> bytes | None:
    """Return the pickle of *error*, or ``None`` if it can't be pickled."""
    if not isinstance(error, Exception):
        return None
    try:
        pickled = pickle.dumps(error)
        _unpickle(pickled)
    except Exception:
        return None
    return pickled


_lock = make_lock(sys.modules[__name__])  # guards the cache of _make_app


def load_app(name: str) -> Flask:
    """Return the app called *name*, which is created once for the whole worker.

    :raises ConfigError: if there is none.
    """
    with _lock:
        return _make_app(name)


@cache
def _make_app(name: str) -> Flask:
    """Import ``module:name``, and return it or the app that it creates."""
    try:
        found = import_string(name)
    except ImportError as error:
        raise ConfigError(
            f"MPLSTREAM_APP is {name!r}, which a worker cannot import: {error}"
        ) from error
    check_app_object(name, found)
    if isinstance(found, Flask):
        return found
    try:
        app = found()
    except Exception as error:
        error.add_note(f"MPLSTREAM_APP = {name!r} raised this error.")
        raise
    if not isinstance(app, Flask):
        raise ConfigError(
            f"MPLSTREAM_APP is {name!r}, which returns {type(app)!r}. Name a Flask "
            f"app, or a function without arguments that returns one."
        )
    return app


def check_app_object(name: str, found: object) -> None:
    """Reject *found* if it isn't an app or a callable without arguments.

    :param name: ``MPLSTREAM_APP``, the name of *found*.
    :raises ConfigError: with the reason.
    """
    if isinstance(found, Flask):
        return
    reason = f"which is {found!r}"
    if callable(found):
        try:
            signature(found).bind()
            return
        except ValueError:
            return  # A built-in function without a signature.
        except TypeError as error:
            reason = f"which requires arguments: {error}"
    raise ConfigError(
        f"MPLSTREAM_APP is {name!r}, {reason}. Name a Flask app, or a function without "
        f"arguments that returns one."
    )
