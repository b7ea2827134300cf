"""Suppressed errors of the type checker and the linters: few, each with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.support.paths import ROOT

#: Half of the ``type: ignore`` and ``noqa`` at the first count.
MAX_SUPPRESSIONS = 25
FOLDERS = ("flask_mplstream", "example_app", "benchmarks", "docs", "tests")
MARKER = re.compile(r"#\s*(?:type:\s*ignore|(?:ruff:\s*)?noqa|nosec)\b", re.IGNORECASE)
#: A marker with its codes; without them it would hide every error of its line.
CODED = re.compile(
    r"# (?:type: ignore\[[a-z, -]+\]|(?:ruff: )?noqa: [A-Z\d, ]*\d|nosec B[B\d, ]*\d)"
)


def find_suppressions() -> Iterator[tuple[str, str]]:
    """Yield the place and the comment of each suppression."""
    files = [
        *ROOT.glob("*.py"),
        *(f for d in FOLDERS for f in (ROOT / d).rglob("*.py")),
    ]
    for file in files:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if marker := MARKER.search(line):
                yield f"{file.relative_to(ROOT)}:{number}", line[marker.start() :]


def test_a_suppression_names_its_codes_and_its_reason() -> None:
    """A reason is at least a word beside the codes, on the same line."""
    bare = []
    for place, comment in find_suppressions():
        rest = CODED.sub("", comment)
        if MARKER.search(rest) or not re.search(r"[A-Za-z]{3}", rest):
            bare.append(f"{place}: {comment}")
    assert not bare


def test_suppressions_are_few() -> None:
    """To add one, remove the cause of another."""
    assert len(list(find_suppressions())) <= MAX_SUPPRESSIONS
