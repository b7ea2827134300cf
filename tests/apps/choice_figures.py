"""Figures for processes that cannot have workers: uWSGI, Celery, daemonic processes."""

from __future__ import annotations

import os

from celery import Celery
from flask import Flask, Response, current_app
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_data_uri

plots = FigureBlueprint("plots", __name__, formats=["png"])


@plots.figure_route("/grey")
def grey(level: int = 0) -> Figure:
    """One color, which shows the argument."""
    return Figure(figsize=(0.2, 0.2), facecolor=str(level / 255))


@plots.figure_route("/pid", max_age=0)
def pid() -> Response:
    """Return the number of the rendering process."""
    return Response(str(os.getpid()))


@plots.figure_route("/stale", max_age=1, stale_while_revalidate=60)
def stale(n: int = 0) -> Figure:
    """A picture that a thread renews after a request for the stale one."""
    return grey(n)


def create_app() -> Flask:
    """Create an app that requests workers in every process."""
    app = Flask(__name__)
    app.config.from_mapping(MPLSTREAM_WORKERS=2, MPLSTREAM_TIMEOUT=60)
    app.config.from_prefixed_env()
    app.register_blueprint(plots)

    @app.get("/web")
    def web() -> str:
        return str(os.getpid())

    return app


#: A file-based broker, in the folder that the environment names.
tasks = Celery("tests.apps.choice_figures")
tasks.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": os.environ.get("CHOICE_FOLDER", ""),
        "data_folder_out": os.environ.get("CHOICE_FOLDER", ""),
        "control_folder": os.path.join(os.environ.get("CHOICE_FOLDER", ""), "control"),
    },
    result_backend=f"file://{os.environ.get('CHOICE_FOLDER', '')}",
)


@tasks.task
def draw(level: int) -> tuple[str, bool]:
    """Draw in a Celery task, such as for an e-mail."""
    with create_app().app_context():
        uri = figure_data_uri("plots.grey", level=level)
        return uri, bool(current_app.config["MPLSTREAM_WORKERS"])
