"""Errors of a figure function: the response, the log and the debugger."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, got_request_exception
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint
from flask_mplstream.rendering.error_image import Message, draw_message

Serve = Callable[..., FlaskClient]
IMAGE = {"Sec-Fetch-Dest": "image"}


class NoSuchShipError(LookupError):
    """An error of the app."""


@pytest.fixture(autouse=True)
def figures(plots: FigureBlueprint) -> None:
    @plots.figure_route("/bad", error_backoff=0)
    def bad(name: str = "a", n: int = 0) -> Figure:
        raise ValueError(f"no {name} in /etc/app/secret.conf")

    @plots.figure_route("/ship", error_backoff=0)
    def ship() -> Figure:
        raise NoSuchShipError("Beagle")

    @plots.figure_route("/none", error_backoff=0)
    def none() -> Any:
        return None


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Record the messages of error pictures."""
    seen: list[Message] = []

    def kept(message: Message, *size: Any, **look: Any) -> bytes:
        seen.append(message)
        return draw_message(message, *size, **look)

    monkeypatch.setattr("flask_mplstream.web.error_responses.draw_message", kept)
    return seen


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_response_has_no_details_of_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """It is an uncached 500; the log has the figure and the reason."""
    answer = serve().get("/plots/bad?name=x&n=3")
    assert answer.status_code == 500
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "The picture cannot be drawn.",
        "instance": "/plots/bad",
    }
    (line,) = lines(caplog)
    text = line.getMessage()
    assert text.startswith(
        "plots.bad(name='x', n=3) failed: ValueError: no x in /etc/app/secret.conf"
    )
    assert 'raise ValueError(f"no' in text
    assert not line.exc_info


def test_a_request_for_an_image_gets_a_neutral_picture(
    serve: Serve, drawn: list[Message]
) -> None:
    """It has the status of the error."""
    answer = serve().get("/plots/bad", headers=IMAGE)
    assert (answer.status_code, answer.mimetype) == (500, "image/png")
    assert answer.headers["Cache-Control"] == "no-store"
    (message,) = drawn
    assert message.headline == "This picture cannot be drawn."
    assert not message.details


def test_in_debug_mode_the_picture_has_the_error(
    serve: Serve, drawn: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    """It has type, message and line; the log has the traceback."""
    client = serve(DEBUG=True)
    answer = client.get("/plots/bad?name=x", headers=IMAGE)
    assert (answer.status_code, answer.mimetype) == (500, "image/png")
    text = drawn[0].details
    assert "ValueError: no x in /etc/app/secret.conf" in text
    assert 'raise ValueError(f"no {name} in' in text
    assert "bad, line " in text
    (line,) = lines(caplog)
    assert line.exc_info
    problem = client.get("/plots/bad?name=x").json
    assert problem is not None
    assert problem["detail"] == text


def test_in_debug_mode_the_picture_names_a_missing_return(serve: Serve) -> None:
    """The package's errors are shown too."""
    problem = serve(DEBUG=True).get("/plots/none").json
    assert problem is not None
    assert "Did you forget to return the figure?" in problem["detail"]


def test_in_debug_mode_a_page_shows_the_debugger(serve: Serve) -> None:
    """Werkzeug's debugger has more details than a picture."""
    with pytest.raises(ValueError, match="no a in"):
        serve(DEBUG=True).get("/plots/bad", headers={"Sec-Fetch-Dest": "document"})


@pytest.mark.parametrize("setting", ["TESTING", "PROPAGATE_EXCEPTIONS"])
def test_under_testing_the_error_is_raised(serve: Serve, setting: str) -> None:
    """Flask's views do the same."""
    with pytest.raises(ValueError, match="no a in"):
        serve(**{setting: True}).get("/plots/bad")


def test_text_from_a_request_breaks_no_line_of_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Control characters are replaced, and long text is cut."""
    client = serve()
    hostile = "a\r\n2026-01-01 ERROR forged \x1b[31m\x00\u2028"
    client.get("/plots/bad", query_string={"name": hostile})
    client.get("/plots/bad", query_string={"name": "x" * 256})
    for line in lines(caplog):
        assert line.getMessage().isprintable()
        assert len(line.getMessage()) < 1001
    assert "…" in lines(caplog)[1].getMessage()


def test_an_error_handler_of_the_app_has_precedence(plots: FigureBlueprint) -> None:
    """Its response is not cached."""
    app = Flask(__name__)
    app.register_blueprint(plots)

    @app.errorhandler(NoSuchShipError)
    def no_ship(error: NoSuchShipError) -> Response:
        return Response(f"no {error}", 404)

    answer = app.test_client().get("/plots/ship")
    assert (answer.status_code, answer.text) == (404, "no Beagle")
    assert answer.headers["Cache-Control"] == "no-store"
    assert app.test_client().get("/plots/bad").status_code == 500


def test_an_error_in_an_error_handler_is_raised(plots: FigureBlueprint) -> None:
    """Flask does the same."""
    app = Flask(__name__)
    app.register_blueprint(plots)

    @app.errorhandler(NoSuchShipError)
    def no_ship(error: NoSuchShipError) -> Response:
        raise KeyError("handler")

    app.config["PROPAGATE_EXCEPTIONS"] = None
    assert app.test_client().get("/plots/ship").status_code == 500


def test_an_error_sends_flasks_signal(serve: Serve) -> None:
    """Sentry and similar tools connect to it."""
    client = serve()
    heard: list[Any] = []

    def hear(sender: Flask, exception: Exception, **_: Any) -> None:
        heard.append(exception)

    with got_request_exception.connected_to(hear, client.application):
        client.get("/plots/bad")
    assert [type(error) for error in heard] == [ValueError]
    assert sys.exc_info() == (None, None, None)
