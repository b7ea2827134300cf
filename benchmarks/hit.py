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
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from flask import Flask, Response
from flask_caching import Cache
from werkzeug.test import EnvironBuilder

from benchmarks._figures import scatter
from benchmarks._pairs import (
    Result,
    interleaved,
    median_ratio,
    rounds_from_command_line,
    show,
)
from flask_mplstream import FigureBlueprint

URL = "/plots/scatter?n=50"
ACCEPT = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
CALLS = 300
FRESH_S = 24 * 3600


View = Callable[[], Response | bytes]


class Answer(NamedTuple):
    """The response of an app."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(app: Flask, environ: dict[str, Any]) -> Answer:
    """Make one WSGI call; read and close its body."""
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _: object = None
    ) -> Callable[[bytes], object]:
        said.append((status, headers))
        return bytes  # Never used.

    returned: Iterable[bytes] = app.wsgi_app(environ.copy(), start_response)
    body = b"".join(returned)
    close = getattr(returned, "close", None)
    if close is not None:
        close()
    [(status, headers)] = said
    return Answer(int(status[:3]), dict(headers), body)


def environ_of(**headers: str) -> dict[str, Any]:
    """Return the WSGI environment of a browser's request for the picture."""
    sent = [("Accept", ACCEPT)]
    sent += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return EnvironBuilder(path=URL, headers=sent).get_environ()


def figure_app() -> Flask:
    """Create an app with the figure route and the embedded store."""
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

    @plots.figure_route("/scatter", max_age=FRESH_S)
    def drawn(n: int = 20) -> object:
        return scatter()

    app = Flask("figures")
    app.register_blueprint(plots)
    return app


def bare_app(answer: View) -> Flask:
    """Create an app with *answer* as its view."""
    app = Flask("bare")
    app.add_url_rule("/plots/scatter", "scatter", answer)
    return app


def cached_app(answer: View) -> Flask:
    """Create an app with *answer* behind Flask-Caching."""
    app = Flask("cached")
    settings = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": FRESH_S}
    cache = Cache(app, config=settings)
    view: Any = cache.cached(query_string=True)(answer)
    app.add_url_rule("/plots/scatter", "scatter", view)
    return app


def main() -> None:
    """Measure and print."""
    rounds = rounds_from_command_line(__doc__, 60)
    ours, plain = figure_app(), environ_of()
    first = ask(ours, plain)
    validate = environ_of(If_None_Match=first.headers["ETag"])

    def response() -> Response:
        return Response(first.body, mimetype="image/png")

    calls = {
        "bare": (bare_app(response), plain, 200),
        "bare, return body": (bare_app(lambda: first.body), plain, 200),
        "hit 200": (ours, plain, 200),
        "hit 304": (ours, validate, 304),
        "cached": (cached_app(response), plain, 200),
    }
    for name, (app, environ, status) in calls.items():
        ask(app, environ)  # @cached renders at the first call
        said = ask(app, environ)
        right_body = first.body if status == 200 else b""
        if (said.status, said.body) != (status, right_body):
            raise SystemExit(f"{name}: {said.status} with {len(said.body)} bytes")
        if app is ours and "hit" not in said.headers["Cache-Status"]:
            raise SystemExit(f"{name} was no hit: {said.headers}")
    times = interleaved(
        {name: partial(ask, app, environ) for name, (app, environ, _) in calls.items()},
        rounds,
        calls=CALLS,
    )
    show(
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
    show(
        "Ratio of times",
        [
            Result(f"{a} / {b}", median_ratio(times, a, b), target)
            for a, b, target in compared
        ],
    )


if __name__ == "__main__":
    main()
