"""An OpenAPI 3.1 document of an app's figure routes.

Flask side. The parameters come from each route's signature, rules and options.
https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from flask import Flask
from pydantic import TypeAdapter
from werkzeug.routing import (
    AnyConverter,
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    Rule,
    UUIDConverter,
)

from ..errors import ArgumentFault, UnknownFigureError, suggest
from ..formats import ALT_FORMAT, FORMATS, ImageFormat
from ..http.problem_details import PROBLEM_TYPE
from ..parameters.callables import summarize
from ..parameters.function_signature import Parameters
from ..parameters.json_schema import join_options
from ..parameters.reserved import RESERVED
from .app_state import AppState
from .figure_route import FigureRoute
from .json_documents import SCHEMA_NAME, SCHEMA_TYPE
from .rule_arguments import RULE_VARIABLE

_Json = dict[str, Any]


def make_openapi_document(
    app: Flask,
    blueprint: str | None = None,
    *,
    root: str = "",
    may_tell: Callable[[FigureRoute], bool] = lambda _route: True,
) -> _Json:
    """Return the OpenAPI document of the figure routes of *app*.

    Signed routes are omitted: only ``figure_url`` makes their URLs, and their arguments
    are not public.

    :param blueprint: the full name of a blueprint; default all.
    :param root: the path under which the app is mounted, such as ``/app``.
    :param may_tell: returns whether the document's readers may see a route.
    :raises UnknownFigureError: if the app has no such blueprint.
    """
    state = AppState.of(app)
    if blueprint is not None and blueprint not in app.blueprints:
        known = sorted({_get_tag(route) for route in state.routes.values()})
        listed = ", ".join(known) or "none"
        fix = suggest(blueprint, known) or f"Blueprints with figures: {listed}."
        raise UnknownFigureError(f"There is no blueprint {blueprint!r}. {fix}")
    routes = [r for r in state.routes.values() if blueprint in (None, _get_tag(r))]
    shown = [r for r in routes if not r.options.signed and may_tell(r)]
    has_budget = state.settings.client_budget is not None
    return {
        "openapi": "3.1.0",
        "info": {"title": app.name, "version": version("flask-mplstream")},
        "servers": [{"url": root or "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(map(_get_tag, shown))],
        "paths": _list_paths(app, shown, has_budget=has_budget),
        "components": _COMPONENTS,
    }


def _get_tag(route: FigureRoute) -> str:
    return route.endpoint.rpartition(".")[0]


def _list_paths(
    app: Flask, routes: Iterable[FigureRoute], *, has_budget: bool
) -> _Json:
    paths: dict[str, dict[str, _Json]] = {}
    for route in routes:
        for rule in sorted(app.url_map.iter_rules(route.endpoint), key=str):
            path = RULE_VARIABLE.sub(r"{\1}", rule.rule)
            paths[path] = {"get": _make_picture_operation(route, rule, has_budget)}
            if "_format" in _get_variables(rule):
                path = path.replace("{_format}", SCHEMA_NAME)
                paths[path] = {"get": _make_schema_operation(route, rule)}
    # An app may add rules to an endpoint.
    taken: set[str] = set()
    for item in paths.values():
        if (name := item["get"]["operationId"]) in taken:
            item["get"]["operationId"] = f"{name}.{len(taken)}"
        taken.add(item["get"]["operationId"])
    return paths


def _get_variables(rule: Rule) -> Mapping[str, BaseConverter]:
    """Return the variables of *rule*, for which it has no public attribute."""
    return rule._converters


def _make_picture_operation(route: FigureRoute, rule: Rule, has_budget: bool) -> _Json:
    names_format = "_format" in _get_variables(rule)
    formats = [*route.options.formats]
    own = route.parameters.json_schema()["properties"]
    if names_format:
        formats = [*dict.fromkeys([*formats, ALT_FORMAT])]
        own["_format"] = {"type": "string", "enum": [str(f) for f in formats]}
    summary = summarize(route.function)
    rest = route.parameters.description.removeprefix(summary).strip()
    conditions = {
        HTTPStatus.NOT_FOUND: bool(_get_variables(rule)),
        HTTPStatus.NOT_ACCEPTABLE: not names_format,
        HTTPStatus.TOO_MANY_REQUESTS: has_budget,
    }
    problems = [str(s.value) for s in _PROBLEMS if conditions.get(s, True)]
    return {
        "operationId": route.endpoint + (".format" if names_format else ""),
        "tags": [_get_tag(route)],
        **({"summary": summary} if summary else {}),
        **({"description": rest} if rest else {}),
        "parameters": [
            *_read_path(rule, own),
            *_read_query(route.parameters, route.rule_names).values(),
            *_narrow_reserved(route),
        ],
        "responses": {
            "200": _describe_picture("The picture.", formats),
            "206": _describe_picture(
                "A part of the picture.", formats, "Content-Range"
            ),
            **_use_responses("304", *problems),
        },
    }


def _narrow_reserved(route: FigureRoute) -> Iterator[_Json]:
    """Yield the reserved parameters, narrowed to the limits of *route*."""
    limits = {
        "_scale": {"enum": [*route.options.scales]},
        "_width": {"maximum": route.options.max_width},
    }
    for name, shared in _COMPONENTS["parameters"].items():
        narrowed = shared["schema"] | limits.get(name, {})
        if narrowed == shared["schema"]:
            yield {"$ref": f"#/components/parameters/{name}"}
        else:
            yield {**shared, "schema": narrowed}


def _make_schema_operation(route: FigureRoute, rule: Rule) -> _Json:
    own = [p for p in _read_path(rule, {}) if p["name"] != "_format"]
    return {
        "operationId": f"{route.endpoint}.schema",
        "tags": [_get_tag(route)],
        "summary": f"The JSON Schema of the query of {route.endpoint}.",
        "parameters": own,
        "responses": {
            "200": {
                "description": "The schema.",
                "headers": _use_headers("ETag", "Cache-Control"),
                "content": {SCHEMA_TYPE: {"schema": {"type": "object"}}},
            },
            **_use_responses("304", *(["404"] if own else [])),
        },
    }


def _read_path(rule: Rule, own: Mapping[str, _Json]) -> Iterator[_Json]:
    """Yield the variables of *rule*, narrowed by their schemas in *own*."""
    for name, converter in _get_variables(rule).items():
        schema = {**_read_converter(converter), **_narrow(own.get(name, {}))}
        schema.pop("default", None)  # The path always has a value.
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _read_converter(converter: BaseConverter) -> _Json:
    """Return the JSON Schema of the values that *converter* accepts."""
    match converter:
        case IntegerConverter() | FloatConverter():
            least = converter.min if converter.signed else converter.min or 0
            bounds = {"minimum": least, "maximum": converter.max}
            kind = "integer" if isinstance(converter, IntegerConverter) else "number"
            return {"type": kind, **{n: b for n, b in bounds.items() if b is not None}}
        case UUIDConverter():
            return {"type": "string", "format": "uuid"}
        case AnyConverter():
            return {"type": "string", "enum": sorted(converter.items)}
    return {"type": "string", "minLength": 1}


def _read_query(parameters: Parameters, excluded: Collection[str]) -> dict[str, _Json]:
    """Return the query's *parameters* by name, without the *excluded* ones."""
    schema = parameters.json_schema(excluded)
    return {
        name: _read_parameter(name, own, is_required=name in schema["required"])
        for name, own in schema["properties"].items()
    }


