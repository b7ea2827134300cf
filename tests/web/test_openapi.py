"""The OpenAPI document is valid and complete, and matches the responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
import schemathesis
from flask import Flask, abort
from hypothesis import settings
from matplotlib.figure import Figure
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from pydantic import Field

from example_app import create_app
from flask_mplstream import FigureBlueprint, RenderedImage, UnknownFigureError
from flask_mplstream.cli.openapi import command as openapi
from flask_mplstream.formats import Variant
from flask_mplstream.web.openapi import make_openapi_document
from flask_mplstream.workers.dispatch import Renders
from tests.support.signatures import Color, Level

URL = "/plots/_gallery/openapi.json"

plots = FigureBlueprint("plots", __name__, url_prefix="/plots", formats=["png"])


@plots.figure_route("/numbers", formats=["svg", "png", "csv", "json"])
def numbers(
    *,
    needed: int,
    whole: int = 0,
    bounded: Annotated[int, Field(ge=10, le=5000, description="A bound.")] = 20,
    real: float = 0,
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    maybe: int | None = None,
    level: Level = Level.LOW,
) -> Figure:
    """Numbers of all kinds.

    Whole and real ones.
    """
    return small()


@plots.figure_route("/texts")
def texts(
    plain: str = "",
    short: Annotated[str, Field(max_length=3)] = "a",
    like: Annotated[str, Field(pattern="^[a-z]+$")] = "a",
    maybe: str | None = None,
    color: Color = Color.RED,
    level: Level | None = None,
    choice: Literal["a", 1] = "a",
    flag: bool = False,
    switch: bool | None = None,
) -> Figure:
    return small()


@plots.figure_route("/times")
def times(
    day: date = date(2024, 1, 1),
    until: date | None = None,
    at: datetime | None = None,
    since: datetime = datetime(2024, 1, 2, 3, 4, 5),
    clock: time = time(1),
    wait: timedelta = timedelta(1),
    run: UUID | None = None,
) -> Figure:
    return small()


@plots.figure_route("/many")
def many(
    whole: list[int] = [],
    names: set[str] = set(),
    colors: frozenset[Color] | None = None,
    pair: tuple[float, float] = (0, 1),
    some: Annotated[list[int], Field(min_length=1, max_length=3)] = [1],
    several: Annotated[list[int], Field(min_length=2)] | None = None,
) -> Figure:
    return small()


@plots.figure_route("/of/<int:year>/<any(a, b):letter>/<name>/<uuid:run>/<float:x>")
def of(
    year: Annotated[int, Field(le=3000)],
    letter: str,
    name: Annotated[str, Field(max_length=5)],
    run: UUID,
    x: float = 1,
    n: int = 1,
) -> Figure:
    return small()


@plots.figure_route("/mine", inject={"user": lambda: 1})
def mine(user: int, n: int = 1) -> Figure:
    return small()


@plots.figure_route("/signed", signed=True)
def signed(secret: int = 1) -> Figure:
    return small()


def small() -> Figure:
    return Figure(figsize=(0.5, 0.5))


def every_kind(**config: Any) -> Flask:
    """Return an app with a parameter of every kind."""
    app = Flask("every kind")
    app.config.update(SECRET_KEY="not secret", DEBUG=True, **config)
    app.register_blueprint(plots)
    return app


def stub(
    renders: Renders, recipe: object, values: object, variant: Variant, *_: object
) -> RenderedImage:
    """Return a picture without a render."""
    return RenderedImage(b"{}", variant.format, 1, 1)


@pytest.fixture
def no_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stub renders: hundreds of the example app's would take too long."""
    monkeypatch.setattr(Renders, "render", stub)


EVERY_KIND = schemathesis.openapi.from_wsgi(URL, every_kind())
EXAMPLE = schemathesis.openapi.from_wsgi(URL, create_app({"DEBUG": True}))

bounded = settings(max_examples=20)


def judge(case: schemathesis.Case[Any]) -> None:
    """Send a request and validate the response by the document."""
    if not {"_scale", "_width"} <= set(case.query or ()):  # The RFC allows both.
        case.call_and_validate()


@pytest.mark.slow
@EVERY_KIND.parametrize()
@bounded
def test_every_kind_of_parameter_matches_the_document(
    case: schemathesis.Case[Any],
) -> None:
    """Schemathesis sends valid values, invalid ones and the limits."""
    judge(case)


