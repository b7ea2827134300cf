"""Declare a figure route and check its options.

Flask side, but this module only uses values. Some checks don't need an app. They run
when the decorator is called, so that the traceback points to it.
"""

from __future__ import annotations

import ast
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from textwrap import dedent
from typing import Any

from ..errors import ConfigError, cut
from ..parameters.callables import (
    find_full_name,
    find_plain_function,
    find_plain_name,
    find_qualified_name,
    select_accepted,
)
from ..parameters.function_signature import Parameters
from ..rendering.figure_lock import check_style
from ..settings import FigureOptions, RouteOptions
from .source_code import read_source

logger = logging.getLogger("flask_mplstream")

#: The default of the decorator's rule.
NO_RULE = "(no rule)"


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared figure route, which doesn't depend on an app."""

    rule: str
    endpoint: str
    function: Callable[..., Any]
    options: FigureOptions
    #: ``host`` or ``subdomain``, as for ``Flask.route``.
    place: Mapping[str, str]

    def __post_init__(self) -> None:
        """Check the options.

        :raises ConfigError: if one is unknown or invalid.
        """
        RouteOptions.read(self.options, self.label)

    def label(self, option: str) -> str:
        """Return the name of *option* for a message."""
        name = find_qualified_name(self.function)
        return f"figure_route({self.rule!r}, {option}=…) of {name}"

    def read_signature(self, options: RouteOptions) -> Parameters:
        """Return the parameters, and warn about defaults that were set at import.

        :param options: the resolved options of the route.
        :raises ConfigError: if a style or the signature of a callable is invalid.
        """
        check_style(options.style, self.label("style"))
        if not isinstance(options.dark_style, bool):
            check_style(options.dark_style, self.label("dark_style"))
        function, name = self.function, find_qualified_name(self.function)
        parameters = Parameters(
            function,
            options.inject,
            skip_first=options.load is not None,
            name=find_plain_name(function) or self.endpoint,
        )
        for option, call in (("load", options.load), ("version", options.version)):
            if call is not None:
                _check_call(f"{option}=… of {name}", call, parameters.names)
        for injected, call in options.inject.items():
            _check_call(f"inject[{injected!r}] of {name}", call, ())
        for warning in find_frozen_defaults(function, parameters, datetime.now(UTC)):
            logger.warning("%s", warning)
        return parameters


def _check_call(label: str, call: Callable[..., Any], names: tuple[str, ...]) -> None:
    """Reject a callable that doesn't accept the arguments it will be called with.

    :param names: the arguments that it can be called with.
    :raises ConfigError: naming *label* and the arguments.
    """
    try:
        accepted = select_accepted(names, call)
        inspect.signature(call).bind(**dict.fromkeys(accepted))
    except TypeError as error:
        given = ", ".join(names) or "no arguments"
        raise ConfigError(f"{label} is called with {given}, but {error}.") from error
    except ValueError:
        return  # A builtin without a signature.


def check_rule(rule: object) -> None:
    """Reject an invalid rule, such as a function if the parentheses are missing.

    :raises ConfigError: with the correct way to write the decorator.
    """
    if callable(rule):
        name = find_plain_name(rule) or "figure"
        raise ConfigError(
            f"figure_route has the function {find_qualified_name(rule)} instead of a "
            f"rule. Write @plots.figure_route('/{name}') above the function."
        )
    if not isinstance(rule, str) or (rule and not rule.startswith("/")):
        is_word = isinstance(rule, str) and rule.isprintable() and rule != NO_RULE
        given = "missing" if rule == NO_RULE else cut(repr(rule))
        raise ConfigError(
            f"The rule of figure_route is {given}. Write text that begins with a "
            f"slash: @plots.figure_route('/{rule if is_word else 'walk'}')."
        )


def check_figure_function(function: Any, rule: str) -> Callable[..., Any]:
    """Return *function*, or the function inside a ``staticmethod``.

    :raises ConfigError: if it can't be a figure function, with the reason and the fix.
    """
    if isinstance(function, staticmethod):
        return check_figure_function(function.__func__, rule)
    if isinstance(function, classmethod):
        name = find_qualified_name(function.__func__)
        raise _make_refusal(
            rule,
            f"the classmethod {name}, which is not callable before its class exists",
            f"Write plots.figure_route({rule!r})({name}) below the class",
        )
    if not callable(function):
        raise _make_refusal(
            rule,
            cut(repr(function)),
            "Put it directly above a function that returns a figure, and let other "
            "decorators return that function",
        )
    plain = find_plain_function(function)
    if inspect.isasyncgenfunction(plain):
        raise _make_refusal(
            rule,
            f"the asynchronous generator {find_qualified_name(function)}",
            "Return the figure instead of yielding it",
        )
    if _is_unbound(function):
        raise _make_refusal(
            rule,
            f"{find_qualified_name(function)}, whose `self` a URL cannot express",
            f"Make it a staticmethod, or decorate the method of an object: "
            f"plots.figure_route({rule!r})(charts.{function.__name__})",
        )
    checked: Callable[..., Any] = function
    return checked


