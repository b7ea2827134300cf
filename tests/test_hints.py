"""Messages about wrong calls, URLs and figure functions: the problem, then the fix."""

from __future__ import annotations

import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from flask import Flask, g, request, session
from flask.testing import FlaskClient
from flask_login import LoginManager, current_user, login_required
from matplotlib.figure import Figure
from pydantic import AfterValidator, AwareDatetime, Field, HttpUrl

from flask_mplstream import (
    ArgumentsError,
    ConfigError,
    FigureBlueprint,
    FigureTypeError,
    UnknownFigureError,
    figure,
    figure_arguments,
    figure_image,
    figure_url,
    render,
)
from flask_mplstream.errors import nearest
from flask_mplstream.parameters.function_signature import Parameters
from tests.support.doubles import Counter
from tests.support.messages import assert_short

Serve = Callable[..., FlaskClient]


class Color(Enum):
    RED = "red"


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve, renders: Counter) -> FlaskClient:
    @plots.figure_route("/walk", formats=["png", "svg", "csv"], tags="orders")
    def walk(n: int = 1, xs: list[int] = [], theme_name: str = "") -> Figure:
        renders(n)
        return Figure(figsize=(1, 1))

    return serve()


def read_detail(answer: Any) -> str:
    """Return the detail of a 400, which has at most two sentences."""
    assert answer.status_code == 400
    text: str = answer.get_json(force=True)["detail"]
    assert len(re.findall(r"[.?!](?= [A-Z]|$)", text)) <= 2, text
    return text


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        pytest.param("width=800", "Did you mean '_width'?", id="width"),
        pytest.param("scale=2", "Did you mean '_scale'?", id="scale"),
        pytest.param("theme=dark", "Did you mean '_theme'?", id="theme"),
        pytest.param("download=1", "Did you mean '_download'?", id="download"),
        pytest.param("format=svg", "extension of the path, such as .svg.", id="format"),
        pytest.param("_format=svg", "extension of the path, such as", id="_format"),
        pytest.param("nn=2", "Did you mean 'n'?", id="typo"),
        pytest.param("xs[]=2", "Did you mean 'xs'?", id="php"),
        pytest.param("_=1", "MPLSTREAM_UNKNOWN_ARGS", id="jquery"),
        pytest.param("submit=", "MPLSTREAM_UNKNOWN_ARGS", id="submit"),
        pytest.param("csrf_token=x", "MPLSTREAM_UNKNOWN_ARGS", id="csrf"),
        pytest.param("utm_source=x", "MPLSTREAM_UNKNOWN_ARGS", id="utm"),
        pytest.param("fbclid=x", "MPLSTREAM_UNKNOWN_ARGS", id="facebook"),
        pytest.param("gclid=x", "MPLSTREAM_UNKNOWN_ARGS", id="google"),
        pytest.param("cachebuster=x", "MPLSTREAM_UNKNOWN_ARGS", id="other"),
        pytest.param(
            "xs=1,2,3", "Repeat the name for each value: xs=1&xs=2&xs=3.", id="commas"
        ),
        pytest.param("xs=[1, 2]", "for each value: xs=1&xs=2.", id="brackets"),
        pytest.param("xs=1;2", "for each value: xs=1&xs=2.", id="semicolons"),
        pytest.param("xs=1|2", "for each value: xs=1&xs=2.", id="bars"),
        pytest.param("xs=1+2", "for each value: xs=1&xs=2.", id="spaces"),
    ],
)
def test_the_detail_of_a_wrong_url_ends_with_the_fix(
    client: FlaskClient, query: str, hint: str
) -> None:
    """The response is a 400."""
    assert hint in read_detail(client.get(f"/plots/walk?{query}"))


@pytest.mark.parametrize("query", ["_=1", "submit=", "utm_source=x", "cachebuster=2"])
def test_the_suggested_setting_serves_the_picture(
    plots: FigureBlueprint, client: FlaskClient, query: str
) -> None:
    """``MPLSTREAM_UNKNOWN_ARGS = "ignore"`` works as the message says."""
    app = Flask(__name__)
    app.config["MPLSTREAM_UNKNOWN_ARGS"] = "ignore"
    app.register_blueprint(plots)
    assert app.test_client().get(f"/plots/walk?{query}").status_code == 200


