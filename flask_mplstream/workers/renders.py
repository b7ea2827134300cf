"""Where an app's renders run: here, in a pool of processes, or on an executor.

Flask side; one :class:`Renders` for each app and process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from time import perf_counter
from typing import Any

from flask import Flask

from ..budget import Budget
from ..errors import (
    ArgumentsError,
    ConfigError,
    OverloadedError,
)
from ..image import RenderedImage, Variant
from ..settings import Settings
from ..signals import (
    figure_failed,
    figure_rendered,
    render_began,
    render_ended,
    tell,
)
from . import transport
from .admission import Admission
from .executor_choice import choose_executor
from .explaining import is_failure
from .inline import is_rendering, run_without_request
from .recipe import Recipe

#: There is no room for a render, or the URL asks for what cannot be had: no fault.
_REFUSALS = (OverloadedError, ArgumentsError)


@dataclass(frozen=True, slots=True)
class _Render:
    """One render: of what, in which variant, and how long it may take."""

    recipe: Recipe
    values: Mapping[str, Any]
    variant: Variant
    timeout_s: float

    def image(self) -> RenderedImage:
        """The picture, rendered in this process."""
        return self.recipe.image(self.values, self.variant, timeout_s=self.timeout_s)


class Renders:
    """Renders the pictures of *app*.

    :param budget: what each client may spend, if that is bounded.
    :param modules: where the figure functions are, for workers to import.
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
        # On an executor all that it has been given counts as waiting: how much it
        # runs at once is its own affair.
        slots = 0 if settings.executor else max(settings.workers, 1)
        self._admission = Admission(slots + settings.max_pending)
        self._elsewhere = choose_executor(app, settings, modules)

    def image(
        self,
        recipe: Recipe,
        values: Mapping[str, Any],
        variant: Variant,
        timeout_s: float,
    ) -> RenderedImage:
        """The picture of *values*, in *timeout_s* seconds.

        :raises OverloadedError: where there is no room for it, or no turn in time.
        :raises SlowRenderError: where its render takes too long and can be ended.
        :raises WorkerDiedError: where no worker survived it.
        """
        told = {"figure": recipe.endpoint, "arguments": values, "variant": variant}
        try:
            image = self._charged(_Render(recipe, values, variant, timeout_s))
        except _REFUSALS:
            raise
        except Exception as error:
            if is_failure(error):
                tell(figure_failed, self._app, **told, exception=error)
            raise
        tell(figure_rendered, self._app, **told, image=image)
        return image

    def _charged(self, render: _Render) -> RenderedImage:
        if is_rendering.get():
            # Asked for by a figure function, which has its turn.
            return self._here(render)
        began = perf_counter()
        try:
            image = self._admitted(render)
        except OverloadedError:
            raise  # Nothing was rendered.
        except Exception:
            self._charge(perf_counter() - began)
            raise
        self._charge(sum(s for step, s in image.timings_s if step != "wait"))
        return image

    def admit(self) -> None:
        """Refuse the current request a new render where its client has had enough.

        :raises BudgetError: with the seconds to wait.
        """
        if self._budget is not None:
            self._budget.check()

    def _charge(self, seconds: float) -> None:
        if self._budget is not None:
            self._budget.charge(seconds)

    def _admitted(self, render: _Render) -> RenderedImage:
        with self._pending(render.recipe.endpoint):
            if self._elsewhere is None:
                return self._here(render)
            began = perf_counter()
            payload = transport.pack(
                self._app_name, render.recipe, render.values, render.variant
            )
            image = transport.unpack(self._elsewhere.run(payload, render.timeout_s))
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

    def start(self) -> None:
        """Start the workers, if there are any, instead of with the first render."""
        if self._elsewhere is not None:
            self._elsewhere.start()

    def stop(self) -> None:
        """End the workers, if there are any."""
        if self._elsewhere is not None:
            self._elsewhere.stop()


def check_extras(settings: Settings) -> None:
    """Refuse settings that want what is not installed.

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
    """*image* with what was not spent on a step counted as waiting."""
    steps = {name: s for name, s in image.timings_s if name != "wait"}
    waited = max(elapsed_s - sum(steps.values()), 0.0)
    return replace(image, timings_s=(("wait", waited), *steps.items()))
