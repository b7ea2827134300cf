"""Figures for servers that are killed: some hang, some die, some use all memory.

Servers import this module. ``FLASK_…`` in the environment configures the app, and
``FLEET_RECORD`` names a file that gets a line for each request and each render. With
``FLEET_AT_IMPORT`` the module renders a picture during its import.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time

import numpy as np
from flask import Flask, Response, request
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from flask_mplstream import FigureBlueprint

#: The timeout of a figure that never ends, in seconds.
ENDLESS_S = 1.0

plots = FigureBlueprint("plots", __name__, formats=["png"])


def create_app() -> Flask:
    """Create the app; a header of each response names the web process."""
    app = Flask(__name__)
    app.config.from_mapping(MPLSTREAM_TIMEOUT=60)
    app.config.from_prefixed_env()
    app.register_blueprint(plots)

    @app.get("/page")
    def page() -> str:
        return "a page without pictures"

    @app.before_request
    def record_request() -> None:
        record("request", request.full_path)

    @app.after_request
    def name_process(response: Response) -> Response:
        response.headers["X-Web"] = str(os.getpid())
        return response

    return app


def create_rendered_app() -> Flask:
    """Create the app and render a picture: with ``--preload``, in the master."""
    app = create_app()
    answer = app.test_client().get("/quick?n=1")
    assert answer.status_code == 200, answer.text
    return app


def record(what: str, *more: object) -> None:
    """Write a line with this process's number and the arguments."""
    line = " ".join(map(str, (os.getpid(), what, *more)))
    file = os.open(os.environ["FLEET_RECORD"], os.O_WRONLY | os.O_APPEND)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def draw_color(n: int) -> Figure:
    """Draw the color *n*, so that a picture shows its argument."""
    return Figure(figsize=(0.2, 0.2), facecolor=f"#{n:06x}")


def hold_interpreter_lock() -> None:
    """Sleep in native code that keeps the interpreter's lock."""
    ctypes.PyDLL(None).sleep(100)


def start_child() -> int:
    """Start a process that outlives any test, and return its number."""
    return subprocess.Popen(["sleep", "1000"]).pid


@plots.figure_route("/pid", max_age=0)
def pid() -> Response:
    return Response(str(os.getpid()))


@plots.figure_route("/quick", timeout=60)
def quick(n: int = 0) -> Figure:
    record("quick", n)
    return draw_color(n)


@plots.figure_route("/first")
def first(n: int = 0) -> Figure:
    """A picture with the default timeout."""
    return draw_color(n)


@plots.figure_route("/slow", timeout=60)
def slow(n: int = 0, seconds: float = 0.3) -> Figure:
    record("slow", n)
    time.sleep(seconds)
    return draw_color(n)


@plots.figure_route("/busy", timeout=60)
def busy(n: int = 0, seconds: float = 0.05) -> Figure:
    """A picture that takes *seconds* of processor time."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return draw_color(n)


@plots.figure_route("/patient", timeout=4)
def patient(n: int = 0) -> Figure:
    """A picture that takes a quarter of its timeout."""
    record("patient", n)
    time.sleep(1)
    return draw_color(n)


@plots.figure_route("/hang", timeout=ENDLESS_S)
def hang(n: int = 0) -> Figure:
    """A child process, and native code that keeps the interpreter's lock."""
    record("hang", start_child())
    hold_interpreter_lock()
    return draw_color(n)


@plots.figure_route("/wait", timeout=60)
def wait(native: bool = False, n: int = 0) -> Figure:
    """A render like ``hang`` with a timeout of a minute."""
    record("wait", start_child())
    if native:
        hold_interpreter_lock()
    time.sleep(100)
    return draw_color(n)


@plots.figure_route("/die")
def die() -> Figure:
    os.kill(os.getpid(), signal.SIGKILL)
    return draw_color(0)


@plots.figure_route("/bomb/points", timeout=ENDLESS_S)
def ten_million_points() -> Figure:
    figure = Figure()
    figure.subplots().plot(np.random.default_rng(1).random(10**7))
    return figure


@plots.figure_route("/bomb/bins", timeout=ENDLESS_S)
def a_hundred_thousand_bins() -> Figure:
    figure = Figure()
    figure.subplots().hist(np.random.default_rng(1).random(10**6), bins=10**5)
    return figure


@plots.figure_route("/bomb/ticks", timeout=ENDLESS_S)
def ten_million_ticks() -> Figure:
    figure = Figure()
    figure.subplots().xaxis.set_major_locator(MultipleLocator(1e-7))
    return figure


@plots.figure_route("/bomb/subplots", timeout=ENDLESS_S)
def sixty_by_sixty_subplots() -> Figure:
    figure = Figure(figsize=(10, 10))
    figure.subplots(60, 60)
    return figure


@plots.figure_route("/bomb/title", timeout=ENDLESS_S)
def a_million_characters() -> Figure:
    figure = Figure()
    figure.subplots().set_title("x" * 10**6)
    return figure


@plots.figure_route("/bomb/pixels", timeout=60)
def ten_billion_pixels() -> Figure:
    figure = Figure(figsize=(1000, 1000), dpi=100)
    figure.subplots().plot([1, 2])
    return figure


if "FLEET_AT_IMPORT" in os.environ:
    app = create_rendered_app()
