"""The setups in docs/deploying.md; each server runs with the page's files."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.support.paths import DOCS, ROOT
from tests.support.servers import Server, find_free_port, find_program, skip_or_fail

pytestmark = pytest.mark.slow

PAGE = DOCS.joinpath("deploying.md").read_text("utf-8")
#: The files of the page: a block whose first line is a comment with its name.
FILES: dict[str, str] = dict(
    re.findall(r"^```\w+\n# ([\w.]+)[^\n]*\n(.*?)^```", PAGE, re.M | re.S)
)
GUNICORN = (sys.executable, "-m", "gunicorn")
#: Run as a user other than root; only ``/mnt`` and ``/dev/shm`` are writable.
READ_ONLY = """
mount --make-rprivate / && mount -t tmpfs tmpfs /mnt && mount -o remount,bind,ro / &&
! touch "$PWD/written" 2> /dev/null &&
export TMPDIR=/mnt MPLCONFIGDIR=/mnt/matplotlib &&
exec unshare --user --map-user=65534 --map-group=65534 "$@"
"""


@pytest.fixture
def port(tmp_path: Path) -> int:
    """Copy the page's files to *tmp_path* with a free port instead of 8000."""
    port = find_free_port()
    for name in ("myapp.py", "gunicorn.conf.py", "uwsgi.ini"):
        tmp_path.joinpath(name).write_text(FILES[name].replace("8000", str(port)))
    return port


def serve(folder: Path, port: int, *command: str, **config: str) -> Server:
    """Return the server that *command* starts in *folder*."""
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    environment = {f"FLASK_{key}": value for key, value in config.items()}
    return Server(
        *("env", f"--chdir={folder}", *command),
        port=port,
        environment={**environment, "PYTHONPATH": path},
    )


def fetch(port: int, path: str, **headers: str) -> dict[str, str]:
    """Return the headers of a picture at *path*."""
    request = Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urlopen(request, timeout=60) as response:
        assert response.read(4) == b"\x89PNG"
        return dict(response.headers)


def test_gunicorn(tmp_path: Path, port: int, redis_port: int) -> None:
    """Two processes share pictures in Redis and draw in workers."""
    config = {
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "MPLSTREAM_WORKERS": "1",
        "MPLSTREAM_APP": "myapp:create_app",
        "SECRET_KEY": "secret",
    }
    with serve(tmp_path, port, *GUNICORN, "myapp:create_app()", **config):
        statuses = [fetch(port, "/plots/walk?n=9")["Cache-Status"] for _ in range(8)]
    assert "uri-miss" in statuses[0]
    assert all("hit" in status for status in statuses[1:])


def test_gevent(tmp_path: Path, port: int) -> None:
    """The server waits for the workers of the page's command."""
    command = (*GUNICORN, "-k", "gevent", "-w", "1", "myapp:create_app()")
    with serve(tmp_path, port, *command, MPLSTREAM_WORKERS="1"):
        assert "uri-miss" in fetch(port, "/plots/walk")["Cache-Status"]
        assert "hit" in fetch(port, "/plots/walk")["Cache-Status"]


def test_uwsgi(tmp_path: Path, port: int) -> None:
    """uWSGI serves a picture with the page's configuration."""
    with serve(tmp_path, port, find_program("uwsgi"), "--ini", "uwsgi.ini"):
        assert "uri-miss" in fetch(port, "/plots/walk")["Cache-Status"]


def test_nginx(tmp_path: Path, port: int) -> None:
    """nginx serves the app under a prefix, and caches public pictures only."""
    front = find_free_port()
    site = FILES["nginx.conf"].replace("8000", str(port))
    site = site.replace("listen 80;", f"listen 127.0.0.1:{front};")
    site = site.replace("/var/cache/nginx", str(tmp_path))
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = " ".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    tmp_path.joinpath("nginx.conf").write_text(
        f"{user} daemon off; pid {tmp_path}/pid; error_log {tmp_path}/log;"
        f"events {{}} http {{ access_log off; {temporary}\n{site} }}"
    )
    nginx = (
        find_program("nginx"),
        "-c",
        str(tmp_path / "nginx.conf"),
        "-p",
        str(tmp_path),
    )
    with (
        serve(tmp_path, port, *GUNICORN, "-w", "1", "myapp:create_app()"),
        Server(*nginx, port=front),
    ):
        caches = [fetch(front, "/app/plots/walk.png")["X-Cache"] for _ in range(2)]
        redirect = Request(f"http://127.0.0.1:{front}/app/plots/walk.PNG")
        with urlopen(redirect, timeout=60) as response:
            assert response.url.endswith("/app/plots/walk.png")
        private = fetch(front, "/app/plots/walk?n=9", Authorization="Basic YTpi")
    assert caches == ["MISS", "HIT"]
    assert private["Cache-Control"] == "private, no-cache"


@pytest.mark.skipif(sys.platform != "linux", reason="requires Linux namespaces")
def test_a_container(tmp_path: Path, port: int) -> None:
    """The user ``nobody`` renders in workers on a read-only disk."""
    if os.geteuid() != 0:
        skip_or_fail("This test mounts file systems in a namespace. Run it as root.")
    inside = (find_program("unshare"), "--mount", "sh", "-c", READ_ONLY, "sh")
    command = (*GUNICORN, "--worker-tmp-dir", "/dev/shm", "myapp:create_app()")
    with serve(tmp_path, port, *inside, *command, MPLSTREAM_WORKERS="1"):
        assert "uri-miss" in fetch(port, "/plots/walk")["Cache-Status"]
