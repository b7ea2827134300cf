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
    """Return a missing folder in an empty folder."""
    parent = tmp_path / "here"
    parent.mkdir()
    return parent / "site"


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of each file below *folder*, by path."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def read_pictures(site: Path) -> list[dict[str, Any]]:
    """Return the pictures in the manifest."""
    listed: list[dict[str, Any]] = json.loads((site / "manifest.json").read_text())[
        "pictures"
    ]
    return listed


def test_a_figure_becomes_files(app: Flask, site: Path) -> None:
    """The folder has the first format at two scales, a page and a manifest."""
    result = invoke(app, "freeze", site, "plots.walk", "n=7")
    assert result.exit_code == 0, result.output
    assert f"{site}: 1 picture in 2 files. Open {site}/index.html" in result.stderr
    found = read_files(site)
    assert found.keys() == {
        "index.html",
        "manifest.json",
        "figures/plots-walk-n=7.png",
        "figures/plots-walk-n=7@2x.png",
    }
    assert pixels(found["figures/plots-walk-n=7@2x.png"]).shape == (100, 200, 4)
    assert [path.name for path in site.parent.iterdir()] == ["site"]


def test_the_manifest_describes_each_picture(app: Flask, site: Path) -> None:
    """It has all arguments, the alternative text, the size in a page and the files."""
    invoke(app, "freeze", site, "plots.walk", "n=7")
    (picture,) = read_pictures(site)
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


def test_the_page_has_the_size_at_scale_1(app: Flask, site: Path) -> None:
    """The scale of the file does not matter."""
    invoke(app, "freeze", site, "plots.walk", "--scale", "2")
    (picture,) = read_pictures(site)
    assert (picture["width"], picture["height"]) == (100, 50)
    assert 'width="100" height="50"' in (site / "index.html").read_text()


def test_decoration_has_no_alternative_text(
    plots: FigureBlueprint, serve: Callable[..., FlaskClient], site: Path
) -> None:
    """A route with ``alt=""`` is decoration."""
    plots.figure_route("/walk", alt="")(walk)
    invoke(serve().application, "freeze", site, "plots.walk")
    assert read_pictures(site)[0]["alt"] == ""
    assert ' alt=""' in (site / "index.html").read_text()


def test_dark_pictures_and_data_are_included(app: Flask, site: Path) -> None:
    """The page shows the dark picture and links to the data."""
    invoke(app, "freeze", site, "plots.sales", "--scale", "1")
    (picture,) = read_pictures(site)
    assert [file["path"] for file in picture["files"]] == [
        "figures/plots-sales.png",
        "figures/plots-sales@dark.png",
        "figures/plots-sales.csv",
    ]
    page = (site / "index.html").read_text()
    assert 'media="screen and (prefers-color-scheme: dark)"' in page
    assert '<a href="figures/plots-sales.csv" download' in page


def test_text_of_figures_is_escaped(app: Flask, site: Path) -> None:
    """It is text in the page and in the HTML to copy."""
    invoke(app, "freeze", site, "plots.walk", "title=<script>x</script>")
    invoke(app, "freeze", site, "plots.sales", "country=<b>&")
    page = (site / "index.html").read_text()
    assert "<p>Sales &amp; more &lt;by country&gt;.</p>" in page
    assert "<h2>plots.sales country=&lt;b&gt;&amp;</h2>" in page
    assert "<b>" not in page


def test_a_freeze_replaces_an_earlier_one(app: Flask, site: Path) -> None:
    """Files of the earlier freeze are removed."""
    invoke(app, "freeze", site, "plots.walk", "n=7", "n=8")
    result = invoke(app, "freeze", site, "plots.walk", "n=8", "--format", "svg")
    assert result.exit_code == 0, result.output
    assert read_files(site / "figures").keys() == {"plots-walk-n=8.svg"}
    assert [path.name for path in site.parent.iterdir()] == ["site"]


def test_a_failed_render_leaves_the_folder_unchanged(app: Flask, site: Path) -> None:
    """Pictures that did not fail are not written either."""
    invoke(app, "freeze", site, "plots.walk")
    before = read_files(site)
    result = invoke(app, "freeze", site, "plots.year", "year=2001", "year=1999")
    assert "plots.year year=1999 png 1x: ValueError: no data" in result.stderr
    assert result.exit_code == 1
    assert read_files(site) == before
    assert [path.name for path in site.parent.iterdir()] == ["site"]


