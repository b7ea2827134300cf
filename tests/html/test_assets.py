"""The package's scripts and styles."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint
from flask_mplstream.html.assets import asset_url

Serve = Callable[..., FlaskClient]


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve) -> FlaskClient:
    @plots.figure_route("/walk")
    def walk() -> Figure:
        return Figure()

    return serve()


@pytest.fixture
def url(client: FlaskClient) -> str:
    with client.application.test_request_context():
        return asset_url("mplstream.js")


def test_a_versioned_url_is_immutable(client: FlaskClient, url: str) -> None:
    """A URL without a version, or with another one, is not stored."""
    kept = client.get(url)
    assert kept.mimetype == "text/javascript"
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert kept.headers["X-Content-Type-Options"] == "nosniff"
    for other in (url.partition("?")[0], f"{url}x"):
        assert client.get(other).headers["Cache-Control"] == "no-cache, max-age=0"


def test_a_script_is_compressed(client: FlaskClient, url: str) -> None:
    """The browser must accept gzip, and each encoding has a separate ETag."""
    plain = client.get(url)
    zipped = client.get(url, headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert len(zipped.data) < len(plain.data) / 2
    assert gzip.decompress(zipped.data) == plain.data
    assert plain.headers["ETag"] != zipped.headers["ETag"]
    assert plain.vary == zipped.vary
    assert "Accept-Encoding" in plain.vary


@pytest.mark.parametrize("refused", ["gzip;q=0", "*;q=0", "identity", "br"])
def test_gzip_is_sent_only_if_accepted(
    client: FlaskClient, url: str, refused: str
) -> None:
    """Neither ``q=0`` nor another encoding accepts it."""
    answer = client.get(url, headers={"Accept-Encoding": refused})
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_unchanged_script_is_a_304(
    client: FlaskClient, url: str, encoding: str
) -> None:
    """This holds for both encodings."""
    accept = {"Accept-Encoding": encoding}
    etag = client.get(url, headers=accept).headers["ETag"]
    again = client.get(url, headers={**accept, "If-None-Match": etag})
    assert again.status_code == 304
    assert not again.data


@pytest.mark.parametrize("name", ["none.js", "..%2Fassets.py", "", ".", "../assets.py"])
def test_other_files_are_a_404(client: FlaskClient, name: str) -> None:
    """This includes missing files and files outside the folder."""
    assert client.get(f"/plots/_static/{name}").status_code == 404
