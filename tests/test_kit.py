"""The contributor's kit: paths, sessions, versions and authors agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRIBUTING = ROOT.joinpath("CONTRIBUTING.md").read_text("utf-8")
WORKFLOW = ROOT.joinpath(".github/workflows/checks.yml").read_text("utf-8")
PROJECT = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]
AUTHORS = "The flask-mplstream authors"

LINKS = dict(re.findall(r"^\[([\w-]+)\]: (\S+)$", CONTRIBUTING, re.M))
NOXFILE = ROOT.joinpath("noxfile.py").read_text("utf-8")
SESSIONS = set(re.findall(r"^@nox\.session.*\ndef (\w+)", NOXFILE, re.M))


def find_paths() -> set[str]:
    """Return the paths that the page links to."""
    return {*LINKS.values(), *re.findall(r"\]\((?!https?:)([^)]+)\)", CONTRIBUTING)}


@pytest.mark.parametrize("path", sorted(find_paths()))
def test_each_path_in_the_contributing_page_exists(path: str) -> None:
    """Renaming a file requires an update of the page."""
    assert ROOT.joinpath(path).is_file()


def test_each_reference_has_a_path() -> None:
    """A reference without a definition would be rendered as brackets."""
    assert set(re.findall(r"\]\[([\w-]+)\]", CONTRIBUTING)) == LINKS.keys()


@pytest.mark.parametrize(
    "name",
    [
        *("FORMATS", "ImageFormat", "FigureOptions", "RouteOptions", "Settings"),
        *("CHART_TYPES", "backend", "clock", "renders"),
    ],
)
def test_a_name_in_the_steps_is_in_a_linked_file(name: str) -> None:
    """Renaming a table requires an update of the step."""
    assert f"`{name}`" in CONTRIBUTING
    files = [ROOT / path for path in LINKS.values() if path.endswith(".py")]
    definition = rf"^(?:class |def )?{name}\b"
    assert any(re.search(definition, file.read_text("utf-8"), re.M) for file in files)


def test_the_page_describes_each_session() -> None:
    """A contributor can look up each check."""
    assert set(re.findall(r"`nox -s (\w+)`", CONTRIBUTING)) == SESSIONS


def test_the_workflow_runs_each_session() -> None:
    """The forge runs the sessions that a contributor can run."""
    lists = re.findall(r"^ +session: \[(.*)\]$", WORKFLOW, re.M)
    listed = {name for names in lists for name in names.split(", ")}
    assert listed | set(re.findall(r"-s (\w+)-", WORKFLOW)) == SESSIONS


def test_the_python_versions_agree() -> None:
    """The workflow tests the versions of the noxfile, from the oldest allowed on."""
    [versions] = re.findall(r"^PYTHONS = \[(.*)\]$", NOXFILE, re.M)
    assert set(re.findall(r"^ +python: \[(.*)\]$", WORKFLOW, re.M)) == {versions}
    assert versions.startswith(f'"{PROJECT["requires-python"].removeprefix(">=")}"')


def test_the_authors_are_the_same_everywhere() -> None:
    """The license, the package and the documentation have the same name."""
    assert PROJECT["authors"] == [{"name": AUTHORS}]
    assert re.search(
        rf"^Copyright \d+ {AUTHORS}$", ROOT.joinpath("LICENSE").read_text(), re.M
    )
    assert f'author = "{AUTHORS}"' in ROOT.joinpath("docs/conf.py").read_text("utf-8")
