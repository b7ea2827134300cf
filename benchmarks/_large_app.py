"""The app that benchmarks/large.py runs under gunicorn."""

from __future__ import annotations

from flask import Flask
from matplotlib.figure import Figure

from benchmarks._figures import scatter
from flask_mplstream import FigureBlueprint, render

plots = FigureBlueprint("plots", __name__)


@plots.figure_route("/large", max_age=3600)
def large(n: int = 0) -> Figure:
    """Draw a figure of 640 x 480 pixels, different for each *n*."""
    figure = scatter()
    figure.suptitle(str(n))
    return figure


def create_app() -> Flask:
    """Create the app and draw once, so that finding fonts is not measured."""
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.register_blueprint(plots)
    render(scatter, "avif")
    return app
