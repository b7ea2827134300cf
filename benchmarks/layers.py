"""The cost of the cache's layers: fast layer, Redis, 304 without a picture.

Calls the WSGI apps in this process as benchmarks/hit.py does, and compares them with
its bare Flask view, which sends the same bytes:

* fast: a hit in this process's layer, in front of a real Redis
* redis: a hit with ``MPLSTREAM_FAST_BYTES = 0``, read from Redis every time. The
  processor time excludes the Redis server, so the wall-clock time is given as well.
* 304: ``If-None-Match`` on a route with ``version=`` for a picture that is not in the
  store, on the embedded store and on Redis. It must not render.

Targets: fast <= 1.25 bare; 304 <= 2 bare, no render.

    python -m benchmarks.layers [--rounds 60]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response

from benchmarks._figures import scatter
from benchmarks._pairs import (
    Result,
    median_ratio,
    print_table,
    read_rounds,
    time_in_turns,
)
from benchmarks.hit import (
    Calls,
    bind_calls,
    call_app,
    check_answers,
    create_bare_app,
    create_environ,
)
from flask_mplstream import FigureBlueprint
from tests.support.servers import RedisServer

CALLS = 200
FRESH_S = 24 * 3600


def create_app(
    config: dict[str, Any],
    renders: list[int],
    *,
    version: Callable[[], object] | None = None,
) -> Flask:
    """Create an app with the figure route that records each render in *drawn*."""
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots", max_age=FRESH_S)
    more: Any = {"version": version} if version else {}

    @plots.figure_route("/scatter", **more)
    def picture(n: int = 20) -> object:
        renders.append(n)
        return scatter()

    app = Flask("figures")
    app.config.update(config)
    app.register_blueprint(plots)
    return app


def create_emptied_app(config: dict[str, Any], renders: list[int]) -> tuple[Flask, str]:
    """Return an app with a picture that was rendered and then lost, and its ETag."""
    app = create_app(config, renders, version=lambda: 1)
    store = app.extensions["mplstream"].pictures(None).store
    write, keys = store.write, list[str]()

    def note(key: str, *rest: Any) -> Any:
        keys.append(key)
        return write(key, *rest)

    store.write = note
    etag = call_app(app, create_environ()).headers["ETag"]
    for key in keys:  # The freshness token too.
        store.cut_lifetime(key, 0)
    # A new app has an empty fast layer, like a new process.
    return create_app(config, renders, version=lambda: 1), etag


def prepare_cold_304(
    config: dict[str, Any], renders: list[int]
) -> tuple[Flask, Any, bool]:
    """Return an app with an empty store, a conditional request, and its success."""
    app, etag = create_emptied_app(config, renders)
    renders.clear()
    answer = call_app(app, create_environ(If_None_Match=etag))
    is_right = answer.status == 304 and not renders
    if not is_right:
        # Measure with a tag that the app does match.
        etag = "*"
        app, _ = create_emptied_app(config, renders)
    return app, create_environ(If_None_Match=etag), is_right


def measure_wall_s(call: Callable[[], object]) -> float:
    """Return the wall-clock seconds of one call."""
    started = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - started) / CALLS


def main() -> None:
    """Measure and print."""
    rounds = read_rounds(__doc__, 60)
    plain = create_environ()
    renders: list[int] = []
    with RedisServer() as redis:
        on_redis = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": redis.port}
        cold = {
            "304, embedded": prepare_cold_304({}, renders),
            "304, redis": prepare_cold_304(
                {**on_redis, "CACHE_KEY_PREFIX": "c:"}, renders
            ),
        }
        fast = create_app(on_redis, renders)
        slow = create_app({**on_redis, "MPLSTREAM_FAST_BYTES": 0}, renders)
        first = call_app(fast, plain)

        def response() -> Response:
            return Response(first.body, mimetype="image/png")

        calls: Calls = {
            "bare": (create_bare_app(response), plain, 200),
            "fast": (fast, plain, 200),
            "redis": (slow, plain, 200),
            **{name: (app, environ, 304) for name, (app, environ, _) in cold.items()},
        }
        renders.clear()
        check_answers(calls, first.body)
        timed = bind_calls(calls)
        times = time_in_turns(timed, rounds, calls=CALLS)
        clock_s = {name: measure_wall_s(timed[name]) for name in ("bare", "redis")}
    print_table(
        f"Microseconds for a request, {len(first.body):,} bytes, {rounds} rounds",
        [
            *(
                Result(name, statistics.median(t) * 1e6, form=".1f")
                for name, t in times.items()
            ),
            Result("redis, by the clock", clock_s["redis"] * 1e6, form=".1f"),
        ],
    )
    print_table(
        "Ratio of times, and renders",
        [
            Result("fast / bare", median_ratio(times, "fast", "bare"), 1.25),
            Result("redis / bare", median_ratio(times, "redis", "bare")),
            Result("redis / bare, by the clock", clock_s["redis"] / clock_s["bare"]),
            *(Result(f"{n} / bare", median_ratio(times, n, "bare"), 2) for n in cold),
            *(
                Result(f"{name}: rendered for its own ETag", not right, 0, "d")
                for name, (_, _, right) in cold.items()
            ),
            Result("renders while measured", len(renders), 0, "d"),
        ],
    )


if __name__ == "__main__":
    main()
