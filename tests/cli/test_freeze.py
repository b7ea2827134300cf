"""``flask figures freeze``: pictures and a page as files, all or none."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from flask_mplstream import FigureBlueprint
from tests.apps.cli_figures import create_app, drawn, invoke, mine, theirs, walk, year
from tests.support.pictures import pixels


@pytest.fixture
def app() -> Flask:
    return create_app()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that is not there yet, alone in its own."""
    parent = tmp_path / "here"
    parent.mkdir()
    return parent / "site"


def files(folder: Path) -> dict[str, bytes]:
    """Everything below *folder*."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def pictures(site: Path) -> list[dict[str, Any]]:
    """What the manifest lists."""
    listed: list[dict[str, Any]] = json.loads((site / "manifest.json").read_text())[
        "pictures"
    ]
    return listed


def test_a_figure_becomes_files(app: Flask, site: Path) -> None:
    """The first format at two scales, a page and a manifest; nothing else is left."""
    result = invoke(app, "freeze", site, "plots.walk", "n=7")
    assert result.exit_code == 0, result.output
    assert f"{site}: 1 picture in 2 files. Open {site}/index.html" in result.stderr
    found = files(site)
    assert found.keys() == {
        "index.html",
        "manifest.json",
        "figures/plots-walk-n=7.png",
        "figures/plots-walk-n=7@2x.png",
    }
    assert pixels(found["figures/plots-walk-n=7@2x.png"]).shape == (100, 200, 4)
    assert [path.name for path in site.parent.iterdir()] == ["site"]


def test_the_manifest_says_what_there_is(app: Flask, site: Path) -> None:
    """Every argument, the alternative text, the size in a page, and each file."""
    invoke(app, "freeze", site, "plots.walk", "n=7")
    (picture,) = pictures(site)
    first = picture["files"][0]
    assert first.pop("bytes") == (site / first["path"]).stat().st_size
    assert picture["figure"] == "plots.walk"
    assert picture["arguments"] == {"n": 7, "seed": 0, "title": "a, b", "kind": "line"}
    assert picture["alt"]
    assert (picture["width"], picture["height"]) == (100, 50)
    assert first == {
        "path": "figures/plots-walk-n=7.png",
        "format": "png",
        "mimetype": "image/png",
        "theme": "light",
        "width": 100,
        "height": 50,
    }


def test_a_figure_has_its_own_size_in_the_page(app: Flask, site: Path) -> None:
    """At whatever scale it was frozen."""
    invoke(app, "freeze", site, "plots.walk", "--scale", "2")
    (picture,) = pictures(site)
    assert (picture["width"], picture["height"]) == (100, 50)
    assert 'width="100" height="50"' in (site / "index.html").read_text()


def test_decoration_has_no_alternative_text(
    plots: FigureBlueprint, serve: Callable[..., FlaskClient], site: Path
) -> None:
    """Where the route says that it is."""
    plots.figure_route("/walk", alt="")(walk)
    invoke(serve().application, "freeze", site, "plots.walk")
    assert pictures(site)[0]["alt"] == ""
    assert ' alt=""' in (site / "index.html").read_text()


def test_dark_twins_and_data_come_along(app: Flask, site: Path) -> None:
    """Where the figure has them; the page shows one and links to the other."""
    invoke(app, "freeze", site, "plots.sales", "--scale", "1")
    (picture,) = pictures(site)
    assert [file["path"] for file in picture["files"]] == [
        "figures/plots-sales.png",
        "figures/plots-sales@dark.png",
        "figures/plots-sales.csv",
    ]
    page = (site / "index.html").read_text()
    assert 'media="screen and (prefers-color-scheme: dark)"' in page
    assert '<a href="figures/plots-sales.csv" download' in page


def test_what_figures_say_is_escaped(app: Flask, site: Path) -> None:
    """In the page and in the HTML to copy."""
    invoke(app, "freeze", site, "plots.walk", "title=<script>x</script>")
    invoke(app, "freeze", site, "plots.sales", "country=<b>&")
    page = (site / "index.html").read_text()
    assert "<p>Sales &amp; more &lt;by country&gt;.</p>" in page
    assert "<h2>plots.sales country=&lt;b&gt;&amp;</h2>" in page
    assert "<b>" not in page


def test_a_freeze_replaces_an_earlier_one(app: Flask, site: Path) -> None:
    """Wholly: what is not asked for any more is gone."""
    invoke(app, "freeze", site, "plots.walk", "n=7", "n=8")
    result = invoke(app, "freeze", site, "plots.walk", "n=8", "--format", "svg")
    assert result.exit_code == 0, result.output
    assert files(site / "figures").keys() == {"plots-walk-n=8.svg"}
    assert [path.name for path in site.parent.iterdir()] == ["site"]


def test_a_figure_that_fails_leaves_the_folder_as_it_was(
    app: Flask, site: Path
) -> None:
    """Also where others did not fail."""
    invoke(app, "freeze", site, "plots.walk")
    before = files(site)
    result = invoke(app, "freeze", site, "plots.year", "year=2001", "year=1999")
    assert "plots.year year=1999 png 1x: ValueError: no data" in result.stderr
    assert result.exit_code == 1
    assert files(site) == before
    assert [path.name for path in site.parent.iterdir()] == ["site"]


def test_a_full_disk_leaves_the_folder_as_it_was(
    app: Flask, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last file is where it shows."""
    invoke(app, "freeze", site, "plots.walk")
    before = files(site)
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if target.name == "index.html":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    result = invoke(app, "freeze", site, "plots.walk", "n=9")
    assert f"{site}: OSError: [Errno 28] No space left on device" in result.stderr
    assert result.exit_code == 1
    assert files(site) == before
    assert [path.name for path in site.parent.iterdir()] == ["site"]


