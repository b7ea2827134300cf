"""Folders of the checkout."""

from pathlib import Path

import flask_mplstream

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PACKAGE = Path(flask_mplstream.__file__).parent
#: What a run leaves for people to look at, and for the next run to find.
OUTPUT = ROOT / "test-output"
#: The dotted name of each module of the package, without the package's.
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    for path in PACKAGE.rglob("*.py")
)
