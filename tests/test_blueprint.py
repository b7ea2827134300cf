"""The blueprint: rules, prefixes, registrations and arguments from the rule."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

import pytest
from flask import Blueprint, Flask, g, request
from flask.testing import FlaskClient
from matplotlib.figure import Figure
from werkzeug.routing import BaseConverter

from flask_mplstream import (
    ArgumentsError,
    ConfigError,
    FigureBlueprint,
    figure,
    figure_arguments,
    figure_data_uri,
    figure_url,
)
from tests.support.doubles import Counter

Serve = Callable[..., FlaskClient]


def small() -> Figure:
    """Draw an empty figure."""
    return Figure(figsize=(1, 1))


def test_the_decorator_returns_the_function_unchanged(
    plots: FigureBlueprint,
) -> None:
    """It can be imported, called and tested without Flask."""

    def walk(n: int = 3) -> Figure:
        return small()

    assert plots.figure_route("/walk")(walk) is walk
    assert isinstance(walk(4), Figure)
    assert list(inspect.signature(walk).parameters) == ["n"]


def test_an_app_may_have_several_blueprints() -> None:
    """Equal names in different blueprints are different figures."""
    app = Flask(__name__)
    for width in (1, 2):
        plots = FigureBlueprint(f"plots{width}", __name__, url_prefix=f"/{width}")

        @plots.figure_route("/walk")
        def walk(width: int = width) -> Figure:
            return Figure(figsize=(width, 1))

        app.register_blueprint(plots)
    client = app.test_client()
    first, second = client.get("/1/walk").data, client.get("/2/walk").data
    assert first != second
    assert list(app.extensions["mplstream"].routes) == ["plots1.walk", "plots2.walk"]


def test_a_blueprint_can_be_registered_twice(
    plots: FigureBlueprint,
) -> None:
    """Flask's ``name=`` and ``url_prefix=`` work, with separate URLs."""
    plots.figure_route("/small")(small)
    app = Flask(__name__)
    app.register_blueprint(plots)
    app.register_blueprint(plots, name="more", url_prefix="/more")
    client = app.test_client()
    assert client.get("/plots/small").status_code == 200
    assert client.get("/more/small").status_code == 200
    with app.test_request_context():
        url: Any = app.jinja_env.globals["figure_url"]
        assert url("more.small") == "/more/small"


def test_a_nested_blueprint_has_its_full_name(plots: FigureBlueprint) -> None:
    """The parent adds a prefix to the URL and to the endpoint."""
    plots.figure_route("/small")(small)
    parent = Blueprint("parent", __name__, url_prefix="/parent")
    parent.register_blueprint(plots)
    app = Flask(__name__)
    app.register_blueprint(parent)
    assert app.test_client().get("/parent/plots/small").status_code == 200
    with app.test_request_context():
        url: Any = app.jinja_env.globals["figure_url"]
        assert url("parent.plots.small") == "/parent/plots/small"


