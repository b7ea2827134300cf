"""Make the pictures of the documentation.

Run it by hand::

    python docs/make_pictures.py            # all pictures
    python docs/make_pictures.py walk       # those with names that begin with "walk"

PICTURES has a line for each. The program starts the app on a free port, opens the path
in Chromium and writes ``docs/pictures/NAME.png``. A path that ends in ``.png`` is
written as it is served.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

DOCS = Path(__file__).parent
PICTURES_FOLDER = DOCS / "pictures"
#: Bytes that a picture may have in the repository.
MAX_BYTES = 150_000


@dataclass(frozen=True)
class Picture:
    """A picture of a page or of a figure."""

    #: The file's name, without its extension.
    name: str
    #: Path and query of the URL. A path that ends in ``.png`` is the figure itself.
    path: str
    #: The app for ``flask --app``, or the page with the app in its first code block.
    app: str = "example_app"
    #: Width and height of the window in CSS pixels.
    viewport: tuple[int, int] = (1080, 800)
    #: ``light`` or ``dark``.
    scheme: str = "light"
    #: CSS selector of the shown element; by default the window is shown.
    selector: str = ""
    #: Whether the whole page is shown, however long.
    full_page: bool = False
    #: JavaScript to run in the page first.
    before: str = ""
    #: Dots for each CSS pixel; fewer for wide pages, which are shown smaller.
    dots: float = 2


#: An ``<img>`` alone in the page, one of its pixels on each dot.
ALONE = "document.body.replaceChildren(Object.assign(new Image(320), {{src: '{}'}}))"

#: The light picture of a figure and the dark one, side by side.
BOTH = """
    const both = document.createElement('div');
    both.style.cssText = 'display: inline-flex; gap: 12px';
    for (const theme of ['light', 'dark']) {{
        const image = new Image(440);
        image.src = '{}&_theme=' + theme;
        both.append(image);
    }}
    document.body.replaceChildren(both);
"""

#: The arguments give each control a value.
GALLERY_PAGE = (
    "/plots/_gallery/prices?tickers=AAPL&tickers=AMZN&tickers=IBM&tickers=MSFT"
    "&start=1998-01-01&log=true"
)

PICTURES = [
    Picture("example-light", "/", viewport=(1080, 1040), dots=1.5),
    Picture("example-dark", "/", viewport=(1080, 1040), dots=1.5, scheme="dark"),
    Picture("walk", "/plots/walk.png?n=500&_scale=2", app="quickstart.md"),
    Picture(
        "bad-request",
        "/",
        selector="img",
        before=ALONE.format("/plots/prices?tickers=AAPL&log=maybe"),
    ),
    Picture("pulse", "/plots/pulse.png?_scale=2", app="alt.md"),
    Picture(
        "downloads",
        "/",
        selector="#prices .picture",
        before="document.querySelector('#prices .picture').style.padding = '8px'",
    ),
    Picture(
        "light-and-dark",
        "/",
        viewport=(1080, 400),
        selector="body > div",
        before=BOTH.format("/plots/prices.png?_scale=2"),
    ),
    Picture("gallery-index", "/plots/_gallery/", viewport=(1280, 645), dots=1.5),
    Picture(
        "gallery-light", GALLERY_PAGE, viewport=(1280, 942), full_page=True, dots=1.15
    ),
    Picture(
        "gallery-dark",
        GALLERY_PAGE,
        viewport=(1280, 942),
        scheme="dark",
        full_page=True,
        dots=1.15,
    ),
    Picture("gallery-phone", GALLERY_PAGE, viewport=(390, 844)),
]

#: Load all images, with the pixels that the page chose.
LOADED = """async () => {
    for (const image of document.images) image.loading = 'eager';
    await Promise.all([...document.images].map(image => image.decode()));
}"""


def main(prefix: str = "") -> None:
    """Make the pictures with names that begin with *prefix*."""
    wanted = [picture for picture in PICTURES if picture.name.startswith(prefix)]
    with ExitStack() as stack:
        apps = sorted({picture.app for picture in wanted})
        urls = {app: stack.enter_context(serve(app)) for app in apps}
        browser = stack.enter_context(open_chromium())
        for picture in wanted:
            write(picture, capture(picture, urls[picture.app], browser))


def capture(picture: Picture, url: str, browser: Browser) -> bytes:
    """Return the picture as PNG."""
    if picture.path.partition("?")[0].endswith(".png"):
        with urlopen(url + picture.path) as response:
            return bytes(response.read())
    width, height = picture.viewport
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if picture.scheme == "dark" else "light",
        device_scale_factor=picture.dots,
        reduced_motion="reduce",
    )
    page.goto(url + picture.path)
    if picture.before:
        page.evaluate(picture.before)
    page.wait_for_load_state("networkidle")  # Scripts have fetched their data.
    page.evaluate(LOADED)
    if picture.selector:
        body = page.locator(picture.selector).screenshot()
    else:
        body = page.screenshot(full_page=picture.full_page)
    page.close()
    return body


def write(picture: Picture, body: bytes) -> None:
    """Write *body* with a palette: a third of the bytes."""
    path = PICTURES_FOLDER / f"{picture.name}.png"
    with Image.open(BytesIO(body)) as image:
        colors = image.convert("RGB").quantize(160, kmeans=5, dither=Image.Dither.NONE)
        colors.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {size / 1000:.0f} kB")
    if size > MAX_BYTES:
        raise SystemExit(f"{path.name} has more than {MAX_BYTES / 1000:.0f} kB.")


@contextmanager
def serve(app: str) -> Iterator[str]:
    """Run a server of *app* on a free port, and return its URL."""
    with tempfile.TemporaryDirectory() as folder:
        if app.endswith(".md"):
            app = write_app(DOCS / app, Path(folder))
        port = find_free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", app, "run", "-p", str(port)],
            cwd=DOCS.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def write_app(page: Path, folder: Path) -> str:
    """Write the first code block of *page* to a file for ``flask --app``."""
    found = re.search(r"```\{testcode\}\n(.*?)```", page.read_text("utf-8"), re.S)
    if found is None:
        raise SystemExit(f"{page.name} has no {{testcode}} block to make an app of.")
    path = folder / "app.py"
    path.write_text(found[1], "utf-8")
    return str(path)


def find_free_port() -> int:
    """Return a port without a server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until *process* listens at *port*."""
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}.")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"{process.args!r} does not listen at port {port}.")


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Run Chromium without a window."""
    program = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
