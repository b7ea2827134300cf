"""The ``flask figures list`` command: every figure of the app and its parameters.

Flask side.
"""

from __future__ import annotations

import json
from typing import Any

import click
from flask import current_app

from ..parameters.callables import summarize
from ..parameters.value_parsing import Parameter
from ..web.app_state import current_state
from ..web.figure_route import FigureRoute
from .click_options import JSON
from .command_group import figures
from .terminal_table import GAP, align, find_width


@figures.command("list", params=[JSON])
def command(as_json: bool) -> None:
    """List every figure and its parameters.

    \b
    flask figures list           a table that fits the terminal
    flask figures list | less    without cut lines
    flask figures list --json    with each parameter's JSON Schema

    Each parameter is listed with its default and its accepted values.
    """
    routes = list(current_state().routes.values())
    if as_json:
        click.echo(json.dumps([_describe_route(route) for route in routes], indent=2))
        return
    for line in _format_table(routes, find_width()):
        click.echo(line)


def _describe_route(route: FigureRoute) -> dict[str, Any]:
    options = route.options
    return {
        "figure": route.endpoint,
        "rule": _find_rule(route),
        "formats": [format.name for format in options.formats],
        "max_age": options.max_age,
        "is_signed": options.signed,
        "is_private": route.is_private,
        "description": summarize(route.function),
        "parameters": [_describe_parameter(p) for p in route.parameters],
    }


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    entry = {
        "name": parameter.name,
        "is_required": parameter.is_required,
        "accepted": parameter.accepted,
        "schema": parameter.schema,
    }
    if not parameter.is_required:
        entry["default"] = parameter.canonicalize(parameter.default)
    return entry


def _find_rule(route: FigureRoute) -> str:
    """Return the URL rule without a format extension."""
    rules = current_app.url_map.iter_rules(route.endpoint)
    return next(rule.rule for rule in rules if "_format" not in rule.arguments)


def _format_table(routes: list[FigureRoute], width: int | None) -> list[str]:
    """Return a line for each figure, each followed by lines for its parameters."""
    heads = align(
        [
            ("FIGURE", "URL", "FORMATS", "MAX AGE", "DESCRIPTION"),
            *map(_format_route, routes),
        ],
        width,
    )
    inner = None if width is None else width - len(GAP)
    of_all = [_format_parameter(p) for route in routes for p in route.parameters]
    details = iter(align(of_all, inner))
    lines = [heads[0]]
    for head, route in zip(heads[1:], routes, strict=True):
        lines.append(head)
        lines += [GAP + next(details) for _ in route.parameters]
    return lines


def _format_route(route: FigureRoute) -> tuple[str, ...]:
    formats = " ".join(format.name for format in route.options.formats)
    age = f"{route.options.max_age} s"
    return route.endpoint, _find_rule(route), formats, age, summarize(route.function)


def _format_parameter(parameter: Parameter) -> tuple[str, ...]:
    default = "required"
    if not parameter.is_required:
        texts = parameter.to_texts(parameter.default)
        shown = texts if isinstance(texts, str) else ",".join(texts)
        default = f"= {shown or 'nothing'}"
    return parameter.name, default, parameter.accepted
