"""Send the renders of an app to this process, a process pool or an executor.

Flask side. Each app has one :class:`Renders` object in each process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from time import monotonic, perf_counter, time
from typing import Any

from flask import Flask, has_request_context

from ..errors import ArgumentsError, ConfigError, OverloadedError
from ..formats import Variant
from ..limits.admission import Admission
from ..limits.client_budget import Budget
from ..limits.deadline import Deadline
from ..limits.render_stage import is_in_figure
from ..rendered_image import RenderedImage
from ..settings import Settings
from ..signals import (
    data_loaded,
    figure_built,
    figure_failed,
    figure_rendered,
    render_began,
    render_ended,
    send_signal,
)
from . import ipc
from .database_connections import release_connections, watch_writes
from .exception_notes import is_failure
from .executor_choice import choose_executor
from .greenlets import warn_of_greenlets
from .job import Recipe
from .kept_figures import KeepLimits, KeptFigures, KeptPicture, Origin
from .request_isolation import run_without_request

#: Errors that are not failures of the figure: overload and bad arguments.
_REFUSALS = (OverloadedError, ArgumentsError)


@dataclass(frozen=True, slots=True)
class _Render:
    """A render: a draw with its recipe and arguments, or an encode of a PNG."""

    recipe: Recipe
    values: Mapping[str, Any]
    variant: Variant
    deadline: Deadline
    #: The client that is charged for it, if any.
    payer: str | None
    #: The origin of the data; ``None`` if nothing may be kept.
    origin: Origin | None = None
    #: The picture to encode; ``None`` to draw.
    png: RenderedImage | None = None

    @property
    def subject(self) -> dict[str, Any]:
        """The values of a signal about it."""
        return {
            "figure": self.recipe.endpoint,
            "arguments": self.values,
            "variant": self.variant,
        }


class Renders:
    """The renders of *app*'s pictures.

    :param budget: the limit for each client, or ``None`` for no limit.
    :param modules: the modules of the figure functions, which workers import.
    :param clock: Unix time in seconds, the clock of the app's pictures.
    """

    def __init__(
        self,
        app: Flask,
        settings: Settings,
        budget: Budget | None = None,
        modules: tuple[str, ...] = (),
        clock: Callable[[], float] = time,
    ) -> None:
        self._app = app
        self._limits = KeepLimits(
            settings.keep_bytes, frozenset(settings.keep_modules), settings.keep_check
        )
        self.kept = KeptFigures(self._limits, clock)
        self._budget = budget
        self._app_name = settings.app
        watch_writes()  # Again, as SQLAlchemy may have been imported since.
        #: Releases the database connections of a request that is about to wait.
        self.before_wait = settings.before_wait or release_connections
        # An app with MPLSTREAM_BEFORE_WAIT manages the connections itself.
        self._release: Callable[[], object] = (
            (lambda: None) if settings.before_wait else release_connections
        )
        # An executor's slots are unknown, so all its renders count as pending.
        slots = 0 if settings.executor else max(settings.workers, 1)
        self._admission = Admission(slots + settings.max_pending)
        self._runner = choose_executor(app, settings, modules)
        #: Seconds for deadlines; it stops while workers start and none is ready.
        self.clock = monotonic if self._runner is None else self._runner.clock
        if self._runner is None:
            warn_of_greenlets()

    def render(
        self,
        recipe: Recipe,
        values: Mapping[str, Any],
        variant: Variant,
        deadline: Deadline,
        payer: str | None = None,
        origin: Origin | None = None,
    ) -> RenderedImage:
        """Render the picture of *values* before the deadline.

        :param payer: the result of :meth:`admit`.
        :param origin: where the data comes from, or ``None`` to keep nothing.
        :raises OverloadedError: if too many renders are pending, or if no worker is
            available in time.
        :raises SlowRenderError: if the render takes too long and can be stopped.
        :raises WorkerDiedError: if the worker dies twice.
        """
        render = _Render(recipe, values, variant, deadline, payer, origin)
        image = self._run(render)
        self._report_steps(dict(image.timings_s), render.subject)
        send_signal(figure_rendered, self._app, **render.subject, image=image)
        return image

    def derive(
        self,
        recipe: Recipe,
        values: Mapping[str, Any],
        variant: Variant,
        png: RenderedImage,
        deadline: Deadline,
        payer: str | None = None,
    ) -> RenderedImage:
        """Encode *png*, the picture of *values*, as *variant* before the deadline.

        It is admitted, charged and dispatched like a render, but it is not a draw, so
        the signals about renders are not sent.

        :param payer: the result of :meth:`admit`.
        :raises MplStreamError: as for :meth:`render`.
        """
        render = _Render(recipe, values, variant, deadline, payer, png=png)
        return self._run(render)

    def _run(self, render: _Render) -> RenderedImage:
        try:
            return self._charge_render(render)
        except _REFUSALS:
            raise
        except Exception as error:
            if is_failure(error):
                subject = render.subject
                send_signal(figure_failed, self._app, **subject, exception=error)
            raise

    def _report_steps(
        self, steps_s: Mapping[str, float], subject: Mapping[str, Any]
    ) -> None:
        for step, signal in (("load", data_loaded), ("build", figure_built)):
            if step in steps_s:
                send_signal(signal, self._app, **subject, seconds=steps_s[step])

    def _charge_render(self, render: _Render) -> RenderedImage:
        if is_in_figure():
            # Called by a figure function, which already has the turn.
            return self._render_here(render)
        if self._budget is None or render.payer is None:
            return self._admit_and_render(render)
        with self._budget.open_render(render.payer, render.deadline):
            return self._admit_and_render(render)

    def admit(self, begins: bool) -> str | None:
        """Return the client to charge for a render, or ``None`` outside of a request.

        :param begins: whether the request would start a render, because followers don't
            have to pay for it.
        :raises BudgetError: if the budget has been used up.
        """
        if self._budget is None or not has_request_context():
            return None
        return self._budget.admit(must_have=begins)

    def _admit_and_render(self, render: _Render) -> RenderedImage:
        with self._hold_place(render):
            if self._runner is None:
                return self._render_here(render)
            began = perf_counter()
            payload = ipc.pack(
                self._app_name,
                render.recipe,
                render.values,
                render.variant,
                render.png,
                render.origin,
                self._limits,
            )
            render.deadline.begin("a worker")
            image = ipc.unpack(self._runner.run(payload, render.deadline))
        return _add_wait(image, perf_counter() - began)

    @contextmanager
    def _hold_place(self, render: _Render) -> Iterator[None]:
        figure = render.recipe.endpoint
        with self._admission:
            if render.png is not None:
                yield
                return
            send_signal(render_began, self._app, figure=figure)
            try:
                yield
            finally:
                send_signal(render_ended, self._app, figure=figure)

    def _render_here(self, render: _Render) -> RenderedImage:
        if render.png is not None:
            return render.recipe.derive(
                render.values, render.variant, render.png, deadline=render.deadline
            )
        kept = KeptPicture(
            self.kept,
            render.recipe.endpoint,
            render.origin,
            is_text=render.variant.format.is_text,
            may_wait=not is_in_figure(),
        )
        return run_without_request(
            self._app,
            lambda: render.recipe.render(
                render.values,
                render.variant,
                deadline=render.deadline,
                release=self._release,
                kept=kept,
            ),
        )

    def start(self) -> None:
        """Start the workers, if any, before the first render."""
        if self._runner is not None:
            self._runner.start()

    def stop(self) -> None:
        """Stop the workers, if any."""
        if self._runner is not None:
            self._runner.stop()


def check_extras(settings: Settings) -> None:
    """Reject settings that require a package that is not installed.

    :raises ConfigError: with the name of the extra to install.
    """
    for value, setting, extra, module in (
        (settings.workers, "WORKERS", "workers", "pebble"),
        (settings.client_budget, "CLIENT_BUDGET", "budget", "limits"),
    ):
        if value and find_spec(module) is None:
            raise ConfigError(
                f"MPLSTREAM_{setting} requires the package {module}. Run "
                f"pip install 'flask-mplstream[{extra}]'."
            )


def _add_wait(image: RenderedImage, elapsed_s: float) -> RenderedImage:
    """Add the part of *elapsed_s* outside of the steps of *image* as ``wait``."""
    steps = {name: s for name, s in image.timings_s if name != "wait"}
    waited = max(elapsed_s - sum(steps.values()), 0.0)
    return replace(image, timings_s=(("wait", waited), *steps.items()))
