"""Schemathesis checks real responses against the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import settings

from example_app import create_app
from flask_mplstream import RenderedImage
from flask_mplstream.formats import Variant
from flask_mplstream.workers.dispatch import Renders
from tests.apps.every_kind import every_kind

pytestmark = pytest.mark.slow

URL = "/plots/_gallery/openapi.json"


def stub(
    renders: Renders, recipe: object, values: object, variant: Variant, *_: object
) -> RenderedImage:
    """Return a picture without a render."""
    return RenderedImage(b"{}", variant.format, 1, 1)


@pytest.fixture
def no_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stub renders: hundreds of the example app's would take too long."""
    monkeypatch.setattr(Renders, "render", stub)


# In a separate file, because a collection of these tests takes seconds.
EVERY_KIND = schemathesis.openapi.from_wsgi(URL, every_kind())
EXAMPLE = schemathesis.openapi.from_wsgi(URL, create_app({"DEBUG": True}))

bounded = settings(max_examples=20)


def judge(case: schemathesis.Case[Any]) -> None:
    """Send a request and validate the response by the document."""
    if not {"_scale", "_width"} <= set(case.query or ()):  # The RFC allows both.
        case.call_and_validate()


@EVERY_KIND.parametrize()
@bounded
def test_every_kind_of_parameter_matches_the_document(
    case: schemathesis.Case[Any],
) -> None:
    """Schemathesis sends valid values, invalid ones and the limits."""
    judge(case)


@pytest.mark.usefixtures("no_renders")
@EXAMPLE.parametrize()
@bounded
def test_the_example_app_matches_its_document(case: schemathesis.Case[Any]) -> None:
    """The app was not written for this test."""
    judge(case)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param(".png", {"Range": "bytes=0-3"}, 206, id="part"),
        pytest.param(".png", {"If-None-Match": "*"}, 304, id="not-modified"),
        pytest.param("?whole=x", {}, 400, id="argument"),
        pytest.param("?whole=x", {"Sec-Fetch-Dest": "image"}, 400, id="as-a-picture"),
        pytest.param("", {"Accept": "text/plain"}, 406, id="not-acceptable"),
        pytest.param(".png", {"If-Match": '"other"'}, 412, id="precondition"),
        pytest.param(".png", {"Range": "bytes=999999-"}, 416, id="range"),
        pytest.param(".schema.json", {"If-None-Match": "*"}, 304, id="schema"),
    ],
)
def test_responses_to_special_headers_are_in_the_document(
    path: str, headers: dict[str, str], status: int
) -> None:
    """Schemathesis does not send these headers itself."""
    end, _, query = path.partition("?")
    name, format = ("{_format}", end[1:]) if end == ".png" else (end[1:], "")
    operation = EVERY_KIND["/plots/many" + (f".{name}" if name else "")]["GET"]
    case = operation.Case(
        path_parameters={"_format": format},
        query=dict([query.split("=")] if query else []),
    )
    response = case.call(headers=headers)
    assert response.status_code == status
    case.validate_response(response)