def _read_parameter(name: str, schema: _Json, *, is_required: bool) -> _Json:
    narrowed = _narrow(schema)
    is_list = narrowed.get("type") == "array"
    may_be_none = any(o.get("type") == "null" for o in schema.get("anyOf", ()))
    # An empty text means an empty list or None.
    may_be_empty = "minItems" not in narrowed if is_list else may_be_none
    return {
        "name": name,
        "in": "query",
        "schema": narrowed,
        **({"required": True} if is_required else {}),
        **{n: text for n, text in schema.items() if n == "description"},
        **({"style": "form", "explode": True} if is_list else {}),
        **({"allowEmptyValue": True} if may_be_empty else {}),
    }


def _narrow(schema: _Json) -> _Json:
    """Return *schema* for values in a URL, which cannot express ``None``."""
    # A URL may repeat an item of a set.
    narrowed = {n: value for n, value in schema.items() if n != "uniqueItems"}
    if "anyOf" in narrowed:
        options = [o for o in narrowed.pop("anyOf") if o.get("type") != "null"]
        narrowed = join_options(options, narrowed)
    if narrowed.get("default", ...) is None:
        del narrowed["default"]
    return narrowed


def _describe_picture(
    description: str, formats: Iterable[ImageFormat], *headers: str
) -> _Json:
    return {
        "description": description,
        "headers": _use_headers("ETag", "Cache-Control", "Cache-Status", *headers),
        "content": {f.mimetype: {"schema": _type_body(f)} for f in formats},
    }


