"""The cost and the savings of kept figures.

* steps: the loads and builds for one figure twice on a page. Everything that the page
  names is requested, and each format, the words and the data once, in one process and
  in four worker processes.
* second variant: after a first request for a figure whose query takes 500 ms, the time
  of its picture at density 2, as SVG, as CSV and of its words, by the clock, because
  the query only waits.
* lone pictures: pictures of which no other variant is requested, with ``keep=30`` and
  with ``keep=0``, in turns, after 64 of them.

    python -m benchmarks.kept [--rounds 15]
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from html import unescape
from itertools import count
from statistics import median

from flask import Flask, render_template_string
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from benchmarks._figures import dates, formulas, histogram, line
from benchmarks._pairs import (
    Result,
    median_ratio,
    print_table,
    read_rounds,
    time_in_turns,
)
from flask_mplstream import FigureBlueprint, data_loaded, figure_built
from flask_mplstream.formats import FORMATS

QUERY_S = 0.5
LONE_BEFORE = 64
PAGE = "{% for _ in range(2) %}{{ figure('plots.sales', n=n, alt='') }}{% endfor %}"
SECOND = (".png?_scale=2&n={}", ".svg?n={}", ".csv?n={}", ".txt?n={}")


def load_sales(n: int) -> list[int]:
    """Return data after a slow query."""
    time.sleep(QUERY_S)
    return [number * n % 17 for number in range(200)]


def draw_sales(data: list[int], n: int = 3) -> Figure:
    """Draw the sales."""
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot(data, label="sold")
    axes.set_title("Sales")
    axes.legend()
    return figure


plots = FigureBlueprint("plots", __name__, url_prefix="/plots")
plots.figure_route(
    "/sales",
    endpoint="sales",
    load=load_sales,
    dark_style=True,
    formats=list(FORMATS),
    timeout=120,
)(draw_sales)


def create_app(workers: int = 0) -> Flask:
    """Create an app with the figure, and a page that shows it twice."""
    app = Flask(__name__)
    app.config["MPLSTREAM_WORKERS"] = workers
    app.register_blueprint(plots)

    @app.get("/")
    def page() -> str:
        return render_template_string(PAGE, n=3)

    return app


def count_steps(workers: int) -> dict[str, int]:
    """Return the numbers of requests, loads and builds for the whole page."""
    app, counts = create_app(workers), Counter[str]()

    def count_load(_app: Flask, **_: object) -> None:
        counts["loads"] += 1

    def count_build(_app: Flask, **_: object) -> None:
        counts["builds"] += 1

    data_loaded.connect(count_load, app)
    figure_built.connect(count_build, app)
    client = app.test_client()
    named = map(unescape, re.findall(r"/plots/sales[^\s\",]*", client.get("/").text))
    listed = [f"/plots/sales.{name}?n=3" for name in FORMATS]
    urls = list(dict.fromkeys([*named, *listed, "/plots/sales.png?n=3&_scale=3"]))
    for url in urls:
        response = client.get(url)
        if response.status_code != 200:
            raise SystemExit(f"{url}: {response.status}")
    plots.close(app)
    return {"urls": len(urls), **counts}


def time_second(rounds: int) -> dict[str, float]:
    """Return the ratio of each second variant to the first one, by the clock."""
    client, ratios = create_app().test_client(), {}
    numbers = count(10)

    def ask(url: str) -> float:
        began = time.perf_counter()
        status = client.get(f"/plots/sales{url}").status_code
        if status != 200:
            raise SystemExit(f"{url}: {status}")
        return time.perf_counter() - began

    for url in SECOND:
        pairs = [
            (ask(f".png?n={n}"), ask(url.format(n)))
            for n in (next(numbers) for _ in range(rounds))
        ]
        ratios[url.format("…")] = median(second / first for first, second in pairs)
    return ratios


def serve_lone(build: Callable[[], Figure], keep: float) -> Callable[[], object]:
    """Return a function that requests a new picture of *build* at each call."""
    lone = FigureBlueprint("lone", __name__, url_prefix="/lone")

    @lone.figure_route("/walk", keep=keep)
    def walk(n: int = 0) -> Figure:
        return build()

    app, numbers = Flask("lone"), count()
    app.register_blueprint(lone)
    client: FlaskClient = app.test_client()

    def ask() -> None:
        if client.get(f"/lone/walk.png?n={next(numbers)}").status_code != 200:
            raise SystemExit("The picture cannot be rendered.")

    for _ in range(LONE_BEFORE):
        ask()
    return ask


def main() -> None:
    """Measure and print."""
    rounds = read_rounds(__doc__, 15)
    one, four = count_steps(0), count_steps(4)
    print_table(
        f"One figure twice on a page, {one['urls']} URLs",
        [
            Result("loads, one process", one["loads"], 1, "d"),
            Result("builds, one process", one["builds"], 2, "d"),
            Result("loads, four worker processes", four["loads"], 4, "d"),
            Result("builds, four worker processes", four["builds"], 8, "d"),
        ],
    )
    print_table(
        f"A second variant to the first, with a query of {QUERY_S:g} s",
        [Result(n, r, 0.25) for n, r in time_second(max(rounds // 3, 3)).items()],
    )
    results = []
    for build in (line, histogram, formulas, dates):
        contenders = {f"keep={keep}": serve_lone(build, keep) for keep in (30, 0)}
        times = time_in_turns(contenders, rounds, calls=4)
        ratio = median_ratio(times, "keep=30", "keep=0")
        results.append(Result(build.__name__, ratio, 1.03))
    print_table("Lone pictures, keep=30 to keep=0, processor time", results)


if __name__ == "__main__":
    main()
