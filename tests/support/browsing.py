"""Pages in a real Chromium: opening, scrolling, measuring.

The functions measure and make no assertions. Mark a test that uses them with
``keeps_threads``, as Playwright's driver has threads.
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

from tests.support.servers import find_program

# Playwright's default of 5 s is too short for a busy machine.
expect.set_options(timeout=30_000)

#: Prevent background requests to other servers.
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update"),
]


def launch(chromium: BrowserType, *arguments: str) -> Browser:
    """Start a separate headless Chromium; the caller closes it."""
    return chromium.launch(
        executable_path=find_program("chromium"), args=[*ARGUMENTS, *arguments]
    )


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run Chromium and Playwright's driver, which further browsers share."""
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        yield browser
        browser.close()


#: Collect layout shifts in the page, as the browser does not keep all of them.
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
    """Open an empty page in a new context, and close it when the block ends.

    :param complaints: gets the text of each warning and error in the console, and of
        each uncaught exception.
    :param has_clock: whether :func:`pass_time` can advance the page's timers.
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
    """Advance the page's clock in steps, with pauses for responses to arrive."""
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
    """Scroll to the end and back, until all images are loaded, including lazy ones.

    :raises playwright.sync_api.Error: an image is not loaded after two minutes or
        cannot be decoded.
    """
    page.evaluate(SCROLL)
    page.wait_for_function(LOADED, timeout=LOAD_TIMEOUT_MS)
    page.evaluate(DECODE)


SHIFTS = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await frame(); await frame();
    // Add the shifts that the observer has not received yet.
    layoutShifts.push(...layoutShiftObserver.takeRecords());
    return layoutShifts.filter(shift => !shift.hadRecentInput)
        .map(shift => [shift.startTime / 1000, shift.value]);
}"""


@dataclass(frozen=True)
class Shift:
    """A movement of visible content, not caused by a click or a key."""

    at_s: float
    value: float


def measure_layout_shift(page: Page) -> float:
    """Return the page's Cumulative Layout Shift so far; 0 is none, 0.1 still good."""
    return find_worst_window([Shift(*pair) for pair in page.evaluate(SHIFTS)])


def find_worst_window(shifts: Iterable[Shift]) -> float:
    """Return the largest sum of a session window: https://web.dev/articles/cls.

    A window ends after a second without a shift, or after five seconds.
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


def measure_overflow(page: Page) -> int:
    """Return the page's width beyond its window, in CSS pixels."""
    width_px: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width_px


# The density in srcset divides naturalWidth, so measure a copy without it.
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
    #: The width of the file, in its pixels.
    width_px: int
    #: The width on the screen, in device pixels.
    needed_px: float
    is_vector: bool

    @property
    def is_blurry(self) -> bool:
        """Whether the file has fewer pixels than the screen."""
        # A box may start or end inside a pixel.
        return not self.is_vector and self.width_px < self.needed_px - 1


def list_images(page: Page) -> list[DrawnImage]:
    """Return all images of the page in order; each must be loaded."""
    return [DrawnImage(**image) for image in page.evaluate(DRAWN)]


def find_blurry_images(page: Page) -> list[DrawnImage]:
    """Return the images with fewer pixels than the screen shows."""
    return [image for image in list_images(page) if image.is_blurry]
