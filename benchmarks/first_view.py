"""The cost of the first view of a page against the article's code.

A page has four figures by ``figure()``, with size and alternative text read from the
figures, and nothing is in the cache. The program requests the page and then the files
that Chrome takes: of each ``<picture>`` the first source without a media query in a
format that Chrome shows, and of its ``srcset`` the candidate for a screen with one
device pixel per CSS pixel. This is repeated with other arguments in each round:

* default: ``page_formats`` and ``page_densities`` as they are
* png: ``page_formats=["png"]``
* avif: ``page_formats=["avif", "webp", "png"]``
* default, 2x: the default on a screen of density 2
* savefig: the four functions are called, and their figures saved as PNG

Targets: default <= 1.2 savefig, png <= 1.0 savefig.

    python -m benchmarks.first_view [--rounds 15]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html.parser import HTMLParser
from itertools import count
from statistics import median

from flask import Flask, render_template_string, request
from matplotlib.figure import Figure

from benchmarks._figures import Sample, dates, formulas, histogram, line
from benchmarks._pairs import (
    Result,
    median_ratio,
    print_table,
    read_rounds,
    time_in_turns,
)
from benchmarks.hit import ACCEPT
from benchmarks.miss import render_theirs
from flask_mplstream import FigureBlueprint, FigureOptions

FIGURES = tuple(map(Sample, (line, histogram, formulas, dates)))
PAGE = """<!doctype html><title>Figures</title>
{% for name in names %}{{ figure('plots.' + name, n=n) }}{% endfor %}"""
CHROME_TYPES = ("image/avif", "image/webp", "image/png")


class Browser(HTMLParser):
    """The choice of a file for each picture in a page, as Chrome makes it."""

    def __init__(self, density: float) -> None:
        super().__init__()
        #: The chosen URLs, in the order of the page.
        self.urls: list[str] = []
        self._density = density
        self._srcset: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the first usable source; choose a file for each image."""
        found = dict(attrs)
        if tag == "source" and not self._srcset:
            is_usable = found.get("type") in CHROME_TYPES and "media" not in found
            self._srcset = found["srcset"] if is_usable else None
        elif tag == "img":
            srcset = self._srcset or found.get("srcset") or str(found["src"])
            self.urls.append(choose_candidate(srcset, self._density))
            self._srcset = None


def choose_candidate(srcset: str, density: float) -> str:
    """Return the URL for *density*: the next larger one, or else the largest."""
    pairs = [f"{entry} 1x".split()[:2] for entry in srcset.split(", ")]
    densities = {float(size.removesuffix("x")): url for url, size in pairs}
    enough = [size for size in densities if size >= density]
    return densities[min(enough, default=max(densities))]


def create_page_app(page_formats: Sequence[str] | None = None) -> Flask:
    """Create an app with the page and its figures.

    :param page_formats: the option; ``None`` for its default.
    """
    options: FigureOptions = {}
    if page_formats is not None:
        options["page_formats"] = page_formats
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots", **options)
    for sample in FIGURES:
        plots.figure_route(
            f"/{sample.name}", endpoint=sample.name, savefig=sample.savefig
        )(_take_number(sample.build))
    app = Flask("first_view")
    app.register_blueprint(plots)

    @app.get("/")
    def page() -> str:
        names = [sample.name for sample in FIGURES]
        return render_template_string(PAGE, names=names, n=request.args["n"])

    return app


def _take_number(build: Callable[[], Figure]) -> Callable[[int], Figure]:
    """Return *build* with a parameter that only changes the URL."""

    def draw(n: int) -> Figure:
        return build()

    draw.__doc__ = build.__doc__
    return draw


def view(app: Flask, density: float, numbers: count[int]) -> list[str]:
    """Load the page and its pictures, and return their types.

    :raises SystemExit: if a picture is not rendered for this view.
    """
    client, browser = app.test_client(), Browser(density)
    browser.feed(client.get(f"/?n={next(numbers)}").text)
    types = []
    for url in browser.urls:
        response = client.get(url, headers={"Accept": ACCEPT})
        if response.status_code != 200 or "fwd" not in response.headers["Cache-Status"]:
            raise SystemExit(f"{url}: {response.status}, {response.headers}")
        types.append(str(response.mimetype))
    return types


def save_all() -> None:
    """Build the figures and save them as the article does."""
    for sample in FIGURES:
        render_theirs(sample)


def main() -> None:
    """Measure and print."""
    rounds, numbers = read_rounds(__doc__, 15), count()
    plain = create_page_app()
    apps = {
        "default": (plain, 1),
        "png": (create_page_app(["png"]), 1),
        "avif": (create_page_app(["avif", "webp", "png"]), 1),
        "default, 2x": (plain, 2),
    }
    for name, (app, density) in apps.items():
        print(f"{name:<12} {', '.join(view(app, density, numbers))}")
    views = {name: partial(view, *app, numbers) for name, app in apps.items()}
    times = time_in_turns({**views, "savefig": save_all}, rounds)
    print_table(
        f"The first view of {len(FIGURES)} figures, milliseconds, {rounds} rounds",
        [Result(n, median(t) * 1e3, form=".1f") for n, t in times.items()],
    )
    targets = {"default": 1.2, "png": 1.0}
    print_table(
        "Ratio of times",
        [
            Result(
                f"{name} / savefig",
                median_ratio(times, name, "savefig"),
                targets.get(name),
            )
            for name in views
        ],
    )


if __name__ == "__main__":
    main()
