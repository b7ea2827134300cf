"""Each page, as a person, axe-core and Lighthouse see it, from a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browsing import (
    blurry_images,
    images,
    layout_shift,
    look_through,
    open_page,
    overflow,
)
from tests.support.page_judges import Score, lighthouse_scores, violations
from tests.support.paths import OUTPUT
from tests.support.servers import Gunicorn

# The browser's driver has some for as long as it runs.
pytestmark = pytest.mark.keeps_threads

#: Every page that people see.
PAGES = [
    pytest.param("/", id="dashboard"),
    pytest.param("/plots/_gallery/", id="gallery"),
    pytest.param("/plots/_gallery/relief?azimuth=90", id="figure"),
]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with Gunicorn(
        "example_app:create_app()", "--threads", "8", environment={"REDIS_URL": ""}
    ) as server:
        yield server.url


@dataclass(frozen=True)
class Visit:
    """A page that was looked through from its top to its end."""

    page: Page
    complaints: list[str]


@pytest.fixture(scope="module", params=PAGES)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(
    scope="module",
    params=[pytest.param(1280, id="desktop"), pytest.param(360, id="phone")],
)
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def visit(
    browser: Browser, site: str, path: str, scheme: str, width: int
) -> Iterator[Visit]:
    """The page by day or by night, on a fine screen of either size."""
    complaints: list[str] = []
    with open_page(
        browser,
        complaints,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        device_scale_factor=2,
    ) as page:
        page.goto(f"{site}{path}")
        look_through(page)
        name = path.strip("/").replace("/", "-") or "index"
        OUTPUT.mkdir(exist_ok=True)
        page.screenshot(path=OUTPUT / f"{name}-{width}-{scheme}.png", full_page=True)
        yield Visit(page, complaints)


def test_it_shows_pictures_without_a_complaint(visit: Visit) -> None:
    """All that it loads is there and allowed, and the console is silent."""
    assert images(visit.page)
    assert visit.complaints == []


def test_nothing_is_wider_than_the_screen(visit: Visit) -> None:
    """Nobody has to scroll sideways."""
    assert overflow(visit.page) == 0


def test_every_picture_is_sharp(visit: Visit) -> None:
    """With a pixel of its own for each of the screen's."""
    assert blurry_images(visit.page) == []


def test_nothing_jumps_while_it_loads(visit: Visit) -> None:
    """Room is kept for every picture: what somebody reads stays where it is."""
    assert layout_shift(visit.page) == 0


def test_axe_core_finds_no_violation(visit: Visit) -> None:
    """Neither of WCAG 2.2 AA nor of axe-core's best practices."""
    assert violations(visit.page) == []


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("desktop", 1), id="desktop"),
        pytest.param(("mobile", 2), id="mobile"),
    ],
)
def scores(
    request: pytest.FixtureRequest, browser: Browser, site: str, path: str
) -> dict[str, Score]:
    """What Lighthouse says of the page, whose pictures are already rendered."""
    form_factor: Literal["desktop", "mobile"]
    form_factor, scale = request.param
    with open_page(browser, [], device_scale_factor=scale) as page:
        page.goto(f"{site}{path}")
        look_through(page)
    return lighthouse_scores(browser, f"{site}{path}", form_factor=form_factor)


@pytest.mark.parametrize("category", ["performance", "accessibility", "best-practices"])
def test_lighthouse_gives_all_points(scores: dict[str, Score], category: str) -> None:
    """100 of 100."""
    assert scores[category].points == 100, "\n".join(scores[category].faults)
