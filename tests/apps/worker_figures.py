"""Figures that run in worker processes, which import them by name."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from enum import Enum
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, request
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_data_uri

plots = FigureBlueprint("plots", __name__, url_prefix="/plots", formats=["png", "svg"])


def create_app(**config: Any) -> Flask:
    """Create the app for ``MPLSTREAM_APP``; its workers must not start workers."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="not secret", GREETING="hello", MPLSTREAM_WORKERS=1, **config
    )
    app.register_blueprint(plots)
    return app


def slow_app() -> Flask:
    """Create an app more slowly than a picture may take."""
    time.sleep(3)
    return create_app()


def failing_app() -> Flask:
    """Fail as an app with a missing part does."""
    raise OSError("no database")


def grey(level: int) -> Figure:
    """Draw one color that shows the argument."""
    return Figure(figsize=(0.2, 0.2), facecolor=str(level / 255))


@plots.figure_route("/grey")
def one_colour(level: int = 0) -> Figure:
    return grey(level)


@plots.figure_route("/pid", max_age=0)
def pid() -> Response:
    return Response(str(os.getpid()))


@plots.figure_route("/greeting")
def greeting() -> Response:
    return Response(current_app.config["GREETING"])


@plots.figure_route("/request")
def asks_for_the_request() -> Response:
    return Response(request.path)


@plots.figure_route("/async")
async def coroutine(level: int = 7) -> Figure:
    return grey(level)


def loaded(level: int) -> tuple[int, int]:
    """Return *level* and the number of the loading process."""
    return level, os.getpid()


@plots.figure_route("/loaded", load=loaded)
def of_data(data: tuple[int, int], level: int = 0) -> Figure:
    assert data == (level, os.getpid())
    return grey(level)


@plots.figure_route("/nested")
def nested(level: int = 9) -> Response:
    return Response(figure_data_uri("plots.one_colour", level=level)[:15])


@plots.figure_route("/hang", timeout=1)
def hang(pids: str) -> Figure:
    """Native code that keeps the interpreter's lock, and a process of its own."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    Path(pids).write_text(f"{os.getpid()} {child.pid}")
    ctypes.PyDLL(None).sleep(100)
    return grey(0)


@plots.figure_route("/hang-apart", timeout=1)
def hang_apart(pids: str) -> Figure:
    """Start a process in a separate session, and hang."""
    child = subprocess.Popen(["sleep", "20"], start_new_session=True)
    Path(pids).write_text(str(child.pid))
    time.sleep(100)
    return grey(0)


plots.figure_route("/hang-long", timeout=4, endpoint="hang_long")(hang)


@plots.figure_route("/slow")
def slow(folder: str) -> Figure:
    """A picture that takes until there is a file ``go`` in *folder*."""
    Path(folder, "begun").touch()
    while not Path(folder, "go").exists():
        time.sleep(0.01)
    return grey(0)


@plots.figure_route("/meets")
def meets(folder: str, n: int = 0) -> Figure:
    """A picture that is drawn while another one is."""
    Path(folder, f"meets{n}").touch()
    while len([*Path(folder).glob("meets*")]) < 2:
        time.sleep(0.01)
    return grey(n)


@plots.figure_route("/late", timeout=4)
def late() -> Figure:
    """Longer than what a worker that starts for three seconds leaves of the time."""
    time.sleep(1.2)
    return grey(1)


def _die(pids: str) -> None:
    with open(pids, "a") as file:
        file.write(f"{os.getpid()}\n")
    os.kill(os.getpid(), 9)


@plots.figure_route("/brief", timeout=0.1)
def brief() -> Figure:
    return grey(1)


@plots.figure_route("/dies")
def dies(pids: str) -> Figure:
    _die(pids)
    return grey(0)


@plots.figure_route("/dies-once")
def dies_once(pids: str) -> Figure:
    if not os.path.exists(pids):
        _die(pids)
    return grey(5)


@plots.figure_route("/segfault")
def segfault() -> Figure:
    ctypes.string_at(0)
    return grey(0)


@plots.figure_route("/leaves")
def leaves() -> Figure:
    sys.exit("enough")


@plots.figure_route("/exits")
def exits() -> Figure:
    os._exit(0)


@plots.figure_route("/greedy")
def greedy() -> Figure:
    bytearray(2**31)
    return grey(0)


class OddError(Exception):
    """An error that cannot be pickled, as its arguments are not those of its class."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@plots.figure_route("/fails")
def fails(kind: str = "value") -> Figure | None:
    match kind:
        case "value":
            raise ValueError("no such value")
        case "odd":
            raise OddError(1, 2)
        case "lock":
            raise ValueError(threading.Lock())
        case "abort":
            abort(404)
        case "response":
            abort(Response("gone fishing", 410, {"X-Why": "fish"}))
        case "nothing":
            return None
    return grey(0)


@plots.figure_route("/titled")
def titled(title: str = "", fixed: bool = False) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, r"$\nothing$" if fixed else title)
    return figure


def _local_kind() -> type[Enum]:
    class Kind(Enum):
        ONE = "one"

    return Kind


Kind: Any = _local_kind()


@plots.figure_route("/kind")
def of_a_kind(kind: Kind = Kind.ONE) -> Figure:
    return grey(0)


def wrapping(function: Any) -> Any:
    """Return a lambda that calls *function* and hides its name."""
    return lambda: function()


other = FigureBlueprint("other", __name__)


@wrapping
@other.figure_route("/hidden")
def hidden() -> Figure:
    return grey(0)


def grey_of_nothing() -> Figure:
    """A figure without arguments."""
    return grey(0)


def end(*apps: Flask) -> None:
    """Stop the workers of *apps*."""
    for app in apps:
        plots.close(app)
