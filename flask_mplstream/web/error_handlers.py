"""Handle errors of the app itself, such as those in a figure function.

Flask side. The type, the message and the line of the error are logged. In debug mode,
the response contains the type and the message. Otherwise, it doesn't contain any
details.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask, Request, got_request_exception
from flask.typing import ResponseReturnValue

from ..errors import ConfigError, cut
from ..http.problem_details import Problem, fault
from ..workers.database_connections import note_pool_timeout

logger = logging.getLogger("flask_mplstream")


def call_error_handler(
    app: Flask, request: Request, error: Exception
) -> ResponseReturnValue | None:
    """Return the response of the error handler that the app has for *error*.

    Call it inside the ``except`` block that caught *error*.

    :return: ``None`` if the app has no handler for this error.
    :raises Exception: *error* itself in a test, with ``PROPAGATE_EXCEPTIONS``, or on a
        page in debug mode, which shows the debugger. If the handler fails, its own
        error is raised.
    """
    is_page = request.headers.get("Sec-Fetch-Dest") == "document"
    if app.config["PROPAGATE_EXCEPTIONS"] or app.testing or (app.debug and is_page):
        raise error
    try:
        return app.handle_user_exception(error)
    except Exception as unhandled:
        if unhandled is error:
            return None
        raise


def report_app_error(
    app: Flask, error: Exception, figure: str, arguments: Mapping[str, Any]
) -> Problem:
    """Log *error*, send the signal of Flask, and return the problem for the client.

    :param figure: the endpoint of the figure route.
    :param arguments: the arguments in the URL.
    """
    note_pool_timeout(error)  # For version and inject; a render adds it itself.
    got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
    lines = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
    given = ", ".join(f"{name}={cut(repr(v))}" for name, v in arguments.items())
    failure = f"{figure}({given}) failed"
    if isinstance(error, ConfigError):  # The figure is not the cause.
        failure = "The app's configuration is invalid"
    logger.error("%s", failure, exc_info=error)
    return fault("\n".join(lines)) if app.debug else fault()
