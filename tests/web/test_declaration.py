"""Declarations of figure routes, and the messages for wrong ones."""

from __future__ import annotations

import functools
import inspect
import logging
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import ConfigError, FigureBlueprint, figure, figure_url
from flask_mplstream.parameters.function_signature import Parameters
from flask_mplstream.web.declaration import find_frozen_defaults
from tests.support.messages import assert_short

Serve = Callable[..., FlaskClient]


def bars(rows: int = 1, width: int = 1) -> Figure:
    """Show the rows."""
    return Figure(figsize=(width, rows), dpi=100)


async def waiting(rows: int = 1, width: int = 1) -> Figure:
    return bars(rows, width)


def yielding(width: int = 1) -> Iterator[Figure]:
    yield bars(1, width)


async def streaming(width: int = 1) -> AsyncIterator[Figure]:
    yield bars(1, width)


def passed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


@dataclass
class Charts:
    """An object with figure functions of all kinds."""

    rows: int = 1

    def walk(self, width: int = 1) -> Figure:
        return bars(self.rows, width)

    def __call__(self, width: int = 1) -> Figure:
        return bars(self.rows, width)

    @classmethod
    def of_class(cls, width: int = 1) -> Figure:
        return bars(2, width)

    @staticmethod
    def of_nothing(width: int = 1) -> Figure:
        return bars(2, width)


class Sheet(Figure):
    """A subclass of ``Figure`` that a call draws."""

    def __init__(self, width: int = 1) -> None:
        super().__init__(figsize=(width, 2), dpi=100)


KINDS = [
    pytest.param(partial(bars, 2), id="partial"),
    pytest.param(partial(bars, rows=2), id="partial-of-a-keyword"),
    pytest.param(partial(partial(bars, 2), width=1), id="partial-of-a-partial"),
    pytest.param(partial(waiting, 2), id="coroutine-partial"),
    pytest.param(Charts(2), id="instance"),
    pytest.param(partial(Charts(2)), id="partial-of-an-instance"),
    pytest.param(lambda width=1: bars(2, width), id="lambda"),
]
NAMED = [
    pytest.param(Charts(2).walk, "walk", id="bound-method"),
    pytest.param(Charts.of_class, "of_class", id="class-method"),
    pytest.param(Charts.of_nothing, "of_nothing", id="static-method"),
    pytest.param(staticmethod(yielding), "yielding", id="staticmethod-object"),
    pytest.param(Sheet, "Sheet", id="class"),
    pytest.param(passed_on(bars), "bars", id="wrapped"),
    pytest.param(yielding, "yielding", id="generator"),
]


@pytest.mark.parametrize("function", KINDS)
def test_a_callable_without_a_name_is_served_under_an_endpoint(
    plots: FigureBlueprint, serve: Serve, function: Callable[..., Any]
) -> None:
    """URL, arguments, markup and file name work as for a function."""
    assert plots.figure_route("/bars", endpoint="bars")(function) is function
    client = serve()
    with client.application.test_request_context():
        url = figure_url("plots.bars", width=3, _format="png")
        assert 'width="300" height="200"' in figure("plots.bars", width=3)
    answer = client.get(url)
    assert answer.status_code == 200
    assert "filename=bars-width-3.png" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("function", KINDS)
def test_a_callable_without_a_name_needs_an_endpoint(
    plots: FigureBlueprint, function: Callable[..., Any]
) -> None:
    """The decorator raises the error, with the fix."""
    message = r"has no name\. .*figure_route\('/bars', endpoint='walk'\)\.$"
    with pytest.raises(ConfigError, match=message) as caught:
        plots.figure_route("/bars")(function)
    assert_short(caught)


@pytest.mark.parametrize(("function", "name"), NAMED)
def test_a_callable_with_a_name_is_a_figure_function(
    plots: FigureBlueprint, serve: Serve, function: Callable[..., Any], name: str
) -> None:
    """Methods, classes and wrapped functions need no endpoint."""
    plots.figure_route("/bars")(function)
    client = serve()
    assert client.get("/plots/bars.png?width=2").status_code == 200
    assert client.get("/plots/bars.schema.json").get_json()["title"] == name
    assert [*client.application.extensions["mplstream"].routes] == [f"plots.{name}"]


