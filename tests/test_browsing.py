"""The page measurements detect each fault, which a small page has on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, Error, Page, Route

from tests.support.browsing import (
    Shift,
    find_blurry_images,
    find_worst_window,
    list_images,
    look_through,
    measure_layout_shift,
    measure_overflow,
    open_page,
)
from tests.support.page_judges import find_violations

# The browser's driver keeps threads while it runs.
pytestmark = [pytest.mark.slow, pytest.mark.keeps_threads]

ORIGIN = "http://page.test"
HEAD = '<!doctype html><html lang="en"><title>A page</title>'
POLICY = {"Content-Security-Policy": "default-src 'none'; img-src 'self'"}
Show = Callable[[str], Page]
SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'


def send_picture(route: Route) -> None:
    """Send a PNG of the width in the URL, the SVG square, or broken data."""
    name = route.request.url.rpartition("/")[2]
    body = BytesIO(SQUARE.encode() if name == "square" else b"broken")
    if name.isdigit():
        Image.new("RGB", (int(name), 10)).save(body, "png")
    kind = "svg+xml" if name == "square" else "png"
    route.fulfill(body=body.getvalue(), content_type=f"image/{kind}")


@pytest.fixture
def show(browser: Browser, complaints: list[str]) -> Iterator[Show]:
    """Return a function that opens a page, 500 pixels wide, at density 2."""
    size = {"width": 500, "height": 400}
    with open_page(browser, complaints, viewport=size, device_scale_factor=2) as page:

        def open_body(body: str) -> Page:
            page.route("**/*", send_picture)
            page.route(
                f"{ORIGIN}/",
                lambda route: route.fulfill(
                    body=HEAD + body, content_type="text/html", headers=POLICY
                ),
            )
            page.goto(ORIGIN)
            return page

        yield open_body


INSERT = """() => {
    const late = document.createElement('h1');
    late.textContent = 'Late';
    document.body.prepend(late);
}"""


def test_a_layout_shift_is_measured(show: Show) -> None:
    """A line that is inserted late pushes the text down."""
    page = show("<p>Text")
    assert measure_layout_shift(page) == 0
    page.evaluate(INSERT)
    assert measure_layout_shift(page) > 0


def test_a_shift_after_a_click_does_not_count(show: Show) -> None:
    """A shift that the user causes is expected."""
    page = show("<button>More</button><p>Text")
    page.evaluate(
        f"document.querySelector('button').addEventListener('click', {INSERT})"
    )
    page.get_by_role("button").click()
    page.get_by_text("Late").wait_for()
    assert measure_layout_shift(page) == 0


@pytest.mark.parametrize(
    ("shifts", "worst"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([(0, 1), (0.9, 2)], 3, id="one-window"),
        pytest.param([(0, 1), (1, 2), (2, 1)], 2, id="a-second-ends-it"),
        pytest.param([(s * 0.9, 1) for s in range(8)], 6, id="five-seconds-end-it"),
    ],
)
def test_the_worst_session_window_counts(
    shifts: list[tuple[float, float]], worst: float
) -> None:
    """Shifts are added up within a window, as web-vitals does it."""
    assert find_worst_window(Shift(*shift) for shift in shifts) == worst


def test_overflow_is_measured(show: Show) -> None:
    """A 600-pixel image and a margin of 8 overflow a window of 500 by 108."""
    page = show("<img src=600>")
    look_through(page)
    assert measure_overflow(page) == 108


@pytest.mark.parametrize(
    ("attributes", "is_blurry"),
    [
        pytest.param("src=100 width=100", True, id="a-pixel-for-four"),
        pytest.param("src=200 width=100", False, id="a-pixel-each"),
        pytest.param("src=100 srcset='200 2x' width=100", False, id="by-density"),
        pytest.param("src=100 srcset='100 2x' width=100", True, id="a-false-density"),
        pytest.param("src=square width=100", False, id="vector"),
    ],
)
def test_blurry_images_are_found(show: Show, attributes: str, is_blurry: bool) -> None:
    """The file's pixels count, whatever density ``srcset`` declares."""
    page = show(f"<img {attributes}>")
    look_through(page)
    assert bool(find_blurry_images(page)) == is_blurry


def test_look_through_loads_lazy_images(show: Show) -> None:
    """The image is too far down for the browser to load it at once."""
    page = show(f"{'<p>Text' * 1000}<img loading=lazy src=100>")
    look_through(page)
    assert [image.width_px for image in list_images(page)] == [100]


def test_a_broken_image_is_an_error(show: Show) -> None:
    """Its size cannot be checked."""
    page = show("<img src=broken>")
    with pytest.raises(Error, match="cannot be decoded"):
        look_through(page)


def test_a_policy_violation_is_a_complaint(show: Show, complaints: list[str]) -> None:
    """The console names the policy."""
    show("<script>1</script>")
    assert "Content Security Policy" in "".join(complaints)


def test_axe_core_names_the_rule_and_the_element(show: Show) -> None:
    """It runs although the page's policy allows no script."""
    page = show("<main><h1>Title</h1><img src=100></main>")
    (violation,) = find_violations(page)
    assert (violation.rule, violation.impact) == ("image-alt", "critical")
    assert violation.elements == ('<img src="100">',)
