"""``flask figures render``: a picture as a file, whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.apps.cli_figures import create_app, drawn, invoke
from tests.support.pictures import pixels


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        pytest.param("walk.png", b"\x89PNG", id="png"),
        pytest.param("walk.SVG", b"<?xml", id="svg in capitals"),
        pytest.param("walk.pdf", b"%PDF", id="pdf"),
    ],
)
def test_the_suffix_says_the_format(
    tmp_path: Path, name: str, beginning: bytes
) -> None:
    """As it does for every program that saves pictures."""
    result = invoke(create_app(), "render", "plots.walk", "-o", tmp_path / name)
    assert result.exit_code == 0, result.output
    assert (tmp_path / name).read_bytes().startswith(beginning)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_data_can_be_written(tmp_path: Path) -> None:
    """What the figure shows is a format as well."""
    path = tmp_path / "sales.csv"
    result = invoke(create_app(), "render", "plots.sales", "-o", path)
    assert result.exit_code == 0, result.output
    assert path.read_text().splitlines()[0] == "x,y"
    assert "pixels" not in result.stderr


def test_what_was_written_is_told(tmp_path: Path) -> None:
    """On stderr: path, pixels, bytes and milliseconds."""
    path = tmp_path / "walk.png"
    result = invoke(create_app(), "render", "plots.walk", "n=7", "-o", path)
    told = f"{path}: 100 x 50 pixels, {path.stat().st_size:,} bytes, "
    assert result.stderr.startswith(told)
    assert result.stderr.endswith(" ms\n")
    assert not result.stdout
    assert drawn == [("walk", 7, 0, "a, b", "line")]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        pytest.param(["--scale", "2"], (200, 100), id="scale"),
        pytest.param(["--width", "320"], (320, 160), id="width"),
    ],
)
def test_the_size_can_be_chosen(
    tmp_path: Path, options: list[str], size: tuple[int, int]
) -> None:
    """In multiples of the figure's own, or in pixels."""
    path = tmp_path / "walk.png"
    invoke(create_app(), "render", "plots.walk", "-o", path, *options)
    height, width, _ = pixels(path.read_bytes()).shape
    assert (width, height) == size


def test_the_dark_twin_can_be_written(tmp_path: Path) -> None:
    """As a page at night has it."""
    app = create_app()
    for theme in ("light", "dark"):
        path = tmp_path / f"{theme}.png"
        invoke(app, "render", "plots.sales", "-o", path, "--theme", theme)
    light, dark = (
        pixels((tmp_path / f"{theme}.png").read_bytes()).mean()
        for theme in ("light", "dark")
    )
    assert dark < light


def test_stdout_takes_the_bytes_alone() -> None:
    """For other programs; the format is named."""
    result = invoke(create_app(), "render", "plots.walk", "-o", "-", "--format", "svg")
    assert result.stdout_bytes.startswith(b"<?xml")
    assert result.stdout_bytes.rstrip().endswith(b"</svg>")
    assert result.stderr.startswith("-: 100 x 50 pixels")


def test_it_comes_from_the_cache_and_goes_there(tmp_path: Path) -> None:
    """As for a request; ``--fresh`` renders, and leaves the cache alone."""
    app = create_app()
    path = tmp_path / "walk.png"
    invoke(app, "render", "plots.walk", "-o", path)
    assert app.test_client().get("/plots/walk.png").data == path.read_bytes()
    assert len(drawn) == 1
    invoke(app, "render", "plots.walk", "-o", path, "--fresh")
    assert len(drawn) == 2


