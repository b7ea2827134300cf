"""All variants of one picture show the same data, from one load and one build."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_caching import Cache
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from werkzeug.exceptions import abort

from flask_mplstream import FigureBlueprint, data_loaded, figure_built
from flask_mplstream.errors import KeptFigureError
from flask_mplstream.formats import FORMATS
from flask_mplstream.limits.deadline import Deadline
from flask_mplstream.rendering.figure_copy import Copy, NotCopyableError
from flask_mplstream.testing import decode_picture
from flask_mplstream.workers import ipc
from flask_mplstream.workers.keep_rule import MAX_FAILURES, CopyCosts, KeepRule
from flask_mplstream.workers.kept_figures import (
    DATA,
    QUERY_S,
    KeepLimits,
    KeptFigures,
    KeptPicture,
    Origin,
)
from tests.support.doubles import Clock, Counter
from tests.support.pictures import pixels

Serve = Callable[..., FlaskClient]
#: Seconds of a load whose data is kept.
SLOW_S = 0.006
#: All variants of a picture that pages and readers request.
VARIANTS = [
    *(f".{name}" for name in FORMATS),
    *(".png?_scale=2", ".png?_theme=dark", ".webp?_theme=dark", ".png?_width=320"),
    ".png?_scale=3",
]


class Steps:
    """The loads and builds of an app's figures."""

    def __init__(self, app: Flask) -> None:
        self.loads, self.builds = Counter(), Counter()
        data_loaded.connect(self._count_load, app)
        figure_built.connect(self._count_build, app)

    def _count_load(self, app: Flask, figure: str, **_: object) -> None:
        self.loads(figure)

    def _count_build(self, app: Flask, figure: str, **_: object) -> None:
        self.builds(figure)

    @property
    def made(self) -> tuple[int, int]:
        """The loads and the builds so far."""
        return len(self.loads), len(self.builds)


def load_numbers(n: int = 3) -> Any:
    """Return data after a while."""
    time.sleep(SLOW_S)
    return np.arange(n)


def draw_numbers(data: Any, n: int = 3) -> Figure:
    """Draw the loaded numbers."""
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().plot(data)
    figure.suptitle("numbers")
    return figure


def serve_numbers(plots: FigureBlueprint, **options: Any) -> None:
    """Serve a figure of loaded numbers at ``/plots/numbers``."""
    route = plots.figure_route(
        "/numbers", endpoint="numbers", load=load_numbers, **options
    )
    route(draw_numbers)


@pytest.fixture
def numbers(plots: FigureBlueprint) -> None:
    """Serve it in every format and both themes."""
    serve_numbers(plots, dark_style=True, formats=list(FORMATS))


def url(variant: str) -> str:
    """Return the URL of *variant* of the numbers."""
    return f"/plots/numbers{variant}"


def test_all_variants_take_one_load_and_one_build_per_theme(
    numbers: None, serve: Serve
) -> None:
    """The check compares each picture with one of a new figure, byte by byte."""
    client = serve(MPLSTREAM_KEEP_CHECK=True)
    steps = Steps(client.application)
    for variant in VARIANTS:
        assert client.get(url(variant)).status_code == 200, variant
    assert steps.made == (1, 2)


def test_simultaneous_variants_share_the_load_and_the_builds(
    numbers: None, serve: Serve
) -> None:
    """Each waits for the build that is in progress, not for its draw."""
    app = serve(MPLSTREAM_MAX_FOLLOWERS=50).application
    steps = Steps(app)
    with ThreadPoolExecutor(len(VARIANTS)) as pool:
        answers = pool.map(lambda v: app.test_client().get(url(v)), VARIANTS)
        assert {answer.status_code for answer in answers} == {200}
    assert steps.made == (1, 2)


def test_the_picture_equals_savefig(numbers: None, serve: Serve) -> None:
    """A variant from a copy has the pixels of a figure that was never copied."""
    client = serve()
    client.get(url(".svg"))
    response = client.get(url(".png"))
    assert "copy" in response.headers["Server-Timing"]
    draw_numbers(np.arange(3)).savefig(expected := BytesIO())
    assert np.array_equal(decode_picture(response), pixels(expected.getvalue()))


