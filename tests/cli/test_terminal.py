"""``flask figures …`` in a real shell: pipes, terminals and Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest

from tests.apps.cli_figures import create_app, invoke, shell
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow


def started(*arguments: object, **options: Any) -> subprocess.Popen[Any]:
    """``flask figures …`` in a process of its own."""
    chosen: dict[str, Any] = {"cwd": ROOT, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(shell(*arguments), **chosen)


def on_a_terminal(*arguments: object, columns: int = 80, ends: int = 0) -> str:
    """What a terminal with that many columns shows.

    :param ends: the exit code.
    """
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    process = started(*arguments, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
    except OSError:
        pass  # EIO: the other side is closed.
    finally:
        os.close(ours)
    assert process.wait(60) == ends, shown
    return shown.decode()


@pytest.fixture(scope="module")
def warmed() -> str:
    """What a terminal shows of three pictures, the first of which fails."""
    years = ("year=1999", "year=2001", "year=2002")
    return on_a_terminal("warm", "plots.year", *years, "--scale", "1", ends=1)


def test_a_terminal_shows_a_bar(warmed: str) -> None:
    """And no line for each picture; the summary is there."""
    assert "Pictures" in warmed
    assert "100%" in warmed
    assert "year=2001" not in warmed
    assert "2 rendered" in warmed


def test_failures_stand_below_the_bar(warmed: str) -> None:
    """Each on a line of its own."""
    assert "plots.year year=1999 png 1x: ValueError: no data" in warmed.splitlines()


@pytest.mark.parametrize("columns", [60, 200])
def test_a_table_fits_the_terminal(columns: int) -> None:
    """And nothing is cut where there is room."""
    shown = on_a_terminal("list", columns=columns)
    lines = shown.replace("\r", "").splitlines()
    assert max(map(len, lines)) <= columns
    assert ("…" in shown) is (columns == 60)


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    """``flask figures … | head -1`` shows no traceback."""
    for arguments in (
        ("list", "--json"),
        ("render", "plots.walk", "-o", "-", "--scale", "4"),
    ):
        reader, writer = os.pipe()
        os.close(reader)
        process = started(*arguments, stdout=writer)
        os.close(writer)
        errors = process.communicate(timeout=60)[1].decode()
        assert "Traceback" not in errors
        assert "Exception ignored" not in errors


def test_a_full_disk_is_told_without_a_traceback() -> None:
    """Of what the shell writes to, too."""
    with Path("/dev/full").open("wb") as full:
        process = started("render", "plots.walk", "-o", "-", stdout=full)
        errors = process.communicate(timeout=60)[1].decode()
    assert errors == "Error: stdout: OSError: [Errno 28] No space left on device\n"
    assert process.returncode == 1


def test_a_closed_stdout_is_told_without_a_traceback() -> None:
    """``>&-`` in a shell."""
    words = " ".join(shell("render", "plots.walk", "-o", "-"))
    result = subprocess.run(
        ["sh", "-c", f"exec {words} >&-"], cwd=ROOT, capture_output=True, check=False
    )
    assert b"Error: stdout is closed. Name a file." in result.stderr
    assert result.returncode == 2


def test_a_text_on_a_terminal_stands_there_alone() -> None:
    """What was written is told only where it is not seen."""
    shown = on_a_terminal("render", "plots.walk", "-o", "-", "--format", "svg")
    assert shown.rstrip().endswith("</svg>")


def test_the_picture_alone_goes_into_a_pipe() -> None:
    """Byte by byte, whatever the platform does to texts."""
    process = started(
        "render", "plots.walk", "-o", "-", "--format", "png", stdout=subprocess.PIPE
    )
    body, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert body.startswith(b"\x89PNG\r\n")
    assert body.endswith(b"IEND\xaeB`\x82")


@contextmanager
def interrupted(
    tmp_path: Path, *arguments: object
) -> Iterator[subprocess.Popen[bytes]]:
    """``flask figures …``, which gets Ctrl-C while ``plots.stuck`` is drawn."""
    marker = tmp_path / "marker"
    environment = {**os.environ, "MPLSTREAM_TEST_MARKER": str(marker)}
    process = started(*arguments, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not marker.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("render", "plots.stuck", "-o", "out/stuck.png"), id="render"),
        pytest.param(("freeze", "out/site", "plots.stuck"), id="freeze"),
    ],
)
def test_ctrl_c_leaves_nothing_half_written(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """And ends the render that is under way."""
    out = tmp_path / "out"
    out.mkdir()
    arguments = [word.replace("out/", f"{out}/") for word in command]
    with interrupted(tmp_path, *arguments) as process:
        errors = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    assert "Aborted!" in errors
    assert "Traceback" not in errors
    assert list(out.iterdir()) == []


def test_ctrl_c_leaves_the_earlier_freeze(tmp_path: Path) -> None:
    """As it was."""
    site = tmp_path / "site"
    assert invoke(create_app(), "freeze", site, "plots.walk").exit_code == 0
    before = sorted(path.name for path in site.rglob("*"))
    with interrupted(tmp_path, "freeze", site, "plots.stuck") as process:
        process.communicate(timeout=60)
    assert sorted(path.name for path in site.rglob("*")) == before
    assert {path.name for path in tmp_path.iterdir()} == {"site", "marker"}