def test_a_partial_has_the_docstring_of_its_function(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """It is not that of ``functools.partial``."""
    plots.figure_route("/bars", endpoint="bars")(partial(bars, 2))
    with serve().application.test_request_context():
        assert 'alt="Show the rows."' in figure("plots.bars")


def test_the_bound_arguments_of_a_partial_are_in_the_key() -> None:
    """A deploy that changes them does not serve the old picture."""
    keys = set()
    for rows in (1, 2):
        plots = FigureBlueprint("plots", __name__)
        plots.figure_route("/bars", endpoint="bars")(partial(bars, rows))
        app = Flask(__name__)
        app.register_blueprint(plots)
        keys.add(app.extensions["mplstream"].route("plots.bars")._identity)
    assert len(keys) == 2


class Unready:
    """A class that calls the decorator in its body."""

    def drawn(self, width: int = 1) -> Figure:
        return bars(1, width)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(Charts.__dict__["of_class"], "below the class", id="classmethod"),
        pytest.param(streaming, "instead of yielding", id="asynchronous-generator"),
        pytest.param(Unready.drawn, "Make it a staticmethod", id="unbound-method"),
        pytest.param(None, "decorates None", id="nothing"),
        pytest.param(Figure(), "decorates <Figure", id="figure"),
        pytest.param("walk", "decorates 'walk'", id="text"),
    ],
)
def test_an_object_that_is_no_figure_function_is_refused(
    plots: FigureBlueprint, function: Any, message: str
) -> None:
    """The decorator's error has the reason and the fix."""
    with pytest.raises(ConfigError, match=message) as caught:
        plots.figure_route("/bars", endpoint="bars")(function)
    assert_short(caught)


def test_a_builtin_without_a_signature_is_an_error(plots: FigureBlueprint) -> None:
    """The arguments of its URL are unknown."""
    plots.figure_route("/x")(dict)
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        Flask(__name__).register_blueprint(plots)
    assert_short(caught)


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        pytest.param(
            lambda route: route(bars),
            r"Write @plots\.figure_route\('/bars'\)",
            id="bare",
        ),
        pytest.param(
            lambda route: route(partial(bars, 2)), r"figure_route\('/fi", id="partial"
        ),
        pytest.param(
            lambda route: route(), "^The rule of figure_route is missing", id="missing"
        ),
        pytest.param(
            lambda route: route("walk"), r"figure_route\('/walk'\)\.$", id="no-slash"
        ),
        pytest.param(lambda route: route(5), "is 5. Write text", id="number"),
        pytest.param(lambda route: route(None), "is None. Write text", id="none"),
        pytest.param(lambda route: route(b"/x"), "is b'/x'. Write text", id="bytes"),
    ],
)
def test_an_invalid_rule_is_refused_at_the_decorator(
    plots: FigureBlueprint, decorate: Callable[[Any], Any], message: str
) -> None:
    """``@plots.figure_route`` without parentheses adds no route silently."""
    with pytest.raises(ConfigError, match=message) as caught:
        decorate(plots.figure_route)
    assert_short(caught)


@pytest.mark.parametrize(
    "endpoint", [5, "", b"x", bars], ids=["number", "empty", "bytes", "function"]
)
def test_an_invalid_endpoint_is_refused_at_the_decorator(
    plots: FigureBlueprint, endpoint: Any
) -> None:
    """It must be text without a dot."""
    with pytest.raises(
        ConfigError, match="Give a name without a dot, such as 'walk'"
    ) as caught:
        plots.figure_route("/x", endpoint=endpoint)(bars)
    assert_short(caught)


def test_a_rule_may_be_the_prefix_alone() -> None:
    """As in Flask, an empty rule adds nothing to the prefix."""
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots")
    plots.figure_route("")(bars)
    app = Flask(__name__)
    app.register_blueprint(plots)
    assert app.test_client().get("/plots").status_code == 200


def test_a_cache_must_be_flask_cachings() -> None:
    """``cache="redis"`` would fail at the first request."""
    cache: Any = "redis"
    with pytest.raises(ConfigError, match="Pass a flask_caching") as caught:
        FigureBlueprint("plots", __name__, cache=cache)
    assert_short(caught)


