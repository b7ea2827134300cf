"""Systems without forks, as Windows is one, and forks that Python knows nothing of."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import MODULES, PACKAGE

#: Imports every module of the package, and renders, as Windows would.
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
    """Neither ``os.register_at_fork`` nor ``fcntl`` nor ``resource`` is needed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("200", 0), done.stderr


#: Forks as uWSGI does, in C and without a word to Python, while a thread draws.
UNTOLD = """
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
time.sleep(1)  # Until it waits, and not for the interpreter's own lock.
child = ctypes.PyDLL(None).fork()
if child == 0:
    signal.alarm(60)
    os._exit([status(n) for n in (0, 2, 3)] != [200] * 3)
_, code = os.waitpid(child, 0)
done.set()
parent.join()
print(code, status(4))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no forks")
def test_a_fork_that_python_is_not_told_of_leaves_nothing_held() -> None:
    """Whatever a thread of the parent held, the child draws."""
    done = subprocess.run(
        [sys.executable, "-c", UNTOLD], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "0 200", done.stderr


def test_one_helper_asks_for_forks() -> None:
    """A second place would have to think of Windows again."""
    places = [
        module
        for module in MODULES
        if "register_at_fork"
        in PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text()
    ]
    assert places == ["forks"]
