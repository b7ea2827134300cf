"""Figures that run in worker processes and on executors, which import them by name."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from dataclasses import dataclass
from enum import Enum
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, request
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_data_uri

plots = FigureBlueprint("plots", __name__, url_prefix="/plots", formats=["png", "svg"])


def create_app(**config: Any) -> Flask:
    """Create the app for ``MPLSTREAM_APP``."""
    app = Flask(__name__)
    # Processes start slowly on a busy machine.
    app.config.from_mapping(MPLSTREAM_TIMEOUT=60)
    app.config.from_mapping(SECRET_KEY="not secret", GREETING="hello")
    app.config.from_mapping(config)
    app.register_blueprint(plots)
    return app


def create_worker_app(**config: Any) -> Flask:
    """Create the app for ``MPLSTREAM_APP``; its workers must not start workers."""
    return create_app(MPLSTREAM_WORKERS=1, **config)


def create_slow_app() -> Flask:
    """Create the app after a pause that exceeds a picture's timeout."""
    time.sleep(3)
    return create_worker_app()


def create_failing_app() -> Flask:
    """Fail like an app without its database."""
    raise OSError("no database")


def create_one_process() -> Executor:
    """Return an executor that imports only the modules of its jobs."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["flask_mplstream.workers.ipc"])
    return ProcessPoolExecutor(1, context)


def create_served_app() -> Flask:
    """Create an app for a server: each of its workers renders in a separate process."""
    return create_app(MPLSTREAM_EXECUTOR=create_one_process)


def record_render(renders: str) -> None:
    """Append this process's number to the file *renders*, in one write."""
    if renders:
        file = os.open(renders, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.write(file, b"%d\n" % os.getpid())
        os.close(file)


def wait_for_file(file: str) -> None:
    """Wait until *file* exists; return at once if it is empty."""
    while file and not os.path.exists(file):
        time.sleep(0.01)


def grey(level: int) -> Figure:
    """Draw one color that shows the argument."""
    return Figure(figsize=(0.2, 0.2), facecolor=str(level / 255))


@plots.figure_route("/grey")
def one_colour(level: int = 0, renders: str = "") -> Figure:
    record_render(renders)
    return grey(level)


@plots.figure_route("/slow")
def slow(
    seconds: float = 0.3, level: int = 0, renders: str = "", until: str = ""
) -> Figure:
    """A picture that takes *seconds*, or until the file *until* exists."""
    record_render(renders)
    wait_for_file(until)
    time.sleep(0 if until else seconds)
    return grey(level)


@plots.figure_route("/brief", timeout=1)
def brief(level: int = 0, renders: str = "", until: str = "") -> Figure:
    record_render(renders)
    wait_for_file(until)
    return grey(level)


@plots.figure_route("/meets")
def meets(renders: str, level: int = 0) -> Figure:
    """A picture that waits until another render has started."""
    record_render(renders)
    while Path(renders).read_text().count("\n") < 2:
        time.sleep(0.01)
    return grey(level)


@plots.figure_route("/walk")
def walk(n: int = 50) -> Figure:
    """Lines and text, whose pixels differ if any setting does."""
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    ax.plot([(step * 7919) % 101 for step in range(n)])
    ax.set_title(rf"{n} steps, $\sqrt{{n}}$")
    return figure


@plots.figure_route("/greeting")
def greeting() -> Response:
    return Response(current_app.config["GREETING"])


@plots.figure_route("/request")
def asks_for_the_request() -> Response:
    return Response(request.path)


def load_level(level: int) -> tuple[int, int]:
    """Return *level* and the number of the loading process."""
    return level, os.getpid()


@plots.figure_route("/loaded", load=load_level)
def of_data(data: tuple[int, int], level: int = 0) -> Figure:
    """A picture whose data its process has loaded."""
    assert data == (level, os.getpid())
    return grey(level)


@plots.figure_route("/async")
async def coroutine(level: int = 7) -> Figure:
    return grey(level)


@plots.figure_route("/pid", max_age=0)
def pid() -> Response:
    return Response(str(os.getpid()))


@plots.figure_route("/hang", timeout=1)
def hang(pids: str) -> Figure:
    """A child process, and native code that keeps the interpreter's lock."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    Path(pids).write_text(f"{os.getpid()} {child.pid}")
    ctypes.PyDLL(None).sleep(100)
    return grey(0)


@plots.figure_route("/hang-apart", timeout=1)
def hang_apart(pids: str) -> Figure:
    """A figure function that starts a process in a separate session and hangs."""
    child = subprocess.Popen(["sleep", "20"], start_new_session=True)
    Path(pids).write_text(str(child.pid))
    time.sleep(100)
    return grey(0)


plots.figure_route("/hang-long", timeout=4, endpoint="hang_long")(hang)


@plots.figure_route("/late", timeout=4)
def late() -> Figure:
    """A picture that exceeds its timeout if its worker starts for three seconds."""
    time.sleep(1.2)
    return grey(1)


@plots.figure_route("/hasty", timeout=0.1)
def hasty() -> Figure:
    return grey(1)


def kill_this_process(renders: str) -> None:
    """Record this process in *renders* and kill it."""
    record_render(renders)
    os.kill(os.getpid(), 9)


@plots.figure_route("/dies")
def dies(renders: str) -> Figure:
    kill_this_process(renders)
    return grey(0)


@plots.figure_route("/dies-once")
def dies_once(renders: str) -> Figure:
    if not os.path.exists(renders):
        kill_this_process(renders)
    record_render(renders)
    return grey(5)


@plots.figure_route("/dies-late", timeout=3)
def dies_late(renders: str) -> Figure:
    """A picture that dies near its timeout; its second render also takes long."""
    is_first = not os.path.exists(renders)
    record_render(renders)
    time.sleep(2.7 if is_first else 4)
    if is_first:
        os.kill(os.getpid(), 9)
    return grey(0)


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


class ChartError(Exception):
    """An app's own error, which can be pickled."""


class OddError(Exception):
    """An error that cannot be unpickled, as its class takes other arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@plots.figure_route("/fails")
def fails(kind: str = "own", renders: str = "") -> Figure | Response | None:
    record_render(renders)
    match kind:
        case "own":
            raise ChartError("no such chart")
        case "odd":
            raise OddError(1, 2)
        case "lock":
            raise ValueError(threading.Lock())
        case "timeout":
            raise TimeoutError("the database")
        case "broken":
            raise BrokenExecutor("no such chart server")
        case "abort":
            abort(404)
        case "aborted-response":
            abort(Response("gone fishing", 410, {"X-Why": "fish"}))
        case "returned":
            return Response("gone fishing", 410, {"X-Why": "fish"})
    return None


@plots.figure_route("/titled")
def titled(title: str = "", fixed: bool = False) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, r"$\nothing$" if fixed else title)
    return figure


@plots.figure_route("/nested", timeout=20)
def nested(seconds: float = 0, level: int = 9) -> Response:
    """A picture that contains another one."""
    time.sleep(seconds)
    return Response(figure_data_uri("plots.one_colour", level=level)[:15])


def load_embedded(seconds: float, level: int) -> str:
    """Wait, and return the start of another picture's data URI."""
    time.sleep(seconds)
    return figure_data_uri("plots.one_colour", level=level)[:15]


@plots.figure_route("/nested-load", load=load_embedded, timeout=20)
def of_an_embedded_one(uri: str, seconds: float = 0, level: int = 9) -> Response:
    """A picture with another one in its data."""
    return Response(uri)


@dataclass(frozen=True)
class Person:
    """A value that can be pickled, as its class can be imported."""

    level: int


def _create_local_person() -> object:
    @dataclass(frozen=True)
    class LocalPerson:
        level: int = 1

    return LocalPerson()


@plots.figure_route("/injected", inject={"person": lambda: Person(8)})
def injected(person: Any) -> Figure:
    return grey(person.level)


@plots.figure_route("/unpicklable", inject={"person": _create_local_person})
def of_a_local_class(person: Any) -> Figure:
    return grey(person.level)


def _create_local_kind() -> type[Enum]:
    class Kind(Enum):
        ONE = "one"

    return Kind


Kind: Any = _create_local_kind()


@plots.figure_route("/kind")
def of_a_kind(kind: Kind = Kind.ONE) -> Figure:
    return grey(0)


def hide_name(function: Any) -> Any:
    """Return a lambda that calls *function* and hides its name."""
    return lambda: function()


other = FigureBlueprint("other", __name__)


@hide_name
@other.figure_route("/hidden")
def hidden() -> Figure:
    return grey(0)


def grey_of_nothing() -> Figure:
    """A figure without arguments."""
    return grey(0)


def stop_workers(*apps: Flask) -> None:
    """Stop the workers of *apps*."""
    for app in apps:
        plots.close(app)