def test_a_folder_that_cannot_be_swapped_in_leaves_the_old_one(
    app: Flask, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had been moved aside already."""
    invoke(app, "freeze", site, "plots.walk")
    before = files(site)
    rename, renamed = os.rename, []

    def once(source: Path, target: Path) -> None:
        renamed.append(target)
        if len(renamed) == 2:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", once)
    assert invoke(app, "freeze", site, "plots.walk", "n=9").exit_code == 1
    assert files(site) == before
    assert [path.name for path in site.parent.iterdir()] == ["site"]


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(["notes.txt"], id="files"),
        pytest.param(["manifest.json"], id="another manifest"),
    ],
)
def test_a_folder_of_somebody_elses_is_not_touched(
    app: Flask, site: Path, kept: list[str]
) -> None:
    """But by force."""
    site.mkdir()
    for name in kept:
        (site / name).write_text("[]")
    result = invoke(app, "freeze", site, "plots.walk")
    assert "that no freeze put there" in result.stderr
    assert result.exit_code == 2
    assert files(site) == dict.fromkeys(kept, b"[]")
    assert not drawn
    assert invoke(app, "freeze", site, "plots.walk", "--force").exit_code == 0
    assert len(pictures(site)) == 1
    assert "notes.txt" not in files(site)


def test_what_was_added_to_a_freeze_is_not_lost(app: Flask, site: Path) -> None:
    """It is no freeze alone any more."""
    invoke(app, "freeze", site, "plots.walk")
    (site / "figures" / "mine.png").touch()
    assert invoke(app, "freeze", site, "plots.walk").exit_code == 2
    assert (site / "figures" / "mine.png").exists()


def test_the_folder_where_one_is_is_never_replaced(
    app: Flask, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``freeze . --force`` would take the project away."""
    site.mkdir()
    monkeypatch.chdir(site)
    for folder in (".", ".."):
        result = invoke(app, "freeze", folder, "plots.walk", "--force")
        assert "would be replaced, and you are in it" in result.stderr
        assert result.exit_code == 2


def test_home_is_never_replaced(
    app: Flask, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor what it is in; by nobody's force."""
    monkeypatch.setenv("HOME", str(site / "home"))
    (site / "home").mkdir(parents=True)
    result = invoke(app, "freeze", site, "plots.walk", "--force")
    assert "or at home in it" in result.stderr
    assert result.exit_code == 2


def test_an_empty_folder_is_taken(app: Flask, site: Path) -> None:
    """Also through a symbolic link, which stays one."""
    site.mkdir()
    link = site.with_name("link")
    link.symlink_to(site)
    assert invoke(app, "freeze", link, "plots.walk").exit_code == 0
    assert link.is_symlink()
    assert (site / "index.html").exists()


def test_new_folders_have_ordinary_permissions(app: Flask, site: Path) -> None:
    """A web server has to read them."""
    other = site.with_name("other")
    other.mkdir()
    invoke(app, "freeze", site, "plots.walk")
    assert site.stat().st_mode == other.stat().st_mode


def test_all_figures_are_frozen_that_can_be(
    plots: FigureBlueprint, serve: Callable[..., FlaskClient], site: Path
) -> None:
    """What wants an argument or a request is left out, and named."""
    for figure in (walk, year, mine, theirs):
        inject = {"user": lambda: request.args["user"]} if figure is theirs else {}
        inject |= {"user": lambda: "7"} if figure is mine else {}
        plots.figure_route(f"/{figure.__name__}", inject=inject)(figure)
    result = invoke(serve().application, "freeze", site, "--all", "--scale", "1")
    assert result.exit_code == 0, result.output
    assert [p["figure"] for p in pictures(site)] == ["plots.walk", "plots.mine"]
    assert "plots.year: left out. year: It is missing." in result.stderr
    assert "plots.theirs: left out. inject=… of plots.theirs wants" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["none/site", "plots.walk"], "no folder", id="parent"),
        pytest.param(["file", "plots.walk"], "is a file", id="file"),
        pytest.param(["site"], "Name a figure", id="nothing"),
        pytest.param(["site", "plots.wlak"], "Did you mean", id="figure"),
        pytest.param(["site", "plots.walk", "sed=3"], "Did you mean", id="argument"),
        pytest.param(["site", "plots.theirs"], "wants a request", id="inject"),
    ],
)
def test_wrong_usage_is_told(
    app: Flask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    """With the exit code 2, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    result = invoke(app, "freeze", *arguments)
    assert message in result.stderr
    assert result.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_link_in_the_page_is_relative(app: Flask, site: Path) -> None:
    """The folder may be moved, and served under any path."""
    invoke(app, "freeze", site, "plots.sales")
    page = (site / "index.html").read_text()
    for url in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert url.startswith("figures/")
