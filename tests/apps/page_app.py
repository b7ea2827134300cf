"""An app for pages with changing figures; a real server runs it in the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask, Response, render_template_string, request
from markupsafe import Markup
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, OverloadedError, figure, figure_script

plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

PAGE = """<!doctype html>
<html lang="en" data-theme="{{ theme }}">
<head><title>Figures</title><link rel="icon" href="data:,"></head>
<body><h1>Figures</h1>{{ shown }}</body></html>"""


POLICY = (
    "default-src 'none'; img-src 'self' data:; script-src 'self'; connect-src 'self'"
)


def read_color(path: str) -> str:
    """Return the color in a file, which is the figures' data."""
    return Path(path).read_text().strip()


@plots.figure_route("/live", version=read_color, signed=True)
def live(path: str) -> Figure:
    """The color in the file."""
    return Figure(figsize=(2, 1), facecolor=read_color(path))


@plots.figure_route("/plain", max_age=0, stale_if_error=0)
def plain(path: str) -> Figure:
    """The color in the file, without a version."""
    return Figure(figsize=(2, 1), facecolor=read_color(path))


@plots.figure_route("/night", formats=["png", "webp"], dark_style=True)
def night() -> Figure:
    """A figure with two themes."""
    return Figure(figsize=(2, 1))


@plots.figure_route("/busy", formats=["png", "webp"], error_backoff=0)
def busy(path: str, n: int = 0) -> Figure:
    """Blue, after each error in the folder was raised once."""
    for error in sorted(Path(path).glob(f"{n}-*")):
        error.unlink()
        raise OverloadedError("Try again later.") if "503" in error.name else ValueError
    return Figure(figsize=(2, 1), facecolor="blue")


@plots.figure_route("/sized", version=read_color, dark_style=True)
def sized(path: str) -> Figure:
    """A figure with title and size from the file, such as ``Rain 3 2``."""
    title, width, height = read_color(path).split()
    drawn = Figure(figsize=(int(width), int(height)))
    drawn.suptitle(f"{title}: 100% “wet” °")
    return drawn


@plots.figure_route("/secret", inject={"color": lambda: "red"}, max_age=0)
def secret(path: str, color: str) -> Figure:
    """A figure of one person."""
    drawn = Figure(figsize=(2, 1), facecolor=color)
    drawn.suptitle(read_color(path))
    return drawn


def create_app() -> Flask:
    """Create the app.

    Its pages: ``/live?path=…``, ``/plain?path=…``, ``/night``, ``/busy?path=…``.
    """
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="not secret", MPLSTREAM_TIMEOUT=120)
    app.register_blueprint(plots)

    @app.get("/<any(live, plain):name>")
    def refreshed(name: str) -> str:
        shown = figure(f"plots.{name}", path=request.args["path"], refresh=1, id="it")
        return render_template_string(PAGE, shown=shown)

    @app.get("/night")
    def themed() -> str:
        return render_template_string(
            PAGE,
            shown=figure("plots.night", loading="eager"),
            theme=request.args.get("theme", ""),
        )

    @app.get("/always-<theme>")
    def one_theme(theme: str) -> str:
        script = figure_script(blueprint="plots")
        shown = figure("plots.night", loading="eager", theme=theme)
        return render_template_string(PAGE, shown=shown + script)

    @app.get("/follows/<any(sized, secret):name>")
    def follows(name: str) -> str:
        given: dict[str, Any] = request.args.to_dict()
        if "width" in given:
            given["width"] = int(given["width"])
        return render_template_string(
            PAGE, shown=figure(f"plots.{name}", **given, refresh=1)
        )

    @app.get("/busy")
    def crowded() -> str:
        known = {"alt": "", "width": 200, "height": 100, "loading": "eager"}
        path, count = request.args["path"], int(request.args.get("count", "1"))
        figures = [figure("plots.busy", path=path, n=n, **known) for n in range(count)]
        shown = figure_script() + Markup("").join(figures)
        return render_template_string(PAGE, shown=shown)

    @app.after_request
    def strict(response: Response) -> Response:
        if response.mimetype == "text/html":
            response.headers["Content-Security-Policy"] = POLICY
        return response

    return app
