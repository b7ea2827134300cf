"""The blueprint: where figure routes may live."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, g
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import ConfigError, FigureBlueprint

from .conftest import Counter

Serve = Callable[..., FlaskClient]


def small() -> Figure:
    return Figure(figsize=(1, 1))


def test_the_decorated_function_stays_the_plain_function(
    plots: FigureBlueprint,
) -> None:
    """It can be imported, called and tested without Flask."""

    def walk(n: int = 3) -> Figure:
        return small()

    assert plots.figure_route("/walk")(walk) is walk
    assert isinstance(walk(4), Figure)
    assert list(inspect.signature(walk).parameters) == ["n"]


def test_several_blueprints_live_on_one_app() -> None:
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


def test_one_blueprint_is_registered_twice_under_two_names(
    plots: FigureBlueprint,
) -> None:
    """Flask's ``name=`` and ``url_prefix=`` work, with URLs of their own."""
    plots.figure_route("/small")(small)
    app = Flask(__name__)
    app.register_blueprint(plots)
    app.register_blueprint(plots, name="more", url_prefix="/more")
    client = app.test_client()
    assert client.get("/plots/small").status_code == 200
    assert client.get("/more/small").status_code == 200
    with app.test_request_context():
        url = app.jinja_env.globals["figure_url"]
        assert url("more.small") == "/more/small"  # type: ignore[operator]


def test_a_nested_blueprint_has_its_full_name(plots: FigureBlueprint) -> None:
    """Nesting gives prefixes to the URL and to the endpoint."""
    plots.figure_route("/small")(small)
    parent = Blueprint("parent", __name__, url_prefix="/parent")
    parent.register_blueprint(plots)
    app = Flask(__name__)
    app.register_blueprint(parent)
    assert app.test_client().get("/parent/plots/small").status_code == 200
    with app.test_request_context():
        url = app.jinja_env.globals["figure_url"]
        assert url("parent.plots.small") == "/parent/plots/small"  # type: ignore[operator]


def test_a_mounted_app_makes_urls_below_its_mount(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``SCRIPT_NAME`` stands in the URLs that templates get."""
    plots.figure_route("/small")(small)
    app = serve().application
    with app.test_request_context("/x", environ_overrides={"SCRIPT_NAME": "/mount"}):
        url = app.jinja_env.globals["figure_url"]
        assert url("plots.small") == "/mount/plots/small"  # type: ignore[operator]


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


def test_a_converter_that_nobody_takes_stops_the_app(plots: FigureBlueprint) -> None:
    """A variable in the rule without a parameter is a mistake of the author."""
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
        url = app.jinja_env.globals["figure_url"]
        assert url("plots.small") == "/de/small"  # type: ignore[operator]


def test_a_second_route_of_the_same_name_is_refused(plots: FigureBlueprint) -> None:
    """Two functions of one name need two endpoints."""
    plots.figure_route("/small")(small)
    with pytest.raises(ConfigError, match="figure route 'small' already"):
        plots.figure_route("/other")(small)
    plots.figure_route("/other", endpoint="other")(small)


def test_a_rule_that_ends_in_a_slash_has_extensions_too(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``/walk/`` is also ``/walk.svg``."""
    plots.figure_route("/small/")(small)
    client = serve()
    assert client.get("/plots/small/").status_code == 200
    assert client.get("/plots/small.svg").mimetype == "image/svg+xml"


def test_a_global_of_the_app_is_left_alone(plots: FigureBlueprint) -> None:
    """An app that has its own ``figure`` in templates keeps it."""
    app = Flask(__name__)
    app.jinja_env.globals["figure"] = "mine"
    app.register_blueprint(plots)
    assert app.jinja_env.globals["figure"] == "mine"
