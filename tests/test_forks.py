"""Systems without forks, such as Windows, and forks that Python does not see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_mplstream import FigureBlueprint, forks
from flask_mplstream.web.app_state import AppState
from tests.support.paths import MODULES, PACKAGE

#: Import every module of the package and render, as on Windows.
PROGRAM = """
import importlib, os, pkgutil, sys

del os.register_at_fork, os.fork, os.killpg
for name in ("fcntl", "resource", "pwd", "grp"):
    sys.modules[name] = None

import flask, flask_mplstream
from matplotlib.figure import Figure

for module in pkgutil.walk_packages(flask_mplstream.__path__, "flask_mplstream."):
    importlib.import_module(module.name)
plots = flask_mplstream.FigureBlueprint("plots", "plots")
plots.figure_route("/empty", endpoint="empty")(lambda: Figure(figsize=(1, 1)))
app = flask.Flask("app")
app.register_blueprint(plots)
print(app.test_client().get("/empty.png").status_code)
"""


@pytest.mark.slow
def test_the_package_works_without_forks() -> None:
    """``os.register_at_fork``, ``fcntl`` and ``resource`` are optional."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("200", 0), done.stderr


#: Fork in C, as uWSGI does, without Python's hooks, while a thread draws.
FORK_IN_C = """
import ctypes, os, signal, threading, time

import flask, flask_mplstream
from matplotlib.figure import Figure

drawing, done = threading.Event(), threading.Event()
plots = flask_mplstream.FigureBlueprint("plots", "plots")

@plots.figure_route("/draw", timeout=5)
def draw(n: int = 0):
    if n == 1:
        drawing.set()
        done.wait(60)
    return Figure(figsize=(1, 1))

app = flask.Flask("app")
app.register_blueprint(plots)

def status(n):
    return app.test_client().get(f"/draw?n={n}").status_code

assert status(0) == 200
parent = threading.Thread(target=status, args=(1,))
parent.start()
assert drawing.wait(30)
time.sleep(1)  # The thread has released the interpreter's lock.
child = ctypes.PyDLL(None).fork()
if child == 0:
    signal.alarm(60)
    os._exit([status(n) for n in (0, 2, 3)] != [200] * 3)
_, code = os.waitpid(child, 0)
done.set()
parent.join()
print(code, status(4))
"""


#: Fork while a thread holds every lock of the package that is reachable.
EVERY_LOCK = """
import functools, gc, os, signal, threading, types

import flask, flask_mplstream
from flask_mplstream.workers import ipc
from matplotlib.figure import Figure

plots = flask_mplstream.FigureBlueprint("plots", "plots")

@plots.figure_route("/draw")
def draw(n: int = 0):
    if n == 3:
        raise flask_mplstream.OverloadedError("too much")
    return Figure(figsize=(1, 1))

app = flask.Flask("app")
app.register_blueprint(plots)

def status(n):
    return app.test_client().get(f"/draw?n={n}").status_code

assert [status(0), status(3)] == [200, 503]
kinds = type(threading.Lock()), type(threading.RLock()), threading.Condition

def name_module(thing):
    if isinstance(thing, types.ModuleType):
        return thing.__name__
    is_property = isinstance(thing, functools.cached_property)
    return (thing.func if is_property else type(thing)).__module__

locks = [
    value
    for thing in gc.get_objects()
    if str(name_module(thing)).startswith("flask_mplstream")
    for value in list(getattr(thing, "__dict__", {}).values())
    if isinstance(value, kinds)
]
assert len(locks) > 9, locks
held, done = threading.Event(), threading.Event()

def hold():
    for lock in locks:
        lock.acquire()
    held.set()
    done.wait(60)
    for lock in locks:
        lock.release()

parent = threading.Thread(target=hold)
parent.start()
assert held.wait(30)
child = os.fork()
if child == 0:
    signal.alarm(60)
    served = [status(n) for n in (0, 2, 3)] == [200, 200, 503]
    os._exit(not (served and ipc.load_app("__main__:app") is app))
_, code = os.waitpid(child, 0)
done.set()
parent.join()
print(code, status(4))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no forks")
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(FORK_IN_C, id="without-pythons-hooks"),
        pytest.param(EVERY_LOCK, id="every-lock"),
    ],
)
def test_a_child_serves_although_the_parent_held_locks(program: str) -> None:
    """Each lock is renewed, or belongs to an object that each process makes."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "0 200", done.stderr


@pytest.mark.parametrize("call", [AppState.renders, AppState.stop])
def test_an_unseen_fork_is_noticed_before_a_lock_is_taken(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[Any], object]
) -> None:
    """Otherwise another thread could renew the lock while it is held."""
    app = Flask(__name__)
    app.register_blueprint(FigureBlueprint("plots", __name__))
    monkeypatch.setattr(forks, "_pid", -1)
    call(AppState.of(app))
    assert forks._pid == os.getpid()


def test_only_forks_registers_fork_handlers() -> None:
    """The check for Windows is in one place."""
    places = [
        module
        for module in MODULES
        if "register_at_fork"
        in PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text()
    ]
    assert places == ["forks"]
