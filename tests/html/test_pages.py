"""The pages of a real server, checked in Chromium, by axe-core and Lighthouse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browsing import (
    find_blurry_images,
    list_images,
    look_through,
    measure_layout_shift,
    measure_overflow,
    open_page,
)
from tests.support.page_judges import Score, find_violations, measure_lighthouse_scores
from tests.support.paths import OUTPUT
from tests.support.servers import Gunicorn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sweep,
    # The browser's driver keeps threads while it runs.
    pytest.mark.keeps_threads,
]

#: Every page.
PAGES = {
    "dashboard": "/",
    "gallery": "/plots/_gallery/",
    "figure": "/plots/_gallery/relief?azimuth=90",
}
WIDTHS_PX = {"desktop": 1280, "phone": 360}
FORM_FACTORS = {"desktop": 1, "mobile": 2}
#: The combinations of page, width and theme, of which a run without sweep checks one.
LOOKS = [
    ("dashboard", "desktop", "light"),
    ("gallery", "phone", "light"),
    ("figure", "phone", "dark"),
]
#: The page with the most pictures.
JUDGED = [("dashboard", "desktop")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Check every combination under ``--sweep``."""
    is_sweep = metafunc.config.getoption("--sweep")
    for fixture, part, whole in (
        ("visit", LOOKS, product(PAGES, WIDTHS_PX, ["light", "dark"])),
        ("scores", JUDGED, product(PAGES, FORM_FACTORS)),
    ):
        if fixture in metafunc.fixturenames:
            chosen = list(whole) if is_sweep else part
            metafunc.parametrize(
                fixture, chosen, ids="-".join, scope="module", indirect=True
            )


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    # Renders on a busy machine are slow.
    environment = {"REDIS_URL": "", "FLASK_MPLSTREAM_TIMEOUT": "120"}
    with Gunicorn(
        "example_app:create_app()", "--threads", "8", environment=environment
    ) as server:
        yield server.url


@dataclass(frozen=True)
class Visit:
    """A page after a scroll to its end."""

    page: Page
    complaints: list[str]


@pytest.fixture(scope="module")
def visit(
    request: pytest.FixtureRequest, browser: Browser, site: str
) -> Iterator[Visit]:
    """Visit the page with each theme and width, at a high density."""
    name, width, scheme = request.param
    complaints: list[str] = []
    with open_page(
        browser,
        complaints,
        viewport={"width": WIDTHS_PX[width], "height": 800},
        color_scheme=scheme,
        device_scale_factor=2,
    ) as page:
        page.goto(f"{site}{PAGES[name]}")
        look_through(page)
        OUTPUT.mkdir(exist_ok=True)
        page.screenshot(path=OUTPUT / f"{name}-{width}-{scheme}.png", full_page=True)
        yield Visit(page, complaints)


def test_a_page_loads_its_pictures_without_errors(visit: Visit) -> None:
    """All resources exist and are allowed, and the console is empty."""
    assert list_images(visit.page)
    assert visit.complaints == []


def test_nothing_is_wider_than_the_screen(visit: Visit) -> None:
    """The page needs no horizontal scrolling."""
    assert measure_overflow(visit.page) == 0


def test_every_picture_is_sharp(visit: Visit) -> None:
    """Each image has at least as many pixels as it covers on the screen."""
    assert find_blurry_images(visit.page) == []


def test_the_layout_is_stable_during_loading(visit: Visit) -> None:
    """The page reserves room for every picture, so its text does not move."""
    assert measure_layout_shift(visit.page) == 0


def test_axe_core_finds_no_violation(visit: Visit) -> None:
    """axe-core checks WCAG 2.2 AA and its best practices."""
    assert find_violations(visit.page) == []


@pytest.fixture(scope="module")
def scores(
    request: pytest.FixtureRequest, browser: Browser, site: str
) -> dict[str, Score]:
    """Return Lighthouse's scores of the page, after its pictures are rendered."""
    name, form_factor = request.param
    url = f"{site}{PAGES[name]}"
    with open_page(browser, [], device_scale_factor=FORM_FACTORS[form_factor]) as page:
        page.goto(url)
        look_through(page)
    return measure_lighthouse_scores(browser, url, form_factor=form_factor)


@pytest.mark.parametrize("category", ["performance", "accessibility", "best-practices"])
def test_lighthouse_gives_all_points(scores: dict[str, Score], category: str) -> None:
    """Each score is 100."""
    assert scores[category].points == 100, "\n".join(scores[category].faults)