def test_a_full_disk_leaves_the_folder_unchanged(
    app: Flask, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last file cannot be written."""
    invoke(app, "freeze", site, "plots.walk")
    before = read_files(site)
    write_bytes = Path.write_bytes

    def write(path: Path, body: bytes) -> None:
        if path.name == "index.html":
            raise OSError(28, "No space left on device")
        write_bytes(path, body)

    monkeypatch.setattr(Path, "write_bytes", write)
    result = invoke(app, "freeze", site, "plots.walk", "n=9")
    assert f"{site}: OSError: [Errno 28] No space left on device" in result.stderr
    assert result.exit_code == 1
    assert read_files(site) == before
    assert [path.name for path in site.parent.iterdir()] == ["site"]


def test_a_failed_swap_restores_the_folder(
    app: Flask, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old folder was moved, but the new one cannot replace it."""
    invoke(app, "freeze", site, "plots.walk")
    before = read_files(site)
    rename, renamed = os.rename, []

    def fail_once(source: Path, target: Path) -> None:
        renamed.append(target)
        if len(renamed) == 2:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_once)
    assert invoke(app, "freeze", site, "plots.walk", "n=9").exit_code == 1
    assert read_files(site) == before
    assert [path.name for path in site.parent.iterdir()] == ["site"]


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(["notes.txt"], id="files"),
        pytest.param(["manifest.json"], id="another manifest"),
    ],
)
def test_a_folder_with_other_files_is_not_replaced(
    app: Flask, site: Path, kept: list[str]
) -> None:
    """``--force`` replaces it."""
    site.mkdir()
    for name in kept:
        (site / name).write_text("[]")
    result = invoke(app, "freeze", site, "plots.walk")
    assert "has files that freeze did not write" in result.stderr
    assert result.exit_code == 2
    assert read_files(site) == dict.fromkeys(kept, b"[]")
    assert not drawn
    assert invoke(app, "freeze", site, "plots.walk", "--force").exit_code == 0
    assert len(read_pictures(site)) == 1
    assert "notes.txt" not in read_files(site)


def test_a_freeze_with_added_files_is_not_replaced(app: Flask, site: Path) -> None:
    """An added file would be lost."""
    invoke(app, "freeze", site, "plots.walk")
    (site / "figures" / "mine.png").touch()
    assert invoke(app, "freeze", site, "plots.walk").exit_code == 2
    assert (site / "figures" / "mine.png").exists()


def test_the_current_folder_is_never_replaced(
    app: Flask, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``freeze . --force`` would remove the project."""
    site.mkdir()
    monkeypatch.chdir(site)
    for folder in (".", ".."):
        result = invoke(app, "freeze", folder, "plots.walk", "--force")
        assert "contains the current or the home folder" in result.stderr
        assert result.exit_code == 2


def test_home_is_never_replaced(
    app: Flask, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that contains it is rejected, even with ``--force``."""
    monkeypatch.setenv("HOME", str(site / "home"))
    (site / "home").mkdir(parents=True)
    result = invoke(app, "freeze", site, "plots.walk", "--force")
    assert "contains the current or the home folder" in result.stderr
    assert result.exit_code == 2


def test_an_empty_folder_is_replaced(app: Flask, site: Path) -> None:
    """A symbolic link to it remains a link."""
    site.mkdir()
    link = site.with_name("link")
    link.symlink_to(site)
    assert invoke(app, "freeze", link, "plots.walk").exit_code == 0
    assert link.is_symlink()
    assert (site / "index.html").exists()


def test_new_folders_have_ordinary_permissions(app: Flask, site: Path) -> None:
    """A web server can read them."""
    other = site.with_name("other")
    other.mkdir()
    invoke(app, "freeze", site, "plots.walk")
    for folder in (site, site / "figures"):
        assert folder.stat().st_mode == other.stat().st_mode


def test_all_freezes_every_possible_figure(
    plots: FigureBlueprint, serve: Callable[..., FlaskClient], site: Path
) -> None:
    """Figures that require an argument or a request are left out with a message."""
    for figure in (walk, year, mine, theirs):
        inject = {"user": lambda: request.args["user"]} if figure is theirs else {}
        inject |= {"user": lambda: "7"} if figure is mine else {}
        plots.figure_route(f"/{figure.__name__}", inject=inject)(figure)
    result = invoke(serve().application, "freeze", site, "--all", "--scale", "1")
    assert result.exit_code == 0, result.output
    assert [p["figure"] for p in read_pictures(site)] == ["plots.walk", "plots.mine"]
    assert "plots.year: left out. year: It is missing." in result.stderr
    assert (
        "plots.theirs: left out. inject of plots.theirs failed without" in result.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["none/site", "plots.walk"], "does not exist", id="parent"),
        pytest.param(["file", "plots.walk"], "is a file", id="file"),
        pytest.param(["site"], "Name a figure", id="nothing"),
        pytest.param(["site", "plots.wlak"], "Did you mean", id="figure"),
        pytest.param(["site", "plots.walk", "sed=3"], "Did you mean", id="argument"),
        pytest.param(["site", "plots.theirs"], "failed without a request", id="inject"),
    ],
)
def test_wrong_usage_is_an_error(
    app: Flask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    """The exit code is 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    result = invoke(app, "freeze", *arguments)
    assert message in result.stderr
    assert result.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_links_in_the_page_are_relative(app: Flask, site: Path) -> None:
    """The folder can be moved, and served under any path."""
    invoke(app, "freeze", site, "plots.sales")
    page = (site / "index.html").read_text()
    for url in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert url.startswith("figures/")
