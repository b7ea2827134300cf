"""The page of ``flask figures freeze``, as a browser opens it from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import pytest
from flask import Flask
from playwright.sync_api import Browser

from tests.apps.cli_figures import create_app, invoke

# The browser's driver has threads for as long as it runs.
pytestmark = [pytest.mark.slow, pytest.mark.keeps_threads]


@pytest.fixture
def app() -> Flask:
    return create_app()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def test_the_html_to_copy_equals_that_of_the_page(
    app: Flask, site: Path, browser: Browser
) -> None:
    """The page shows its own markup as text."""
    invoke(app, "freeze", site, "plots.walk", "n=7")
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    snippet = page.locator("pre").inner_text()
    page.close()
    assert snippet.startswith('<img src="figures/plots-walk-n=7.png" srcset=')
    assert snippet in (site / "index.html").read_text()


DECODED = """
async () => {
  const images = [...document.images];
  for (const image of images) image.loading = "eager";
  await Promise.all(images.map((image) => image.decode()));
  return images.map((image) => ({
    shown: image.currentSrc.split("/").pop(),
    natural: image.naturalWidth,
    alt: image.alt,
    width: image.getAttribute("width"),
    height: image.getAttribute("height"),
  }));
}
"""


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        pytest.param({}, ".png", id="plain"),
        pytest.param({"device_scale_factor": 2}, "@2x.png", id="dense"),
    ],
)
def test_a_browser_shows_every_picture_from_the_disk(
    app: Flask, site: Path, browser: Browser, options: dict[str, Any], suffix: str
) -> None:
    """Any arguments give a working file name; each image has alt, width and height."""
    titles = ["plain", "a, b", "Größe 50%", "x/../y", "#?&=", "trailing,"]
    arguments = [f"title={title}" for title in titles]
    result = invoke(app, "freeze", site, "plots.walk", *arguments)
    assert result.exit_code == 0, result.output
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    shown = page.evaluate(DECODED)
    links = page.eval_on_selector_all("a", "all => all.map((a) => a.href)")
    context.close()
    assert len(shown) == len(titles)
    for image in shown:
        assert image["shown"].endswith(suffix)
        assert image["natural"] == 100
        assert image["alt"]
        assert (image["width"], image["height"]) == ("100", "50")
    assert len(links) == 2 * len(titles)
    names = {unquote(link).rpartition("/")[2] for link in links}
    assert names == {path.name for path in (site / "figures").iterdir()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_dark_browser_gets_dark_pictures(
    app: Flask, site: Path, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    """The browser selects them by its color scheme."""
    invoke(app, "freeze", site, "plots.sales")
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    (image,) = page.evaluate(DECODED)
    context.close()
    assert ("@dark" in image["shown"]) is (scheme == "dark")


def test_browsers_choose_by_width(app: Flask, site: Path, browser: Browser) -> None:
    """They take the width in the page, and the compact format if they support it."""
    widths = ("--width", "120", "--width", "320", "--width", "640")
    formats = ("--format", "png", "--format", "webp")
    result = invoke(app, "freeze", site, "plots.mine", *widths, *formats)
    assert result.exit_code == 0, result.output
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    (image,) = page.evaluate(DECODED)
    page.close()
    assert image["shown"] == "plots-mine@120w.webp"
