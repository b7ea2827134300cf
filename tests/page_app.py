"""An app for pages with figures that change; run by a real server in the tests."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, render_template_string, request
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure

plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

PAGE = """<!doctype html>
<html lang="en" {{ theme }}>
<head><title>Figures</title><link rel="icon" href="data:,"></head>
<body><h1>Figures</h1>{{ shown }}</body></html>"""


POLICY = (
    "default-src 'none'; img-src 'self' data:; script-src 'self'; connect-src 'self'"
)


def color_in(path: str) -> str:
    """The data behind the figures: a colour in a file."""
    return Path(path).read_text().strip()


@plots.figure_route("/live", version=color_in, signed=True)
def live(path: str) -> Figure:
    """What is in the file now."""
    return Figure(figsize=(2, 1), facecolor=color_in(path))


@plots.figure_route("/plain", max_age=0, stale_if_error=0)
def plain(path: str) -> Figure:
    """The same, without a version."""
    return Figure(figsize=(2, 1), facecolor=color_in(path))


@plots.figure_route("/night", formats=["png", "webp"], dark_style=True)
def night() -> Figure:
    """A figure of two themes."""
    return Figure(figsize=(2, 1))


def create_app() -> Flask:
    """The pages: ``/live?path=…``, ``/plain?path=…``, ``/night?theme=…``."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "not secret"
    app.register_blueprint(plots)

    @app.get("/<any(live, plain):name>")
    def refreshed(name: str) -> str:
        shown = figure(f"plots.{name}", path=request.args["path"], refresh=1, id="it")
        return render_template_string(PAGE, shown=shown)

    @app.get("/night")
    def themed() -> str:
        return render_template_string(
            PAGE, shown=figure("plots.night", loading="eager")
        )

    @app.after_request
    def strict(response: Response) -> Response:
        if response.mimetype == "text/html":
            response.headers["Content-Security-Policy"] = POLICY
        return response

    return app