def _is_unbound(function: Callable[..., Any]) -> bool:
    """Return whether *function* is a method of a class that isn't complete yet."""
    if not inspect.isfunction(function) or "." not in function.__qualname__:
        return False
    for first in inspect.signature(function).parameters.values():
        is_bare = first.annotation is first.default is first.empty
        return is_bare and first.name in ("self", "cls")
    return False


def _make_refusal(rule: str, found: str, fix: str) -> ConfigError:
    return ConfigError(f"figure_route({rule!r}) decorates {found}. {fix}.")


def choose_endpoint(function: Callable[..., Any], rule: str, given: object) -> str:
    """Return the name of the route, which is *given* or the name of *function*.

    :raises ConfigError: if the name is missing or invalid.
    """
    name = find_plain_name(function) if given is None else given
    if name is None:
        raise ConfigError(
            f"figure_route({rule!r}) decorates {cut(repr(function))}, which has no "
            f"name. Give the route one: figure_route({rule!r}, endpoint='walk')."
        )
    if not isinstance(name, str) or not name or "." in name:
        raise ConfigError(
            f"figure_route({rule!r}, endpoint=…) is {cut(repr(name))}. Give a name "
            f"without a dot, such as 'walk'."
        )
    return name


def find_frozen_defaults(
    function: Callable[..., Any], parameters: Parameters, now: datetime
) -> Iterator[str]:
    """Yield a warning for each default that was computed when it was imported.

    :param now: the time of the import, or shortly after, with a time zone.
    """
    calculated = set(_find_calculated_defaults(function))
    for parameter in parameters:
        value = parameter.default
        if parameter.name in calculated or _is_now(value, now):
            kind = type(value).__name__
            yield (
                f"The default of {parameter.name!r} in {find_full_name(function)} is "
                f"{cut(repr(value))} until the app is restarted, and is in no URL. "
                f"Write `{parameter.name}: {kind} | None = None`, calculate it in the "
                f"function, and add version=… if pictures must change with it."
            )


#: Names of functions that return a different value at each call.
_CHANGING = frozenset(
    (
        *("choice", "gauss", "getrandbits", "integers", "monotonic", "normal", "now"),
        *("perf_counter", "randint", "random", "randrange", "time", "time_ns", "today"),
        *("token_hex", "token_urlsafe", "uniform", "utcnow", "uuid1", "uuid4"),
    )
)


def _find_calculated_defaults(function: Callable[..., Any]) -> Iterator[str]:
    """Yield the parameters whose defaults call a function in :data:`_CHANGING`."""
    tree = ast.Module([], [])
    with suppress(SyntaxError):  # The source is a part of a line.
        tree = ast.parse(dedent(read_source(function) or ""))
    for node in tree.body[:1]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            args = node.args
            named = reversed([*args.posonlyargs, *args.args])
            pairs = [
                *zip(named, reversed(args.defaults), strict=False),
                *zip(args.kwonlyargs, args.kw_defaults, strict=True),
            ]
            yield from (name.arg for name, value in pairs if _calls_changing(value))


def _calls_changing(expression: ast.expr | None) -> bool:
    nodes = ast.walk(expression) if expression is not None else ()
    calls = (node.func for node in nodes if isinstance(node, ast.Call))
    names = (getattr(call, "attr", getattr(call, "id", "")) for call in calls)
    return not _CHANGING.isdisjoint(names)


def _is_now(value: object, now: datetime) -> bool:
    """Return whether *value* is about *now*, today, or midnight of today.

    A value without a time zone is compared with both the local time and UTC, except
    that midnight is only compared with the local date.
    """
    local, universal = now.astimezone().replace(tzinfo=None), now.replace(tzinfo=None)
    match value:
        case float():
            return abs(value - now.timestamp()) < 3600
        case datetime(tzinfo=None):
            is_midnight = value == datetime.combine(local, time())
            distances = [abs(value - known) for known in (local, universal)]
            return is_midnight or min(distances) < timedelta(hours=1)
        case datetime():
            return abs(value - now) < timedelta(hours=1)
        case date():
            return value in (local.date(), universal.date())
    return False
