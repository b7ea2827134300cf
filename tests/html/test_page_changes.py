"""Changing and printed pages in Chromium."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.support.browsing import open_page, pass_time

# The browser's driver keeps threads while it runs.
pytestmark = [pytest.mark.slow, pytest.mark.keeps_threads]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_text("Rain 2 1")
    return path


# --- Changes with a newer picture -----------------------------------------------------

ALT = "document.querySelector('img').alt"
SIDES = """() => ['width', 'height'].map(
    side => document.querySelector('img').getAttribute(side))"""
DECODE = "async () => { await document.querySelector('img').decode(); }"
HEAR = """() => {
    window.refreshed = 0;
    addEventListener('mplstream:refresh', () => { window.refreshed += 1; });
}"""


def change(page: Page, data: Path, text: str) -> None:
    """Write *text* as the data, and wait until the page shows it."""
    data.write_text(text)
    pass_time(page, 2)
    page.wait_for_function("() => window.refreshed > 0")


def opened(page: Page, url: str) -> None:
    page.goto(url)
    page.evaluate(DECODE)
    page.evaluate(HEAR)


def test_the_alternative_text_follows_the_picture(
    page: Page, page_app: str, data: Path
) -> None:
    """It has the new numbers, in any writing system."""
    opened(page, f"{page_app}/follows/sized?path={data}")
    assert page.evaluate(ALT) == "Rain: 100% “wet” °."
    change(page, data, "Schnee❄ 2 1")
    assert page.evaluate(ALT) == "Schnee❄: 100% “wet” °."


def test_a_long_alternative_text_follows_the_picture(
    page: Page, page_app: str, data: Path
) -> None:
    """A text that is too long for a header is read from ``.txt``."""
    opened(page, f"{page_app}/follows/sized?path={data}")
    change(page, data, f"{'❄' * 200} 2 1")
    assert page.evaluate(ALT).startswith("❄" * 200)


@pytest.mark.parametrize(
    ("query", "before", "after"),
    [
        pytest.param("", ["200", "100"], ["300", "400"], id="both"),
        pytest.param("&width=50", ["50", "25"], ["50", "67"], id="height"),
        pytest.param("&height=50", ["100", "50"], ["38", "50"], id="width"),
        pytest.param("&width=50&height=50", ["50", "50"], ["50", "50"], id="none"),
        pytest.param("&_width=320", ["320", "160"], ["320", "426"], id="fixed-width"),
    ],
)
def test_the_size_follows_the_picture(
    page: Page,
    page_app: str,
    data: Path,
    query: str,
    before: list[str],
    after: list[str],
) -> None:
    """Sides that the page sets do not change."""
    opened(page, f"{page_app}/follows/sized?path={data}{query}")
    assert page.evaluate(SIDES) == before
    change(page, data, "Rain 3 4")
    assert page.evaluate(SIDES) == after


@pytest.mark.parametrize(
    ("name", "query", "alt"),
    [
        pytest.param("sized", "&alt=Mine", "Mine", id="given"),
        pytest.param("secret", "", "A figure of one person.", id="private"),
    ],
)
def test_the_alternative_text_of_a_page_stays(
    page: Page, page_app: str, data: Path, name: str, query: str, alt: str
) -> None:
    """This includes texts that are not read from the figure."""
    opened(page, f"{page_app}/follows/{name}?path={data}{query}")
    change(page, data, "Snow 2 1")
    assert page.evaluate(ALT) == alt


# --- Paper -------------------------------------------------------------------------

#: An image in a PDF that Chromium writes, and its compressed pixels.
IMAGE = re.compile(rb"/Subtype /Image.*?>>\s*stream\r?\n(.*?)\r?\nendstream", re.DOTALL)


def printed_images(page: Page) -> list[np.ndarray[Any, Any]]:
    """Return the color channels of each image on the printed page."""
    found = IMAGE.findall(page.pdf())
    return [np.frombuffer(zlib.decompress(data), np.uint8) for data in found]


SOURCE = "document.querySelector('img').currentSrc"


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        pytest.param("/night", "dark", id="the-browser-s-theme"),
        pytest.param("/night?theme=dark", "light", id="data-theme"),
        pytest.param("/night?theme=dark", "dark", id="both"),
        pytest.param("/always-dark", "light", id="by-the-call"),
    ],
)
def test_a_dark_page_prints_light_pictures(
    browser: Browser,
    complaints: list[str],
    page_app: str,
    path: str,
    scheme: Any,
) -> None:
    """They are loaded only for print."""
    with open_page(browser, complaints, color_scheme=scheme) as page:
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(page_app + path)
        page.wait_for_function(f"() => {SOURCE}.includes('_theme=dark')")
        page.evaluate(DECODE)
        page.wait_for_load_state("networkidle")
        shown = [url for url in loaded if "/night." in url]
        if path != "/night?theme=dark" or scheme == "dark":
            assert all("_theme=dark" in url for url in shown)
        (printed,) = printed_images(page)
        assert printed.mean() > 250
        page.emulate_media(media="print")
        page.wait_for_function(f"() => !{SOURCE}.includes('_theme=dark')")
        page.emulate_media(media="screen")
        page.wait_for_function(f"() => {SOURCE}.includes('_theme=dark')")