# --- Defaults that were calculated at import -----------------------------------

TODAY = datetime.now(UTC).date()


def today(day: date = date.today()) -> None: ...
def earlier(day: date = date.today() - timedelta(days=30)) -> None: ...
def now(at: datetime = datetime.now()) -> None: ...
def constant(day: date = TODAY) -> None: ...
def midnight(
    at: datetime = datetime.combine(date.today(), datetime.min.time()),
) -> None: ...
def seed(n: int = 3, seed: int = random.randint(0, 9)) -> None: ...
def keyword(*, other: int = 1, start: date = date.today()) -> None: ...
def fixed(day: date = date(2024, 1, 1), seed: int = 3, n: float = 1.5) -> None: ...
def none(day: date | None = None, at: datetime | None = None) -> None: ...


@pytest.mark.parametrize(
    ("function", "name"),
    [
        pytest.param(today, "day", id="today"),
        pytest.param(earlier, "day", id="a-month-ago"),
        pytest.param(now, "at", id="now"),
        pytest.param(constant, "day", id="constant-of-the-module"),
        pytest.param(midnight, "at", id="midnight"),
        pytest.param(seed, "seed", id="random"),
        pytest.param(keyword, "start", id="keyword-only"),
    ],
)
def test_a_default_calculated_at_import_is_logged(
    plots: FigureBlueprint,
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    function: Callable[..., Any],
    name: str,
) -> None:
    """It stays the same until a restart, and is not in the URL."""
    plots.figure_route("/x")(function)
    with caplog.at_level(logging.WARNING):
        serve()
    (text,) = caplog.messages
    assert text.startswith(f"The default of {name!r} in {__name__}.")
    assert re.search(rf"`{name}: \w+ \| None = None`.* version=…", text)
    assert len(re.findall(r"\.(?= [A-Z]|$)", text)) == 2


@pytest.mark.parametrize("function", [fixed, none])
def test_constant_defaults_are_not_logged(
    plots: FigureBlueprint,
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    function: Callable[..., Any],
) -> None:
    """A date literal is a deliberate constant."""
    plots.figure_route("/x")(function)
    serve()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("value", "is_told"),
    [
        pytest.param(datetime(2024, 5, 6, 11, 30, tzinfo=UTC), True, id="this-hour"),
        pytest.param(datetime(2024, 5, 6, 9, 30, tzinfo=UTC), False, id="earlier"),
        pytest.param(datetime(2024, 5, 6, 12, 1), True, id="naive-utc"),
        pytest.param(date(2024, 5, 6), True, id="today"),
        pytest.param(date(2024, 5, 4), False, id="two-days-ago"),
        pytest.param(1714996800.5, True, id="seconds-since-1970"),
        pytest.param(5.5, False, id="number"),
    ],
)
def test_a_default_near_the_time_of_import_is_logged(value: Any, is_told: bool) -> None:
    """The signature need not contain the call."""

    def figure(x: Any) -> None: ...

    figure.__defaults__ = (value,)
    figure.__annotations__ = {"x": type(value)}
    noon = datetime(2024, 5, 6, 12, 0, tzinfo=UTC)
    assert bool([*find_frozen_defaults(figure, Parameters(figure), noon)]) is is_told


def test_each_call_gets_a_copy_of_a_mutable_default(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A function that changes it does not affect the next call."""
    seen: list[list[int]] = []

    @plots.figure_route("/x", max_age=0)
    def changing(values: list[int] = [1]) -> Figure:
        values.append(2)
        seen.append(values)
        return bars()

    client = serve()
    for _ in range(2):
        client.get("/plots/x.png")
    assert seen == [[1, 2], [1, 2]]


def test_all_apps_of_a_process_read_the_source_once(
    plots: FigureBlueprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is slow to find, and each app needs it for the keys and for warnings."""
    reads = []
    read = inspect.getsource

    def count(function: Any) -> str:
        reads.append(function)
        return read(function)

    @plots.figure_route("/once")
    def once(n: int = 1) -> Figure:
        return bars(n)

    monkeypatch.setattr(inspect, "getsource", count)
    for name in ("first", "second"):
        Flask(name).register_blueprint(plots)
    assert reads == [once]