@pytest.mark.slow
@pytest.mark.usefixtures("no_renders")
@EXAMPLE.parametrize()
@bounded
def test_the_example_app_matches_its_document(case: schemathesis.Case[Any]) -> None:
    """The app was not written for this test."""
    judge(case)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param(".png", {"Range": "bytes=0-3"}, 206, id="part"),
        pytest.param(".png", {"If-None-Match": "*"}, 304, id="not-modified"),
        pytest.param("?whole=x", {}, 400, id="argument"),
        pytest.param("?whole=x", {"Sec-Fetch-Dest": "image"}, 400, id="as-a-picture"),
        pytest.param("", {"Accept": "text/plain"}, 406, id="not-acceptable"),
        pytest.param(".png", {"If-Match": '"other"'}, 412, id="precondition"),
        pytest.param(".png", {"Range": "bytes=999999-"}, 416, id="range"),
        pytest.param(".schema.json", {"If-None-Match": "*"}, 304, id="schema"),
    ],
)
def test_responses_to_special_headers_are_in_the_document(
    path: str, headers: dict[str, str], status: int
) -> None:
    """Schemathesis does not send these headers itself."""
    end, _, query = path.partition("?")
    name, format = ("{_format}", end[1:]) if end == ".png" else (end[1:], "")
    operation = EVERY_KIND["/plots/many" + (f".{name}" if name else "")]["GET"]
    case = operation.Case(
        path_parameters={"_format": format},
        query=dict([query.split("=")] if query else []),
    )
    response = case.call(headers=headers)
    assert response.status_code == status
    case.validate_response(response)


def document(app: Flask, blueprint: str | None = None) -> dict[str, Any]:
    """Return a document that the OpenAPI validator accepts."""
    made = make_openapi_document(app, blueprint)
    validate(made, cls=OpenAPIV31SpecValidator)
    return made


@pytest.mark.parametrize(
    "blueprint", [pytest.param(None, id="app"), pytest.param("plots", id="blueprint")]
)
@pytest.mark.parametrize(
    "make", [pytest.param(every_kind, id="all"), pytest.param(create_app, id="example")]
)
def test_the_document_is_valid(
    make: Callable[[], Flask], blueprint: str | None
) -> None:
    """The validator also checks defaults against their schemas."""
    made = document(make(), blueprint)
    assert made["openapi"] == "3.1.0"
    assert made["info"]["title"] == make().name
    assert made["tags"] == [{"name": "plots"}]


def parameters(app: Flask, path: str) -> dict[str, dict[str, Any]]:
    """Return a figure's parameters by name, without references."""
    found = document(app)["paths"][path]["get"]["parameters"]
    return {p["name"]: p for p in found if "name" in p}


def test_each_parameter_states_its_form_in_a_url() -> None:
    """It may be required, repeated or empty."""
    whole = parameters(every_kind(), "/plots/numbers")
    assert whole["needed"] == {
        "name": "needed",
        "in": "query",
        "required": True,
        "schema": {"type": "integer"},
    }
    assert whole["bounded"]["description"] == "A bound."
    assert whole["maybe"] == {
        "name": "maybe",
        "in": "query",
        "schema": {"type": "integer"},
        "allowEmptyValue": True,
    }
    repeated = parameters(every_kind(), "/plots/many")
    assert repeated["whole"]["style"] == "form"
    assert repeated["whole"]["explode"] is True
    assert repeated["whole"]["allowEmptyValue"] is True
    assert "allowEmptyValue" not in repeated["some"]
    assert "allowEmptyValue" not in repeated["several"]
    # A repeated value is in the set once and is no error.
    assert "uniqueItems" not in repeated["names"]["schema"]


def test_variables_of_the_rule_are_parameters_of_the_path() -> None:
    """Their schemas combine converter and signature."""
    path = "/plots/of/{year}/{letter}/{name}/{run}/{x}"
    found = parameters(every_kind(), path)
    assert {n: p["schema"] for n, p in found.items() if p["in"] == "path"} == {
        "year": {"type": "integer", "minimum": 0, "maximum": 3000},
        "letter": {
            "type": "string",
            "enum": ["a", "b"],
            "maxLength": 256,
        },
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "run": {"type": "string", "format": "uuid"},
        "x": {"type": "number", "minimum": 0},
    }
    assert [n for n, p in found.items() if p["in"] == "query"] == ["n"]


def test_a_figure_has_a_path_for_each_of_its_rules() -> None:
    """They are the negotiated URL, one for all formats, and the schema."""
    paths = document(every_kind())["paths"]
    ends = ["", ".{_format}", ".schema.json"]
    assert [p for p in paths if "numbers" in p] == [f"/plots/numbers{e}" for e in ends]
    contents = [
        list(paths[f"/plots/numbers{end}"]["get"]["responses"]["200"]["content"])
        for end in ends
    ]
    pictures = ["image/svg+xml", "image/png", "text/csv", "application/json"]
    schema = ["application/schema+json"]
    assert contents == [pictures, [*pictures, "text/plain"], schema]


