"""An OpenAPI 3.1 document of an app's figure routes.

Flask side. The parameters come from each route's signature, rules and options.
https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from flask import Flask
from werkzeug.routing import (
    AnyConverter,
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    Rule,
    UUIDConverter,
)

from ..errors import UnknownFigureError, nearest
from ..formats import ALT_FORMAT, FORMATS, ImageFormat
from ..http.problem_details import PROBLEM_TYPE
from ..parameters.json_schema import union
from .app_state import AppState
from .figure_route import FigureRoute, summary_of
from .figure_view import RESERVED
from .json_documents import SCHEMA_NAME, SCHEMA_TYPE
from .rule_arguments import RULE_VARIABLE

_Json = dict[str, Any]


def openapi_document(
    app: Flask,
    blueprint: str | None = None,
    *,
    root: str = "",
    may_tell: Callable[[FigureRoute], bool] = lambda _route: True,
) -> _Json:
    """Return the OpenAPI document of the figure routes of *app*.

    It omits signed routes: only ``figure_url`` makes their URLs, and their arguments
    are not public.

    :param blueprint: the full name of a blueprint; default all.
    :param root: the path under which the app is mounted, such as ``/app``.
    :param may_tell: returns whether the document's readers may see a route.
    :raises UnknownFigureError: if the app has no such blueprint.
    """
    state = AppState.of(app)
    if blueprint is not None and blueprint not in app.blueprints:
        raise _unknown_blueprint(blueprint, {_tag(r) for r in state.routes.values()})
    routes = [r for r in state.routes.values() if blueprint in (None, _tag(r))]
    shown = [r for r in routes if not r.options.signed and may_tell(r)]
    has_budget = state.settings.client_budget is not None
    return {
        "openapi": "3.1.0",
        "info": {"title": app.name, "version": version("flask-mplstream")},
        "servers": [{"url": root or "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(map(_tag, shown))],
        "paths": _paths(app, shown, has_budget=has_budget),
        "components": _COMPONENTS,
    }


def _tag(route: FigureRoute) -> str:
    return route.endpoint.rpartition(".")[0]


def _unknown_blueprint(name: str, known: set[str]) -> UnknownFigureError:
    guess = nearest(name, sorted(known))
    hint = f" Did you mean {guess!r}?" if guess else ""
    listed = ", ".join(sorted(known)) or "none"
    return UnknownFigureError(
        f"There is no blueprint {name!r} with figures. There are: {listed}.{hint}"
    )


def _paths(app: Flask, routes: Iterable[FigureRoute], *, has_budget: bool) -> _Json:
    paths: dict[str, dict[str, _Json]] = {}
    for route in routes:
        for rule in sorted(app.url_map.iter_rules(route.endpoint), key=str):
            path = RULE_VARIABLE.sub(r"{\1}", rule.rule)
            paths[path] = {"get": _picture_operation(route, rule, has_budget)}
            if "_format" in _variables(rule):
                of_schema = path.replace("{_format}", SCHEMA_NAME)
                paths[of_schema] = {"get": _schema_operation(route, rule)}
    _make_unique(item["get"] for item in paths.values())
    return paths


def _variables(rule: Rule) -> Mapping[str, BaseConverter]:
    """Return the variables of *rule*, for which it has no public attribute."""
    return rule._converters


def _make_unique(operations: Iterable[_Json]) -> None:
    """Make operation ids unique, as an app may add rules to an endpoint."""
    taken: set[str] = set()
    for operation in operations:
        name = operation["operationId"]
        if name in taken:
            operation["operationId"] = f"{name}.{len(taken)}"
        taken.add(operation["operationId"])


def _picture_operation(route: FigureRoute, rule: Rule, has_budget: bool) -> _Json:
    is_negotiated = "_format" not in _variables(rule)
    formats = list(route.options.formats)
    own = route.parameters.json_schema()["properties"]
    if not is_negotiated:
        formats = list(dict.fromkeys([*formats, ALT_FORMAT]))
        own["_format"] = {"type": "string", "enum": [str(f) for f in formats]}
    statuses = _statuses(rule, is_negotiated=is_negotiated, has_budget=has_budget)
    return {
        "operationId": route.endpoint + ("" if is_negotiated else ".format"),
        "tags": [_tag(route)],
        **_words(route),
        "parameters": [
            *_path_parameters(rule, own),
            *_query_parameters(route),
            *_reserved_of(route),
        ],
        "responses": {
            "200": _picture("The picture.", formats),
            "206": _picture(
                "The part of it that `Range` names.", formats, "Content-Range"
            ),
            **_refer("304", *statuses),
        },
    }


def _reserved_of(route: FigureRoute) -> Iterator[_Json]:
    """Yield the reserved parameters, narrowed to the limits of *route*."""
    offered = {
        "_scale": ("enum", list(route.options.scales)),
        "_width": ("maximum", route.options.max_width),
    }
    for name in _RESERVED:
        shared = _COMPONENTS["parameters"][name]
        keyword, value = offered.get(name, ("", None))
        if keyword and shared["schema"][keyword] != value:
            yield {**shared, "schema": {**shared["schema"], keyword: value}}
        else:
            yield {"$ref": f"#/components/parameters/{name}"}


def _schema_operation(route: FigureRoute, rule: Rule) -> _Json:
    return {
        "operationId": f"{route.endpoint}.schema",
        "tags": [_tag(route)],
        "summary": f"The JSON Schema of the query of {route.endpoint}.",
        "parameters": [
            parameter
            for parameter in _path_parameters(rule, {})
            if parameter["name"] != "_format"
        ],
        "responses": {
            "200": {
                "description": "The schema.",
                "headers": _headers("ETag", "Cache-Control"),
                "content": {SCHEMA_TYPE: {"schema": {"type": "object"}}},
            },
            **_refer("304", *["404"] * (_variables(rule).keys() > {"_format"})),
        },
    }


def _words(route: FigureRoute) -> _Json:
    """Return the summary and the description from the figure's docstring."""
    summary = summary_of(route.function)
    rest = route.parameters.description.removeprefix(summary).strip()
    named = {"summary": summary, "description": rest}
    return {name: text for name, text in named.items() if text}


