"""Systems without forks, as Windows is one."""

from __future__ import annotations

import subprocess
import sys

from .test_promises import MODULES, ROOT

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


def test_the_package_works_without_forks() -> None:
    """Neither ``os.register_at_fork`` nor ``fcntl`` nor ``resource`` is needed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("200", 0), done.stderr


def test_one_helper_asks_for_forks() -> None:
    """A second place would have to think of Windows again."""
    places = [
        module
        for module in MODULES
        if "register_at_fork"
        in ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text()
    ]
    assert places == ["forks"]