def test_the_steps_are_in_the_server_timing(numbers: None, serve: Serve) -> None:
    """The first variant has ``keep``; another has ``copy`` and no ``build``."""
    client = serve()

    def read_steps(variant: str) -> list[str]:
        timing = client.get(url(variant)).headers["Server-Timing"]
        return [part.partition(";")[0] for part in timing.split(", ")]

    first = ["load", "wait", "build", "keep", "draw", "encode"]
    assert read_steps(".png") == first
    assert read_steps(".png?_scale=2") == ["wait", "copy", "draw", "encode"]


@pytest.mark.parametrize("workers", [0, 1])
def test_pictures_of_other_arguments_share_nothing(
    plots: FigureBlueprint, serve: Serve, workers: int
) -> None:
    """Nor do those after an invalidation, in the web process and in workers."""
    serve_numbers(plots)
    client = serve(MPLSTREAM_WORKERS=workers)
    app = client.application
    steps = Steps(app)
    try:
        client.get("/plots/numbers.png?n=4")
        client.get("/plots/numbers.webp?n=4")
        assert steps.made == (1, 1)
        client.get("/plots/numbers.svg?n=5")
        assert steps.made == (2, 2)
        with app.app_context():
            plots.invalidate("numbers", n=4)
        client.get("/plots/numbers.svg?n=4")
        assert steps.made == (3, 3)
    finally:
        plots.close(app)


def test_emptying_the_cache_drops_the_kept_figures(numbers: None, serve: Serve) -> None:
    """``cache.clear()`` is meant to render everything again."""
    client = serve(CACHE_TYPE="SimpleCache", MPLSTREAM_FAST_BYTES=0)
    cache, steps = Cache(client.application), Steps(client.application)
    client.get(url(".png"))
    cache.clear()
    client.get(url(".svg"))
    assert steps.made == (2, 2)