def test_a_file_is_replaced_and_has_ordinary_permissions(tmp_path: Path) -> None:
    """Those that the umask leaves."""
    path, other = tmp_path / "walk.png", tmp_path / "other"
    path.write_text("old")
    path.chmod(0o600)
    umask = os.umask(0o027)
    try:
        other.touch()
        invoke(create_app(), "render", "plots.walk", "-o", path)
    finally:
        os.umask(umask)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_a_link_is_written_through(tmp_path: Path) -> None:
    """The file that it names is another one then, and it is a link still."""
    link, path = tmp_path / "link.png", tmp_path / "walk.png"
    link.symlink_to(path)
    invoke(create_app(), "render", "plots.walk", "-o", link)
    assert link.is_symlink()
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    """With where it leads, and not with a draft that nobody asked for."""
    link, path = tmp_path / "link.png", tmp_path / "none" / "walk.png"
    link.symlink_to(path)
    result = invoke(create_app(), "render", "plots.walk", "-o", link)
    assert result.stderr == (
        f"Error: {link}: FileNotFoundError: [Errno 2] No such file or directory: "
        f"'{path}'\n"
    )
    assert result.exit_code == 1


def test_a_figure_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Its name and the error are told, without a traceback."""
    path = tmp_path / "year.png"
    path.write_text("old")
    result = invoke(create_app(), "render", "plots.year", "year=1999", "-o", path)
    assert result.stderr == "Error: plots.year year=1999 png 1x: ValueError: no data\n"
    assert result.exit_code == 1
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["year.png"]


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing beside it."""

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "walk.png"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", full)
    result = invoke(create_app(), "render", "plots.walk", "-o", path)
    assert f"{path}: OSError: [Errno 28] No space left on device" in result.stderr
    assert result.exit_code == 1
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["walk.png"]


def test_in_debug_mode_the_way_to_the_error_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The developer wants the line."""
    monkeypatch.setenv("FLASK_DEBUG", "1")
    path = tmp_path / "year.png"
    result = invoke(create_app(), "render", "plots.year", "year=1999", "-o", path)
    assert 'raise ValueError("no data")' in result.stderr
    assert result.exit_code == 1


def test_inject_works_where_it_wants_no_request(tmp_path: Path) -> None:
    """Its values are there as for a request."""
    path = tmp_path / "mine.png"
    assert invoke(create_app(), "render", "plots.mine", "-o", path).exit_code == 0
    assert drawn == [("mine", 7)]


def test_inject_that_wants_a_request_is_told(tmp_path: Path) -> None:
    """Nobody has asked, so that it is nobody's picture."""
    path = tmp_path / "theirs.png"
    result = invoke(create_app(), "render", "plots.theirs", "-o", path)
    assert "inject=… of plots.theirs wants a request" in result.stderr
    assert result.exit_code == 1
    assert not path.exists()


def test_a_signed_figure_needs_no_signature_here(tmp_path: Path) -> None:
    """Who has the shell has the secret."""
    path = tmp_path / "secret.png"
    assert invoke(create_app(), "render", "plots.secret", "-o", path).exit_code == 0


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        pytest.param("walk.gif", [], "'.gif' is not an image format", id="no format"),
        pytest.param("walk.svgg", [], "Did you mean 'svg'", id="nearest"),
        pytest.param("walk.webp", [], "not offered in this format", id="not offered"),
        pytest.param("walk", [], "has no suffix", id="no suffix"),
        pytest.param("walk.png", ["--format", "svg"], "a name for png", id="both"),
        pytest.param("", [], "is a folder", id="folder"),
        pytest.param("none/walk.png", [], "There is no folder", id="no folder"),
        pytest.param("pipe.png", [], "no ordinary file", id="pipe"),
    ],
)
def test_wrong_usage_is_told(
    tmp_path: Path, output: str, options: list[str], message: str
) -> None:
    """Nothing is rendered, nothing written, and the exit code is 2."""
    os.mkfifo(tmp_path / "pipe.png")
    result = invoke(
        create_app(), "render", "plots.walk", "-o", tmp_path / output, *options
    )
    assert message in result.stderr
    assert result.exit_code == 2
    assert not drawn
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.png"]


def test_a_name_without_a_suffix_may_have_a_format(tmp_path: Path) -> None:
    """Where it is said besides."""
    invoke(
        create_app(), "render", "plots.walk", "-o", tmp_path / "x", "--format", "pdf"
    )
    assert (tmp_path / "x").read_bytes().startswith(b"%PDF")