def test_tracking_parameters_are_not_taken_for_misspellings(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``utm_term`` is not taken for ``term``."""

    @plots.figure_route("/found")
    def found(term: str = "", clid: str = "") -> Figure:
        return Figure(figsize=(1, 1))

    for query in ("utm_term=x", "gclid=x"):
        assert "Did you mean" not in read_detail(serve().get(f"/plots/found?{query}"))
        plots._got_registered_once = False


@pytest.mark.parametrize("query", ["xs=1,b", "xs=x", "xs=1,2&xs=3", "n=1,2"])
def test_repeating_the_name_is_suggested_only_if_it_helps(
    client: FlaskClient, query: str
) -> None:
    """Splitting these values would not make them valid."""
    assert "Repeat" not in read_detail(client.get(f"/plots/walk?{query}"))


WORDS = ["format", "scale", "width", "theme", "download", "expires_in", "external"]


@pytest.mark.parametrize("word", [*WORDS, "scheme", "anchor"])
def test_figure_url_suggests_the_underscore(client: FlaskClient, word: str) -> None:
    """A reserved word without its underscore gets a hint."""
    with client.application.test_request_context():
        with pytest.raises(ArgumentsError, match=f"mean '_{word}'\\?$") as caught:
            figure_url("plots.walk", **{word: 1})
        assert_short(caught)


@pytest.mark.parametrize(
    "word", ["format", "scale", "expires_in", "external", "scheme"]
)
def test_figure_suggests_the_underscore(client: FlaskClient, word: str) -> None:
    """The words are neither attributes nor options of ``figure()``."""
    with client.application.test_request_context():
        with pytest.raises(ArgumentsError, match=f"mean '_{word}'\\?$") as caught:
            figure("plots.walk", **{word: "svg"})
        assert_short(caught)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"_width": "wide"}, "_width = 'wide': It is not an in", id="width"
        ),
        pytest.param({"_scale": 1.01}, "There is no such scale", id="scale"),
        pytest.param({"_theme": "drak"}, "not one of the choices", id="theme"),
        pytest.param({"_download": "perhaps"}, "neither true nor false", id="download"),
        pytest.param({"_expires_in": 60}, "plots.walk is not signed", id="expires"),
        pytest.param({"_v": "x"}, "no such argument", id="version"),
        pytest.param({"_sig": "x"}, "no such argument", id="signature"),
        pytest.param({"_format": "webp"}, "not offered in this format", id="format"),
        pytest.param({"n": "x"}, "n = 'x': It is not an integer", id="argument"),
        pytest.param({"xs": "x"}, "xs = 'x': It is not an integer", id="item"),
    ],
)
def test_a_wrong_reserved_word_is_explained(
    client: FlaskClient, values: dict[str, Any], message: str
) -> None:
    """The message has the problem and the accepted values."""
    with client.application.test_request_context():
        with pytest.raises(ArgumentsError, match=message) as caught:
            figure_url("plots.walk", **values)
        assert_short(caught)


@pytest.mark.parametrize("given", ["x", -1, 0, float("nan"), float("inf"), "1"])
def test_an_expiry_is_a_number_of_seconds(
    plots: FigureBlueprint, serve: Serve, given: Any
) -> None:
    """Another value would make a URL that no request can use."""

    @plots.figure_route("/signed", signed=True)
    def signed() -> Figure:
        return Figure(figsize=(1, 1))

    with serve().application.test_request_context():
        with pytest.raises(ArgumentsError, match="seconds above 0") as caught:
            figure_url("plots.signed", _expires_in=given)
        assert_short(caught)


def test_an_unknown_format_is_refused(client: FlaskClient) -> None:
    """The message suggests the nearest format, or lists them all."""
    with client.application.test_request_context():
        for value, message in (("svgg", "Did you mean 'svg'"), (5, "formats: png")):
            with pytest.raises(ConfigError, match=message) as caught:
                figure_url("plots.walk", _format=value)
            assert_short(caught)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"downloads": "csv"}, "/plots/walk.csv?_d", id="downloads"),
        pytest.param({"widths": 320, "sizes": "9em"}, 'sizes="9em"', id="widths"),
        pytest.param({"xs": 5}, "xs=5", id="argument"),
    ],
)
def test_one_item_is_a_list_of_one(
    client: FlaskClient, values: dict[str, Any], expected: str
) -> None:
    """A single value is accepted for a list if it cannot mean anything else."""
    with client.application.test_request_context():
        assert expected in figure("plots.walk", alt="", width=1, height=1, **values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"downloads": 5}, "downloads = '5': It is not t", id="downloads"),
        pytest.param({"refresh": 0}, "refresh = '0': It is too small", id="refresh"),
        pytest.param({"refresh": "x"}, "It is not a number", id="refresh-text"),
        pytest.param({"theme": "drak"}, "one of auto, light, dark", id="theme"),
        pytest.param({"inline": "yep"}, "neither true nor false", id="inline"),
        pytest.param({"widths": ["a"], "sizes": "1em"}, "not an integer", id="widths"),
        pytest.param({"captoin": "x"}, "Did you mean 'caption'", id="word"),
        pytest.param({"_download": True}, "Use downloads=", id="download"),
    ],
)
def test_the_options_of_figure_are_checked(
    client: FlaskClient, values: dict[str, Any], message: str
) -> None:
    """The message contains no text of pydantic."""
    with client.application.test_request_context():
        with pytest.raises(ArgumentsError, match=message) as caught:
            figure("plots.walk", **values)
        assert_short(caught)


# --- Endpoints -----------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["walk", ".walk", "plots.walk", "outer.plots.walk", "outer.walk"]
)
def test_invalidate_takes_an_endpoint(name: str) -> None:
    """The blueprint's name is optional."""
    from flask import Blueprint

    plots, outer = FigureBlueprint("plots", __name__), Blueprint("outer", __name__)

    @plots.figure_route("/walk")
    def walk() -> Figure:
        return Figure(figsize=(1, 1))

    outer.register_blueprint(plots)
    app = Flask(__name__)
    app.register_blueprint(outer)
    with app.app_context():
        if name == "outer.walk":
            with pytest.raises(
                UnknownFigureError, match=r"Did you mean 'outer\.plots\.walk'"
            ) as caught:
                plots.invalidate(name)
            assert_short(caught)
        else:
            plots.invalidate(name)


def test_a_wrong_endpoint_is_refused_with_known_names(client: FlaskClient) -> None:
    """The suggestion includes the blueprint, as in the call."""
    plots = client.application.blueprints["plots"]
    assert isinstance(plots, FigureBlueprint)
    with client.application.app_context():
        with pytest.raises(UnknownFigureError, match=r"mean 'plots\.walk'") as caught:
            plots.invalidate("plots.wlk")
        assert_short(caught)


def test_an_endpoint_names_one_registration(
    plots: FigureBlueprint, renders: Counter
) -> None:
    """Invalidating one registration keeps the pictures of the other."""

    @plots.figure_route("/walk")
    def walk() -> Figure:
        renders(1)
        return Figure(figsize=(1, 1))

    app = Flask(__name__)
    app.register_blueprint(plots)
    app.register_blueprint(plots, name="more", url_prefix="/more")
    client = app.test_client()
    with app.app_context():
        for count in (2, 3):
            for url in ("/plots/walk.png", "/more/walk.png"):
                client.get(url)
            assert len(renders) == count
            plots.invalidate("more.walk")


def test_tags_may_be_one_string(plots: FigureBlueprint, client: FlaskClient) -> None:
    """A text is one tag, not a list of its letters."""
    url = "/plots/walk.png"
    client.get(url)
    with client.application.app_context():
        plots.invalidate(tags="orders")
    assert "hit" not in client.get(url).headers["Cache-Status"]


@pytest.mark.parametrize("call", [figure_url, figure], ids=["url", "figure"])
@pytest.mark.parametrize("name", [5, None, Figure, b"plots.walk"], ids=repr)
def test_an_object_is_not_an_endpoint(
    client: FlaskClient, call: Callable[..., Any], name: Any
) -> None:
    """The message gives an example of an endpoint."""
    with client.application.test_request_context():
        with pytest.raises(UnknownFigureError, match="Give its endpoint") as caught:
            call(name)
        assert_short(caught)


# --- Names ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "known", "guess"),
    [
        pytest.param("N", ["n", "seed"], "n", id="case"),
        pytest.param("Window", ["window"], "window", id="capital"),
        pytest.param("_dark", ["_theme", "_anchor"], None, id="underscore"),
        pytest.param("_sclae", ["_theme", "_scale"], "_scale", id="reserved"),
        pytest.param("_", ["_theme", "_v"], None, id="underscore-alone"),
    ],
)
def test_the_nearest_name_is_found(
    name: str, known: list[str], guess: str | None
) -> None:
    """Case and a leading underscore are ignored."""
    assert nearest(name, known) == guess


