"""An app for gunicorn with gevent; ``FLASK_…`` in the environment configures it."""

from __future__ import annotations

import time
from pathlib import Path

from flask import Flask
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint

plots = FigureBlueprint("plots", __name__, formats=["png"], timeout=30)


@plots.figure_route("/slow")
def slow(n: int = 0, folder: str = "") -> Figure:
    """A picture that waits for the file ``go`` in *folder*, if it is given."""
    if folder:
        Path(folder, "begun").touch()
        while not Path(folder, "go").exists():
            time.sleep(0.01)
    return Figure(figsize=(1, 1))


def create_app() -> Flask:
    """Create the app."""
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.register_blueprint(plots)
    return app
