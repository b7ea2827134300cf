"""The gallery on a real server in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.apps.gallery_figures import create_app
from tests.support.browsing import measure_layout_shift, measure_overflow, open_page
from tests.support.servers import serve_in_threads

# The browser's driver keeps threads while it runs.
pytestmark = [pytest.mark.slow, pytest.mark.keeps_threads]

PAGE = "/shown/_gallery/every_kind"


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serve_in_threads(create_app()) as url:
        yield url


@pytest.fixture
def page(browser: Browser, site: str, complaints: list[str]) -> Iterator[Page]:
    """Open a page as wide as a desktop's; console errors fail the test."""
    with open_page(
        browser,
        complaints,
        base_url=site,
        viewport={"width": 1280, "height": 900},
        permissions=["clipboard-read", "clipboard-write"],
    ) as opened:
        yield opened
    assert complaints == []


def open_figure(page: Page, path: str = PAGE) -> None:
    """Open a figure's page and wait for its script to complete it."""
    page.goto(path)
    expect(page.locator("[data-fact=etag]")).not_to_have_text("\N{EN DASH}")
    expect(page.locator("#frame")).not_to_have_attribute("aria-busy", "true")


def picture(page: Page) -> str:
    """Return the URL of the picture in the frame, which is unique."""
    url: str = page.locator("#frame img").evaluate(
        "async image => (await image.decode(), image.currentSrc)"
    )
    return url


def test_a_slider_changes_the_picture_the_url_and_the_snippets(page: Page) -> None:
    """The page is not reloaded, and the new URL opens the same picture."""
    open_figure(page)
    before = picture(page)
    page.evaluate("window.isTheSamePage = true")
    page.get_by_role("slider", name="n, as a slider").fill("300")
    page.wait_for_url(f"**{PAGE}?n=300")
    expect(page.get_by_label("n", exact=True)).to_have_value("300")
    expect(page.get_by_label("Jinja", exact=True)).to_have_value(
        "{{ figure('shown.every_kind', n=300) }}"
    )
    expect(page.get_by_role("link", name="Download as SVG")).to_have_attribute(
        "href", "/shown/every-kind.svg?n=300&_download=1"
    )
    expect(page.locator("#frame img[src^=blob]")).to_be_visible()
    assert picture(page) != before
    assert page.evaluate("window.isTheSamePage")
    page.reload()
    expect(page.get_by_label("n", exact=True)).to_have_value("300")


def test_a_changed_picture_is_not_an_avif(page: Page) -> None:
    """It would take several times as long as the WebP of a page."""
    open_figure(page)
    with page.expect_request("**/every-kind?n=303*") as request:
        page.get_by_label("n", exact=True).fill("303")
    accepted = request.value.headers["accept"]
    assert "image/webp" in accepted
    assert "avif" not in accepted


def test_the_page_shows_the_steps_of_the_render(page: Page) -> None:
    """Each step has milliseconds, and the cache status is described."""
    open_figure(page)
    page.get_by_label("title").fill("Drawn for the first time")
    steps = page.locator(".steps")
    expect(steps).to_contain_text(re.compile(r"Draw\s*\d+\.\d ms"))
    expect(page.locator("[data-fact=cache]")).to_contain_text("Rendered and stored")
    expect(page.locator("[data-fact=size]")).to_contain_text(
        re.compile(r"\d (bytes|kB) of PNG")
    )
    assert page.locator(".bar span").count() >= 3
    page.get_by_label("title").fill("A title")
    page.wait_for_url(f"**{PAGE}")


def test_an_older_response_is_dropped(page: Page) -> None:
    """A slow response does not replace a newer one."""
    open_figure(page)
    held: list[Route] = []
    page.route("**/every-kind?n=301*", lambda route: held.append(route))
    number = page.get_by_label("n", exact=True)
    number.fill("301")
    page.wait_for_url(f"**{PAGE}?n=301")
    number.fill("302")
    page.wait_for_url(f"**{PAGE}?n=302")
    expect(page.locator("#frame")).not_to_have_attribute("aria-busy", "true")
    shown = picture(page)
    for route in held:
        route.continue_()
    page.unroute("**/every-kind?n=301*")
    page.evaluate("fetch('/shown/every-kind?n=301').then(answer => answer.blob())")
    assert held
    assert picture(page) == shown
    assert page.url.endswith("?n=302")