def test_an_unused_variable_is_reported_with_the_apps_rule(
    plots: FigureBlueprint,
) -> None:
    """The message does not have the rule with the extension."""

    @plots.figure_route("/sales/<int:year>")
    def sales() -> Figure:
        return Figure()

    with pytest.raises(
        ConfigError, match="rule '/plots/sales/<int:year>' has"
    ) as caught:
        Flask(__name__).register_blueprint(plots)
    assert_short(caught)


def test_a_download_that_is_not_offered_is_refused(client: FlaskClient) -> None:
    """The message names the option and the fix."""
    with (
        client.application.test_request_context(),
        pytest.raises(ArgumentsError, match=r"^downloads = 'pdf'.* Add 'pdf' to"),
    ):
        figure("plots.walk", downloads=["pdf"])


@pytest.mark.parametrize(
    "options", [{"formats": ["gif"]}, {"savefig": {"dip": 90}}], ids=["formats", "dpi"]
)
def test_a_suggestion_ends_the_message(
    plots: FigureBlueprint, options: dict[str, Any]
) -> None:
    """The message ends with a single question mark."""
    with pytest.raises(ConfigError, match=r"Did you mean .*[^ .]\?$") as caught:
        plots.figure_route("/walk", endpoint="walk", **options)(lambda: Figure())
    assert_short(caught)


