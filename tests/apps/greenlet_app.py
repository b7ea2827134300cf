"""An app that gunicorn runs with gevent: ``FLASK_…`` in the environment sets it up."""

from __future__ import annotations

import time

from flask import Flask
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint

plots = FigureBlueprint("plots", __name__, formats=["png"], timeout=30)


@plots.figure_route("/slow")
def slow(n: int = 0) -> Figure:
    """Half a second in which the process does nothing else."""
    until = time.process_time() + 0.5
    while n and time.process_time() < until:
        pass
    return Figure(figsize=(1, 1))


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.register_blueprint(plots)
    return app
