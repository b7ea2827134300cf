"""Caches with invalid settings, and the safe settings of this package's caches."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from flask.testing import FlaskClient
from flask_caching import Cache
from matplotlib.figure import Figure

from flask_mplstream import BytesSerializer, FigureBlueprint
from flask_mplstream.cache.filesystem import FileCache
from flask_mplstream.errors import ConfigError
from flask_mplstream.web import cache_setup
from tests.support.doubles import Counter

Serve = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def walk(plots: FigureBlueprint, renders: Counter) -> None:
    """Serve a figure at ``/plots/walk`` that counts its renders."""

    @plots.figure_route("/walk", max_age=60)
    def walk(n: int = 1) -> Figure:
        renders(n)
        return Figure(figsize=(1, 1), dpi=20)


# --- Settings that cannot work ----------------------------------------------

UNKNOWN = [
    pytest.param("RedisCach", "Did you mean 'RedisCache'", id="spelling"),
    pytest.param("redis", "Did you mean 'RedisCache'", id="old-name"),
    pytest.param("nowhere.Cache", "nor an import path", id="no-module"),
    pytest.param("flask.nothing", "nor an import path", id="no-class"),
    pytest.param("os.path", "nor an import path", id="module"),
    pytest.param("", "neither a backend", id="empty"),
    pytest.param(None, "neither a backend", id="none"),
    pytest.param(5, "neither a backend", id="number"),
]


@pytest.mark.parametrize(("name", "hint"), UNKNOWN)
def test_an_unknown_cache_type_is_rejected_at_registration(
    serve: Serve, name: object, hint: str
) -> None:
    """The message names the setting, its value and the nearest one."""
    with pytest.raises(ConfigError, match=hint) as raised:
        serve(CACHE_TYPE=name)
    assert "CACHE_TYPE" in str(raised.value)
    assert repr(name) in str(raised.value)


def test_an_unknown_cache_type_that_is_set_later_is_rejected(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The first use raises, and the figure function does not run."""
    app = serve(PROPAGATE_EXCEPTIONS=False).application
    app.config["CACHE_TYPE"] = "RedisCach"
    assert app.test_client().get("/plots/walk").status_code == 500
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "The app's configuration is invalid: ConfigError: "
    )
    assert "walk(" not in record.getMessage()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ConfigError, match="RedisCache"):
        app.test_client().get("/plots/walk")


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        pytest.param("RedisCache", "redis", id="redis"),
        pytest.param("RedisSentinelCache", "redis", id="sentinel"),
        pytest.param("MemcachedCache", "memcached", id="memcached"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, kind: str, extra: str
) -> None:
    """Registering the blueprint raises, not each picture."""
    monkeypatch.setattr(cache_setup, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"Install flask-mplstream\[{extra}\]"):
        serve(CACHE_TYPE=kind)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        pytest.param(
            {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "localhost:6379"},
            "must specify one of the following schemes",
            id="url",
        ),
        pytest.param(
            {"CACHE_TYPE": "RedisCache", "CACHE_OPTIONS": {"timeout": 1}},
            "'timeout'",
            id="option",
        ),
        pytest.param(
            {
                "CACHE_TYPE": "RedisCache",
                "CACHE_REDIS_URL": "redis://localhost",
                "CACHE_OPTIONS": {"timeout": 1},
            },
            "'timeout'",
            id="option-of-a-url",
        ),
        pytest.param(
            {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": "port"},
            "'port'",
            id="port",
        ),
        pytest.param(
            {"CACHE_TYPE": "SimpleCache", "CACHE_OPTIONS": 5},
            "must be a dict",
            id="dict",
        ),
        pytest.param({"CACHE_TYPE": "FileSystemCache"}, "CACHE_DIR", id="folder"),
        pytest.param(
            {"CACHE_TYPE": "SASLMemcachedCache"},
            "CACHE_MEMCACHED_USERNAME",
            marks=pytest.mark.slow,
            id="user",
        ),
        pytest.param(
            {
                "CACHE_TYPE": "MemcachedCache",
                "CACHE_MEMCACHED_SERVERS": "localhost:11211",
            },
            "must be a list",
            marks=pytest.mark.slow,
            id="servers",
        ),
    ],
)
def test_unusable_settings_are_rejected_at_first_use(
    serve: Serve, config: dict[str, Any], said: str
) -> None:
    """Every use raises, with the setting's own message."""
    client = serve(PROPAGATE_EXCEPTIONS=True, **config)
    for _ in range(2):
        with pytest.raises(ConfigError, match=said):
            client.get("/plots/walk")
    assert not client.application.extensions.get("cache")