@pytest.mark.parametrize(
    ("query", "read"),
    [
        pytest.param({"n": "5"}, {"n": 5, "xs": []}, id="dict"),
        pytest.param({"xs": ["1", "2"]}, {"n": 1, "xs": [1, 2]}, id="lists"),
    ],
)
def test_figure_arguments_accepts_a_dict(
    client: FlaskClient, query: dict[str, Any], read: dict[str, Any]
) -> None:
    """``request.args.to_dict()`` is accepted."""
    with client.application.app_context():
        found = figure_arguments("plots.walk", query)
    assert {name: found[name] for name in read} == read


# --- Values --------------------------------------------------------------------


def even(value: int) -> int:
    if value % 2:
        raise ValueError("It must be even")
    return value


def odd(value: int) -> int:
    if value % 2 == 0:
        raise AssertionError("It must be odd")
    return value


@pytest.mark.parametrize(
    ("annotation", "query", "reason"),
    [
        pytest.param(int, "x=a", "It is not an integer.", id="int"),
        pytest.param(int, "x=1.5", "It is not an integer.", id="fraction"),
        pytest.param(Annotated[int, Field(ge=2)], "x=1", "It is too small.", id="min"),
        pytest.param(Annotated[int, Field(lt=2)], "x=2", "It is too large.", id="max"),
        pytest.param(
            Annotated[int, Field(multiple_of=2)],
            "x=1",
            "not a multiple",
            id="multiple",
        ),
        pytest.param(float, "x=a", "It is not a number.", id="float"),
        pytest.param(float, "x=nan", "It is not a finite number.", id="nan"),
        pytest.param(bool, "x=a", "It is neither true nor false.", id="bool"),
        pytest.param(date, "x=a", "It is not a date.", id="date"),
        pytest.param(date, "x=2024-02-30", "It is not a date.", id="no-such-date"),
        pytest.param(datetime, "x=a", "It is not a date and time.", id="datetime"),
        pytest.param(
            AwareDatetime, "x=2024-01-01T00:00", "It has no time zone.", id="zone"
        ),
        pytest.param(time, "x=a", "It is not a time.", id="time"),
        pytest.param(timedelta, "x=a", "It is not a duration.", id="duration"),
        pytest.param(UUID, "x=a", "It is not a UUID.", id="uuid"),
        pytest.param(HttpUrl, "x=a", "It is not a URL.", id="url"),
        pytest.param(Color, "x=a", "It is not one of the choices.", id="enum"),
        pytest.param(
            Literal[1, 2], "x=3", "It is not one of the choices.", id="literal"
        ),
        pytest.param(
            Annotated[str, Field(min_length=2)], "x=a", "It is too short.", id="short"
        ),
        pytest.param(
            Annotated[str, Field(max_length=2)], "x=abc", "It is too long.", id="long"
        ),
        pytest.param(
            Annotated[str, Field(pattern="^b")], "x=a", "not match the p", id="pattern"
        ),
        pytest.param(tuple[int, int], "x=1", "A value is missing.", id="too-few"),
        pytest.param(
            tuple[int, int], "x=1&x=2&x=3", "It has too many values.", id="too-many"
        ),
        pytest.param(
            Annotated[int, AfterValidator(even)], "x=1", "It must be even.", id="own"
        ),
        pytest.param(
            Annotated[int, AfterValidator(odd)],
            "x=2",
            "It must be odd.",
            id="assertion",
        ),
    ],
)
def test_the_reason_has_no_text_of_pydantic(
    annotation: Any, query: str, reason: str
) -> None:
    """The message contains the package's reason and the accepted values."""

    def figure(x: Any) -> None: ...

    figure.__annotations__ = {"x": annotation}
    parts = [pair.partition("=") for pair in query.split("&")]
    with pytest.raises(ArgumentsError, match=r"^x") as caught:
        Parameters(figure).parse([(name, text) for name, _, text in parts])
    assert reason in caught.value.faults[0].reason
    assert_short(caught)


