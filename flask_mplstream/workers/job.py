"""The recipe for the pictures of a figure route, without the arguments.

Flask side. This module is used in every process that renders. A :class:`Recipe` can be
pickled, with the names of its functions, so the same code renders in the web process,
in a worker and on another machine.
"""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from ..errors import ConfigError
from ..formats import Theme, Variant
from ..limits.deadline import Deadline
from ..parameters.callables import find_full_name, find_qualified_name
from ..rendered_image import RenderedImage
from ..rendering.derivation import derive
from ..rendering.figure_reuse import build_once
from ..rendering.pipeline import Limits, Meaning, render_variant
from ..rendering.styles import Look
from .exception_notes import explain_errors, explain_size


@dataclass(frozen=True, slots=True)
class Recipe:
    """A figure function, and the options that determine how its pictures look."""

    #: Full name of the route.
    endpoint: str
    function: Callable[..., object]
    #: The function that fetches the data outside the gate.
    load: Callable[..., Any] | None
    #: Names of the arguments that ``load`` takes.
    load_takes: tuple[str, ...]
    #: Names of the arguments from the URL.
    url_names: tuple[str, ...]
    #: Defaults of the arguments from the URL, by name.
    defaults: Mapping[str, Any]
    looks: Mapping[Theme, Look]
    limits: Limits
    meaning: Meaning

    @property
    def source(self) -> str:
        """The figure function's full name."""
        return find_full_name(self.function)

    def render(
        self,
        values: Mapping[str, Any],
        variant: Variant,
        *,
        deadline: Deadline | None = None,
        release: Callable[[], object] = lambda: None,
    ) -> RenderedImage:
        """Render the picture of *values* in *variant*.

        :param deadline: how long to wait for a turn, or ``None`` for no limit.
        :param release: a function that is called before steps that don't need a
            database connection.
        :raises ArgumentsError: if a text from the URL is not valid mathtext, or the
            URL's arguments, scale or width make the picture too large.
        """
        deadline = deadline or Deadline(None)
        from_url = {name: values[name] for name in self.url_names}
        with (
            explain_size(self._select_chosen(values), variant),
            explain_errors(self.function, from_url),
        ):
            loaded, steps = self._load_data(values, deadline, release)
            image = render_variant(
                partial(
                    build_once,
                    partial(self._build_figure, loaded, values, release),
                    self.source,
                ),
                variant,
                source=self.source,
                look=self.looks[variant.theme],
                limits=self.limits,
                meaning=self.meaning,
                deadline=deadline,
            )
        return replace(image, timings_s=(*steps, *image.timings_s))

    def derive(
        self,
        values: Mapping[str, Any],
        variant: Variant,
        png: RenderedImage,
        *,
        deadline: Deadline | None = None,
    ) -> RenderedImage:
        """Encode *png*, the picture of *values*, as *variant*.

        :param deadline: the end of the wait for memory; ``None`` for no limit.
        :raises ArgumentsError: as for :meth:`render`.
        """
        with explain_size(self._select_chosen(values), variant):
            return derive(
                png,
                variant,
                self.looks[variant.theme].savefig,
                max_bytes=self.limits.max_bytes,
                deadline=deadline,
            )

    def _select_chosen(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments from the URL that differ from their defaults."""
        return {
            name: values[name]
            for name in self.url_names
            if name not in self.defaults or self.defaults[name] != values[name]
        }

    def _load_data(
        self,
        values: Mapping[str, Any],
        deadline: Deadline,
        release: Callable[[], object],
    ) -> tuple[list[Any], list[tuple[str, float]]]:
        """Return the result of ``load`` if there is one, and how long it took."""
        if self.load is None:
            return [], []
        deadline.begin("load")
        began = perf_counter()
        data = _await_result(
            self.load(**{name: values[name] for name in self.load_takes})
        )
        elapsed_s = perf_counter() - began
        release()  # The wait for this figure's turn may be long.
        return [data], [("load", elapsed_s)]

    def _build_figure(
        self,
        loaded: Sequence[Any],
        values: Mapping[str, Any],
        release: Callable[[], object],
    ) -> object:
        returned = _await_result(self.function(*loaded, **values))
        if isinstance(returned, Response):
            # Read the body now: several requests may share it, and a stream is read
            # once.
            returned.direct_passthrough = False
            returned.get_data()
            abort(returned)  # Sent unchanged and not cached.
        release()  # Encoding may take long.
        return returned

    def check_portable(self) -> None:
        """Reject functions that can't be pickled for another process.

        :raises ConfigError: if a function can't be pickled, with the fix.
        """
        for role, function in (("figure function", self.function), ("load", self.load)):
            try:
                pickle.dumps(function)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                name = find_qualified_name(function) if function else ""
                raise ConfigError(
                    f"The {role} {name!r} cannot run in a worker, which imports it by "
                    f"name: {error}. Define it with def at the top level of a module, "
                    f"not inside a function and not as a lambda, with "
                    f"@figure_route above its other decorators. Pass values from an "
                    f"enclosing function as parameters, or with load=… or inject=…."
                ) from error


def _await_result(returned: Any) -> Any:
    """Return *returned*. If it is a coroutine, run it in this thread first.

    Flask's ``ensure_sync`` would run it in another thread. If it then requested another
    figure, this would be a deadlock, because this thread holds the gate.
    """
    return asyncio.run(returned) if inspect.iscoroutine(returned) else returned
