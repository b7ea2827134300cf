"""The checks of this project, one session for each. ::

nox                 # lint and types
nox -s tests        # all tests
nox -s sweeps       # the searches that take minutes, complete
nox --list
"""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "types"]


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests, with real servers and browsers if they are installed."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def sweeps(session: nox.Session) -> None:
    """Make the searches complete of which the suite runs a part."""
    session.install("-e", ".[test]")
    session.run(
        *("python", "-m", "pytest", "--sweep", "-m", "sweep", "-n", "0"),
        *session.posargs,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and security."""
    session.install("-e", ".[test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run(
        *("bandit", "-q", "-c", "pyproject.toml", "-r"),
        *("flask_mplstream", "example_app"),
    )


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of everything in the checkout."""
    session.install("-e", ".[test]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation and run its examples."""
    session.install("-e", ".[docs,test]")
    for builder in ("html", "doctest"):
        session.run(
            *("python", "-m", "sphinx", "-W", "--keep-going", "-n", "-q"),
            *("-b", builder, "docs", f"docs/_build/{builder}"),
        )


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Compare a hit and a miss with their alternatives, or run the named programs."""
    session.install("-e", ".[test]")
    for name in session.posargs or ("hit", "miss"):
        session.run("python", "-m", f"benchmarks.{name}")
