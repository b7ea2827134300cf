"""The OpenAPI document is valid and complete, and matches the responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from example_app import create_app
from flask_mplstream import FigureBlueprint, UnknownFigureError
from flask_mplstream.cli.openapi import command as openapi
from flask_mplstream.web.openapi import make_openapi_document
from tests.apps.every_kind import every_kind, plots, texts

URL = "/plots/_gallery/openapi.json"


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    """Return the paths of an app with a parameter of every kind."""
    found: dict[str, Any] = document(every_kind())["paths"]
    return found


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


def parameters(paths: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    """Return a figure's parameters by name, without references."""
    found = paths[path]["get"]["parameters"]
    return {p["name"]: p for p in found if "name" in p}


def test_each_parameter_states_its_form_in_a_url(paths: dict[str, Any]) -> None:
    """It may be required, repeated or empty."""
    whole = parameters(paths, "/plots/numbers")
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
    repeated = parameters(paths, "/plots/many")
    assert repeated["whole"]["style"] == "form"
    assert repeated["whole"]["explode"] is True
    assert repeated["whole"]["allowEmptyValue"] is True
    assert "allowEmptyValue" not in repeated["some"]
    assert "allowEmptyValue" not in repeated["several"]
    # A repeated value is in the set once and is no error.
    assert "uniqueItems" not in repeated["names"]["schema"]


def test_variables_of_the_rule_are_parameters_of_the_path(
    paths: dict[str, Any],
) -> None:
    """Their schemas combine converter and signature."""
    path = "/plots/of/{year}/{letter}/{name}/{run}/{x}"
    found = parameters(paths, path)
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


def test_a_figure_has_a_path_for_each_of_its_rules(paths: dict[str, Any]) -> None:
    """They are the negotiated URL, one for all formats, and the schema."""
    ends = ["", ".{_format}", ".schema.json"]
    assert [p for p in paths if "numbers" in p] == [f"/plots/numbers{e}" for e in ends]
    contents = [
        list(paths[f"/plots/numbers{end}"]["get"]["responses"]["200"]["content"])
        for end in ends
    ]
    pictures = ["image/svg+xml", "image/png", "text/csv", "application/json"]
    schema = ["application/schema+json"]
    assert contents == [pictures, [*pictures, "text/plain"], schema]


def test_a_docstring_is_summary_and_description(paths: dict[str, Any]) -> None:
    """The first line is the summary, the rest the description."""
    operation = paths["/plots/numbers"]["get"]
    assert operation["summary"] == "Numbers of all kinds."
    assert operation["description"] == "Whole and real ones."
    assert not {"summary", "description"} & paths["/plots/texts"]["get"].keys()


def test_only_possible_errors_are_documented(paths: dict[str, Any]) -> None:
    """A 406 requires ``Accept``, a 429 a budget."""
    negotiated, named = (
        set(paths[f"/plots/texts{end}"]["get"]["responses"])
        for end in ("", ".{_format}")
    )
    assert negotiated - named == {"406"}
    assert named - negotiated == {"404"}
    assert "429" not in negotiated
    limited = document(every_kind(MPLSTREAM_CLIENT_BUDGET=5))["paths"]
    assert "429" in limited["/plots/texts"]["get"]["responses"]


def test_signed_figures_and_injected_values_are_omitted(paths: dict[str, Any]) -> None:
    """No client can make such a URL or set such a value."""
    assert "signed" not in json.dumps(paths)
    assert list(parameters(paths, "/plots/mine")) == ["n"]


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