def _type_body(format: ImageFormat) -> _Json:
    if format is FORMATS["json"]:
        return {}
    if format.is_text:
        return {"type": "string"}
    return {"contentMediaType": format.mimetype}


def _use_responses(*statuses: str) -> _Json:
    return {s: {"$ref": f"#/components/responses/{s}"} for s in statuses}


def _use_headers(*names: str) -> _Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


#: Error statuses and their descriptions. The 403 of signed routes is missing, as they
#: are not in the document, and so are responses of the app's decorators.
_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "An argument is invalid, or the picture is too large.",
    HTTPStatus.NOT_FOUND: "The format or the path does not exist.",
    HTTPStatus.NOT_ACCEPTABLE: "`Accept` allows none of the formats.",
    HTTPStatus.PRECONDITION_FAILED: "The current picture fails a precondition.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "`Range` starts after the last byte.",
    HTTPStatus.TOO_MANY_REQUESTS: "The client has used up its render time.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The picture cannot be drawn.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The server has no capacity for another render.",
    HTTPStatus.GATEWAY_TIMEOUT: "The render took too long.",
}
#: Statuses with ``Retry-After``.
_RETRIED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

#: Response headers: description and type.
_HEADERS = {
    "ETag": ("The entity tag, for `If-None-Match`.", "string"),
    "Cache-Control": ("Who may store the response, and for how long.", "string"),
    "Cache-Status": ("Whether the picture was in the cache (RFC 9211).", "string"),
    "Content-Range": ("The range of the bytes.", "string"),
    "Retry-After": ("Seconds until a retry can succeed.", "integer"),
}


@dataclass
class _ProblemDocument:
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    #: Path of the URL.
    instance: str
    errors: list[ArgumentFault] = field(default_factory=list)
    #: Media types of a 406.
    available: list[str] = field(default_factory=list)


def _describe_problem(status: HTTPStatus, description: str) -> _Json:
    if status is HTTPStatus.NOT_FOUND:
        return {"description": description}  # The app chooses the body.
    retry = ["Retry-After"] if status in _RETRIED else []
    return {
        "description": description,
        "headers": _use_headers("Cache-Control", *retry),
        "content": {
            PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}},
            # A picture of the message, for a request with Sec-Fetch-Dest: image.
            "image/png": {"schema": _type_body(FORMATS["png"])},
        },
    }


def _derive_schemas() -> _Json:
    template = "#/components/schemas/{model}"
    problem = TypeAdapter(_ProblemDocument).json_schema(ref_template=template)
    return {**problem.pop("$defs"), "Problem": {**problem, "title": "Problem"}}


_COMPONENTS: _Json = {
    "schemas": _derive_schemas(),
    "parameters": _read_query(RESERVED, ["_sig"]),  # No route is signed.
    "headers": {
        name: {"description": words, "required": True, "schema": {"type": kind}}
        for name, (words, kind) in _HEADERS.items()
    },
    "responses": {
        "304": {
            "description": "The client's copy is current.",
            "headers": _use_headers("ETag", "Cache-Control"),
        },
        **{str(s.value): _describe_problem(s, words) for s, words in _PROBLEMS.items()},
    },
}