@pytest.mark.parametrize(
    ("kind", "rendered"),
    [
        pytest.param({"CACHE_TYPE": "NullCache"}, 2, id="switched-off"),
        pytest.param({}, 1, id="embedded"),
        pytest.param(
            {"CACHE_TYPE": "flask_mplstream.cache.memory.MemoryCache"}, 1, id="named"
        ),
    ],
)
def test_flask_caching_does_not_warn(
    serve: Serve, renders: Counter, kind: dict[str, Any], rendered: int
) -> None:
    """Warnings are errors in this test and would fail the picture."""
    client = serve(CACHE_SERIALIZER=BytesSerializer, **kind)
    for _ in range(2):
        assert client.get("/plots/walk").status_code == 200
    assert len(renders) == rendered


# --- A folder that cannot be used --------------------------------------------


@pytest.fixture
def serve(serve: Serve) -> Iterator[Serve]:
    """Make an app, and end its breaker's thread."""
    clients: list[FlaskClient] = []

    def make(**config: Any) -> FlaskClient:
        clients.append(serve(**config))
        return clients[-1]

    yield make
    for client in clients:
        for pictures in client.application.extensions["mplstream"]._pictures.values():
            pictures.store.breaker.stop()


def test_an_unusable_cache_folder_counts_as_down(
    serve: Serve, tmp_path: Path, renders: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    """Pictures are sent, one line is logged, and the folder is used later."""
    blocker = tmp_path / "file"
    blocker.touch()
    client = serve(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(blocker / "cache"))
    with caplog.at_level(logging.WARNING):
        for n in (1, 2, 1):
            assert client.get(f"/plots/walk?n={n}").status_code == 200
    assert renders.calls == [1, 2], "the process has no pictures in memory"
    (record,) = caplog.records
    assert "Cannot create the folder of CACHE_DIR" in record.message
    breaker = client.application.extensions["mplstream"].pictures(None).store.breaker
    assert breaker.is_open
    blocker.unlink()
    assert breaker._answers()


@pytest.mark.parametrize("mode", [0o755, 0o700], ids=["to-be-read", "not-at-all"])
def test_a_read_only_folder_costs_renders_only(
    serve: Serve, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    """No picture waits for permission or logs a traceback."""
    if os.geteuid() != 0:
        pytest.skip("requires root to change the user")
    with TemporaryDirectory() as parent:
        folder = Path(parent, "cache")
        Path(parent).chmod(0o755)
        folder.mkdir(mode=mode)
        client = serve(
            CACHE_TYPE="FileSystemCache", CACHE_DIR=str(folder), MPLSTREAM_FAST_BYTES=0
        )
        client.get("/plots/walk?n=5")
        os.seteuid(65534)
        try:
            with caplog.at_level(logging.WARNING):
                for n in (1, 2, 1):
                    assert client.get(f"/plots/walk?n={n}").status_code == 200
        finally:
            os.seteuid(0)
    (record,) = caplog.records
    assert record.message.startswith("The cache did not store a picture")


# --- The number of files -----------------------------------------------------

THRESHOLD, MADE = 20, 15


def packages_own(folder: Path) -> dict[str, Any]:
    """Return settings from which this package makes the cache."""
    return {
        "CACHE_TYPE": "FileSystemCache",
        "CACHE_DIR": str(folder),
        "CACHE_THRESHOLD": THRESHOLD,
    }


@pytest.mark.slow
@pytest.mark.parametrize("is_apps_own", [False, True], ids=["packages", "apps-own"])
def test_a_folder_keeps_its_number_of_files_over_many_starts(
    serve: Serve, tmp_path: Path, is_apps_own: bool
) -> None:
    """Six processes, one after the other, add pictures."""
    for start in range(6):
        config = packages_own(tmp_path)
        client = serve(**({} if is_apps_own else config))
        if is_apps_own:
            config["CACHE_SERIALIZER"] = BytesSerializer
            Cache(client.application, config=config)
        for n in range(MADE):
            client.get(f"/plots/walk?n={start * MADE + n}")
    assert THRESHOLD / 2 < len(list(tmp_path.iterdir())) <= THRESHOLD + 2


def test_the_packages_file_cache_reads_existing_files(tmp_path: Path) -> None:
    """It is a FileSystemCache in a folder that others wrote."""
    first, second = (FileCache(str(tmp_path)) for _ in range(2))
    assert first.set("a", b"1")
    assert second.get("a") == b"1"
    assert second._file_count == 1
