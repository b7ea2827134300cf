"""Pages in a real Chromium: opening, looking through, measuring.

Nothing here asserts: each function says what it sees, and a test what it wants.
Whoever calls these is marked ``keeps_threads``, as Playwright's driver has some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserType,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tests.support.servers import need

# As long as all else waits; the machine may be busy.
expect.set_options(timeout=30_000)

#: Silent: a browser that is only there for a test asks nothing of anybody else.
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update"),
]


def launch(chromium: BrowserType, *arguments: str) -> Browser:
    """A Chromium of the test's own, headless; the caller closes it."""
    return chromium.launch(
        executable_path=need("chromium"), args=[*ARGUMENTS, *arguments]
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium, with the driver that all others need as well."""
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        yield browser
        browser.close()


#: Keeps what the page itself may no longer have when somebody asks for it.
COLLECT_SHIFTS = """
window.layoutShifts = [];
window.layoutShiftObserver = new PerformanceObserver(
    list => layoutShifts.push(...list.getEntries()));
layoutShiftObserver.observe({type: 'layout-shift', buffered: true});
"""


@contextmanager
def open_page(
    browser: Browser, complaints: list[str], *, has_clock: bool = False, **options: Any
) -> Iterator[Page]:
    """An empty page in a context of its own, closed when the block ends.

    :param complaints: gets the text of each warning and error in its console, and
        of each exception that none of its scripts caught.
    :param has_clock: its timers can be put forward by :func:`pass_time`.
    :param options: of Playwright's ``Browser.new_context``, such as ``viewport``,
        ``device_scale_factor`` and ``color_scheme``.
    """

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    context = browser.new_context(**options)
    context.add_init_script(COLLECT_SHIFTS)
    page = context.new_page()
    if has_clock:
        page.clock.install()
    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        context.close()


def pass_time(page: Page, seconds: int, *, step_s: int = 1) -> None:
    """Put the page's clock forward, with moments for answers to arrive between."""
    for _ in range(0, seconds, step_s):
        page.clock.run_for(step_s * 1000)
        page.wait_for_timeout(20)


SCROLL = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
        scrollTo({top: y, behavior: 'instant'});
        await frame();
    }
    scrollTo({top: 0, behavior: 'instant'});
}"""
LOAD_TIMEOUT_MS = 120_000
LOADED = "() => [...document.images].every(image => image.complete)"
DECODE = "() => Promise.all([...document.images].map(image => image.decode()))"


def look_through(page: Page) -> None:
    """Scroll to the end and back, until each image is there, also the lazy ones.

    :raises playwright.sync_api.Error: where an image is not there in two minutes
        or cannot be decoded.
    """
    page.evaluate(SCROLL)
    page.wait_for_function(LOADED, timeout=LOAD_TIMEOUT_MS)
    page.evaluate(DECODE)


SHIFTS = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await frame(); await frame();
    // Those that the observer has not been told of yet.
    layoutShifts.push(...layoutShiftObserver.takeRecords());
    return layoutShifts.filter(shift => !shift.hadRecentInput)
        .map(shift => [shift.startTime / 1000, shift.value]);
}"""


@dataclass(frozen=True)
class Shift:
    """A jump of what was already seen, not caused by a click or a key."""

    at_s: float
    value: float


def layout_shift(page: Page) -> float:
    """The page's Cumulative Layout Shift until now; 0 is none, 0.1 is still good."""
    return worst_window([Shift(*pair) for pair in page.evaluate(SHIFTS)])


def worst_window(shifts: Iterable[Shift]) -> float:
    """The largest sum of a session window: https://web.dev/articles/cls.

    A window ends where a second passes without a shift, or after five seconds.
    """
    worst = total = 0.0
    first = last = float("-inf")
    for shift in shifts:
        if shift.at_s - last >= 1 or shift.at_s - first >= 5:
            first, total = shift.at_s, 0.0
        last = shift.at_s
        total += shift.value
        worst = max(worst, total)
    return worst


def overflow(page: Page) -> int:
    """CSS pixels that the page is wider than its window; none is 0."""
    width_px: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width_px


# An image's own naturalWidth is divided by the density that srcset gave it.
DRAWN = """() => Promise.all([...document.images].map(async image => {
    const copy = new Image();
    copy.src = image.currentSrc;
    await copy.decode();
    const loaded = performance.getEntriesByName(image.currentSrc);
    return {
        url: image.currentSrc,
        width_px: copy.naturalWidth,
        needed_px: image.getBoundingClientRect().width * devicePixelRatio,
        is_vector: loaded.some(entry => entry.contentType.includes('svg')),
    };
}))"""


@dataclass(frozen=True)
class DrawnImage:
    """An image as the page shows it."""

    url: str
    #: Pixels of its file from left to right.
    width_px: int
    #: Pixels of the screen from left to right.
    needed_px: float
    is_vector: bool

    @property
    def is_blurry(self) -> bool:
        """Whether its pixels are fewer than the screen's."""
        # The edges of a box may lie within a pixel.
        return not self.is_vector and self.width_px < self.needed_px - 1


def images(page: Page) -> list[DrawnImage]:
    """All images of the page, in its order; each must be loaded."""
    return [DrawnImage(**image) for image in page.evaluate(DRAWN)]


def blurry_images(page: Page) -> list[DrawnImage]:
    """The images that have fewer pixels than the screen shows of them."""
    return [image for image in images(page) if image.is_blurry]