def _statuses(rule: Rule, *, is_negotiated: bool, has_budget: bool) -> Iterator[str]:
    """Yield the error statuses that *rule* can return."""
    for status in _PROBLEMS:
        match status:
            case HTTPStatus.NOT_FOUND if not _variables(rule):
                continue
            case HTTPStatus.NOT_ACCEPTABLE if not is_negotiated:
                continue
            case HTTPStatus.TOO_MANY_REQUESTS if not has_budget:
                continue
        yield str(status.value)


def _path_parameters(rule: Rule, own: Mapping[str, _Json]) -> Iterator[_Json]:
    """Yield the variables of *rule*, narrowed by their schemas in *own*."""
    for name, converter in _variables(rule).items():
        schema = {**_of_converter(converter), **_said(own.get(name, {}))}
        schema.pop("default", None)  # The path always has a value.
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _of_converter(converter: BaseConverter) -> _Json:
    """Return the JSON Schema of the values that *converter* accepts."""
    match converter:
        case IntegerConverter() | FloatConverter():
            bounds = {
                "minimum": converter.min if converter.signed else converter.min or 0,
                "maximum": converter.max,
            }
            kind = "integer" if isinstance(converter, IntegerConverter) else "number"
            given = {name: b for name, b in bounds.items() if b is not None}
            return {"type": kind, **given}
        case UUIDConverter():
            return {"type": "string", "format": "uuid"}
        case AnyConverter():
            return {"type": "string", "enum": sorted(converter.items)}
    return {"type": "string", "minLength": 1}


def _query_parameters(route: FigureRoute) -> Iterator[_Json]:
    schema = route.parameters.json_schema(route.rule_names)
    for name, own in schema["properties"].items():
        yield _query_parameter(name, own, is_required=name in schema["required"])


def _query_parameter(name: str, schema: _Json, *, is_required: bool) -> _Json:
    said = _said(schema)
    parameter: _Json = {"name": name, "in": "query", "schema": said}
    if is_required:
        parameter["required"] = True
    if "description" in schema:
        parameter["description"] = schema["description"]
    if said.get("type") == "array":
        parameter |= {"style": "form", "explode": True}
    if _may_be_empty(schema, said):
        parameter["allowEmptyValue"] = True
    return parameter


def _may_be_empty(schema: _Json, said: _Json) -> bool:
    """Return whether an empty text means an empty list or ``None``."""
    if said.get("type") == "array":
        return "minItems" not in said
    return any(option.get("type") == "null" for option in schema.get("anyOf", ()))


def _said(schema: _Json) -> _Json:
    """Return *schema* for values in a URL, which cannot express ``None``."""
    said = dict(schema)
    said.pop("uniqueItems", None)  # A URL may repeat an item of a set.
    if "anyOf" in said:
        options = [o for o in said.pop("anyOf") if o.get("type") != "null"]
        said = union(options, said)
    if said.get("default", ...) is None:
        del said["default"]
    return said