def test_a_docstring_is_summary_and_description() -> None:
    """The first line is the summary, the rest the description."""
    paths = document(every_kind())["paths"]
    operation = paths["/plots/numbers"]["get"]
    assert operation["summary"] == "Numbers of all kinds."
    assert operation["description"] == "Whole and real ones."
    assert not {"summary", "description"} & paths["/plots/texts"]["get"].keys()


def test_only_possible_errors_are_documented() -> None:
    """A 406 requires ``Accept``, a 429 a budget."""
    paths = document(every_kind())["paths"]
    negotiated, named = (
        set(paths[f"/plots/texts{end}"]["get"]["responses"])
        for end in ("", ".{_format}")
    )
    assert negotiated - named == {"406"}
    assert named - negotiated == {"404"}
    assert "429" not in negotiated
    limited = document(every_kind(MPLSTREAM_CLIENT_BUDGET=5))["paths"]
    assert "429" in limited["/plots/texts"]["get"]["responses"]


def test_signed_figures_and_injected_values_are_omitted() -> None:
    """No client can make such a URL or set such a value."""
    app = every_kind()
    assert "signed" not in json.dumps(document(app)["paths"])
    assert list(parameters(app, "/plots/mine")) == ["n"]


def test_every_operation_has_a_unique_id() -> None:
    """The app may add a rule to a figure."""
    app = every_kind()
    app.add_url_rule("/front.png", endpoint="plots.texts", defaults={"_format": "png"})
    paths = document(app)["paths"]
    ids = [item["get"]["operationId"] for item in paths.values()]
    assert len(ids) == len(set(ids))
    assert {"plots.texts", "plots.texts.format", "plots.texts.schema"} <= set(ids)


def test_a_blueprint_has_a_separate_document() -> None:
    """Its full name selects it."""
    app = Flask(__name__)
    app.register_blueprint(plots, name="first", url_prefix="/first")
    app.register_blueprint(plots, name="second", url_prefix="/second")
    paths = document(app, "second")["paths"]
    assert paths
    assert all(path.startswith("/second/") for path in paths)
    app.register_blueprint(FigureBlueprint("empty", __name__))
    assert document(app, "empty")["paths"] == {}
    with pytest.raises(UnknownFigureError, match="Did you mean 'second'"):
        make_openapi_document(app, "secnd")


def test_the_document_is_served_in_debug_mode_only() -> None:
    """It has an ``ETag``, because only the code changes it."""
    app = every_kind()
    client = app.test_client()
    served = client.get(URL)
    assert served.get_json() == document(app, "plots")
    again = client.get(URL, headers={"If-None-Match": served.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    app.debug = False
    assert client.get(URL).status_code == 404


def refuse_all(view: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse every visitor."""
    return lambda **path: abort(401)


def test_a_figure_with_a_separate_login_is_omitted() -> None:
    """The document's readers have not passed that login."""
    doors = FigureBlueprint("doors", __name__, gallery=True)
    doors.figure_route("/open")(texts)
    doors.figure_route("/closed", endpoint="closed", decorators=[refuse_all])(texts)
    app = Flask(__name__)
    app.register_blueprint(doors)
    found = app.test_client().get("/_gallery/openapi.json").get_json()["paths"]
    assert list(found) == ["/open", "/open.{_format}", "/open.schema.json"]


def test_the_document_is_behind_the_blueprints_login() -> None:
    """Its figures are behind it too."""
    doors = FigureBlueprint("doors", __name__, gallery=True, decorators=[refuse_all])
    doors.figure_route("/closed")(texts)
    app = Flask(__name__)
    app.register_blueprint(doors)
    assert app.test_client().get("/_gallery/openapi.json").status_code == 401


def test_the_document_has_the_mount_and_no_host() -> None:
    """A forged ``Host`` is not in it."""
    client = every_kind().test_client()
    forged = client.get(URL, base_url="https://evil.example/app")
    assert forged.get_json()["servers"] == [{"url": "/app"}]
    assert b"evil" not in forged.data


def run(*arguments: str) -> tuple[int, str, str]:
    """Return the exit code, output and errors of ``flask figures openapi``."""
    result = every_kind().test_cli_runner().invoke(openapi, [*arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_writes_the_document(tmp_path: Path) -> None:
    """The target is standard output or a file."""
    path = tmp_path / "openapi.json"
    code, output, _ = run("--blueprint", "plots")
    assert code == 0
    assert json.loads(output) == document(every_kind(), "plots")
    assert run("-o", str(path)) == (0, "", "")
    assert json.loads(path.read_text("utf-8")) == document(every_kind())


def test_the_command_suggests_a_blueprint() -> None:
    """A misspelled name exits with 2 and writes no file."""
    code, output, errors = run("--blueprint", "plot")
    assert (code, output) == (2, "")
    assert "Did you mean 'plots'" in errors
