"""The apps that benchmarks/storm.py and benchmarks/expiry.py run under gunicorn.

``FLASK_…`` in the environment configures them. ``FLASK_RENDERS`` names the file that
gets one byte for each render, ``FLASK_QUERY_S`` is the duration of the query, and
``FLASK_FREEZE`` calls ``gc.freeze()`` after the app is loaded. Each picture shows the
time of its render, so two renders of one key give different bytes. An app draws once
before it serves, so the costs of a first picture, such as finding fonts, are not
measured.
"""

from __future__ import annotations

import gc
import os
import time

from flask import Flask, Response
from flask_caching import Cache
from matplotlib.figure import Figure

from benchmarks._figures import scatter
from flask_mplstream import FigureBlueprint, render
from flask_mplstream.web import app_state as state_module

#: Longer than a benchmark, so that nothing expires unless the clock is moved.
MAX_AGE_S = 3600


def _create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    render(scatter)
    if app.config.get("FREEZE"):
        gc.collect()
        gc.freeze()
    return app


def _draw(app: Flask, key: str) -> Figure:
    file = os.open(app.config["RENDERS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, b"x")
    os.close(file)
    figure = scatter()
    figure.suptitle(f"{key} {time.time_ns()}")
    return figure


def create_figure_app() -> Flask:
    """Create an app with the figure route on the cache that the package makes."""
    app = _create_app()
    plots = FigureBlueprint("plots", __name__)

    def query() -> None:
        time.sleep(app.config["QUERY_S"])

    @plots.figure_route("/picture", load=query, max_age=MAX_AGE_S)
    def picture(_: None, key: str = "") -> Figure:
        return _draw(app, key)

    app.register_blueprint(plots)
    return app


def create_cached_app() -> Flask:
    """Create an app with the same query and drawing behind ``@cache.cached``."""
    app = _create_app()
    cache = Cache(app)

    @app.get("/picture")
    @cache.cached(query_string=True, timeout=MAX_AGE_S)
    def picture() -> Response:
        time.sleep(app.config["QUERY_S"])
        image = render(lambda: _draw(app, "theirs"))
        return Response(image.body, mimetype=image.mimetype)

    return app


def create_expiring_app() -> Flask:
    """Create an app with ``stale_while_revalidate`` and a clock that can be moved."""
    app = _create_app()
    plots = FigureBlueprint("plots", __name__)
    ahead_s = [0]
    vars(state_module)["clock"] = lambda: time.time() + ahead_s[0]

    @plots.figure_route("/picture", max_age=MAX_AGE_S, stale_while_revalidate=MAX_AGE_S)
    def picture(key: str = "") -> Figure:
        return _draw(app, key)

    @app.post("/expire")
    def expire() -> str:
        """Move the clock so that every picture is past its ``max_age``."""
        ahead_s[0] += MAX_AGE_S
        return ""

    app.register_blueprint(plots)
    return app
