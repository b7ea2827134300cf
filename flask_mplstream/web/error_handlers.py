"""An error of the app's own: who is told what.

Flask side. The developer gets the type, the message and the line, in the log and
in debug mode in the answer itself; a stranger learns that something is wrong.
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


def answer_of_the_app(
    app: Flask, request: Request, error: Exception
) -> ResponseReturnValue | None:
    """What an error handler of the app answers; call it while handling *error*.

    :return: ``None`` where the app has no handler for such errors.
    :raises Exception: *error* itself for a test, and for the debugger where a page
        is opened; else what the handler raises.
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


def problem_of_the_app(
    app: Flask, error: Exception, figure: str, arguments: Mapping[str, Any]
) -> Problem:
    """The problem that *error* is for a client, after those were told who listen.

    :param figure: the figure route's name.
    :param arguments: those of the URL.
    """
    note_pool_timeout(error)  # version and inject run in the request.
    got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
    told = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
    given = ", ".join(f"{name}={cut(repr(v))}" for name, v in arguments.items())
    failure = f"{figure}({given}) failed"
    if isinstance(error, ConfigError):  # No figure is to blame.
        failure = "The app is set up wrongly"
    logger.error("%s", failure, exc_info=error)
    return fault("\n".join(told)) if app.debug else fault()