def test_a_mounted_app_makes_urls_below_its_mount(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """URLs in templates begin with ``SCRIPT_NAME``."""
    plots.figure_route("/small")(small)
    app = serve().application
    with app.test_request_context("/x", environ_overrides={"SCRIPT_NAME": "/mount"}):
        url: Any = app.jinja_env.globals["figure_url"]
        assert url("plots.small") == "/mount/plots/small"


@pytest.mark.keeps_threads  # asgiref's, for the event loop.
def test_an_async_figure_function_is_awaited(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``async def`` works through ``app.ensure_sync``, as Flask's views do."""

    @plots.figure_route("/walk")
    async def walk(n: int = 1) -> Figure:
        return small()

    assert serve().get("/plots/walk").status_code == 200


def test_a_converter_in_the_rule_is_an_argument(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """``<int:year>`` reaches the function, with and without an extension."""

    @plots.figure_route("/sales/<int:year>/<region>")
    def sales(year: int, region: str, log: bool = False) -> Figure:
        renders(year, region, log)
        return small()

    client = serve()
    assert client.get("/plots/sales/2024/eu?log=1").status_code == 200
    assert client.get("/plots/sales/2024/eu.svg").mimetype == "image/svg+xml"
    assert renders.calls == [(2024, "eu", True), (2024, "eu", False)]


class Numbers(BaseConverter):
    """A converter of ``1,2`` to a list, which is not hashable."""

    regex = "[0-9,]+"

    def to_python(self, value: str) -> list[int]:
        return [int(number) for number in value.split(",")]

    def to_url(self, value: Sequence[int]) -> str:
        return ",".join(map(str, value))


class Moment(BaseConverter):
    """A converter of a time with the time zone in the URL."""

    def to_python(self, value: str) -> datetime:
        return datetime.fromisoformat(value)


class Token(str):
    """A text with a masked ``repr``, like a secret."""

    def __repr__(self) -> str:
        return "Token(***)"


class TokenConverter(BaseConverter):
    """A converter of text to a token."""

    def to_python(self, value: str) -> Token:
        return Token(value)


@pytest.fixture
def converting(plots: FigureBlueprint, renders: Counter) -> FlaskClient:
    """Serve figures whose paths have values of custom types."""

    @plots.figure_route("/sum/<numbers:terms>")
    def total(terms: list[int]) -> Figure:
        renders(terms)
        return small()

    @plots.figure_route("/zero/<float(signed=True):x>")
    def zero(x: float) -> Figure:
        renders(str(x))
        return small()

    @plots.figure_route("/clock/<moment:now>")
    def clock(now: datetime) -> Figure:
        renders(str(now))
        return small()

    @plots.figure_route("/of/<token:owner>")
    def mine(owner: str) -> Figure:
        renders(str(owner))
        return small()

    app = Flask(__name__)
    app.url_map.converters |= {
        "numbers": Numbers,
        "moment": Moment,
        "token": TokenConverter,
    }
    app.register_blueprint(plots)
    return app.test_client()


def test_a_converter_may_return_a_list(
    converting: FlaskClient, renders: Counter
) -> None:
    """The value need not be hashable; equal values name one picture."""
    for _ in range(2):
        assert converting.get("/plots/sum/1,2").status_code == 200
    assert renders.calls == [[1, 2]]
    with converting.application.test_request_context():
        assert figure_url("plots.total", terms=[1, 2]) == "/plots/sum/1,2"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("zero/0.0", "zero/-0.0", id="zeros"),
        pytest.param(
            "clock/2024-01-01T12:00:00+00:00",
            "clock/2024-01-01T13:00:00+01:00",
            id="one-instant-in-two-zones",
        ),
        pytest.param(
            "of/alice",
            "of/bob",
            id="masked",
        ),
    ],
)
def test_path_values_with_an_equal_repr_name_two_pictures(
    converting: FlaskClient, renders: Counter, first: str, second: str
) -> None:
    """Values that are equal or have an equal ``repr`` are different arguments."""
    for path in (first, second):
        assert converting.get(f"/plots/{path}").status_code == 200
    assert len(set(renders.calls)) == 2


class Region(Enum):
    NORTH = "north"


class Level(Enum):
    HIGH = 2


def test_the_path_has_the_value_of_an_enum(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """``figure_url`` accepts the member or its value."""

    @plots.figure_route("/regions/<region>/<level>")
    def sales(region: Region, level: Level) -> Figure:
        renders(region, level)
        return small()

    client = serve()
    with client.application.test_request_context():
        url = figure_url("plots.sales", region=Region.NORTH, level=Level.HIGH)
        again = figure_url("plots.sales", region="north", level=Level.HIGH)
    assert url == again == "/plots/regions/north/2"
    assert client.get(url).status_code == 200
    assert renders.calls == [(Region.NORTH, Level.HIGH)]


def test_a_variable_without_a_parameter_is_an_error(plots: FigureBlueprint) -> None:
    """The app does not start with a rule that cannot work."""
    plots.figure_route("/small/<int:year>")(small)
    with pytest.raises(ConfigError, match="variable 'year'"):
        Flask(__name__).register_blueprint(plots)


def test_a_variable_of_the_prefix_may_be_for_a_preprocessor() -> None:
    """Flask's pattern for a language in the prefix works."""
    plots = FigureBlueprint("plots", __name__, url_prefix="/<lang>")
    plots.figure_route("/small")(small)

    @plots.url_value_preprocessor
    def pull(endpoint: str | None, values: dict[str, Any] | None) -> None:
        assert values is not None
        g.lang = values.pop("lang")

    @plots.url_defaults
    def push(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("lang", g.lang)

    app = Flask(__name__)
    app.register_blueprint(plots)
    assert app.test_client().get("/de/small").status_code == 200
    with app.test_request_context("/de/small"):
        app.preprocess_request()
        url: Any = app.jinja_env.globals["figure_url"]
        assert url("plots.small") == "/de/small"


def test_a_second_route_with_the_same_name_is_refused(plots: FigureBlueprint) -> None:
    """Two functions of one name need two endpoints."""
    plots.figure_route("/small")(small)
    with pytest.raises(ConfigError, match="already has a figure route 'small'"):
        plots.figure_route("/other")(small)
    plots.figure_route("/other", endpoint="other")(small)


def test_a_rule_with_a_trailing_slash_has_extensions(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``/walk/`` is also ``/walk.svg``."""
    plots.figure_route("/small/")(small)
    client = serve()
    assert client.get("/plots/small/").status_code == 200
    assert client.get("/plots/small.svg").mimetype == "image/svg+xml"


def test_the_root_of_a_blueprint_has_extensions(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``/`` is also ``/index.svg``, as in any web server."""
    plots.figure_route("/")(small)
    client = serve()
    assert client.get("/plots/").mimetype == "image/png"
    with client.application.test_request_context():
        url = figure_url("plots.small", _format="svg")
    assert url == "/plots/index.svg"
    assert client.get(url).mimetype == "image/svg+xml"


@pytest.mark.parametrize(
    ("options", "command"),
    [
        pytest.param({}, ["plots", "hello"], id="default"),
        pytest.param({"cli_group": "pictures"}, ["pictures", "hello"], id="named"),
        pytest.param({"cli_group": None}, ["hello"], id="none"),
    ],
)
def test_commands_of_a_blueprint_are_in_its_group(
    options: dict[str, Any], command: list[str]
) -> None:
    """``cli_group`` works as for every blueprint."""
    plots = FigureBlueprint("plots", __name__, **options)
    plots.cli.command("hello")(lambda: print("hello"))
    app = Flask(__name__)
    app.register_blueprint(plots)
    assert app.test_cli_runner().invoke(args=command).output == "hello\n"


def test_a_global_of_the_app_is_left_alone(plots: FigureBlueprint) -> None:
    """An app that has a ``figure`` in templates keeps it."""
    app = Flask(__name__)
    app.jinja_env.globals["figure"] = "mine"
    app.register_blueprint(plots)
    assert app.jinja_env.globals["figure"] == "mine"


# --- Arguments that the rule gives -----------------------------------------


@pytest.fixture
def sevens(renders: Counter) -> FlaskClient:
    """Serve a blueprint whose ``url_defaults`` set an argument."""
    plots = FigureBlueprint(
        "plots", __name__, url_prefix="/plots", url_defaults={"n": 7}
    )

    @plots.figure_route("/walk")
    def walk(n: int = 1, seed: int = 0) -> Figure:
        renders(n, seed)
        return small()

    app = Flask(__name__)
    app.register_blueprint(plots)
    return app.test_client()


def test_an_argument_of_the_rule_reaches_the_function(
    sevens: FlaskClient, renders: Counter
) -> None:
    """It replaces the function's default, and the query cannot change it."""
    assert sevens.get("/plots/walk").status_code == 200
    assert sevens.get("/plots/walk?n=3").status_code == 400
    assert renders.calls == [(7, 0)]


def test_a_template_uses_the_arguments_of_the_rule(
    sevens: FlaskClient, renders: Counter
) -> None:
    """A template's picture is the picture of the URL."""
    with sevens.application.test_request_context():
        figure_data_uri("plots.walk")
    assert "hit" in sevens.get("/plots/walk.png").headers["Cache-Status"]
    assert renders.calls == [(7, 0)]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        pytest.param({}, "/plots/walk", id="not-given"),
        pytest.param({"n": 7}, "/plots/walk", id="given"),
        pytest.param({"seed": 2}, "/plots/walk?seed=2", id="another"),
    ],
)
def test_an_argument_of_the_rule_is_not_in_the_query(
    sevens: FlaskClient, given: dict[str, int], url: str
) -> None:
    """The path implies it, and the canonical URL is served."""
    with sevens.application.test_request_context():
        assert figure_url("plots.walk", **given) == url
    assert sevens.get(url).status_code == 200


@pytest.mark.parametrize("n", [1, 3], ids=["the-functions-default", "other"])
def test_a_value_that_the_rule_excludes_is_refused(sevens: FlaskClient, n: int) -> None:
    """No URL has the value, so ``figure_url`` raises."""
    with (
        sevens.application.test_request_context(),
        pytest.raises(ArgumentsError, match=f"n = '{n}'"),
    ):
        figure_url("plots.walk", n=n)


def test_figure_has_the_size_of_the_rules_picture(sevens: FlaskClient) -> None:
    """``figure()`` knows the size after a request for the URL."""
    sevens.get("/plots/walk")
    with sevens.application.test_request_context():
        assert 'width="100" height="100"' in figure("plots.walk")


def test_invalidate_uses_the_arguments_of_the_rule(
    sevens: FlaskClient, renders: Counter
) -> None:
    """``invalidate("walk", seed=2)`` drops the picture at that URL."""
    app = sevens.application
    sevens.get("/plots/walk?seed=2")
    with app.app_context():
        plots: Any = app.blueprints["plots"]
        plots.invalidate("walk", seed=2)
    sevens.get("/plots/walk?seed=2")
    assert len(renders) == 2


def test_commands_use_the_arguments_of_the_rule(
    sevens: FlaskClient, renders: Counter
) -> None:
    """``warm`` renders the picture at that URL, ``purge`` drops it."""
    run = sevens.application.test_cli_runner().invoke
    run(args=["figures", "warm", "plots.walk", "seed=2"])
    warmed = len(renders)
    sevens.get("/plots/walk.png?seed=2")
    assert len(renders) == warmed > 0
    run(args=["figures", "purge", "plots.walk", "seed=2"])
    sevens.get("/plots/walk.png?seed=2")
    assert len(renders) == warmed + 1
    assert [values for values in renders.calls if values != (7, 2)] == []


def test_figure_arguments_uses_the_arguments_of_the_rule(sevens: FlaskClient) -> None:
    """The page's query does not change them."""
    with sevens.application.test_request_context("/?n=3&seed=2"):
        assert figure_arguments("plots.walk", request.args) == {"n": 7, "seed": 2}


def test_a_default_of_the_prefix_may_be_for_a_preprocessor() -> None:
    """A language in the prefix may have its default in ``url_defaults``."""
    plots = FigureBlueprint(
        "plots", __name__, url_prefix="/<lang>", url_defaults={"lang": "en"}
    )
    plots.figure_route("/small")(small)

    @plots.url_value_preprocessor
    def pull(endpoint: str | None, values: dict[str, Any] | None) -> None:
        assert values is not None
        g.lang = values.pop("lang")

    app = Flask(__name__)
    app.register_blueprint(plots)
    assert app.test_client().get("/en/small").status_code == 200
    with app.test_request_context():
        assert figure_url("plots.small") == "/en/small"


def test_an_endpoint_has_no_dot(plots: FigureBlueprint) -> None:
    """Flask also refuses it, because a dot separates blueprint names."""
    with pytest.raises(ConfigError, match=r"'a\.b'. Give a name without a dot"):
        plots.figure_route("/x", endpoint="a.b")(lambda: Figure())
