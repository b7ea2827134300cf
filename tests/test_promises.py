"""Promises about the package as a whole: names, layers, types."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flask_mplstream
from tests.support.paths import MODULES, PACKAGE, ROOT

#: Which modules of the package a module may import: the house, floor by floor.
VALUES = {"errors", "image"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "forks": set(),
    "logs": {"errors"},
    "image": {"errors", "mail"},
    "mail": {"errors"},
    "settings": VALUES,
    "schemas": set(),
    "functions": set(),
    "reasons": set(),
    "parameters": {"errors", "functions", "reasons", "schemas"},
    "declaration": {"errors", "functions", "parameters"},
    "url_extension": {"image"},
    "hosts": {"errors"},
    "http": VALUES | {"http"},
    "limited_buffer": {"errors"},
    "description": {"description", "errors", "limited_buffer"},
    "render": VALUES
    | {"deadline", "description", "functions", "limited_buffer", "links", "render"},
    "deadline": set(),
    "error_copy": {"errors"},
    "overload": {"errors"},
    "connections": set(),
    "cache.entry": {"image"},
    "cache.key": {"errors"},
    "cache.memory": {"cache.entry"},
    "cache.freshness": set(),
    "cache.coalesce": {"deadline", "error_copy", "errors"},
    "cache.background": set(),
    "cache.breaker": set(),
    "cache.backend_features": {"cache.breaker", "cache.memory"},
    "cache.files": {"cache.serializer"},
    "cache.lease": {"cache.backend_features", "cache.breaker", "cache.files"},
    "cache.mending": set(),
    "cache.serializer": set(),
    "cache.store": {
        *("errors", "cache.breaker", "cache.entry", "cache.key", "cache.memory"),
        *("cache.backend_features", "cache.mending"),
    },
    "cache.lookup": {
        *("errors", "image", "cache.background", "cache.coalesce", "cache.entry"),
        *("cache.breaker", "cache.freshness", "cache.lease", "cache.store"),
        *("deadline", "overload"),
    },
    "cache": set(),
    "workers.admission": {"errors"},
    "workers.inline": set(),
    "workers.process": {"workers.reaper"},
    "workers.reaper": set(),
    "workers.explaining": {"connections", "errors", "functions", "image", "render"},
    "workers.greenlets": set(),
    "workers.recipe": {
        *("deadline", "errors", "functions", "image", "render", "workers.explaining"),
    },
    "workers.transport": {
        *("errors", "image", "render", "workers.inline", "workers.recipe"),
    },
    "workers.pool": {
        *("errors", "workers", "workers.inline", "workers.process"),
        "workers.reaper",
        "workers.transport",
    },
    "workers.executor": {"errors", "workers", "workers.transport"},
    "workers.executor_choice": {
        *("errors", "settings", "signals", "workers.executor", "workers.pool"),
        "workers.transport",
    },
    "workers.renders": {
        *("budget", "errors", "image", "settings", "signals", "workers"),
        *("connections", "deadline", "workers.greenlets"),
        *("workers.admission", "workers.executor_choice", "workers.explaining"),
        *("workers.inline", "workers.recipe", "workers.transport"),
    },
    "workers": set(),
    "budget": {"deadline", "errors", "cache.breaker", "cache.store"},
    "signals": set(),
    "links": set(),
    "pages": set(),
    "inlining": {"links"},
    "signing": {"errors", "parameters"},
    "failures": {"connections", "errors", "http"},
    "responses": {"http"},
    "documents": {"http", "cache.key"},
    "route": {
        *(
            "deadline",
            "errors",
            "functions",
            "image",
            "settings",
            "parameters",
            "render",
        ),
        *("cache.freshness", "cache.key", "cache.lookup"),
        *("workers.explaining", "workers.inline", "workers.recipe"),
        *("signing", "workers.renders"),
    },
    "error_responses": {"errors", "http", "image", "parameters", "render", "route"},
    "view": {
        *("errors", "image", "parameters", "http", "responses", "route"),
        *("cache.lookup", "documents", "error_responses", "failures", "signals"),
        *("signing", "url_extension"),
    },
    "caches": {
        *("errors", "cache.backend_features", "cache.files", "cache.memory"),
        "cache.serializer",
    },
    "state": {
        *("budget", "caches", "errors", "functions", "settings", "responses"),
        *("connections", "route", "workers.greenlets"),
        *("cache.lookup", "cache.store"),
        *("workers.executor_choice", "workers.inline", "workers.renders"),
    },
    "assets": {"errors", "state", "urls"},
    "markup": {"image"},
    "urls": {*("errors", "image", "parameters", "route", "signing", "state", "view")},
    "embedding": {*("errors", "image", "parameters", "route", "urls", "view")},
    "templating": {
        *("assets", "embedding", "errors", "image", "inlining", "markup"),
        *("parameters", "urls", "view"),
    },
    "cli": {
        *("errors", "http", "image", "markup", "parameters", "route", "state"),
        *("deadline", "documents", "openapi", "pages", "reasons", "urls", "view"),
        *("cache.key", "cache.lookup", "logs", "workers.inline"),
    },
    "openapi": {
        *("errors", "documents", "http", "image", "route", "schemas", "state"),
        "view",
    },
    "prometheus": {"errors", "image", "signals"},
    "gallery.controls": {"errors", "parameters", "schemas"},
    "gallery.forms": {"errors", "http", "parameters", "gallery.controls"},
    "gallery.snippets": {"parameters"},
    "gallery.shelves": {"route"},
    "gallery.pictures": {"image", "route", "templating"},
    "gallery.cards": {"route", "urls", "gallery.pictures", "gallery.shelves"},
    "gallery.links": {
        *("image", "parameters", "route", "templating", "urls"),
        *("gallery.pictures", "gallery.snippets"),
    },
    "gallery.pages": {
        *("http", "route", "gallery.forms", "gallery.links", "gallery.pictures"),
    },
    "gallery.views": {
        *("assets", "documents", "openapi", "pages", "route", "state", "urls"),
        *("gallery.cards", "gallery.controls", "gallery.forms", "gallery.pages"),
        "gallery.shelves",
    },
    "gallery": {"route", "gallery.shelves", "gallery.views"},
    "blueprint": {
        *(
            "assets",
            "cli",
            "declaration",
            "documents",
            "errors",
            "url_extension",
            "functions",
            "gallery",
            "image",
            "parameters",
            "hosts",
            "render",
            "route",
            "settings",
        ),
        *("state", "templating", "view"),
    },
}
#: What any module may import.
EVERYWHERE = {"forks"}
#: Who may import what from outside the package.
OUTSIDE = {
    "matplotlib": {"description", "render"},
    "PIL": {"render"},
    "blinker": {"signals"},
    "prometheus_client": {"prometheus"},
    "flask": {
        *("blueprint", "budget", "caches", "cli", "failures", "logs", "responses"),
        *("connections", "route"),
        *("assets", "documents", "embedding", "error_responses", "hosts", "openapi"),
        "prometheus",
        *("signals", "signing", "state", "templating", "urls", "view"),
        *("workers.executor_choice", "workers.explaining", "workers.inline"),
        "workers.renders",
        "workers.transport",
        *("gallery", "gallery.cards", "gallery.shelves", "gallery.views"),
        "cache.memory",  # For the type of a parameter that Flask-Caching gives.
    },
}


def place(module: str) -> str:
    """The entry of the table that *module* falls under."""
    module = module.removesuffix(".__init__")
    while module not in ALLOWED and "." in module:
        module = module.rpartition(".")[0]
    return module


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """What *module* imports, and whether from inside the package."""
    tree = ast.parse(
        PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text()
    )
    package = module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            source = ".".join([*base, *filter(None, [node.module])])
            if source:
                yield source, True
            else:
                yield from ((alias.name, True) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", False


@pytest.mark.parametrize("module", [m for m in MODULES if m != "__init__"])
def test_a_module_imports_only_from_below(module: str) -> None:
    """The layers are a table, and no import runs back up."""
    here = place(module)
    for source, is_inside in imports(module):
        if is_inside:
            assert place(source) in ALLOWED[here] | {here} | EVERYWHERE, source
        else:
            top = source.partition(".")[0]
            assert here in OUTSIDE.get(top, {here}), source


def test_the_public_names_are_sorted_and_complete() -> None:
    """``__all__`` is what ``import *`` and the docs show."""
    names = flask_mplstream.__all__
    # As ruff has it (RUF022): constants, classes, functions.
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    for name in names:
        assert getattr(flask_mplstream, name).__doc__


@pytest.mark.slow
def test_importing_the_package_imports_no_pyplot() -> None:
    """Only a figure function that wants pyplot pays for it."""
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
    """mypy sees the plain function, and knows the options."""
    path = tmp_path / "typed.py"
    path.write_text(TYPED)
    # With the cache of the checkout, as its settings are the same.
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
