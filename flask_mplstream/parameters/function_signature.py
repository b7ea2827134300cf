"""Use the signature of a figure function to parse the arguments of a URL.

Values layer. :class:`Parameters` reads the signature of a figure function once. If the
same arguments are spelled in different ways, the :class:`Arguments` are equal, and so
are the canonical query and the cache key.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from ..errors import (
    NO_SUCH_ARGUMENT,
    ArgumentFault,
    ArgumentsError,
    ConfigError,
    cut,
    nearest,
)
from .callables import find_full_name, find_globals, find_plain_name, read_documentation
from .canonical import Arguments
from .json_schema import DIALECT
from .value_parsing import Parameter, strip_annotation

#: Maximum faults that an error lists, which limits the length of the response.
MAX_FAULTS = 20
#: Maximum unknown names for which the error suggests a known one. The search is the
#: slowest part of the response.
MAX_HINTS = 3

#: Module prefixes in a formatted annotation.
_MODULES = re.compile(r"\b(?:\w+\.)+(?=\w)")


class Parameters:
    """All parameters of a figure function.

    :param function: the figure function.
    :param injected: parameters that are set by the app and can't be set by a URL.
    :param skip_first: whether the first parameter is the result of ``load``.
    :param are_reserved: whether to allow names that start with ``_``, which are
        reserved for the package.
    :param name: the title of the JSON Schema. The default is the name of the function.
    :raises ConfigError: if a URL can't provide the parameters, with the fix.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        injected: Collection[str] = (),
        *,
        skip_first: bool = False,
        are_reserved: bool = False,
        name: str | None = None,
    ) -> None:
        self._label = find_full_name(function)
        self._name = name or find_plain_name(function) or ""
        #: The function's docstring, or an empty string.
        self.description = read_documentation(function)
        self._are_reserved = are_reserved
        signature = _read_signature(function, self._label)
        if skip_first and not signature:
            raise ConfigError(
                f"{self._label} takes no argument, but load=… passes its result as the "
                f"first one. Add a parameter for it."
            )
        named = {p.name: p for p in signature[1 if skip_first else 0 :]}
        for missing in (name for name in injected if name not in named):
            raise ConfigError(
                f"{self._label} has inject={{{missing!r}: …}} but no parameter "
                f"{missing!r}. Add one, or remove it from inject."
            )
        self._parameters = {
            name: self._make_parameter(parameter)
            for name, parameter in named.items()
            if name not in injected
        }
        #: All parameter names except that of the result of ``load``.
        self.names = tuple(named)

    def _make_parameter(self, parameter: inspect.Parameter) -> Parameter:
        name, kind = parameter.name, parameter.kind
        if kind is parameter.POSITIONAL_ONLY:
            raise self._refuse(name, "is positional-only", "Remove the '/'.")
        if kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            fix = "Name each argument that a URL may set."
            raise self._refuse(name, "takes any number of arguments", fix)
        if name.startswith("_") and not self._are_reserved:
            fix = "Choose another name, as these are reserved."
            raise self._refuse(name, "starts with '_'", fix)
        try:
            return Parameter(name, parameter.annotation, parameter.default)
        except ArgumentsError as error:
            problem, fix = _explain_default(parameter, error.faults[0])
            raise self._refuse(name, problem, fix) from error
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
            annotation = inspect.formatannotation(parameter.annotation)
            raise self._refuse(
                name,
                f"is annotated {annotation}, which a URL cannot express",
                "Use int, float, bool, str, date, datetime, Enum, Literal, or a list "
                "or set of those; for other objects see inject=… and load=….",
            ) from error

    def _refuse(self, name: str, problem: str, fix: str) -> ConfigError:
        return ConfigError(f"The parameter {name!r} of {self._label} {problem}. {fix}")

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def json_schema(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the JSON Schema (2020-12) for an object with the arguments.

        Every value that the schema accepts is also accepted by :meth:`bind`.

        :param without: the names to leave out.
        """
        shown = [parameter for parameter in self if parameter.name not in without]
        return {
            "$schema": DIALECT,
            "title": self._name,
            **({"description": self.description} if self.description else {}),
            "type": "object",
            "properties": {p.name: p.json_schema() for p in shown},
            "required": [p.name for p in shown if p.is_required],
            "additionalProperties": False,
        }

    def parse(
        self,
        pairs: Iterable[tuple[str, str]],
        path: Mapping[str, Any] = MappingProxyType({}),
        *,
        ignore_unknown: bool = False,
    ) -> Arguments:
        """Parse the arguments of a URL.

        :param pairs: the decoded names and texts from the query string.
        :param path: the values from the converters of the URL.
        :param ignore_unknown: whether to ignore unknown names instead of rejecting
            them.
        :raises ArgumentsError: with a fault for each bad argument.
        """
        texts: dict[str, list[str]] = {}
        for name, text in pairs:
            texts.setdefault(name, []).append(text)
        allowed = [name for name in self._parameters if name not in path]
        unknown = {
            name: ", ".join(given)
            for name, given in texts.items()
            if name not in allowed
        }

        def read(parameter: Parameter) -> Any:
            if parameter.name in path:
                return parameter.from_path(path[parameter.name])
            return parameter.from_texts(texts[parameter.name])

        return self._collect(
            read, {*texts, *path}, {} if ignore_unknown else unknown, allowed
        )

    def bind(self, given: Mapping[str, Any]) -> Arguments:
        """Convert Python values, as in ``figure_url('…', n=500)``, to arguments.

        :raises ArgumentsError: with a fault for each bad argument.
        """

        def read(parameter: Parameter) -> Any:
            return parameter.from_python(given[parameter.name])

        unknown = {name: str(given[name]) for name in given if name not in self}
        return self._collect(read, given, unknown, list(self._parameters))

    def _collect(
        self,
        read: Callable[[Parameter], Any],
        given: Collection[str],
        unknown: Mapping[str, str],
        allowed: list[str],
    ) -> Arguments:
        faults = _refuse_unknown(unknown, allowed)
        values: dict[str, Any] = {}
        for parameter in self:
            try:
                if parameter.name in given:
                    values[parameter.name] = read(parameter)
                elif parameter.is_required:
                    raise parameter.make_error(None, "It is missing.")
                else:
                    values[parameter.name] = parameter.default
            except ArgumentsError as error:
                faults.extend(error.faults)
        if faults:
            raise ArgumentsError(faults[:MAX_FAULTS])
        return self._make_arguments(values)

    def _make_arguments(self, values: dict[str, Any]) -> Arguments:
        identities = {p.name: p.identify(values[p.name]) for p in self}
        query = {
            p.name: p.to_texts(values[p.name])
            for p in self
            if identities[p.name] != p.default_identity
        }
        pairs = (f"{json.dumps(name)}:{text}" for name, text in identities.items())
        return Arguments(values, f"{{{','.join(pairs)}}}", query)


def _read_signature(
    function: Callable[..., Any], label: str
) -> list[inspect.Parameter]:
    """Return the parameters of *function* with resolved annotations.

    If there is no annotation, the type of the default is used, or ``str``.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
        written = {
            p.name: p.annotation for p in parameters if p.annotation is not p.empty
        }
        hints = typing.get_type_hints(
            types.SimpleNamespace(__annotations__=written),
            dict(find_globals(function)),
            include_extras=True,
        )
    except NameError as error:
        raise ConfigError(
            f"An annotation of {label} cannot be resolved: {error}. Import the name at "
            f"module level, outside `if TYPE_CHECKING`."
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"The signature of {label} cannot be read. Wrap it in a function that "
            f"names its arguments."
        ) from error
    return [
        p.replace(annotation=hints[p.name] if p.name in hints else _guess_type(p))
        for p in parameters
    ]


def _guess_type(parameter: inspect.Parameter) -> Any:
    if parameter.default is parameter.empty:
        return str
    return str | None if parameter.default is None else type(parameter.default)


def _explain_default(
    parameter: inspect.Parameter, fault: ArgumentFault
) -> tuple[str, str]:
    """Return a message about a default that isn't valid and how to fix it."""
    problem = f"has the default {cut(repr(parameter.default))}"
    if parameter.default is not None:
        return f"{problem}: {fault.reason.rstrip('.')}", f"Accepted: {fault.accepted}."
    core = strip_annotation(parameter.annotation)
    words = _MODULES.sub("", inspect.formatannotation(core))
    fix = f"Write `{parameter.name}: {words} | None = None`."
    return f"{problem}, which {words} does not accept", fix


def _refuse_unknown(
    unknown: Mapping[str, str], allowed: list[str]
) -> list[ArgumentFault]:
    accepted = ", ".join(allowed) or "no arguments"
    return [
        ArgumentFault(
            cut(name),
            cut(value),
            NO_SUCH_ARGUMENT,
            accepted,
            nearest(name, allowed) if number < MAX_HINTS else None,
        )
        for number, (name, value) in enumerate(islice(unknown.items(), MAX_FAULTS))
    ]
