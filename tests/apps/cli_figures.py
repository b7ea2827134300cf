"""Figures for the commands, in this process or in a new one."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from click.testing import Result
from flask import Flask, request
from matplotlib.figure import Figure
from pydantic import Field

from flask_mplstream import FigureBlueprint

if "MPLSTREAM_TEST_MARKER" in os.environ:
    # A shell's background processes ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

#: For each drawn figure, the function's name and its arguments.
drawn: list[tuple[object, ...]] = []


def small(*call: object) -> Figure:
    """Draw 100 x 50 pixels and count the call."""
    drawn.append(call)
    figure = Figure(figsize=(1, 0.5), dpi=100)
    figure.add_subplot().plot([1, 2])
    return figure


@plots.figure_route("/walk", max_age=60, formats=["png", "svg", "pdf"])
def walk(
    n: Annotated[int, Field(ge=1, le=1000)] = 5,
    seed: int = 0,
    title: str = "a, b",
    kind: Literal["line", "bar"] = "line",
) -> Figure:
    """A random walk."""
    return small("walk", n, seed, title, kind)


@plots.figure_route("/sales", formats=["png", "csv"], dark_style=True)
def sales(country: list[str] = ["de"]) -> Figure:
    """Sales & more <by country>."""
    return small("sales", *country)


@plots.figure_route("/year/<int:year>")
def year(year: int) -> Figure:
    if year < 2000:
        raise ValueError("no data")
    return small("year", year)


@plots.figure_route("/mine", inject={"user": lambda: 7})
def mine(user: int) -> Figure:
    return small("mine", user)


@plots.figure_route("/theirs", inject={"user": lambda: request.args["user"]})
def theirs(user: str) -> Figure:
    return small("theirs", user)


@plots.figure_route("/secret", signed=True)
def secret(n: int = 1) -> Figure:
    return small("secret", n)


@plots.figure_route("/stuck")
def stuck() -> Figure:
    """Touch the marker, then sleep."""
    Path(os.environ["MPLSTREAM_TEST_MARKER"]).touch()
    time.sleep(60)
    return small("stuck")


def create_app(**config: Any) -> Flask:
    """Create the app with *config*, and clear the list of drawn figures."""
    drawn.clear()
    app = Flask(__name__)
    app.config.from_mapping(
        {"SECRET_KEY": "not secret", "MPLSTREAM_TIMEOUT": 120, **config}
    )
    app.register_blueprint(plots)
    return app


def invoke(app: Flask, *arguments: object) -> Result:
    """Run ``flask figures …`` in this process and return its result."""
    runner = app.test_cli_runner()
    return runner.invoke(args=["figures", *map(str, arguments)])


def shell(*arguments: object) -> list[str]:
    """Return a command that runs ``flask figures …`` in a new process."""
    flask = [
        sys.executable,
        "-m",
        "flask",
        "--app",
        "tests.apps.cli_figures",
        "figures",
    ]
    return [*flask, *map(str, arguments)]