def test_an_invalidation_during_a_build_keeps_the_figure_from_later_requests(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Its data is older than the invalidation."""
    calls: list[int] = []

    @plots.figure_route("/numbers", load=load_numbers)
    def numbers(data: Any) -> Figure:
        calls.append(1)
        if len(calls) == 1:
            plots.invalidate("numbers")
        return draw_numbers(data)

    client = serve()
    client.get(url(".png"))
    client.get(url(".svg"))
    client.get(url(".webp"))
    assert len(calls) == 2


def test_another_version_or_user_has_other_figures(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Both are part of the identity of the data."""
    state = {"version": 1, "user": 1}

    @plots.figure_route(
        "/numbers",
        load=load_numbers,
        version=lambda: state["version"],
        inject={"user": lambda: state["user"]},
    )
    def numbers(data: Any, user: int = 0) -> Figure:
        return draw_numbers(data)

    client = serve()
    steps = Steps(client.application)
    for number, changed in enumerate([{}, {"version": 2}, {"user": 2}], 1):
        state.update(changed)
        client.get(url(".png"))
        client.get(url(".svg"))
        assert steps.made == (number, number)


@pytest.mark.parametrize(
    ("options", "config"),
    [
        pytest.param({"keep": 0}, {}, id="keep"),
        pytest.param({"max_age": 0}, {}, id="max-age"),
        pytest.param({}, {"MPLSTREAM_KEEP_BYTES": 0}, id="keep-bytes"),
        pytest.param({}, {"CACHE_TYPE": "NullCache"}, id="null-cache"),
    ],
)
@pytest.mark.filterwarnings("ignore:Flask-Caching. CACHE_TYPE is set to null")
def test_nothing_is_kept_if_that_is_turned_off(
    plots: FigureBlueprint, serve: Serve, options: Any, config: dict[str, Any]
) -> None:
    """By the route, by the app, or because the cache keeps nothing."""
    serve_numbers(plots, **options)
    client = serve(**config)
    steps = Steps(client.application)
    client.get(url(".png"))
    client.get(url(".svg"))
    assert steps.made == (2, 2)


def test_a_variant_has_the_age_of_its_data(
    numbers: None, serve: Serve, clock: Clock
) -> None:
    """It may be stored for the rest of ``max_age``, and has one ``Last-Modified``."""
    client = serve()
    first = client.get(url(".png"))
    clock.now += 8
    second = client.get(url(".svg"))
    assert second.headers["Last-Modified"] == first.headers["Last-Modified"]
    ages = [first.cache_control.max_age, second.cache_control.max_age]
    assert ages == [300, 292]
    assert second.headers["ETag"] != first.headers["ETag"]


def test_old_figures_and_those_of_the_future_are_not_used(
    numbers: None, serve: Serve, clock: Clock
) -> None:
    """The clock may be set back."""
    client = serve()
    steps = Steps(client.application)
    client.get(url(".png"))
    clock.now += 29
    client.get(url(".svg"))
    assert steps.made == (1, 1)
    clock.now += 2
    client.get(url(".pdf"))
    assert steps.made == (2, 2)
    clock.now -= 3600
    client.get(url(".png?_scale=2"))
    assert steps.made == (3, 3)


def test_a_figure_is_not_kept_until_its_pictures_are_stale(
    plots: FigureBlueprint, serve: Serve, clock: Clock
) -> None:
    """With a short ``max_age``, a variant is fresh for at least a tenth of it."""
    serve_numbers(plots, max_age=10)
    client = serve()
    steps = Steps(client.application)
    client.get(url(".png"))
    clock.now += 9.5
    client.get(url(".svg"))
    assert steps.made == (2, 2)


class Detachable:
    """A row that loses its session in a copy."""

    def __init__(self, session: object = "open") -> None:
        self.session = session

    def __reduce__(self) -> Any:
        return Detachable, (None,)


def load_row() -> Detachable:
    """Return a row after a while."""
    time.sleep(SLOW_S)
    return Detachable()


def test_a_build_that_fails_with_copied_data_is_repeated_with_new_data(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A row of a database may be detached in the copy."""

    @plots.figure_route("/numbers", load=load_row, dark_style=True)
    def numbers(row: Detachable) -> Figure:
        if row.session is None:
            raise LookupError("The row is detached.")
        return draw_numbers([1, 2])

    client = serve(MPLSTREAM_KEEP_MODULES="tests")
    steps = Steps(client.application)
    assert client.get(url(".png")).status_code == 200
    assert client.get(url(".png?_theme=dark")).status_code == 200
    assert steps.made == (2, 2)


def test_data_of_the_apps_classes_is_loaded_again(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Unless ``MPLSTREAM_KEEP_MODULES`` names their package."""

    @plots.figure_route("/numbers", load=load_row, dark_style=True)
    def numbers(row: Detachable) -> Figure:
        return draw_numbers([1, 2])

    client = serve()
    steps = Steps(client.application)
    client.get(url(".png"))
    client.get(url(".png?_theme=dark"))
    assert steps.made == (2, 2)


def test_each_build_gets_its_own_data(plots: FigureBlueprint, serve: Serve) -> None:
    """A function that changes its data changes only its copy."""
    seen: list[list[int]] = []

    def load() -> list[int]:
        time.sleep(SLOW_S)
        return [1, 2]

    @plots.figure_route("/numbers", load=load, dark_style=True)
    def numbers(data: list[int]) -> Figure:
        seen.append(list(data))
        data.append(3)
        return draw_numbers(data)

    client = serve()
    client.get(url(".png"))
    client.get(url(".png?_theme=dark"))
    assert seen == [[1, 2], [1, 2]]


def test_each_function_gets_its_own_arguments(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Otherwise a change by ``load`` would be in the first variant only."""
    seen: list[list[str]] = []

    def load(tag: list[str]) -> list[int]:
        time.sleep(SLOW_S)
        tag.clear()
        return [1, 2]

    @plots.figure_route("/numbers", load=load, dark_style=True)
    def numbers(data: list[int], tag: list[str]) -> Figure:
        seen.append([*tag])
        return draw_numbers(data)

    client = serve()
    steps = Steps(client.application)
    client.get(url(".png?tag=a"))
    client.get(url(".png?tag=a&_theme=dark"))
    assert steps.made == (1, 2)
    assert seen == [["a"], ["a"]]


def format_tick(value: float, position: float) -> str:
    """Format a tick with a function of the app."""
    return f"{value} units"


def test_figures_that_cannot_be_restored_are_soon_not_copied(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Their data is still kept."""

    @plots.figure_route("/numbers", load=load_numbers)
    def numbers(data: Any, n: int = 3) -> Figure:
        figure = draw_numbers(data)
        figure.axes[0].yaxis.set_major_formatter(format_tick)
        return figure

    client = serve()
    steps = Steps(client.application)
    are_kept = []
    for n in range(1, 6):
        for variant in (".png", ".svg"):
            timing = client.get(url(f"{variant}?n={n}")).headers["Server-Timing"]
            are_kept.append("keep" in timing)
    assert steps.made == (5, 10)
    assert are_kept == [True, False] * 3 + [False] * 4


@pytest.fixture
def made_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times of the objects that may be kept."""
    found: list[float] = []

    def is_worth(rule: KeepRule, costs: CopyCosts, made_s: float) -> bool:
        found.append(made_s)
        return True

    monkeypatch.setattr(KeepRule, "is_worth", is_worth)
    return found


def test_the_time_of_a_query_in_the_figure_function_counts(
    plots: FigureBlueprint, serve: Serve, made_s: list[float]
) -> None:
    """The thread does not run meanwhile, but a copy saves that time."""

    @plots.figure_route("/numbers")
    def numbers() -> Figure:
        time.sleep(2 * QUERY_S)
        return draw_numbers([1, 2])

    serve().get(url(".png"))
    assert made_s[0] > 2 * QUERY_S


def test_the_copy_of_a_figure_does_not_save_the_load_of_kept_data(
    plots: FigureBlueprint, serve: Serve, made_s: list[float]
) -> None:
    """Nor may it take as long, as it holds the figure lock."""

    def load() -> list[int]:
        time.sleep(0.5)
        return [1, 2]

    plots.figure_route("/numbers", load=load, endpoint="numbers")(draw_numbers)
    serve().get(url(".png"))
    of_data, of_figure = made_s
    assert of_figure < 0.5 < of_data


def test_a_picture_is_not_newer_than_now(
    plots: FigureBlueprint, serve: Serve, clock: Clock
) -> None:
    """If the clock is set back during a draw, the picture is still fresh."""

    class SetsBack(Figure):
        def draw(self, renderer: Any) -> None:
            clock.now -= 100
            super().draw(renderer)

    plots.figure_route("/numbers", endpoint="numbers")(lambda: SetsBack())
    client = serve()
    steps = Steps(client.application)
    client.get(url(".png"))
    assert "hit" in client.get(url(".png")).headers["Cache-Status"]
    assert steps.made == (0, 1)


class Unstable(Figure):
    """A figure whose copy cannot be drawn."""

    def __setstate__(self, state: Any) -> None:
        vars(self).update(vars(Figure(figsize=(1, 1))), draw=None)


def test_a_copy_that_cannot_be_drawn_is_replaced(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """The figure is built again, and the response is the right picture."""

    @plots.figure_route("/numbers")
    def numbers() -> Figure:
        return Unstable(figsize=(1, 1))

    client = serve(MPLSTREAM_KEEP_MODULES=["tests"])
    steps = Steps(client.application)
    assert client.get(url(".csv")).status_code == 404
    assert client.get(url(".txt")).status_code == 200
    assert client.get(url(".png")).status_code == 200
    assert steps.made == (0, 2)


def test_a_response_and_an_error_are_not_repeated(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Only an exception of a build from copied data leads to a new load."""
    calls: list[object] = []

    @plots.figure_route("/numbers", load=load_numbers, dark_style=True)
    def numbers(data: Any, n: int = 3) -> Figure:
        calls.append(n)
        if n == 4 and len(calls) > 1:
            abort(404)
        return draw_numbers(data)

    client = serve()
    assert client.get(url(".png?n=4")).status_code == 200
    assert client.get(url(".png?n=4&_theme=dark")).status_code == 404
    assert calls == [4, 4]


def test_the_check_finds_a_random_figure(plots: FigureBlueprint, serve: Serve) -> None:
    """The error names the function and the fixes."""
    random = np.random.default_rng(0)

    @plots.figure_route("/numbers")
    def numbers() -> Figure:
        return draw_numbers(random.random(9))

    client = serve(MPLSTREAM_KEEP_CHECK=True, TESTING=True)
    client.get(url(".txt"))
    with pytest.raises(KeptFigureError, match=r"numbers.* move that into load.*keep=0"):
        client.get(url(".png"))


@contextmanager
def turn_of(
    kept: KeptFigures, *, may_wait: bool = True, timeout_s: float = 10
) -> Iterator[Any]:
    """Take the turn to make the data of one picture."""
    picture = KeptPicture(kept, "plots.a", Origin("a", 30), may_wait=may_wait)
    picture.note_loaded(0.1)
    with picture.take_turn("data", Deadline(timeout_s)) as turn:
        yield turn


@pytest.fixture
def kept() -> KeptFigures:
    """Return an empty store."""
    return KeptFigures(KeepLimits(2**20, frozenset()), time.monotonic)


def test_a_nested_caller_does_not_wait(kept: KeptFigures) -> None:
    """It holds the gate, which the other caller may wait for."""
    with turn_of(kept), turn_of(kept, may_wait=False) as nested:
        assert nested.find() is None


def test_a_caller_waits_until_its_deadline(kept: KeptFigures) -> None:
    """Afterward it makes the figure itself, or fails at the gate."""
    with turn_of(kept), turn_of(kept, timeout_s=0.05) as late:
        assert late.find() is None


def test_all_callers_go_on_if_one_keeps_nothing(kept: KeptFigures) -> None:
    """They would only wait for each other, such as for a database that is down."""
    together = threading.Barrier(3)

    def wait() -> None:
        with turn_of(kept) as turn:
            assert turn.find() is None
            together.wait(10)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    with turn_of(kept) as turn:
        for thread in threads:
            thread.start()
        while turn._place.followers < 3:
            time.sleep(0.001)
    for thread in threads:
        thread.join(20)
    assert not together.broken


def test_a_caller_does_not_wait_if_copies_fail(kept: KeptFigures) -> None:
    """There would be no copy for it."""
    with turn_of(kept) as turn:
        for _ in range(MAX_FAILURES):
            turn.note_failure()
        deadline = Deadline(1)
        late = KeptPicture(kept, "plots.a", Origin("a", 30))
        with late.take_turn(DATA, deadline) as second:
            assert not second.may_keep
        assert not deadline.steps_s


def test_a_newer_copy_is_not_dropped(kept: KeptFigures) -> None:
    """If another caller has replaced the copy that could not be used."""
    with turn_of(kept) as turn:
        keep(turn, 1)
        turn.find()
        keep(turn, 2)
        turn.drop(LookupError())
        assert turn.find().restore() == 2


def keep(turn: Any, value: object) -> bool:
    """Keep a copy of *value*."""

    def copy(packages: frozenset[str], limits: Any) -> Copy:
        return Copy.of(value, packages, limits)

    return bool(turn.keep(copy, 1.0))


def test_the_memory_is_bounded(kept: KeptFigures) -> None:
    """A copy may take a quarter of it; the least recently used ones are dropped."""
    picture = KeptPicture(kept, "plots.a", Origin("a", 30))
    picture.note_loaded(0.1)
    for number in range(20):
        with picture.take_turn(str(number), Deadline(1)) as turn:
            assert keep(turn, bytes(200_000))
    assert 800_000 < kept.size_bytes <= 2**20
    with picture.take_turn("large", Deadline(1)) as turn:
        assert not keep(turn, bytes(300_000))
        assert turn.find() is None


def test_the_age_in_a_worker_counts_the_time_that_it_was_suspended() -> None:
    """A monotonic clock stands still meanwhile."""
    assert ipc._keep(KeepLimits()).clock is time.time


def test_a_turn_ends_once(kept: KeptFigures) -> None:
    """The places of ended turns are forgotten."""
    with turn_of(kept) as turn:
        assert not turn.is_awaited
        turn.end()
        turn.end()
        assert not kept._places


def test_the_kept_figures_work_after_a_fork(kept: KeptFigures) -> None:
    """Locks held in the parent do not block the child, which begins empty."""
    with turn_of(kept) as turn:
        keep(turn, 1)
    with turn_of(kept), kept._lock:
        pid = os.fork()
        if pid == 0:
            with turn_of(kept, timeout_s=1) as child:
                is_empty = child.find() is None
                keep(child, 2)
                os._exit(0 if is_empty and child.find().restore() == 2 else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_waiting_caller_gets_the_copy(kept: KeptFigures) -> None:
    """And the maker knows that one waits."""
    found: list[object] = []

    def wait() -> None:
        with turn_of(kept) as turn:
            found.append(turn.find().restore())

    with turn_of(kept) as turn:
        thread = threading.Thread(target=wait)
        thread.start()
        while not turn.is_awaited:
            time.sleep(0.001)
        keep(turn, "data")
    thread.join(10)
    assert found == ["data"]


def test_a_damaged_copy_is_an_error() -> None:
    """The caller makes the object anew."""
    with pytest.raises(NotCopyableError):
        Copy(b"damaged", frozenset()).restore()


OPERATIONS = st.one_of(
    st.sampled_from(
        [".png", ".webp", ".svg", ".txt", ".png?_theme=dark", ".png?_scale=2"]
    ),
    st.sampled_from(["invalidate", "version", "fail"]),
    st.integers(1, 40),
)


@given(operations=st.lists(OPERATIONS, max_size=12))
def test_no_variant_shows_other_or_older_data_than_its_identity_allows(
    operations: list[str | int],
) -> None:
    """In any sequence of requests, invalidations, versions, time and failures."""
    World(max_age=60, keep=30).run(operations)


class World:
    """An app whose data is the number of its load, and a record of all loads."""

    def __init__(self, max_age: int, keep: int) -> None:
        self.max_age, self.keep = max_age, keep
        self.clock = Clock()
        self.is_failing = False
        #: Version and number of invalidations.
        self.identity = (0, 0)
        #: Time and identity of each load.
        self.loads: list[tuple[float, tuple[int, int]]] = []
        self.plots = FigureBlueprint("plots", __name__, url_prefix="/plots")
        self.plots.figure_route(
            "/numbers",
            load=self.load,
            endpoint="numbers",
            version=lambda: self.identity[0],
            max_age=max_age,
            keep=keep,
            stale_if_error=0,
            error_backoff=0,
            dark_style=True,
        )(lambda data: Figure(figsize=((10 + data) / 100, 0.1)))
        self.app = Flask(__name__)
        self.app.register_blueprint(self.plots)

    def load(self) -> int:
        """Return the number of this load."""
        time.sleep(SLOW_S)
        if self.is_failing:
            raise OSError("The database is down.")
        now = self.clock.now
        for made_at, identity in self.loads:
            # Otherwise two variants would disagree.
            assert identity != self.identity or now - made_at > self.keep
        self.loads.append((now, self.identity))
        return len(self.loads) - 1

    def run(self, operations: list[str | int]) -> None:
        """Perform *operations* and check each picture."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flask_mplstream.web.app_state.clock", self.clock)
            for operation in operations:
                self.perform(operation)

    def perform(self, operation: str | int) -> None:
        version, invalidations = self.identity
        match operation:
            case int():
                self.clock.now += operation
            case "invalidate":
                with self.app.app_context():
                    self.plots.invalidate("numbers")
                self.identity = version, invalidations + 1
            case "version":
                self.identity = version + 1, invalidations
            case "fail":
                self.is_failing = not self.is_failing
            case _:
                self.request(operation)

    def request(self, variant: str) -> None:
        response = self.app.test_client().get(url(variant))
        if response.status_code != 200:
            assert self.is_failing
            return
        if variant in (".svg", ".txt"):
            return
        scale = 2 if "_scale" in variant else 1
        number = decode_picture(response).shape[1] // scale - 10
        made_at, identity = self.loads[number]
        assert identity == self.identity
        assert self.clock.now - made_at <= self.max_age