def test_quick_changes_are_one_request(page: Page) -> None:
    """The request is sent after a pause."""
    page.clock.install(time=0)
    open_figure(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.pause_at(3600)  # The keys may take any time.
    page.get_by_label("title").press_sequentially("quick")
    page.clock.resume()
    page.wait_for_url("**title=*quick*")
    assert len([url for url in asked if "_form=1" in url]) == 1


def test_an_error_appears_beside_its_field(page: Page) -> None:
    """The picture stays, and the error disappears when the value is fixed."""
    open_figure(page)
    before = picture(page)
    even = page.get_by_label("even")
    even.fill("3")
    expect(page.locator("#arg-even-error")).to_have_text(re.compile("it is odd"))
    expect(even).to_have_attribute("aria-invalid", "true")
    assert picture(page) == before
    assert page.url.endswith(PAGE)
    even.fill("4")
    page.wait_for_url(f"**{PAGE}?even=4")
    expect(page.locator("#arg-even-error")).to_be_empty()
    expect(even).not_to_have_attribute("aria-invalid", "true")


def test_a_failed_figure_shows_its_error(
    browser: Browser, site: str, complaints: list[str]
) -> None:
    """The error replaces the picture and is announced to screen readers."""
    with open_page(browser, complaints, base_url=site) as page:
        page.goto("/shown/_gallery/broken?n=1")
        expect(page.get_by_role("alert")).to_contain_text("cannot be drawn")
        expect(page.locator("#frame img")).to_have_count(0)
    # The browser logs each 500.
    assert all("500" in complaint for complaint in complaints)


def test_an_expired_login_is_reported(page: Page) -> None:
    """The server sends a login page instead of the state."""
    open_figure(page)
    page.route("**/every_kind?_form=1*", lambda route: route.fulfill(body="Log in."))
    page.get_by_label("n", exact=True).fill("300")
    expect(page.get_by_role("alert")).to_contain_text("Reload this one")


def test_a_required_argument_brings_the_picture(page: Page) -> None:
    """Until then, the page names the argument."""
    page.goto("/shown/_gallery/sales")
    expect(page.get_by_text("Enter year to see the figure.")).to_be_visible()
    expect(page.get_by_role("heading", name="Use it")).to_be_hidden()
    page.get_by_label("year").fill("2020")
    expect(page.locator("#frame img")).to_be_visible()
    expect(page.get_by_role("heading", name="Use it")).to_be_visible()
    page.wait_for_url("**?year=2020")


def test_lists_grow(page: Page) -> None:
    """A list always ends with a blank field."""
    open_figure(page)
    fields = page.get_by_role("group", name="levels").get_by_role("spinbutton")
    expect(fields).to_have_count(3)
    fields.nth(2).fill("7")
    page.wait_for_url("**?levels=1.0&levels=2.5&levels=7.0")
    expect(fields).to_have_count(4)


def test_a_button_copies_its_snippet(page: Page) -> None:
    """The button confirms the copy."""
    open_figure(page)
    for name in ("URL", "Jinja", "Markdown", "HTML"):
        shown = page.get_by_label(name, exact=True).input_value()
        button = page.get_by_role("button", name=f"Copy: {name}")
        button.click()
        expect(button).to_have_text("Copied")
        assert shown
        assert page.evaluate("navigator.clipboard.readText()") == shown


def test_copying_works_without_https(page: Page) -> None:
    """Plain HTTP has no clipboard API."""
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: null})")
    open_figure(page)
    page.get_by_role("button", name="Copy: URL").click()
    expect(page.get_by_role("button", name="Copy: URL")).to_have_text("Copied")
    title = page.get_by_label("title")
    title.fill("")
    title.press("Control+v")
    expect(title).to_have_value("/shown/every-kind")


