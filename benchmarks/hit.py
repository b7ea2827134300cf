"""The cost of a hit against a bare Flask view and against Flask-Caching.

Calls the WSGI apps in this process with the request of a browser's ``<img>``, and
closes the results. All send the same bytes, the article's scatter of about 40 kB:

* bare: ``return Response(body, mimetype="image/png")``, and also ``return body``
* hit: a figure route with every header, from the embedded store, 200 and 304
* cached: ``@cache.cached(query_string=True)`` around the bare view, SimpleCache

Targets: 200 <= 1.2 bare, 304 <= 1.25 bare (the bare 200), 200 <= 0.75 cached.

    python -m benchmarks.hit [--rounds 60]
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from flask import Flask, Response
from flask_caching import Cache
from werkzeug.test import EnvironBuilder

from benchmarks._figures import scatter
from benchmarks._pairs import (
    Result,
    median_ratio,
    print_table,
    read_rounds,
    time_in_turns,
)
from flask_mplstream import FigureBlueprint

URL = "/plots/scatter?n=50"
ACCEPT = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
CALLS = 300
FRESH_S = 24 * 3600


View = Callable[[], Response | bytes]
#: An app, a WSGI environment and the expected status, by name.
Calls = Mapping[str, tuple[Flask, dict[str, Any], int]]


class Answer(NamedTuple):
    """The response of an app."""

    status: int
    headers: dict[str, str]
    body: bytes


def call_app(app: Flask, environ: dict[str, Any]) -> Answer:
    """Make one WSGI call; read and close its body."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _: object = None
    ) -> Callable[[bytes], object]:
        started.append((status, headers))
        return bytes  # Never used.

    returned: Iterable[bytes] = app.wsgi_app(environ.copy(), start_response)
    body = b"".join(returned)
    close = getattr(returned, "close", None)
    if close is not None:
        close()
    [(status, headers)] = started
    return Answer(int(status[:3]), dict(headers), body)


def create_environ(**headers: str) -> dict[str, Any]:
    """Return the WSGI environment of a browser's request for the picture."""
    sent = [("Accept", ACCEPT)]
    sent += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return EnvironBuilder(path=URL, headers=sent).get_environ()


def create_figure_app() -> Flask:
    """Create an app with the figure route and the embedded store."""
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

    @plots.figure_route("/scatter", max_age=FRESH_S)
    def picture(n: int = 20) -> object:
        return scatter()

    app = Flask("figures")
    app.register_blueprint(plots)
    return app


def create_bare_app(view: View) -> Flask:
    """Create an app with *view* as its view."""
    app = Flask("bare")
    app.add_url_rule("/plots/scatter", "scatter", view)
    return app


def create_cached_app(view: View) -> Flask:
    """Create an app with *view* behind Flask-Caching."""
    app = Flask("cached")
    settings = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": FRESH_S}
    cache = Cache(app, config=settings)
    cached: Any = cache.cached(query_string=True)(view)
    app.add_url_rule("/plots/scatter", "scatter", cached)
    return app


def check_answers(calls: Calls, body: bytes) -> None:
    """Check the second response to each call, as ``@cached`` renders the first.

    :raises SystemExit: a response has another status or body.
    """
    for name, (app, environ, status) in calls.items():
        call_app(app, environ)
        answer = call_app(app, environ)
        if (answer.status, answer.body) != (status, body if status == 200 else b""):
            raise SystemExit(f"{name}: {answer.status} with {len(answer.body)} bytes")


def bind_calls(calls: Calls) -> dict[str, Callable[[], object]]:
    """Return the calls as functions without parameters."""
    return {name: partial(call_app, *call[:2]) for name, call in calls.items()}


def main() -> None:
    """Measure and print."""
    rounds = read_rounds(__doc__, 60)
    ours, plain = create_figure_app(), create_environ()
    first = call_app(ours, plain)
    validate = create_environ(If_None_Match=first.headers["ETag"])

    def response() -> Response:
        return Response(first.body, mimetype="image/png")

    calls: Calls = {
        "bare": (create_bare_app(response), plain, 200),
        "bare, return body": (create_bare_app(lambda: first.body), plain, 200),
        "hit 200": (ours, plain, 200),
        "hit 304": (ours, validate, 304),
        "cached": (create_cached_app(response), plain, 200),
    }
    check_answers(calls, first.body)
    for environ in (plain, validate):
        headers = call_app(ours, environ).headers
        if "hit" not in headers["Cache-Status"]:
            raise SystemExit(f"The response was not a hit: {headers}")
    times = time_in_turns(bind_calls(calls), rounds, calls=CALLS)
    print_table(
        f"Microseconds for a request, {len(first.body):,} bytes, {rounds} rounds",
        [Result(n, statistics.median(t) * 1e6, form=".1f") for n, t in times.items()],
    )
    compared = [
        ("hit 200", "bare", 1.2),
        ("hit 304", "bare", 1.25),
        ("hit 200", "cached", 0.75),
        ("hit 200", "bare, return body", None),
        ("hit 304", "bare, return body", None),
    ]
    print_table(
        "Ratio of times",
        [
            Result(f"{a} / {b}", median_ratio(times, a, b), target)
            for a, b, target in compared
        ],
    )


if __name__ == "__main__":
    main()
