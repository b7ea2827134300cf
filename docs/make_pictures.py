"""Makes the pictures of the documentation, by hand. ::

    python docs/make_pictures.py            all of them
    python docs/make_pictures.py walk       those whose name begins so

A picture is one line in PICTURES. It starts the app on a free port, opens the path
in Chromium and writes ``docs/pictures/NAME.png``; what the path of a ``.png`` answers
is written as it is.
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
    """One picture, of a page or of a figure itself."""

    #: The file's name, without its extension.
    name: str
    #: Path and query of the URL. Where the path ends in ``.png``, that figure.
    path: str
    #: What ``flask --app`` takes, or the page whose first code block is the app.
    app: str = "example_app"
    #: Width and height of the window in CSS pixels.
    viewport: tuple[int, int] = (1080, 800)
    #: ``light`` or ``dark``.
    scheme: str = "light"
    #: What of the page is shown: a CSS selector; else the window.
    selector: str = ""
    #: Whether the whole page is shown, however long.
    full_page: bool = False
    #: JavaScript that is run in the page before.
    before: str = ""
    #: Dots for each CSS pixel; fewer for wide pages, which nobody sees as wide.
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

#: With arguments that show something of each control.
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

#: All images are there, with the pixels that the page chose.
LOADED = """async () => {
    for (const image of document.images) image.loading = 'eager';
    await Promise.all([...document.images].map(image => image.decode()));
}"""


def main(prefix: str = "") -> None:
    """Make the pictures whose name begins with *prefix*."""
    wanted = [picture for picture in PICTURES if picture.name.startswith(prefix)]
    with ExitStack() as stack:
        apps = sorted({picture.app for picture in wanted})
        urls = {app: stack.enter_context(serving(app)) for app in apps}
        browser = stack.enter_context(chromium())
        for picture in wanted:
            write(picture, seen(picture, urls[picture.app], browser))


def seen(picture: Picture, url: str, browser: Browser) -> bytes:
    """The picture as PNG."""
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
    page.wait_for_load_state("networkidle")  # What scripts fetch is there, too.
    page.evaluate(LOADED)
    if picture.selector:
        body = page.locator(picture.selector).screenshot()
    else:
        body = page.screenshot(full_page=picture.full_page)
    page.close()
    return body


def write(picture: Picture, body: bytes) -> None:
    """Write *body* with a palette, which is a third of the size."""
    path = PICTURES_FOLDER / f"{picture.name}.png"
    with Image.open(BytesIO(body)) as image:
        colors = image.convert("RGB").quantize(160, kmeans=5, dither=Image.Dither.NONE)
        colors.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {size / 1000:.0f} kB")
    if size > MAX_BYTES:
        raise SystemExit(f"{path.name} has more than {MAX_BYTES / 1000:.0f} kB.")


@contextmanager
def serving(app: str) -> Iterator[str]:
    """The URL of a server of *app*, on a free port."""
    with tempfile.TemporaryDirectory() as folder:
        if app.endswith(".md"):
            app = written_app(DOCS / app, Path(folder))
        port = free_port()
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


def written_app(page: Path, folder: Path) -> str:
    """The first code block of *page* as a file that ``flask --app`` takes."""
    found = re.search(r"```\{testcode\}\n(.*?)```", page.read_text("utf-8"), re.S)
    if found is None:
        raise SystemExit(f"{page.name} has no {{testcode}} block to make an app of.")
    path = folder / "app.py"
    path.write_text(found[1], "utf-8")
    return str(path)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when something listens at *port*."""
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}.")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"{process.args!r} does not listen at port {port}.")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, without a window."""
    program = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
