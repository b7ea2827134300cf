"""The arguments of a figure function that are set by its URL rule.

Flask side. They are read before the rule is added, so that the route is complete when
it is created.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask.blueprints import BlueprintSetupState

from ..errors import ConfigError
from ..parameters.callables import find_qualified_name
from ..parameters.function_signature import Parameters
from .declaration import Declaration
from .host_matching import app_of, host_of

#: A variable in a rule. Converter arguments contain no angle brackets.
RULE_VARIABLE = re.compile(r"<(?:[^<>]*:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class RuleArguments:
    """Arguments that are set by a rule and can't be set by a query string."""

    #: Variables of the path, in signature order.
    path_names: tuple[str, ...]
    #: Fixed values (``url_defaults``) by name.
    fixed: Mapping[str, Any]

    @property
    def names(self) -> frozenset[str]:
        """The names of all of them."""
        return frozenset((*self.path_names, *self.fixed))


def read_rule(
    state: BlueprintSetupState, declaration: Declaration, parameters: Parameters
) -> RuleArguments:
    """Return the arguments that are set by the rule of *declaration*.

    :raises ConfigError: if a variable or a fixed value isn't one of *parameters*,
        except for variables in the prefix of the blueprint, which may be used by a
        ``url_value_preprocessor``.
    """
    prefix = state.url_prefix or ""
    if app_of(state).url_map.host_matching:
        domain, inherited = declaration.place.get("host"), host_of(state)
    else:
        domain, inherited = declaration.place.get("subdomain"), state.subdomain
    own = RULE_VARIABLE.findall(f"{declaration.rule} {domain}")
    shared = set(RULE_VARIABLE.findall(f"{prefix} {inherited if not domain else ''}"))
    names = {*own, *shared, *state.url_defaults}
    for name in sorted(names - shared):
        if name not in parameters:
            rule = f"{prefix.rstrip('/')}/{declaration.rule.lstrip('/')}"
            raise ConfigError(
                f"The rule {rule!r} has a variable {name!r} that "
                f"{find_qualified_name(declaration.function)} does not take from the "
                f"URL. Add a parameter {name!r}, or remove it from the rule."
            )
    fixed = {n: v for n, v in state.url_defaults.items() if n in parameters}
    in_path = [n for n in parameters.names if n in names and n not in fixed]
    return RuleArguments(tuple(in_path), fixed)