def defaulting(annotation: Any) -> Callable[..., Any]:
    def figure(x: Any = None) -> None: ...

    figure.__annotations__ = {"x": annotation}
    return figure


@pytest.mark.parametrize(
    ("annotation", "fix"),
    [
        pytest.param(date, "Write `x: date | None = None`.", id="date"),
        pytest.param(
            Annotated[int, Field(ge=1)], "Write `x: int | None = None`.", id="annotated"
        ),
        pytest.param(list[date], "Write `x: list[date] | None = None`.", id="list"),
        pytest.param(Color, "Write `x: Color | None = None`.", id="enum"),
    ],
)
def test_a_default_of_none_needs_an_annotation_with_none(
    annotation: Any, fix: str
) -> None:
    """The error shows the annotation."""
    with pytest.raises(ConfigError, match=re.escape(fix)) as caught:
        Parameters(defaulting(annotation))
    assert_short(caught)


# --- Figure functions ----------------------------------------------------------


def close_all() -> None: ...


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        pytest.param(lambda: plt, r"matplotlib\.pyplot\. Return plt\.gcf", id="plt"),
        pytest.param(lambda: np, "the module numpy. Return a figure", id="module"),
        pytest.param(lambda: plt.gcf, r"Call it: return gcf\(\)\.", id="not-called"),
        pytest.param(lambda: close_all, r"return close_all\(\)", id="function"),
        pytest.param(lambda: Figure, r"such as Figure\(\)", id="class"),
        pytest.param(lambda: b"\x89PNG", "Return the figure itself", id="bytes"),
        pytest.param(lambda: BytesIO(b""), "Return the figure itself", id="file"),
        pytest.param(lambda: "chart.png", "Return the figure itself", id="path"),
        pytest.param(lambda: pd.DataFrame({"a": [1]}), r"data\.plot\(\)", id="data"),
        pytest.param(lambda: pd.Series([1]), r"data\.plot\(\)", id="series"),
        pytest.param(lambda: None, "forget to return the figure", id="none"),
    ],
)
def test_a_likely_mistake_is_explained(
    returned: Callable[[], object], message: str
) -> None:
    """The returned type reveals the mistake."""
    with pytest.raises(FigureTypeError, match=message) as caught:
        render(returned)
    assert_short(caught)


