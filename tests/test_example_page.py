"""The example app's page, on a real server in a real Chromium."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browsing import open_page
from tests.support.servers import Server, find_free_port

# The browser's driver keeps threads while it runs.
pytestmark = [pytest.mark.slow, pytest.mark.keeps_threads]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Start the example app as the README does, on the embedded store."""
    port = find_free_port()
    flask = [sys.executable, "-m", "flask", "--app", "example_app"]
    # Renders on a busy machine are slow.
    environment = {"REDIS_URL": "", "FLASK_MPLSTREAM_TIMEOUT": "120"}
    command = (*flask, "run", "--port", str(port))
    with Server(*command, port=port, environment=environment):
        yield f"http://127.0.0.1:{port}"


def test_the_button_loads_another_picture(
    browser: Browser, url: str, complaints: list[str]
) -> None:
    """The button changes the seed without loading the page again."""
    with open_page(browser, complaints) as page:
        page.goto(url)
        page.evaluate("window.isTheSamePage = true")
        picture = page.locator("#scatter img")
        before = picture.evaluate("image => image.currentSrc")
        page.get_by_role("button", name="New scatter").click()
        page.wait_for_function(
            "before => document.querySelector('#scatter img').currentSrc != before",
            arg=before,
        )
        assert picture.evaluate(
            "async image => (await image.decode(), image.naturalWidth)"
        )
        assert page.evaluate("window.isTheSamePage")
    assert complaints == []


def test_a_control_changes_the_picture_at_once(
    browser: Browser, url: str, complaints: list[str]
) -> None:
    """The URL has the arguments, and an error is shown beside its form."""
    with open_page(browser, complaints) as page:
        page.goto(url)
        page.get_by_label("Logarithmic scale").check()
        page.wait_for_function(
            "() => document.querySelector('#prices img').currentSrc.includes('log=')"
        )
        page.wait_for_url("**log=true**")
        page.goto(f"{url}/?n=700")
        message = page.locator("#identity .message").inner_text()
        assert "an integer from 1 to 50" in message
    # The browser logs the page's 400.
    assert all("400" in complaint for complaint in complaints)


def test_everything_works_without_javascript(
    browser: Browser, url: str, complaints: list[str]
) -> None:
    """The button and the forms load the page again with the new picture."""
    with open_page(browser, complaints, java_script_enabled=False) as page:
        page.goto(url)
        before = page.locator("#scatter img").get_attribute("src")
        page.get_by_role("button", name="New scatter").click()
        after = page.locator("#scatter img").get_attribute("src")
        assert before != after
        page.locator("#prices").get_by_label("Adobe").check()
        page.locator("#prices").get_by_role("button", name="Show").click()
        shown = page.locator("#prices img").get_attribute("src")
        assert shown is not None
        assert "tickers=ADBE" in shown
        # The other figures keep their arguments.
        assert page.locator("#scatter img").get_attribute("src") == after
    assert complaints == []


def test_a_printed_page_is_light(
    browser: Browser, url: str, complaints: list[str]
) -> None:
    """Its background suits its light pictures, even if the reader prefers dark."""
    with open_page(browser, complaints, color_scheme="dark") as page:
        page.goto(url)
        expect(page.locator("body")).to_have_css("background-color", "rgb(18, 21, 27)")
        page.emulate_media(media="print")
        expect(page.locator("body")).to_have_css(
            "background-color", "rgb(244, 245, 248)"
        )