def _picture(description: str, formats: Iterable[ImageFormat], *headers: str) -> _Json:
    return {
        "description": description,
        "headers": _headers("ETag", "Cache-Control", "Cache-Status", *headers),
        "content": {f.mimetype: {"schema": _body(f)} for f in formats},
    }


def _body(format: ImageFormat) -> _Json:
    if format is FORMATS["json"]:
        return {}
    if format.is_text:
        return {"type": "string"}
    return {"contentMediaType": format.mimetype}


def _refer(*statuses: str) -> _Json:
    return {s: {"$ref": f"#/components/responses/{s}"} for s in statuses}


def _headers(*names: str) -> _Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


#: Reserved arguments and their descriptions.
_RESERVED = {
    "_scale": "Pixels per pixel of the figure's own size; not together with `_width`.",
    "_width": "Width in pixels, of which the next wider of some steps is sent.",
    "_theme": "The page that the picture is for.",
    "_download": "Whether a browser shall save the picture instead of showing it.",
    "_v": "The version of the data, which lets a browser keep the picture for long.",
}

#: Error statuses and their descriptions, without the 403 of signed routes, which the
#: document omits, and without responses of the app's decorators.
_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "An argument is not accepted, or the picture is too large.",
    HTTPStatus.NOT_FOUND: "There is no such format, or the path names nothing.",
    HTTPStatus.NOT_ACCEPTABLE: "`Accept` allows none of the formats.",
    HTTPStatus.PRECONDITION_FAILED: "The picture is another one than asked for.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "`Range` begins behind the end.",
    HTTPStatus.TOO_MANY_REQUESTS: "The client has used up its render time.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The picture cannot be drawn.",
    HTTPStatus.SERVICE_UNAVAILABLE: "There is no room for one more render.",
    HTTPStatus.GATEWAY_TIMEOUT: "The render took too long.",
}
#: Statuses with ``Retry-After``.
_RETRIED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def _problem(status: HTTPStatus, description: str) -> _Json:
    if status is HTTPStatus.NOT_FOUND:
        return {"description": description}  # The app chooses the body.
    retry = ["Retry-After"] if status in _RETRIED else []
    return {
        "description": description,
        "headers": _headers("Cache-Control", *retry),
        "content": {
            PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}},
            # A picture of the message, for a request with Sec-Fetch-Dest: image.
            "image/png": {"schema": _body(FORMATS["png"])},
        },
    }


def _header(description: str, kind: str = "string") -> _Json:
    return {"description": description, "required": True, "schema": {"type": kind}}


_TEXT = {"type": "string"}
_PATH = {"type": "string", "format": "uri-reference"}
_PROBLEM_SCHEMA = {
    "description": "An error as RFC 9457 has it.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": _PATH,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": _PATH,
        "errors": {
            "description": "One for each argument that is not accepted.",
            "type": "array",
            "items": {"$ref": "#/components/schemas/Fault"},
        },
        "available": {
            "description": "The media types that there are.",
            "type": "array",
            "items": _TEXT,
        },
    },
}
_FAULT_SCHEMA = {
    "description": "What is wrong with one argument.",
    "type": "object",
    "required": ["name", "value", "reason", "accepted"],
    "properties": {
        "name": _TEXT,
        "value": {"type": ["string", "null"]},
        "reason": _TEXT,
        "accepted": _TEXT,
        "nearest": {"description": "The known name that is nearest.", **_TEXT},
    },
}


def _reserved_parameters() -> _Json:
    properties = RESERVED.json_schema()["properties"]
    return {
        name: _query_parameter(name, properties[name], is_required=False)
        | {"description": words}
        for name, words in _RESERVED.items()
    }


_COMPONENTS: _Json = {
    "schemas": {"Problem": _PROBLEM_SCHEMA, "Fault": _FAULT_SCHEMA},
    "parameters": _reserved_parameters(),
    "headers": {
        "ETag": _header("The entity tag, for `If-None-Match`."),
        "Cache-Control": _header("Who may keep the response, and for how long."),
        "Cache-Status": _header("How the picture was come by (RFC 9211)."),
        "Content-Range": _header("Which bytes these are."),
        "Retry-After": _header("Seconds after which to try again.", "integer"),
    },
    "responses": {
        "304": {
            "description": "The client's copy is the current one.",
            "headers": _headers("ETag", "Cache-Control"),
        },
        **{str(s.value): _problem(s, words) for s, words in _PROBLEMS.items()},
    },
}
