"""Hosts and subdomains of figure routes.

Flask side. If a rule has a host or a subdomain and the app doesn't match them, Flask
never serves the rule and doesn't report an error. The same happens if the app matches
hosts and a rule doesn't have one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, cast

from flask import Flask
from flask.blueprints import BlueprintSetupState

from ..errors import ConfigError


class SetupState(BlueprintSetupState):
    """A setup state that applies the host of the blueprint, unlike Flask's."""

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        """Add a rule; see :meth:`flask.Flask.add_url_rule`."""
        if self.app.url_map.host_matching:
            options.setdefault("host", host_of(self))
        super().add_url_rule(rule, endpoint, view_func, **options)


def app_of(state: BlueprintSetupState) -> Flask:
    """Return the app on which the blueprint is being registered."""
    return cast(Flask, state.app)


def host_of(state: BlueprintSetupState) -> str | None:
    """Return the host of this registration or, if it has none, of the blueprint."""
    host = state.options.get("host", getattr(state.blueprint, "host", None))
    return cast("str | None", host)


def read_place(rule: str, **given: object) -> dict[str, str]:
    """Return the host and the subdomain in *given* that are not ``None``.

    :raises ConfigError: if one isn't a string or contains a slash.
    """
    place: dict[str, str] = {}
    for name, value in given.items():
        if isinstance(value, str) and "/" not in value:
            place[name] = value
        elif value is not None:
            raise ConfigError(
                f"The {name} of {rule or 'the blueprint'} is {value!r}. Set text such "
                f"as 'plots' for a subdomain or 'plots.example.org' for a host."
            )
    return place


def check_place(
    state: BlueprintSetupState, place: Mapping[str, str], label: Callable[[str], str]
) -> None:
    """Reject a route that can't be reached by any request.

    :param place: the route's ``host`` and ``subdomain``, if given.
    :param label: returns an option's name for a message.
    :raises ConfigError: with the option and the fix.
    """
    app = app_of(state)
    host = place.get("host", host_of(state))
    subdomain = place.get("subdomain", state.subdomain)
    if app.url_map.host_matching:
        if host is None:
            raise ConfigError(
                f"{label('host')} is missing, and an app with host_matching=True "
                f"serves no route without one. Set it here or on the blueprint."
            )
        return
    if host is not None:
        raise ConfigError(
            f"{label('host')} is {host!r}, but the app does not match hosts. Make it "
            f"with Flask(…, host_matching=True, static_host=…)."
        )
    is_default = (subdomain or "") == (app.url_map.default_subdomain or "")
    if not app.subdomain_matching and not is_default:
        raise ConfigError(
            f"{label('subdomain')} is {subdomain!r}, but the app does not match "
            f"subdomains. Make it with Flask(…, subdomain_matching=True) and set "
            f"SERVER_NAME."
        )


def choose_resource_policy(
    state: BlueprintSetupState,
) -> Literal["same-origin", "same-site"]:
    """Return the default of the option ``resource_policy``.

    If an app has several hosts or subdomains, pages and pictures may be on different
    ones.
    """
    app = app_of(state)
    has_places = app.url_map.host_matching or app.subdomain_matching
    return "same-site" if has_places else "same-origin"


def list_places(state: BlueprintSetupState, variable: str) -> Iterator[dict[str, str]]:
    """Yield the options for rules that serve a URL on every host.

    :param variable: name of the rule variable for the host or the subdomain.
    """
    app = app_of(state)
    if app.url_map.host_matching:
        yield {"host": f"<{variable}>"}
        return
    if not app.subdomain_matching:
        yield {}
        return
    yield {"subdomain": ""}
    yield {"subdomain": f"<{variable}>"}
