"""REDbot, an HTTP linter, checks real responses over real HTTP."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest

from benchmarks.judge import BAD_REQUEST, UNSAFE_INLINE, create_app, fetch_notes
from tests.support.servers import serve_in_threads

# REDbot and its dependencies warn of Python's own deprecations.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.keeps_threads,
]


@pytest.fixture(scope="module")
def plot() -> Iterator[str]:
    with serve_in_threads(create_app(), keeps_connections=True) as url:
        yield f"{url}/plots/scatter"


@pytest.mark.parametrize(
    ("path", "headers", "meant"),
    [
        pytest.param(".png", {}, set(), id="png"),
        pytest.param("", {"Accept": "image/png,*/*;q=0.8"}, set(), id="negotiated"),
        pytest.param(".svg", {}, {UNSAFE_INLINE}, id="svg-styles-by-attributes"),
        pytest.param(".pdf", {}, set(), id="pdf"),
        pytest.param("?nn=1", {}, {BAD_REQUEST}, id="400-is-a-400"),
    ],
)
def test_no_response_has_a_bad_note(
    plot: str, path: str, headers: dict[str, str], meant: set[str]
) -> None:
    """No note, also of follow-up requests, has the level BAD or WARN."""
    found = fetch_notes(f"{plot}{path}", list(headers.items()))
    assert len(found) > 3
    assert {note.summary for note in found if note.is_fault} == meant


def test_a_304_has_no_bad_note(plot: str) -> None:
    """Revalidation gets no such note either."""
    with urllib.request.urlopen(f"{plot}.png") as response:
        etag = response.headers["ETag"]
    found = fetch_notes(f"{plot}.png", [("If-None-Match", etag)])
    assert not [note for note in found if note.is_fault]
