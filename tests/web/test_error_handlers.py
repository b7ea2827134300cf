"""Errors of a figure function: what the developer sees, and what a stranger."""

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
from flask_mplstream.rendering.error_image import Message, message_image

Serve = Callable[..., FlaskClient]
IMAGE = {"Sec-Fetch-Dest": "image"}


class NoSuchShipError(LookupError):
    """An error of the app's own."""


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
    """What the pictures of errors say."""
    seen: list[Message] = []

    def kept(message: Message, *size: Any, **look: Any) -> bytes:
        seen.append(message)
        return message_image(message, *size, **look)

    monkeypatch.setattr("flask_mplstream.web.error_responses.message_image", kept)
    return seen


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_stranger_learns_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """500, problem+json, kept by nobody; the log has the figure and the reason."""
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


def test_a_page_that_wants_an_image_gets_a_neutral_one(
    serve: Serve, drawn: list[Message]
) -> None:
    """With the status of the error."""
    answer = serve().get("/plots/bad", headers=IMAGE)
    assert (answer.status_code, answer.mimetype) == (500, "image/png")
    assert answer.headers["Cache-Control"] == "no-store"
    (message,) = drawn
    assert message.headline == "This picture cannot be drawn."
    assert not message.details


def test_in_debug_the_picture_says_what_went_wrong(
    serve: Serve, drawn: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    """Type, message and the user's line; the log has the traceback."""
    client = serve(DEBUG=True)
    answer = client.get("/plots/bad?name=x", headers=IMAGE)
    assert (answer.status_code, answer.mimetype) == (500, "image/png")
    text = drawn[0].details
    assert "ValueError: no x in /etc/app/secret.conf" in text
    assert 'raise ValueError(f"no {name} in' in text
    assert "bad, line " in text
    (line,) = lines(caplog)
    assert line.exc_info
    told = client.get("/plots/bad?name=x").json
    assert told is not None
    assert told["detail"] == text


def test_in_debug_a_missing_return_is_told(serve: Serve) -> None:
    """An error of the package's own is told as well."""
    told = serve(DEBUG=True).get("/plots/none").json
    assert told is not None
    assert "Did you forget to return the figure?" in told["detail"]


def test_in_debug_an_opened_page_is_the_debugger_s(serve: Serve) -> None:
    """Werkzeug's debugger says more than a picture can."""
    with pytest.raises(ValueError, match="no a in"):
        serve(DEBUG=True).get("/plots/bad", headers={"Sec-Fetch-Dest": "document"})


@pytest.mark.parametrize("setting", ["TESTING", "PROPAGATE_EXCEPTIONS"])
def test_a_test_sees_the_error_itself(serve: Serve, setting: str) -> None:
    """As Flask has it."""
    with pytest.raises(ValueError, match="no a in"):
        serve(**{setting: True}).get("/plots/bad")


def test_a_stranger_s_text_breaks_no_line_of_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """No control characters, and not more than fits a line."""
    client = serve()
    hostile = "a\r\n2026-01-01 ERROR forged \x1b[31m\x00\u2028"
    client.get("/plots/bad", query_string={"name": hostile})
    client.get("/plots/bad", query_string={"name": "x" * 256})
    for line in lines(caplog):
        assert line.getMessage().isprintable()
        assert len(line.getMessage()) < 1001
    assert "…" in lines(caplog)[1].getMessage()


def test_an_error_handler_of_the_app_comes_first(plots: FigureBlueprint) -> None:
    """It was registered for that very error; nobody keeps its answer."""
    app = Flask(__name__)
    app.register_blueprint(plots)

    @app.errorhandler(NoSuchShipError)
    def no_ship(error: NoSuchShipError) -> Response:
        return Response(f"no {error}", 404)

    answer = app.test_client().get("/plots/ship")
    assert (answer.status_code, answer.text) == (404, "no Beagle")
    assert answer.headers["Cache-Control"] == "no-store"
    assert app.test_client().get("/plots/bad").status_code == 500


def test_an_error_handler_that_fails_is_an_error(plots: FigureBlueprint) -> None:
    """Its own, as Flask has it."""
    app = Flask(__name__)
    app.register_blueprint(plots)

    @app.errorhandler(NoSuchShipError)
    def no_ship(error: NoSuchShipError) -> Response:
        raise KeyError("handler")

    app.config["PROPAGATE_EXCEPTIONS"] = None
    assert app.test_client().get("/plots/ship").status_code == 500


def test_those_who_listen_for_errors_hear_of_it(serve: Serve) -> None:
    """Sentry and others connect to Flask's signal."""
    client = serve()
    heard: list[Any] = []

    def hear(sender: Flask, exception: Exception, **_: Any) -> None:
        heard.append(exception)

    with got_request_exception.connected_to(hear, client.application):
        client.get("/plots/bad")
    assert [type(error) for error in heard] == [ValueError]
    assert sys.exc_info() == (None, None, None)
