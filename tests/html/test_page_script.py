"""The package's script in real pages: refreshed pictures and the page's theme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request

from tests.support.browsing import open_page, pass_time

# The browser's driver keeps threads while it runs.
pytestmark = [pytest.mark.slow, pytest.mark.keeps_threads]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "color"
    path.write_text("red")
    return path


#: Read the color in the middle of the shown picture.
COLOR = """() => {
    const image = document.querySelector('img');
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return [...context.getImageData(9, 9, 1, 1).data].slice(0, 3).join();
}"""
SHOWS_DARK = "document.querySelector('img').currentSrc.includes('_theme=dark')"
DECODE = "async () => { await document.querySelector('img').decode(); }"
RED, BLUE = "255,0,0", "0,0,255"


def watch(page: Page) -> list[Request]:
    """Return a list that collects requests for pictures."""
    seen: list[Request] = []
    page.on("request", lambda r: seen.append(r) if "/plots/" in r.url else None)
    return seen


def near(color: str, page: Page) -> None:
    """Assert that the page shows *color*, as far as a lossy picture can."""
    shown = [int(channel) for channel in page.evaluate(COLOR).split(",")]
    wanted = [int(channel) for channel in color.split(",")]
    assert all(abs(a - b) < 12 for a, b in zip(shown, wanted, strict=True)), shown


def until_blue(page: Page) -> None:
    pass_time(page, 2)
    is_blue = f"() => Number(({COLOR})().split(',')[2]) > 200"
    page.wait_for_function(is_blue)
    near(BLUE, page)


@pytest.mark.parametrize("figure", ["live", "plain"])
def test_a_picture_is_replaced_when_it_has_changed(
    page: Page, page_app: str, data: Path, figure: str
) -> None:
    """It works with or without a version and a signature, in any page."""
    page.goto(f"{page_app}/{figure}?path={data}")
    page.evaluate(DECODE)
    near(RED, page)
    page.evaluate("document.querySelector('img').isTheSame = true")
    data.write_text("blue")
    until_blue(page)
    assert page.evaluate("document.querySelector('img').isTheSame")


def test_nothing_is_loaded_while_nothing_changes(
    page: Page, page_app: str, data: Path
) -> None:
    """Each check is a HEAD request with a 304 response."""
    page.goto(f"{page_app}/live?path={data}")
    page.evaluate(DECODE)
    seen = watch(page)
    answers: list[int] = []
    page.on(
        "response", lambda r: answers.append(r.status) if "/plots/" in r.url else None
    )
    with page.expect_response(lambda r: r.request.method == "HEAD"):
        pass_time(page, 2)
    with page.expect_response(lambda r: r.request.method == "HEAD"):
        pass_time(page, 2)
    asked = [request for request in seen if request.method == "HEAD"]
    assert len(asked) >= 2
    assert all(request.headers.get("if-none-match") for request in asked)
    assert set(answers[1:]) <= {200, 304}
    assert 304 in answers
    # The page reads the browser's cached copy.
    gets = [request for request in seen if request.method == "GET"]
    assert len(gets) <= 1


HIDE = """hidden => {
    Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_hidden_tab_sends_no_requests(page: Page, page_app: str, data: Path) -> None:
    """A visible tab sends one immediately."""
    page.goto(f"{page_app}/plain?path={data}")
    page.evaluate(DECODE)
    with page.expect_response(lambda r: r.request.method == "HEAD"):
        pass_time(page, 2)
    page.evaluate(HIDE, True)
    seen = watch(page)
    pass_time(page, 10)
    assert seen == []
    with page.expect_response(lambda r: r.request.method == "HEAD"):
        page.evaluate(HIDE, False)


def test_a_failing_server_keeps_the_picture(
    browser: Browser, page_app: str, data: Path
) -> None:
    """The old picture stays, and checks become less frequent."""
    complaints: list[str] = []
    with open_page(browser, complaints, has_clock=True) as page:
        page.goto(f"{page_app}/plain?path={data}")
        page.evaluate(DECODE)
        data.write_text("no color")
        with page.expect_response(
            lambda r: r.request.method == "HEAD" and r.status == 500
        ):
            pass_time(page, 2)
        seen = watch(page)
        pass_time(page, 6)  # Without the backoff, it would check once a second.
        assert len(seen) <= 2
        near(RED, page)
        data.write_text("blue")
        pass_time(page, 16)
        until_blue(page)
    assert all("500" in complaint for complaint in complaints)


def test_a_picture_added_later_is_refreshed(
    page: Page, page_app: str, data: Path
) -> None:
    """A script of the page adds it and removes it again."""
    page.goto(f"{page_app}/plain?path={data}")
    page.evaluate(DECODE)
    page.evaluate("""() => {
        const old = document.querySelector('img');
        const next = old.cloneNode();
        (old.closest('picture') ?? old).replaceWith(next);
    }""")
    with page.expect_response(lambda r: r.request.method == "HEAD"):
        pass_time(page, 2)
    page.evaluate("document.querySelector('img').remove()")
    pass_time(page, 2)
    seen = watch(page)
    pass_time(page, 5)
    assert seen == []


def test_a_picture_that_failed_to_load_is_checked_again(
    browser: Browser, page_app: str, data: Path
) -> None:
    """It appears when a proxy stops rejecting it."""
    complaints: list[str] = []
    with open_page(browser, complaints, has_clock=True) as page:
        page.route(
            "**/plots/plain*", lambda route: route.fulfill(status=502, body="no")
        )
        page.goto(f"{page_app}/plain?path={data}")
        page.wait_for_function("() => document.querySelector('img').complete")
        page.unroute("**/plots/plain*")
        pass_time(page, 4)
        page.wait_for_function("() => document.querySelector('img').naturalWidth > 0")
        near(RED, page)
    assert all("502" in complaint for complaint in complaints)


def test_an_attribute_added_later_starts_the_refresh(
    page: Page, page_app: str, data: Path
) -> None:
    """A script of the page sets the attribute."""
    page.goto(f"{page_app}/plain?path={data}")
    page.evaluate("document.querySelector('img').dataset.mplstreamRefresh = '600'")
    page.evaluate("""() => {
        const next = document.createElement('img');
        next.src = document.querySelector('img').src;
        document.body.append(next);
        setTimeout(() => { next.dataset.mplstreamRefresh = '1'; }, 300);
    }""")
    with page.expect_response(lambda r: r.request.method == "HEAD"):
        pass_time(page, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder with the errors that the busy figure raises next."""
    path = tmp_path / "errors"
    path.mkdir()
    return path


def refuse(folder: Path, *statuses: int, n: int = 0) -> None:
    for number, status in enumerate(statuses):
        (folder / f"{n}-{number:02}-{status}").touch()


ALL_BLUE = """() => [...document.images].every(image => {
    if (!image.complete || !image.naturalWidth) return false;
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const [red, green, blue] = context.getImageData(9, 9, 1, 1).data;
    return blue > 200 && red < 60 && green < 60;
})"""


def test_a_refused_picture_is_requested_again(
    browser: Browser, page_app: str, folder: Path
) -> None:
    """It appears without a reload, in all formats and sizes, under a strict policy."""
    refuse(folder, 503, 503)
    complaints: list[str] = []
    with open_page(browser, complaints, has_clock=True, device_scale_factor=2) as page:
        page.goto(f"{page_app}/busy?path={folder}")
        page.evaluate(DECODE)
        assert not page.evaluate(ALL_BLUE)
        pass_time(page, 6)
        page.wait_for_function(ALL_BLUE)
        shown = page.evaluate("document.querySelector('img').currentSrc")
        assert "busy.webp" in shown
        assert "_scale=2" in shown
        sources = page.evaluate(
            "[...document.querySelectorAll('source, img')].map(e => e.srcset)"
        )
        assert all("_v=" in source for source in sources if source)
        seen = watch(page)
        pass_time(page, 5)
        assert seen == []
    assert all("503" in complaint for complaint in complaints)


def test_a_page_of_refused_pictures_becomes_complete(
    browser: Browser, page_app: str, folder: Path
) -> None:
    """Each picture is requested separately."""
    for n in range(6):
        refuse(folder, *[503] * (n % 3), n=n)
    with open_page(browser, [], has_clock=True) as page:
        page.goto(f"{page_app}/busy?path={folder}&count=6")
        pass_time(page, 6)
        page.wait_for_function(ALL_BLUE)
        assert page.evaluate("document.images.length") == 6


def count_requests(page: Page, url: str, seconds: int) -> int:
    """Count the requests for the picture in *seconds* of the page's clock."""
    page.goto(url)
    page.evaluate(DECODE)
    seen = watch(page)
    pass_time(page, seconds, step_s=4)
    return len(seen)


def test_a_busy_server_gets_few_requests(
    browser: Browser, page_app: str, folder: Path
) -> None:
    """The script stops after a few tries at increasing intervals."""
    refuse(folder, *[503] * 40)
    with open_page(browser, [], has_clock=True) as page:
        assert count_requests(page, f"{page_app}/busy?path={folder}", 200) == 6


def test_a_failed_picture_is_not_requested_again(
    browser: Browser, page_app: str, folder: Path
) -> None:
    """An error of the figure function is permanent."""
    refuse(folder, *[500] * 40)
    with open_page(browser, [], has_clock=True) as page:
        assert count_requests(page, f"{page_app}/busy?path={folder}", 60) == 0


def test_a_refused_picture_that_then_fails_is_not_requested_again(
    browser: Browser, page_app: str, folder: Path
) -> None:
    """One more request finds the error."""
    refuse(folder, 503, *[500] * 40)
    with open_page(browser, [], has_clock=True) as page:
        assert count_requests(page, f"{page_app}/busy?path={folder}", 60) == 1


def test_a_hidden_tab_requests_no_refused_picture(
    browser: Browser, page_app: str, folder: Path
) -> None:
    """A visible tab does."""
    refuse(folder, 503)
    with open_page(browser, [], has_clock=True) as page:
        page.goto(f"{page_app}/busy?path={folder}")
        page.evaluate(HIDE, True)
        seen = watch(page)
        pass_time(page, 6)
        assert seen == []
        page.evaluate(HIDE, False)
        page.wait_for_function(ALL_BLUE)


def test_a_browser_that_hides_the_status_reads_the_servers_header(
    browser: Browser, page_app: str, folder: Path
) -> None:
    """In Safari, images have no ``responseStatus``."""
    refuse(folder, 503)
    with open_page(browser, [], has_clock=True) as page:
        page.add_init_script(
            "Object.defineProperty(PerformanceResourceTiming.prototype, "
            "'responseStatus', {get: () => undefined});"
        )
        page.goto(f"{page_app}/busy?path={folder}")
        pass_time(page, 2)
        page.wait_for_function(ALL_BLUE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_browsers_theme_decides(
    browser: Browser, complaints: list[str], page_app: str, scheme: Any
) -> None:
    """The page sets no ``data-theme``."""
    with open_page(browser, complaints, color_scheme=scheme) as page:
        page.goto(f"{page_app}/night")
        page.evaluate(DECODE)
        assert is_dark(page) is (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_data_theme_takes_precedence(
    browser: Browser, complaints: list[str], page_app: str, scheme: Any
) -> None:
    """It may be on the root or nearer, and may be set later."""
    with open_page(browser, complaints, color_scheme=scheme) as page:
        page.goto(f"{page_app}/night")
        for theme in ("dark", "light", "dark"):
            page.evaluate(
                "theme => document.documentElement.dataset.theme = theme", theme
            )
            page.wait_for_function(f"dark => {SHOWS_DARK} == dark", arg=theme == "dark")
            page.evaluate(DECODE)
            assert is_dark(page) is (theme == "dark")
        page.evaluate("document.body.dataset.theme = 'light'")
        page.wait_for_function(f"() => !{SHOWS_DARK}")


def is_dark(page: Page) -> bool:
    return sum(int(channel) for channel in page.evaluate(COLOR).split(",")) < 200
