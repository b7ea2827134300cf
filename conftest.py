"""Skip test files that import a missing package in a run of the fast tests."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence


class FastFile(pytest.Module):
    """A file of tests that is skipped if it imports a package that is not installed."""

    def collect(self) -> Sequence[pytest.Item | pytest.Collector]:
        try:
            return list(super().collect())
        except self.CollectError as error:
            cause = error.__cause__
            if isinstance(cause, ModuleNotFoundError) and cause.name:
                package = cause.name.partition(".")[0]
                if find_spec(package) is None:
                    pytest.skip(f"{package} is not installed", allow_module_level=True)
            raise


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Use :class:`FastFile` for ``pytest -m "not slow"``, and for no other run."""
    if parent.config.getoption("markexpr") != "not slow":
        return None
    file: pytest.Module = FastFile.from_parent(parent, path=module_path)
    return file
