"""The code of the README and of pages runs, and their tables are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from flask import Flask, render_template_string
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_failed, signals
from flask_mplstream.integrations.prometheus import export_metrics
from tests.support.paths import ROOT

README = ROOT.joinpath("README.md").read_text("utf-8")
TESTING = ROOT.joinpath("docs", "testing.md").read_text("utf-8")
WORKERS = ROOT.joinpath("docs", "workers.md").read_text("utf-8")
METRICS = ROOT.joinpath("docs", "metrics.md").read_text("utf-8")
CACHING = ROOT.joinpath("docs", "caching.md").read_text("utf-8")


def find_blocks(language: str, text: str = README) -> list[Any]:
    """Return the code blocks in *language* of *text*, as pytest's parameters."""
    found = re.findall(rf"```{language}\n(.*?) *```", text, re.S)
    return [pytest.param(code, id=f"{language}-{n}") for n, code in enumerate(found)]


@pytest.mark.parametrize("code", find_blocks("python"))
def test_a_code_block_runs(code: str) -> None:
    """Each block of the README is complete and can be copied."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), namespace)
    app = namespace.get("app") or Flask("readme")
    plots = namespace.get("plots") or FigureBlueprint("plots", __name__)
    if "plots" not in app.blueprints:
        app.register_blueprint(plots)
    else:
        assert app.test_client().get("/plots/walk").status_code == 200


#: Pages whose blocks run in tests. Sphinx runs the blocks of the others.
PAGES_WITH_TESTS = {
    "caching",
    "deploying",
    "executors",
    "metrics",
    "testing",
    "workers",
}
MAX_README_LINES = 150


def test_all_code_in_the_pages_runs() -> None:
    """Sphinx runs each block, or the page is in ``PAGES_WITH_TESTS``."""
    pages = ROOT.joinpath("docs").glob("*.md")
    found = {
        p.stem for p in pages if find_blocks(" *(?:python|pycon)", p.read_text("utf-8"))
    }
    assert found == PAGES_WITH_TESTS


def test_the_readme_is_short() -> None:
    """The details are in the documentation."""
    assert len(README.splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"\]\((?!https?:)([^)]+)\)", README)))
)
def test_a_link_leads_to_a_file(target: str) -> None:
    """A fragment names a heading of that file."""
    name, _, heading = target.partition("#")
    text = ROOT.joinpath(name or "README.md").read_bytes()
    headings = re.findall(rb"^#+ (.*)", text, re.M) if heading else []
    anchors = [re.sub(r"[^\w -]", "", h.decode()).lower() for h in headings]
    assert not heading or heading in [anchor.replace(" ", "-") for anchor in anchors]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_blocks_about_caching_run() -> None:
    """The invalidations drop pictures, and the block with a custom cache runs."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(find_blocks("python")[0].values[0], "README.md", "exec"), namespace)
    invalidations, own_cache = (
        block.values[0] for block in find_blocks("python", CACHING)
    )
    tagged = FigureBlueprint("tagged", __name__)
    tagged.figure_route("/sales", tags=["sales"], endpoint="sales")(lambda: Figure())
    namespace["app"].register_blueprint(tagged)
    client = namespace["app"].test_client()
    client.get("/plots/walk")
    with namespace["app"].app_context():
        exec(invalidations, namespace)
    assert "uri-miss" in client.get("/plots/walk").headers["Cache-Status"]
    exec(own_cache, {"__name__": "readme"})


@pytest.mark.parametrize("code", find_blocks(" *python", WORKERS))
def test_a_block_about_workers_is_accepted(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package accepts its settings and imports its hook."""
    (tmp_path / "myapp.py").touch()  # A setting must name an existing module.
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict[str, Any] = {"__name__": "workers"}
    exec(compile(dedent(code), "workers.md", "exec"), namespace)
    if "app" in namespace:
        namespace["app"].register_blueprint(FigureBlueprint("plots", __name__))


def test_the_blocks_about_metrics_run(caplog: pytest.LogCaptureFixture) -> None:
    """The receiver logs a failure, ``/metrics`` responds, and the hook runs."""
    receivers, export, hook = (
        block.values[0] for block in find_blocks("python", METRICS)
    )
    namespace: dict[str, Any] = {"__name__": "metrics"}
    exec(compile(receivers, "metrics.md", "exec"), namespace)
    app: Flask = namespace["app"]
    assert app.test_client().get("/plots/walk").status_code == 200
    error = ValueError("no")
    signals.send_signal(
        figure_failed, app, figure="plots.walk", exception=error, arguments={}
    )
    figure_failed.disconnect(namespace["alarm"])  # Other tests also have failures.
    assert "plots.walk failed: ValueError('no')" in caplog.text
    exec(compile(export, "metrics.md", "exec"), namespace)
    assert namespace["app"].test_client().get("/metrics").status_code == 200
    exec(compile(hook, "metrics.md", "exec"), namespace)


@pytest.mark.slow
def test_the_tests_in_the_docs_pass(tmp_path: Path) -> None:
    """pytest runs the page's tests with the page's app."""
    for name, language in (("myapp.py", r"\{testcode\}"), ("test_myapp.py", "python")):
        [block] = find_blocks(language, TESTING)
        tmp_path.joinpath(name).write_text(block.values[0])
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"^7 passed", result.stdout, re.M), result.stdout


def test_each_signal_and_metric_is_in_the_docs() -> None:
    """The row of a signal names each argument."""
    for signal in signals._signals.values():
        name = signal.name.replace("-", "_")
        [row] = re.findall(rf"^\| `{name}` \|.*", METRICS, re.M)
        for argument in re.findall(r":param (\w+):", signal.__doc__ or ""):
            assert f"`{argument}`" in row
    for family in export_metrics(Flask("metrics"), path=None).collect():
        total = "_total" if family.type == "counter" else ""
        assert f"| `{family.name}{total}` |" in METRICS


def test_the_template_block_makes_pictures() -> None:
    """The template works with the app in the block above it."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(find_blocks("python")[0].values[0], "README.md", "exec"), namespace)
    app: Flask = namespace["app"]
    with app.test_request_context():
        page = render_template_string(find_blocks("jinja")[0].values[0])
    urls = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(urls) == 3
    for url in urls:
        response = app.test_client().get(url.replace("&amp;", "&"))
        assert response.status_code == 200
