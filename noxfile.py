"""Run the checks of this project, one session for each.

Some commands::

    nox                      # lint, types and fast
    nox -s fast tests        # both on each installed Python
    nox -s tests-3.13 -- -k etag
    nox --list

Each session has its own environment under ``.nox``.
"""

from __future__ import annotations

from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]

nox.options.sessions = ["lint", "types", "fast"]
# Use the Python versions that are installed, also under CI=true.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests, with real servers and browsers."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHONS)
def fast(session: nox.Session) -> None:
    """Run the tests that need no server and take a minute together."""
    session.install("-e", ".[fast]")
    session.run("python", "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session
def sweeps(session: nox.Session) -> None:
    """Run the complete searches; the suite runs a part of each."""
    session.install("-e", ".[test]")
    session.run(
        *("python", "-m", "pytest", "--sweep", "-m", "sweep", "-n", "0"),
        *session.posargs,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Run the hooks of pre-commit on all files, and look for known vulnerabilities."""
    session.install("-e", ".[all,lint]")
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure")
    # Reports a package as skipped if there is no network.
    session.run("pip-audit", "--skip-editable", "--progress-spinner", "off")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of all Python files."""
    session.install("-e", ".[test]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation and run its examples."""
    session.install("-e", ".[docs]")
    folder = Path("docs").resolve()
    session.chdir(session.create_tmp())  # An example stores pictures beside it.
    for builder in ("html", "doctest"):
        session.run(
            *("python", "-m", "sphinx", "-W", "--keep-going", "-n", "-q"),
            *("-b", builder, str(folder), str(folder / "_build" / builder)),
        )


@nox.session
def lowest(session: nox.Session) -> None:
    """Run tests with the oldest versions of the dependencies."""
    session.install(
        *("-c", "tests/lowest.txt", "-e", ".[fast]"),
        # For the examples in the documentation, and for a server of the tests.
        *("flask-sqlalchemy", "gunicorn"),
    )
    names = {
        "cli": "warm",
        "description": "data series",
        "html": "figure_tag picture",
        "integrations": "prometheus",
        "limits": "overload",
        "parameters": "json_schema parameters",
        "rendering": "pixels",
        "": "blueprint options signals",
        "web": "serving variants",
        "workers": "process_pool",
    }
    session.run(
        # Ignore deprecation warnings from within the old versions.
        *("python", "-W", "ignore", "-m", "pytest", "-q", "-n", "0"),
        *("-W", "ignore::DeprecationWarning"),
        *(
            str(Path("tests", folder, f"test_{name}.py"))
            for folder, stems in names.items()
            for name in stems.split()
        ),
    )


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Compare a hit and a miss with their alternatives, or run the named programs."""
    session.install("-e", ".[test]")
    for name in session.posargs or ("hit", "miss"):
        session.run("python", "-m", f"benchmarks.{name}")