def test_the_figure_of_pyplot_is_found_as_suggested() -> None:
    """``plt.gcf()`` and the results of pyplot's functions work."""

    def draw() -> Figure:
        plt.plot([1, 2])
        return plt.gcf()

    assert render(draw).body


@pytest.fixture
def reading(plots: FigureBlueprint) -> Flask:
    """Serve figure functions that read the request."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "not secret"
    LoginManager(app)

    @plots.figure_route("/args", error_backoff=0)
    def args() -> Figure:
        return Figure(figsize=(int(request.args["w"]), 1))

    @plots.figure_route("/session", error_backoff=0)
    def of_session() -> Figure:
        return Figure(figsize=(session["w"], 1))

    @plots.figure_route("/user", error_backoff=0)
    def user() -> Figure:
        return Figure(label=current_user.name)

    @plots.figure_route("/g", error_backoff=0)
    def of_g() -> Figure:
        return Figure(label=g.user)

    @plots.figure_route("/other", error_backoff=0)
    def other() -> Figure:
        thing: Any = object()
        return Figure(label=thing.name)

    @plots.figure_route("/load", error_backoff=0, load=lambda: request.args["w"])
    def loaded(data: str) -> Figure:
        return Figure(label=data)

    app.register_blueprint(plots)
    return app


@pytest.mark.parametrize(
    ("name", "has_hint"),
    [
        pytest.param("args", True, id="request"),
        pytest.param("session", True, id="session"),
        pytest.param("user", True, id="current_user"),
        pytest.param("g", True, id="g"),
        pytest.param("load", True, id="load"),
        pytest.param("other", False, id="another-error"),
    ],
)
def test_the_log_suggests_inject_for_the_request(
    reading: Flask, caplog: pytest.LogCaptureFixture, name: str, has_hint: bool
) -> None:
    """The hint is in the log, in the single line of the error."""
    with caplog.at_level(logging.ERROR):
        assert reading.test_client().get(f"/plots/{name}").status_code == 500
    (text,) = caplog.messages
    assert ("inject={'name': lambda: …}" in text) is has_hint
    assert "\n" not in text


def test_the_log_suggests_decorators_for_one_below_the_route(
    plots: FigureBlueprint, caplog: pytest.LogCaptureFixture
) -> None:
    """Such a login would not run for a cached picture."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "not secret"
    LoginManager(app)

    @plots.figure_route("/sales")
    @login_required
    def sales() -> Figure:
        return Figure()

    app.register_blueprint(plots)
    with caplog.at_level(logging.ERROR):
        assert app.test_client().get("/plots/sales").status_code == 500
    (text,) = caplog.messages
    assert "Pass it to the route as decorators=[…]" in text


def test_the_error_suggests_inject_without_a_request(
    plots: FigureBlueprint,
) -> None:
    """The app's own error is raised, with a note."""

    @plots.figure_route("/sales", inject={"user": lambda: session["user"]})
    def sales(user: int) -> Figure:
        return Figure()

    app = Flask(__name__)
    app.register_blueprint(plots)
    expected = pytest.raises(RuntimeError, match="outside of request")
    with app.app_context(), expected as caught:
        figure_image("plots.sales")
    (note,) = caught.value.__notes__
    assert note.endswith("Set the value with _inject={'user': …}.")