def test_the_search_filters_during_typing(page: Page) -> None:
    """It works by keyboard, counts the matches and updates the URL."""
    page.goto("/shown/_gallery/")
    page.keyboard.press("/")
    page.keyboard.type("YEAR sold")
    cards = page.locator(".card:visible")
    expect(cards).to_have_count(1)
    expect(page.get_by_role("status")).to_have_text("1 of 4 figures")
    page.wait_for_url("**q=YEAR*")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/_gallery/sales")
    page.go_back()
    expect(page.locator(".card:visible")).to_have_count(1)
    page.get_by_role("searchbox").fill("no such thing")
    expect(page.get_by_text("No figure matches all of these words.")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    expect(page.get_by_role("status")).to_have_text("4 figures")


def test_pictures_follow_the_stored_theme(page: Page) -> None:
    """The theme is kept across pages without a flash of the other one."""
    page.goto("/shown/_gallery/")
    with page.expect_request("**_theme=dark*"):
        page.get_by_role("radio", name="Dark").check()
    open_figure(page)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    assert "_theme=dark" in picture(page)
    with page.expect_response(re.compile(r"/every-kind\?_width=\d+$")):
        page.get_by_role("radio", name="Light").check()
    page.get_by_role("radio", name="Auto").check()
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(15, 18, 22)")


def test_print_is_light(page: Page) -> None:
    """The pictures are light, too, with either theme."""
    page.goto("/shown/_gallery/")
    page.get_by_role("radio", name="Dark").check()
    expect(page.locator("body")).to_have_css("background-color", "rgb(15, 18, 22)")
    page.emulate_media(media="print")
    expect(page.locator("body")).to_have_css("background-color", "rgb(245, 246, 248)")


def test_the_keyboard_reaches_every_control(page: Page) -> None:
    """Arrow keys move a slider, and the first Tab skips the header."""
    open_figure(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "range":
            break
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**{PAGE}?n=201")


def test_the_page_shows_the_alternative_text(page: Page) -> None:
    """The picture has the same text."""
    open_figure(page)
    expect(page.locator("#words")).to_contain_text("Line chart")
    words = page.locator("#words").inner_text()
    expect(page.locator("#frame img")).to_have_attribute("alt", words)


def test_the_back_button_leaves_the_page(page: Page) -> None:
    """Moving a control adds no entry to the history."""
    page.goto("/shown/_gallery/")
    page.get_by_role("link", name="Every kind").click()
    page.get_by_label("n", exact=True).fill("300")
    page.wait_for_url("**?n=300")
    page.get_by_label("n", exact=True).fill("301")
    page.wait_for_url("**?n=301")
    page.go_back()
    expect(page.get_by_role("heading", name="Figures")).to_be_visible()
    page.go_forward()
    expect(page.get_by_label("n", exact=True)).to_have_value("301")
    expect(page.get_by_role("heading", name="Every kind")).to_be_visible()


@pytest.mark.parametrize("path", ["/shown/_gallery/sales?year=2020", PAGE])
def test_the_picture_stays_visible_on_a_phone(
    browser: Browser, site: str, complaints: list[str], path: str
) -> None:
    """No element is wider than the screen or moves."""
    with open_page(
        browser,
        complaints,
        base_url=site,
        viewport={"width": 360, "height": 740},
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
    ) as page:
        open_figure(page, path)
        assert measure_overflow(page) == 0
        assert measure_layout_shift(page) == 0
        page.locator(".field input:visible").last.scroll_into_view_if_needed()
        expect(page.locator("#frame img")).to_be_in_viewport(ratio=0.9)
    assert complaints == []


def test_the_page_works_without_javascript(
    browser: Browser, site: str, complaints: list[str]
) -> None:
    """The form reloads the page, and controls that need a script are hidden."""
    with open_page(
        browser, complaints, base_url=site, java_script_enabled=False
    ) as page:
        page.goto("/shown/_gallery/")
        page.get_by_role("searchbox").fill("control")
        page.get_by_role("searchbox").press("Enter")
        expect(page.locator(".card:visible")).to_have_count(1)
        page.get_by_role("link", name="Every kind").click()
        expect(page.get_by_role("slider")).to_have_count(0)
        expect(page.get_by_role("radio", name="Dark")).to_have_count(0)
        expect(page.get_by_role("button", name=re.compile("Copy"))).to_have_count(0)
        page.get_by_label("n", exact=True).fill("300")
        page.get_by_label("grid").uncheck()
        page.get_by_role("button", name="Show").click()
        page.wait_for_url(f"**{PAGE}?n=300&grid=false")
        shown = page.locator("#frame img").get_attribute("src")
        assert shown == "/shown/every-kind.png?n=300&grid=false"
    assert complaints == []
