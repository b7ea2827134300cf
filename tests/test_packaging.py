"""The wheel serves a picture, and the sdist has every file."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SERVE = """
from flask import Flask
from matplotlib.figure import Figure
from flask_mplstream import FigureBlueprint

plots = FigureBlueprint("plots", __name__)

@plots.figure_route("/small")
def small() -> Figure:
    return Figure(figsize=(1, 1))

app = Flask(__name__)
app.register_blueprint(plots)
response = app.test_client().get("/small")
assert response.data.startswith(b"\\x89PNG")
import flask_mplstream
print(response.status_code, flask_mplstream.__file__)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and the sdist, and return their folder."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(target), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def test_the_wheel_serves_a_picture_in_a_fresh_environment(
    built: Path, tmp_path: Path
) -> None:
    """pip installs only the wheel and its dependencies, outside the checkout."""
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "venv")
    python = str(tmp_path / "venv" / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run(
        # Python compiles the modules that it imports.
        [*pip, "install", "-q", "--no-compile", str(wheel)],
        check=True,
        capture_output=True,
        # pip would find the package in the checkout and not install it.
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    result = subprocess.run(
        [python, "-I", "-c", SERVE],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    status, _, path = result.stdout.strip().partition(" ")
    assert status == "200"
    assert Path(path).is_relative_to(tmp_path)


def test_the_wheel_has_every_file_of_the_package(built: Path) -> None:
    """It has modules, templates and ``py.typed``, but no tests or example."""
    (wheel,) = built.glob("*.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info" not in n}
    package = ROOT / "flask_mplstream"
    files = (path for path in package.rglob("*") if path.is_file())
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.suffix not in (".pyc", ".pyo")
    }
    assert names == expected


def test_the_sdist_has_every_tracked_file(built: Path) -> None:
    """A distribution's packager can run the tests."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    hidden = {name for name in tracked if name.startswith(".")}
    assert set(tracked) - hidden <= names
