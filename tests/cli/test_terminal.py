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


def start(*arguments: object, **options: Any) -> subprocess.Popen[Any]:
    """Start ``flask figures …`` in a new process."""
    chosen: dict[str, Any] = {"cwd": ROOT, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(shell(*arguments), **chosen)


def run_on_terminal(*arguments: object, columns: int = 80, ends: int = 0) -> str:
    """Return the output on a terminal with *columns*.

    :param ends: the expected exit code.
    """
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    process = start(*arguments, stdout=theirs, stderr=theirs, env=environment)
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
    """Return the output for three pictures, the first of which fails."""
    years = ("year=1999", "year=2001", "year=2002")
    return run_on_terminal("warm", "plots.year", *years, "--scale", "1", ends=1)


def test_a_terminal_shows_a_bar(warmed: str) -> None:
    """A bar replaces the lines of the pictures; the summary follows."""
    assert "Pictures" in warmed
    assert "100%" in warmed
    assert "year=2001" not in warmed
    assert "2 rendered" in warmed


def test_failures_are_below_the_bar(warmed: str) -> None:
    """Each has a separate line."""
    assert "plots.year year=1999 png 1x: ValueError: no data" in warmed.splitlines()


@pytest.mark.parametrize("columns", [60, 200])
def test_a_table_fits_the_terminal(columns: int) -> None:
    """Lines are cut only on a narrow terminal."""
    shown = run_on_terminal("list", columns=columns)
    lines = shown.replace("\r", "").splitlines()
    assert max(map(len, lines)) <= columns
    assert ("…" in shown) is (columns == 60)


def test_a_closed_pipe_shows_no_traceback() -> None:
    """``flask figures … | head -1`` ends without a message."""
    for arguments in (
        ("list", "--json"),
        ("render", "plots.walk", "-o", "-", "--scale", "4"),
    ):
        reader, writer = os.pipe()
        os.close(reader)
        process = start(*arguments, stdout=writer)
        os.close(writer)
        errors = process.communicate(timeout=60)[1].decode()
        assert "Traceback" not in errors
        assert "Exception ignored" not in errors


def test_a_full_disk_behind_stdout_is_an_error() -> None:
    """The message has no traceback."""
    with Path("/dev/full").open("wb") as full:
        process = start("render", "plots.walk", "-o", "-", stdout=full)
        errors = process.communicate(timeout=60)[1].decode()
    assert errors == "Error: stdout: OSError: [Errno 28] No space left on device\n"
    assert process.returncode == 1


def test_a_closed_stdout_is_wrong_usage() -> None:
    """``>&-`` in a shell closes it."""
    words = " ".join(shell("render", "plots.walk", "-o", "-"))
    result = subprocess.run(
        ["sh", "-c", f"exec {words} >&-"], cwd=ROOT, capture_output=True, check=False
    )
    assert b"Error: stdout is closed. Name a file." in result.stderr
    assert result.returncode == 2


def test_a_text_on_a_terminal_has_no_summary() -> None:
    """The summary would be joined to the text."""
    shown = run_on_terminal("render", "plots.walk", "-o", "-", "--format", "svg")
    assert shown.rstrip().endswith("</svg>")


def test_a_pipe_gets_the_exact_bytes() -> None:
    """Line breaks are not translated."""
    process = start(
        "render", "plots.walk", "-o", "-", "--format", "png", stdout=subprocess.PIPE
    )
    body, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert body.startswith(b"\x89PNG\r\n")
    assert body.endswith(b"IEND\xaeB`\x82")


@contextmanager
def interrupt(tmp_path: Path, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Start ``flask figures …`` and send Ctrl-C while ``plots.stuck`` renders."""
    marker = tmp_path / "marker"
    environment = {**os.environ, "MPLSTREAM_TEST_MARKER": str(marker)}
    process = start(*arguments, env=environment, stdout=subprocess.DEVNULL)
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
def test_ctrl_c_leaves_no_files(tmp_path: Path, command: tuple[str, ...]) -> None:
    """It also ends the current render."""
    out = tmp_path / "out"
    out.mkdir()
    arguments = [word.replace("out/", f"{out}/") for word in command]
    with interrupt(tmp_path, *arguments) as process:
        errors = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    assert "Aborted!" in errors
    assert "Traceback" not in errors
    assert list(out.iterdir()) == []


def test_ctrl_c_leaves_the_earlier_freeze(tmp_path: Path) -> None:
    """The folder is unchanged."""
    site = tmp_path / "site"
    assert invoke(create_app(), "freeze", site, "plots.walk").exit_code == 0
    before = sorted(path.name for path in site.rglob("*"))
    with interrupt(tmp_path, "freeze", site, "plots.stuck") as process:
        process.communicate(timeout=60)
    assert sorted(path.name for path in site.rglob("*")) == before
    assert {path.name for path in tmp_path.iterdir()} == {"site", "marker"}
