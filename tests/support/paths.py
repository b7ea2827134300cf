"""Folders of the checkout."""

from pathlib import Path

import flask_mplstream

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PACKAGE = Path(flask_mplstream.__file__).parent
#: The output of a run, which the next run may reuse.
OUTPUT = ROOT / "test-output"
#: The dotted name of each module, without the package's name.
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    for path in PACKAGE.rglob("*.py")
)
