"""The dispatch of an app's renders: to this process, a process pool or an executor.

Flask side. Each app has one :class:`Renders` per process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from time import monotonic, perf_counter
from typing import Any

from flask import Flask

from ..errors import (
    ArgumentsError,
    ConfigError,
    OverloadedError,
)
from ..formats import Variant
from ..limits.admission import Admission
from ..limits.client_budget import Budget
from ..limits.deadline import Deadline
from ..rendered_image import RenderedImage
from ..settings import Settings
from ..signals import (
    figure_failed,
    figure_rendered,
    render_began,
    render_ended,
    tell,
)
from . import ipc
from .database_connections import release_connections, watch_writes
from .exception_notes import is_failure
from .executor_choice import choose_executor
from .greenlets import warn_of_greenlets
from .job import Recipe
from .request_isolation import is_rendering, run_without_request

#: Errors that are not failures of the figure: overload and bad arguments.
_REFUSALS = (OverloadedError, ArgumentsError)


@dataclass(frozen=True, slots=True)
class _Render:
    """One render: its recipe, arguments, variant and deadline."""

    recipe: Recipe
    values: Mapping[str, Any]
    variant: Variant
    deadline: Deadline
    #: The client that is charged for it, if any.
    payer: str | None
    #: Called when the render needs no database connection for a while.
    release: Callable[[], object]

    def image(self) -> RenderedImage:
        """Render the picture in this process."""
        return self.recipe.image(
            self.values, self.variant, deadline=self.deadline, release=self.release
        )


class Renders:
    """The renders of *app*'s pictures.

    :param budget: the limit of each client; ``None`` for no limit.
    :param modules: the figure functions' modules, which workers import.
    """

    def __init__(
        self,
        app: Flask,
        settings: Settings,
        budget: Budget | None = None,
        modules: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._budget = budget
        self._app_name = settings.app
        watch_writes()  # Again, as SQLAlchemy may have been imported since.
        self._before_wait = settings.before_wait or release_connections
        self._release = release_connections if settings.before_wait is None else _keep
        # An executor's slots are unknown, so all its renders count as pending.
        slots = 0 if settings.executor else max(settings.workers, 1)
        self._admission = Admission(slots + settings.max_pending)
        self._elsewhere = choose_executor(app, settings, modules)
        if self._elsewhere is None:
            warn_of_greenlets()

    def image(
        self,
        recipe: Recipe,
        values: Mapping[str, Any],
        variant: Variant,
        deadline: Deadline,
        payer: str | None = None,
    ) -> RenderedImage:
        """Render the picture of *values* before the deadline.

        :param payer: the result of :meth:`admit`.
        :raises OverloadedError: if too many renders are pending, or no worker is free
            in time.
        :raises SlowRenderError: if the render takes too long and can be ended.
        :raises WorkerDiedError: if the worker dies in both of two attempts.
        """
        told = {"figure": recipe.endpoint, "arguments": values, "variant": variant}
        render = _Render(recipe, values, variant, deadline, payer, self._release)
        try:
            image = self._charge_render(render)
        except _REFUSALS:
            raise
        except Exception as error:
            if is_failure(error):
                tell(figure_failed, self._app, **told, exception=error)
            raise
        tell(figure_rendered, self._app, **told, image=image)
        return image

    def _charge_render(self, render: _Render) -> RenderedImage:
        if is_rendering.get():
            # Called by a figure function, which already has the turn.
            return self._here(render)
        if self._budget is None or render.payer is None:
            return self._admit_and_render(render)
        with self._budget.opened(render.payer, render.deadline):
            return self._admit_and_render(render)

    def admit(self, begins: bool) -> str | None:
        """Return the client to charge for a render of the current request.

        :param begins: whether the request would begin one; a follower pays nothing.
        :raises BudgetError: with the seconds to wait, if the budget is spent.
        """
        if self._budget is None:
            return None
        return self._budget.payer(must_have=begins)

    def before_wait(self) -> None:
        """Release the database connections of a request that is about to wait.

        ``MPLSTREAM_BEFORE_WAIT`` replaces this.
        """
        self._before_wait()

    def _admit_and_render(self, render: _Render) -> RenderedImage:
        with self._pending(render.recipe.endpoint):
            if self._elsewhere is None:
                return self._here(render)
            began, deadline = perf_counter(), render.deadline
            payload = ipc.pack(
                self._app_name, render.recipe, render.values, render.variant
            )
            deadline.begin("a worker")
            result = self._elsewhere.run(
                payload, deadline.remaining_s, lambda: deadline.begin("the render")
            )
            image = ipc.unpack(result)
        return _with_wait(image, perf_counter() - began)

    @contextmanager
    def _pending(self, figure: str) -> Iterator[None]:
        with self._admission:
            tell(render_began, self._app, figure=figure)
            try:
                yield
            finally:
                tell(render_ended, self._app, figure=figure)

    def _here(self, render: _Render) -> RenderedImage:
        return run_without_request(self._app, render.image)

    def clock(self) -> float:
        """Return the seconds of the deadlines' clock.

        It stops while workers start and none is ready.
        """
        return monotonic() if self._elsewhere is None else self._elsewhere.clock()

    def start(self) -> None:
        """Start the workers, if any, before the first render."""
        if self._elsewhere is not None:
            self._elsewhere.start()

    def stop(self) -> None:
        """Stop the workers, if any."""
        if self._elsewhere is not None:
            self._elsewhere.stop()


def _keep() -> None:
    """Keep the connections: the app sets ``MPLSTREAM_BEFORE_WAIT``."""


def check_extras(settings: Settings) -> None:
    """Reject settings that require a package that is not installed.

    :raises ConfigError: naming the extra.
    """
    for value, name, module in (
        (settings.workers, "workers", "pebble"),
        (settings.client_budget, "budget", "limits"),
    ):
        if value and find_spec(module) is None:
            raise ConfigError(
                f"The setting wants the package {module}: "
                f"pip install 'flask-mplstream[{name}]'."
            )


def _with_wait(image: RenderedImage, elapsed_s: float) -> RenderedImage:
    """Return *image* with the rest of *elapsed_s*, outside its steps, as ``wait``."""
    steps = {name: s for name, s in image.timings_s if name != "wait"}
    waited = max(elapsed_s - sum(steps.values()), 0.0)
    return replace(image, timings_s=(("wait", waited), *steps.items()))
