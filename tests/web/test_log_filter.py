"""The package's log: text from a request cannot forge a line."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_url
from flask_mplstream.web import log_filter
from flask_mplstream.web.app_state import AppState
from tests.support.doubles import Clock
from tests.support.paths import PACKAGE

Serve = Callable[..., FlaskClient]

#: Line breaks of every kind, a terminal's escapes, and text that runs backwards.
HOSTILE = (
    "a\r\n2026-01-01 00:00:00 CRITICAL forged\n\x1b[31m\x00\x08\x0b\x0c\x85"
    "\u2028\u2029\u202e\u2066\u200b\ufeff\x9b2J\ud800"
)
FORMAT = "%(asctime)s %(levelname)s %(message)s"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Return the text of a server's log file."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(FORMAT))
    log_filter.logger.addHandler(handler)
    yield stream
    log_filter.logger.removeHandler(handler)


def assert_one_line(written: io.StringIO, start: str) -> str:
    """Check that the log is one printable line, and return it."""
    text = written.getvalue()
    assert text.endswith("\n")
    line = text[:-1]
    assert line.isprintable()
    assert len(line) < 1100
    message = line.split(" ", 3)[3]
    assert message.startswith(start), line
    return message


class UserError(Exception):
    """An error with text from a request."""


def fail(name: str) -> Figure:
    raise UserError(f"no {name}")


def test_a_failed_figure_is_logged_on_one_line(
    plots: FigureBlueprint, serve: Serve, written: io.StringIO
) -> None:
    """It has arguments, message and source line, and no traceback."""
    plots.figure_route("/bad")(fail)
    serve().get("/plots/bad", query_string={"name": HOSTILE[:-1]})
    message = assert_one_line(written, "plots.fail(name=")
    assert "UserError: no a  2026" in message
    assert "fail, line " in message


def test_a_fallback_is_logged_on_one_line(
    plots: FigureBlueprint, serve: Serve, written: io.StringIO, clock: Clock
) -> None:
    """An older picture is sent, and the log has the reason."""
    is_down: list[bool] = []

    @plots.figure_route("/walk", max_age=10)
    def walk(name: str = "") -> Figure:
        return fail(name) if is_down else Figure(figsize=(1, 1))

    client = serve()
    url = {"path": "/plots/walk.png", "query_string": {"name": HOSTILE[:-1]}}
    assert client.get(**url).status_code == 200
    is_down.append(True)
    clock.now += 100
    assert client.get(**url).status_code == 200
    assert "UserError: no a" in assert_one_line(written, "Sending an older picture of ")


def test_a_failed_renewal_is_logged_on_one_line(
    plots: FigureBlueprint, serve: Serve, written: io.StringIO, clock: Clock
) -> None:
    """It runs in the background, without an app context."""
    is_down: list[bool] = []

    @plots.figure_route("/walk", max_age=10, stale_while_revalidate=1000)
    def walk(name: str = "") -> Figure:
        return fail(name) if is_down else Figure(figsize=(1, 1))

    client = serve()
    url = {"path": "/plots/walk.png", "query_string": {"name": HOSTILE[:-1]}}
    client.get(**url)
    is_down.append(True)
    clock.now += 100
    assert client.get(**url).status_code == 200
    AppState.of(client.application).pictures(None).background.join()
    assert "UserError: no a" in assert_one_line(written, "Cannot renew ")


def test_a_failed_description_is_logged_on_one_line(
    plots: FigureBlueprint, serve: Serve, written: io.StringIO
) -> None:
    """The page is rendered without it."""
    plots.figure_route("/bad")(fail)
    app = serve().application
    figure: Any = app.jinja_env.globals["figure"]
    with app.test_request_context():
        figure("plots.fail", name=HOSTILE[:-1])
    assert_one_line(written, "Cannot describe plots.fail. UserError: no a")


def test_a_failed_version_is_logged_on_one_line(
    plots: FigureBlueprint, serve: Serve, written: io.StringIO
) -> None:
    """The URL is made without it."""

    def version(name: str) -> str:
        raise UserError(name)

    @plots.figure_route("/walk", version=version)
    def walk(name: str) -> Figure:
        return Figure(figsize=(1, 1))

    app = serve().application
    with app.test_request_context():
        figure_url("plots.walk", name=HOSTILE[:-1])
    assert_one_line(written, "Cannot compute the version of plots.walk. UserError: a ")


class OddError(Exception):
    """An error without a readable message."""

    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("message", "args", "error"),
    [
        pytest.param("%s", (HOSTILE,), None, id="argument"),
        pytest.param(f"about {HOSTILE}", (), None, id="message"),
        pytest.param("%d of %s", (3, HOSTILE), None, id="number"),
        pytest.param("about", (), UserError(HOSTILE), id="error"),
        pytest.param("about", (), UserError("x" * 100_000), id="long-error"),
        pytest.param("about", (), OddError(), id="error-without-text"),
        pytest.param("about", (), SyntaxError(HOSTILE), id="syntax-error"),
    ],
)
def test_every_record_is_one_line(
    written: io.StringIO, message: str, args: tuple[Any, ...], error: Exception | None
) -> None:
    """The arguments of the logging call do not matter."""
    log_filter.logger.warning(message, *args, exc_info=error)
    assert_one_line(written, "")


def test_a_traceback_in_debug_mode_forges_no_line(
    plots: FigureBlueprint, serve: Serve, written: io.StringIO
) -> None:
    """Its lines have a prefix, and their text is printable."""
    plots.figure_route("/bad")(fail)
    serve(DEBUG=True).get("/plots/bad", query_string={"name": HOSTILE[:-1]})
    first, *rest = written.getvalue()[:-1].split("\n")
    assert first.isprintable()
    assert len(rest) > 3
    assert all(line.startswith("  | ") and line.isprintable() for line in rest)
    assert any("raise UserError" in line for line in rest)


def test_the_filter_stays_when_logging_is_configured(written: io.StringIO) -> None:
    """An app may configure logging after its imports."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "loggers": {"flask_mplstream": {"level": "WARNING"}},
        }
    )
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter(FORMAT))
    log_filter.logger.addHandler(handler)
    try:
        log_filter.logger.warning(HOSTILE)
    finally:
        log_filter.logger.removeHandler(handler)
    assert_one_line(written, "a")


def test_there_is_no_other_logger() -> None:
    """The filter is on this one, and loggers do not inherit filters."""
    named = {
        line.strip()
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text().splitlines()
        if "getLogger(" in line
    }
    assert named == {'logger = logging.getLogger("flask_mplstream")'}