def test_the_log_of_a_wrong_figure_has_no_line_of_the_package(
    plots: FigureBlueprint, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The message names the figure function instead."""

    @plots.figure_route("/nothing")
    def nothing() -> None: ...

    with caplog.at_level(logging.ERROR):
        assert serve().get("/plots/nothing").status_code == 500
    (text,) = caplog.messages
    assert text.endswith("Did you forget to return the figure?")


def test_the_response_has_the_hint_in_debug_mode(reading: Flask) -> None:
    """The hint is added to the error and its line."""
    reading.debug = True
    reading.config["PROPAGATE_EXCEPTIONS"] = False
    answer = reading.test_client().get("/plots/args")
    assert "inject=" in answer.get_json(force=True)["detail"]


@pytest.mark.parametrize("call", ["gettext", "lazy_gettext"])
def test_the_log_suggests_inject_for_a_translation(
    plots: FigureBlueprint, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    """Flask-Babel reads the language from the request, even for lazy texts."""
    import flask_babel

    app = Flask(__name__)
    flask_babel.Babel(app, locale_selector=lambda: request.args["lang"])

    @plots.figure_route("/label", error_backoff=0)
    def label() -> Figure:
        figure = Figure()
        figure.suptitle(getattr(flask_babel, call)("Sales"))
        return figure

    app.register_blueprint(plots)
    with caplog.at_level(logging.ERROR):
        assert app.test_client().get("/plots/label").status_code == 500
    assert "inject={'language'" in caplog.messages[0]


def test_a_translation_works_as_suggested(plots: FigureBlueprint) -> None:
    """``inject`` provides the language, even for lazy texts."""
    import flask_babel

    app = Flask(__name__)
    app.config["SECRET_KEY"] = "not secret"
    flask_babel.Babel(app, locale_selector=lambda: request.args.get("lang", "en"))

    @plots.figure_route(
        "/label", inject={"language": lambda: str(flask_babel.get_locale())}
    )
    def label(language: str) -> Figure:
        figure = Figure()
        with flask_babel.force_locale(language):
            figure.suptitle(flask_babel.gettext("Sales"))
        return figure

    app.register_blueprint(plots)
    assert app.test_client().get("/plots/label.png").status_code == 200


# --- Files that cannot be written ----------------------------------------------


@pytest.mark.slow
def test_a_figure_is_drawn_without_a_home_folder(tmp_path: Path) -> None:
    """A missing folder for Matplotlib's configuration causes no error and no log."""
    program = (
        "from matplotlib.figure import Figure\n"
        "from flask_mplstream import render\n"
        "print(len(render(lambda: Figure(figsize=(1, 1))).body) > 0)\n"
    )
    # A file, below which even root can make no folder.
    file = tmp_path / "file"
    file.write_text("")
    places = {
        "HOME": f"{file}/home",
        "MPLCONFIGDIR": f"{file}/mpl",
        "XDG_CACHE_HOME": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"
    assert "flask_mplstream" not in done.stderr
    assert "MPLCONFIGDIR" in done.stderr  # Matplotlib's line names the fix itself.


def use_a_connection_of_another_thread(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1")


def wait_for_a_signal(connection: sqlite3.Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("use", "hint"),
    [
        pytest.param(
            use_a_connection_of_another_thread, "check_same_thread=False", id="sqlite"
        ),
        pytest.param(wait_for_a_signal, "receives no signals", id="signals"),
    ],
)
def test_the_log_explains_a_resource_of_another_thread(
    plots: FigureBlueprint,
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    use: Callable[[sqlite3.Connection], None],
    hint: str,
) -> None:
    """A render has its own thread, even on a single-threaded server."""
    connection = sqlite3.connect(":memory:")

    @plots.figure_route("/bound")
    def bound() -> Figure:
        use(connection)
        return Figure(figsize=(1, 1))

    assert serve().get("/plots/bound").status_code == 500
    connection.close()
    assert hint in caplog.text
