"""The gate: one figure at a time, with any threads and forks."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.figure import Figure
from matplotlib.texmanager import TexManager

from flask_mplstream import render
from flask_mplstream.rendering import pipeline
from flask_mplstream.rendering.encode import encode_variant
from flask_mplstream.rendering.figure_lock import gate

pytestmark = pytest.mark.slow


def mathtext(n: int) -> Figure:
    figure = Figure(figsize=(2, 1.5))
    axes = figure.subplots()
    axes.loglog([1, 10 ** (n % 5 + 1)], [1, 100])
    axes.set_title(rf"$\frac{{{n}}}{{\alpha^{{{n}}}}}$")
    figure.tight_layout()
    return figure


def contours(n: int) -> Figure:
    figure = Figure(figsize=(2, 1.5))
    axes = figure.subplots()
    x, y = np.mgrid[-2:2:20j, -2:2:20j]
    levels = axes.contour(x, y, np.sin(x * (n % 4 + 1)) * y)
    axes.clabel(levels, fmt=r"$%1.1f^\circ$")
    return figure


def styled(n: int) -> Figure:
    mpl.rcParams["axes.facecolor"] = "0.5"
    with mpl.rc_context({"lines.linewidth": n % 5 + 1, "savefig.facecolor": "0.7"}):
        figure = Figure(figsize=(2, 1.5))
        figure.subplots().plot([1, 2])
        return figure


BUILDERS: list[Callable[[int], Figure]] = [mathtext, contours, styled]
JOBS = [(BUILDERS[n % 3], n, name) for n in range(6) for name in ("png", "jpg", "svg")]


def draw(job: tuple[Callable[[int], Figure], int, str]) -> bytes:
    build, n, name = job
    return render(lambda: build(n), name).body


def test_threads_draw_the_same_pictures_as_one_thread() -> None:
    """Eight threads give the same bytes, despite Matplotlib's known races."""
    before = dict(mpl.rcParams)
    alone = list(map(draw, JOBS))
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(draw, JOBS))
    assert together == alone
    assert dict(mpl.rcParams) == before


def test_a_figure_function_may_render_another_figure() -> None:
    """The gate is re-entrant and restores settings of the inner figure."""

    def outer() -> Figure:
        mpl.rcParams["lines.linewidth"] = 7
        render(lambda: styled(1))
        assert mpl.rcParams["lines.linewidth"] == 7
        return mathtext(1)

    assert render(outer).body


def test_a_failure_does_not_keep_the_gate() -> None:
    """Another thread can take the gate after an exception."""

    def fails() -> Figure:
        raise LookupError

    with pytest.raises(LookupError):
        render(fails)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(render, lambda: mathtext(1)).result(timeout=30).body


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_cycle_collector_waits_until_the_figure_is_gone(is_enabled: bool) -> None:
    """Its former state is restored, even if the function raises."""
    seen: list[bool] = []

    def fails() -> Figure:
        render(lambda: mathtext(1))
        seen.append(gc.isenabled())
        raise LookupError

    if not is_enabled:
        gc.disable()
    try:
        with pytest.raises(LookupError):
            render(fails)
        assert seen == [False]
        assert gc.isenabled() is is_enabled
    finally:
        gc.enable()


def test_encoding_happens_outside_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next picture is drawn while one is encoded."""
    drawn_meanwhile: list[bytes] = []

    def draw_meanwhile(*args: Any, **kwargs: Any) -> bytes:
        if not drawn_meanwhile:
            drawn_meanwhile.append(b"")
            with ThreadPoolExecutor(1) as pool:
                other = pool.submit(render, lambda: mathtext(2))
                drawn_meanwhile.append(other.result(timeout=30).body)
        return encode_variant(*args, **kwargs)

    monkeypatch.setattr(pipeline, "encode_variant", draw_meanwhile)
    render(lambda: mathtext(1))
    assert len(drawn_meanwhile) == 2


def _render_in_child(queue: multiprocessing.Queue[bytes]) -> None:
    queue.put(render(lambda: mathtext(1)).body)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_while_the_gate_is_held_does_not_hang() -> None:
    """The child gets a new gate, as the holder is not in it."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with gate():
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[bytes] = context.Queue()
    child = context.Process(target=_render_in_child, args=(queue,))
    try:
        child.start()
        assert queue.get(timeout=30).startswith(b"\x89PNG")
    finally:
        done.set()
        holder.join(30)
        child.join(30)
        assert child.pid != os.getpid()


class _Waiting(Artist):
    """The draw lasts until the test ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.done = threading.Event(), threading.Event()

    def draw(self, renderer: object) -> None:
        self.reached.set()
        self.done.wait(30)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_draw_draws() -> None:
    """The child renews Matplotlib's lock, which the parent's thread held."""
    figure, artist = Figure(figsize=(1, 1)), _Waiting()
    figure.add_artist(artist)
    drawer = threading.Thread(target=render, args=(figure,))
    drawer.start()
    try:
        assert artist.reached.wait(30)
        in_child = Figure(figsize=(1, 1))
        assert holds_in_a_fork(lambda: bool(render(in_child).body))
    finally:
        artist.done.set()
        drawer.join(30)


def methods() -> tuple[object, ...]:
    """Return Matplotlib's methods that are guarded during a draw."""
    return TexManager.__dict__["make_dvi"], GraphicsContextBase.set_url


#: The state that differs while the gate is held.
HELD_STATE = [
    pytest.param(gc.isenabled, id="collector"),
    pytest.param(lambda: dict(mpl.rcParams), id="rcParams"),
    pytest.param(methods, id="guards"),
    pytest.param(plt.get_fignums, id="pyplot"),
]


def holds_in_a_fork(is_so: Callable[[], bool]) -> bool:
    """Return the result of *is_so* in a forked child."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(is_so()))
    child.start()
    sender.close()
    with closing(receiver):
        assert receiver.poll(30)
        answer = bool(receiver.recv())
    child.join(30)
    return answer


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("state", HELD_STATE)
def test_a_fork_during_another_threads_draw_restores_its_state(
    state: Callable[[], object],
) -> None:
    """The child restores the state from before the parent's render."""
    drawing, done = threading.Event(), threading.Event()

    def draw_for_long() -> None:
        with gate("dark_background"):
            plt.figure(3)
            drawing.set()
            done.wait(30)

    artist = threading.Thread(target=draw_for_long)
    try:
        plt.figure(7)
        before = state()
        artist.start()
        assert drawing.wait(30)
        assert state() != before
        assert holds_in_a_fork(lambda: state() == before)
    finally:
        done.set()
        artist.join(30)
        plt.close("all")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("state", HELD_STATE)
def test_a_fork_by_the_drawing_thread_keeps_its_state(
    state: Callable[[], object],
) -> None:
    """A figure function that forks continues in both processes."""
    before = state()
    with gate("dark_background"):
        plt.figure(3)
        meanwhile = state()
        assert meanwhile != before
        assert holds_in_a_fork(lambda: state() == meanwhile)


def draw_line() -> Figure:
    """Draw a line, whose clip path has an id in SVG."""
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().plot([1, 2])
    return figure


def draw_line_after_reset() -> Figure:
    """Reset all rcParams first."""
    plt.style.use("default")
    return draw_line()


@pytest.mark.parametrize(
    ("build", "style"), [(draw_line_after_reset, None), (draw_line, "default")]
)
def test_the_ids_in_svg_are_fixed(
    build: Callable[[], Figure], style: str | None
) -> None:
    """Even if the style or the function resets them."""
    first, second = (render(build, "svg", style=style).body for _ in range(2))
    assert first == second
