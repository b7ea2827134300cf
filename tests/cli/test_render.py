"""``flask figures render``: a picture as a file, complete or absent."""

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
def test_the_suffix_selects_the_format(
    tmp_path: Path, name: str, beginning: bytes
) -> None:
    """Its case is ignored."""
    result = invoke(create_app(), "render", "plots.walk", "-o", tmp_path / name)
    assert result.exit_code == 0, result.output
    assert (tmp_path / name).read_bytes().startswith(beginning)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_data_can_be_written(tmp_path: Path) -> None:
    """``.csv`` writes the figure's data."""
    path = tmp_path / "sales.csv"
    result = invoke(create_app(), "render", "plots.sales", "-o", path)
    assert result.exit_code == 0, result.output
    assert path.read_text().splitlines()[0] == "x,y"
    assert "pixels" not in result.stderr


def test_the_summary_is_on_stderr(tmp_path: Path) -> None:
    """It has the path, pixels, bytes and milliseconds."""
    path = tmp_path / "walk.png"
    result = invoke(create_app(), "render", "plots.walk", "n=7", "-o", path)
    summary = f"{path}: 100 x 50 pixels, {path.stat().st_size:,} bytes, "
    assert result.stderr.startswith(summary)
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
    """It is a multiple of the figure's size, or a width in pixels."""
    path = tmp_path / "walk.png"
    invoke(create_app(), "render", "plots.walk", "-o", path, *options)
    height, width, _ = pixels(path.read_bytes()).shape
    assert (width, height) == size


def test_the_dark_theme_can_be_written(tmp_path: Path) -> None:
    """``--theme dark`` writes a darker picture."""
    app = create_app()
    for theme in ("light", "dark"):
        path = tmp_path / f"{theme}.png"
        invoke(app, "render", "plots.sales", "-o", path, "--theme", theme)
    light, dark = (
        pixels((tmp_path / f"{theme}.png").read_bytes()).mean()
        for theme in ("light", "dark")
    )
    assert dark < light


def test_stdout_gets_only_the_bytes() -> None:
    """``--format`` selects the format, and the summary is on stderr."""
    result = invoke(create_app(), "render", "plots.walk", "-o", "-", "--format", "svg")
    assert result.stdout_bytes.startswith(b"<?xml")
    assert result.stdout_bytes.rstrip().endswith(b"</svg>")
    assert result.stderr.startswith("-: 100 x 50 pixels")


def test_the_picture_is_cached(tmp_path: Path) -> None:
    """A request is then a hit; ``--fresh`` renders without the cache."""
    app = create_app()
    path = tmp_path / "walk.png"
    invoke(app, "render", "plots.walk", "-o", path)
    assert app.test_client().get("/plots/walk.png").data == path.read_bytes()
    assert len(drawn) == 1
    invoke(app, "render", "plots.walk", "-o", path, "--fresh")
    assert len(drawn) == 2


def test_a_file_is_replaced_and_has_ordinary_permissions(tmp_path: Path) -> None:
    """The permissions follow the umask."""
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


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    """Its target is written, and it remains a link."""
    link, path = tmp_path / "link.png", tmp_path / "walk.png"
    link.symlink_to(path)
    invoke(create_app(), "render", "plots.walk", "-o", link)
    assert link.is_symlink()
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_failed_render_leaves_the_file_unchanged(tmp_path: Path) -> None:
    """The message names the picture and the error, without a traceback."""
    path = tmp_path / "year.png"
    path.write_text("old")
    result = invoke(create_app(), "render", "plots.year", "year=1999", "-o", path)
    assert result.stderr == "Error: plots.year year=1999 png 1x: ValueError: no data\n"
    assert result.exit_code == 1
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["year.png"]


def test_a_full_disk_leaves_the_file_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The written part is removed."""
    path = tmp_path / "walk.png"
    path.write_text("old")
    write_bytes = Path.write_bytes

    def write_half(path: Path, body: bytes) -> None:
        write_bytes(path, body[: len(body) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    result = invoke(create_app(), "render", "plots.walk", "-o", path)
    assert f"{path}: OSError: [Errno 28] No space left on device" in result.stderr
    assert result.exit_code == 1
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["walk.png"]


def test_debug_mode_shows_the_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``FLASK_DEBUG`` turns it on."""
    monkeypatch.setenv("FLASK_DEBUG", "1")
    path = tmp_path / "year.png"
    result = invoke(create_app(), "render", "plots.year", "year=1999", "-o", path)
    assert 'raise ValueError("no data")' in result.stderr
    assert result.exit_code == 1


def test_inject_runs_without_a_request(tmp_path: Path) -> None:
    """Its values reach the figure function."""
    path = tmp_path / "mine.png"
    assert invoke(create_app(), "render", "plots.mine", "-o", path).exit_code == 0
    assert drawn == [("mine", 7)]


def test_inject_that_reads_the_request_is_a_failure(tmp_path: Path) -> None:
    """The message names the figure, and no file is written."""
    path = tmp_path / "theirs.png"
    result = invoke(create_app(), "render", "plots.theirs", "-o", path)
    assert (
        "inject of plots.theirs failed without a request: RuntimeError" in result.stderr
    )
    assert result.exit_code == 1
    assert not path.exists()


def test_a_signed_figure_needs_no_signature(tmp_path: Path) -> None:
    """A user of the shell can read the secret key."""
    path = tmp_path / "secret.png"
    assert invoke(create_app(), "render", "plots.secret", "-o", path).exit_code == 0


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        pytest.param("walk.gif", [], "'.gif' is not an image format", id="no format"),
        pytest.param("walk.svgg", [], "Did you mean 'svg'", id="nearest"),
        pytest.param("walk.webp", [], "not offered in this format", id="not offered"),
        pytest.param("walk", [], "has no suffix", id="no suffix"),
        pytest.param(
            "walk.png",
            ["--format", "svg"],
            "suffix of png, but --format is 'svg'",
            id="both",
        ),
        pytest.param("", [], "is a folder", id="folder"),
        pytest.param("none/walk.png", [], "does not exist", id="no folder"),
        pytest.param("link.png", [], "does not exist", id="broken link"),
        pytest.param("pipe.png", [], "not a regular file", id="pipe"),
    ],
)
def test_wrong_usage_is_an_error(
    tmp_path: Path, output: str, options: list[str], message: str
) -> None:
    """The exit code is 2, and nothing is rendered or written."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "none" / "walk.png")
    result = invoke(
        create_app(), "render", "plots.walk", "-o", tmp_path / output, *options
    )
    assert message in result.stderr
    assert result.exit_code == 2
    assert not drawn
    assert {path.name for path in tmp_path.iterdir()} == {"link.png", "pipe.png"}


def test_a_name_without_a_suffix_requires_a_format(tmp_path: Path) -> None:
    """``--format`` selects it."""
    invoke(
        create_app(), "render", "plots.walk", "-o", tmp_path / "x", "--format", "pdf"
    )
    assert (tmp_path / "x").read_bytes().startswith(b"%PDF")
