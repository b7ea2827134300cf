"""Promises about the whole package: its names, imports and types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import flask_mplstream
from tests.support.paths import ROOT


def test_the_public_names_are_sorted_and_complete() -> None:
    """``__all__`` is sorted, and each name has a docstring."""
    names = flask_mplstream.__all__
    # The order of ruff's RUF022: constants, classes, functions.
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    for name in names:
        assert getattr(flask_mplstream, name).__doc__


@pytest.mark.slow
def test_importing_the_package_imports_no_pyplot() -> None:
    """Only a figure function that uses pyplot pays for its import."""
    program = "import sys, flask_mplstream; print('matplotlib.pyplot' in sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "False"


TYPED = """
from matplotlib.figure import Figure
from flask_mplstream import FigureBlueprint, RenderedImage, figure_url, render

plots = FigureBlueprint("plots", __name__, max_age=60)

@plots.figure_route("/walk", max_age=5, formats=["png"])
def walk(n: int = 200) -> Figure:
    return Figure()

kept: Figure = walk(n=3)
image: RenderedImage = render(walk, "svg")
url: str = figure_url("plots.walk", n=3)
walk(n="a")
plots.figure_route("/other", max_age="5")
"""


@pytest.mark.slow
def test_the_decorated_function_keeps_its_types(tmp_path: Path) -> None:
    """mypy reports wrong arguments of the function and of the decorator."""
    path = tmp_path / "typed.py"
    path.write_text(TYPED)
    # Reuse mypy's cache of the checkout, as the settings are the same.
    mypy = [sys.executable, "-m", "mypy", "--no-error-summary"]
    result = subprocess.run(
        [*mypy, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    lines = TYPED.splitlines()
    wrong = [lines.index(line) + 1 for line in lines if '"a"' in line or '"5"' in line]
    reported = [int(line.split(":")[1]) for line in result.stdout.splitlines()]
    assert reported == wrong, result.stdout
