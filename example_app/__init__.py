"""A small dashboard of five figures, with and without JavaScript.

Run it with::

    flask --app example_app run

Set ``REDIS_URL`` to keep the pictures in Redis, shared by several servers. Set
``FLASK_MPLSTREAM_WORKERS=2`` to render in two worker processes; every other setting has
a ``FLASK_`` variable too. Set ``FLASK_METRICS=true`` to export Prometheus metrics at
``/metrics``.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask, Response, render_template, request
from werkzeug.datastructures import MultiDict

from flask_mplstream import ArgumentsError, figure_arguments, figure_url

from . import data, figures, traffic

#: The sources that a page may load: its own files, and nothing inline.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'"
)


def create_app(test_config: Mapping[str, Any] | None = None) -> Flask:
    """Create the dashboard as a Flask app.

    :param test_config: settings that override the environment.
    :raises RuntimeError: ``REDIS_URL`` is set but redis is not installed.
    """
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.config.from_mapping(_configure_redis(os.environ.get("REDIS_URL", "")))
    app.config.from_mapping(test_config)
    app.register_blueprint(figures.plots)
    traffic.start_counting(app)
    if app.config.get("METRICS"):
        from flask_mplstream.integrations.prometheus import export_metrics  # An extra.

        export_metrics(app)
    app.add_url_rule("/", view_func=index)
    app.after_request(_set_policy)
    return app


def _configure_redis(url: str) -> dict[str, str]:
    if not url:
        return {}
    if find_spec("redis") is None:
        raise RuntimeError(
            "REDIS_URL is set, but redis is not installed. Install it "
            'with: pip install "flask-mplstream[redis]"'
        )
    return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url}


def _set_policy(response: Response) -> Response:
    if response.mimetype == "text/html":
        # The gallery sets its own policy.
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    return response


def index() -> tuple[str, int]:
    """Show all figures; the query has the arguments of each."""
    cards = {function.__name__: _create_card(function) for function in figures.ALL}
    page = render_template(
        "index.html", cards=cards, next_seed=secrets.randbelow(1_000_000), data=data
    )
    return page, 400 if any(card.error for card in cards.values()) else 200


@dataclass(frozen=True)
class Card:
    """A figure on the page."""

    endpoint: str
    #: The arguments of the picture and of its controls.
    arguments: dict[str, Any]
    #: Name and text of each argument that differs from its default, for a query.
    query: list[tuple[str, str]]
    #: The reason for rejecting the arguments in the page's query, or an empty string.
    error: str = ""


def _create_card(function: Callable[..., object]) -> Card:
    """Create a figure function's card with the arguments in the page's query."""
    endpoint = f"{figures.plots.name}.{function.__name__}"
    error = ""
    try:
        arguments = figure_arguments(endpoint, request.args)
    except ArgumentsError as refused:
        arguments, error = figure_arguments(endpoint, MultiDict()), str(refused)
    canonical = urlsplit(figure_url(endpoint, **arguments)).query
    return Card(
        endpoint, arguments, parse_qsl(canonical, keep_blank_values=True), error
    )
