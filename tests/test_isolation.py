"""Tests are independent: each module runs without the others."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FILES = sorted((ROOT / "tests").rglob("*.py"))


def find_imported_names(path: Path) -> set[str]:
    """Return the last names of all modules that *path* may import."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(name for alias in node.names for name in alias.name.split("."))
        if isinstance(node, ast.ImportFrom):
            names.update((node.module or "").split("."))
    return names


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in FILES]
)
def test_no_file_imports_a_test(path: Path) -> None:
    """Shared code is in ``tests.support`` and ``tests.apps``."""
    assert not {name for name in find_imported_names(path) if name.startswith("test_")}
