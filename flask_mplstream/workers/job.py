"""The recipe for the pictures of a figure route, without the arguments.

Flask side. This module is used in every process that renders. A :class:`Recipe` can be
pickled, with the names of its functions, so the same code renders in the web process,
in a worker and on another machine.
"""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter, thread_time
from typing import Any

from werkzeug.exceptions import HTTPException, abort
from werkzeug.wrappers import Response

from ..cache.key import copy_value
from ..errors import ConfigError, KeptFigureError, MplStreamError
from ..formats import Theme, Variant
from ..limits.deadline import Deadline
from ..parameters.callables import find_full_name, find_qualified_name
from ..rendered_image import RenderedImage
from ..rendering.derivation import derive
from ..rendering.figure_copy import (
    Copy,
    DrawGlobals,
    FigureCopy,
    NotCopyableError,
    copy_figure,
)
from ..rendering.figure_reuse import build_once
from ..rendering.pipeline import Limits, Meaning, render_variant
from ..rendering.styles import Look
from .exception_notes import explain_errors, explain_size
from .kept_figures import DATA, FAST_LOAD_S, QUERY_S, KeptPicture, Turn


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
        kept: KeptPicture | None = None,
    ) -> RenderedImage:
        """Render the picture of *values* in *variant*.

        :param deadline: how long to wait for a turn, or ``None`` for no limit.
        :param release: a function that is called before steps that don't need a
            database connection.
        :param kept: the kept figure and data, or ``None`` to keep nothing.
        :raises ArgumentsError: if a text from the URL is not valid mathtext, or the
            URL's arguments, scale or width make the picture too large.
        """
        deadline, kept = deadline or Deadline(None), kept or KeptPicture()
        job = _Job(self, values, variant, deadline, release, kept)
        from_url = {name: values[name] for name in self.url_names}
        with (
            explain_size(self._select_chosen(values), variant),
            explain_errors(self.function, from_url),
            kept.take_turn(variant.theme.value, deadline) as turn,
        ):
            image = job.draw_copy(turn) or job.draw_anew(turn)
        return replace(image, age_s=kept.age_s)

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


@dataclass(frozen=True, slots=True)
class _Job:
    """The render of one variant."""

    recipe: Recipe
    values: Mapping[str, Any]
    variant: Variant
    deadline: Deadline
    release: Callable[[], object]
    kept: KeptPicture

    def draw_copy(self, turn: Turn[FigureCopy]) -> RenderedImage | None:
        """Draw a copy of the kept figure, if there is one that can be drawn."""
        copy = turn.find()
        if copy is None:
            return None
        turn.end()  # The next caller can draw another copy.
        try:
            image = self._render(copy)
        except MplStreamError:
            raise  # A new figure would fail too.
        except Exception as error:
            turn.drop(error)
            return None
        turn.note_restore(dict(image.timings_s)["copy"])
        if self.kept.is_checked:
            self._compare(image)
        return image

    def _compare(self, image: RenderedImage) -> None:
        """Compare *image*, drawn from a copy, with a picture of a new figure.

        :raises KeptFigureError: if they differ.
        """
        new = replace(self, kept=KeptPicture())
        with new.kept.take_turn("", self.deadline) as turn:
            expected = new.draw_anew(turn)
        if image.body != expected.body:
            raise KeptFigureError(
                f"The {self.variant.format.name} of {self.recipe.source} from a kept "
                f"figure differs from that of a new one. If the figure function is "
                f"random or reads changing data, move that into load. Otherwise set "
                f"keep=0 for the route."
            )

    def draw_anew(
        self, turn: Turn[FigureCopy], *, is_repeated: bool = False
    ) -> RenderedImage:
        """Load the data, build the figure and draw it.

        :param is_repeated: whether the kept data did not suffice.
        """
        loaded = self._load_data(is_repeated=is_repeated)
        build = _Build(self, loaded.data, turn)
        try:
            image = self._render(build, on_built=build.keep)
        except (MplStreamError, HTTPException):
            raise
        except Exception as error:
            # A copy may lack something, such as the session of a database's row.
            if loaded.turn is None:
                raise
            loaded.turn.drop(error)
            return self.draw_anew(turn, is_repeated=True)
        if loaded.turn is not None:
            loaded.turn.note_restore(loaded.restore_s)
        return replace(image, timings_s=(*loaded.steps, *image.timings_s))

    def _render(
        self,
        build: Callable[[], object] | FigureCopy,
        on_built: Callable[[Any], bool] = lambda _figure: False,
    ) -> RenderedImage:
        recipe = self.recipe
        return render_variant(
            build,
            self.variant,
            source=recipe.source,
            look=recipe.looks[self.variant.theme],
            limits=recipe.limits,
            meaning=recipe.meaning,
            deadline=self.deadline,
            on_built=on_built,
        )

    def _load_data(self, *, is_repeated: bool) -> _Loaded:
        """Return the figure function's first argument, if any."""
        load = self.recipe.load
        if load is None:
            return _Loaded()
        with self.kept.take_turn(DATA, self.deadline) as turn:
            if not is_repeated and (loaded := _restore_data(turn)) is not None:
                return loaded
            self.deadline.begin("load")
            began = perf_counter()
            values = self.copy_values()
            names = self.recipe.load_takes
            data = _await_result(load(**{name: values[name] for name in names}))
            elapsed_s = perf_counter() - began
            self.kept.note_loaded(elapsed_s)
            may_keep = turn.may_keep and not is_repeated
            is_slow = turn.is_awaited or elapsed_s > FAST_LOAD_S
            if may_keep and is_slow and turn.is_worth(elapsed_s):
                is_kept = turn.keep(partial(Copy.of, data), elapsed_s)
                self.kept.load_s = 0.0 if is_kept else elapsed_s
        self.release()  # The wait for this figure's turn may be long.
        return _Loaded((data,), (("load", elapsed_s),))

    def copy_values(self) -> dict[str, Any]:
        """Return copies of the arguments that a function may modify.

        Otherwise the figure function would see a change by ``load``, but only in the
        variants for which it runs.
        """
        return {name: copy_value(value) for name, value in self.values.items()}


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The result of ``load``, if there is one, and the step's seconds."""

    data: tuple[Any, ...] = ()
    steps: tuple[tuple[str, float], ...] = ()
    #: The turn that found the data, if it is a copy.
    turn: Turn[Copy] | None = None
    restore_s: float = 0.0


def _restore_data(turn: Turn[Copy]) -> _Loaded | None:
    """Return the kept data, or ``None`` if there is none that can be restored."""
    copy = turn.find()
    if copy is None:
        return None
    began = thread_time()
    try:
        data = copy.restore()
    except NotCopyableError as error:
        turn.drop(error)
        return None
    return _Loaded((data,), turn=turn, restore_s=thread_time() - began)


class _Build:
    """A call of the figure function, whose figure may be kept."""

    def __init__(
        self, job: _Job, data: tuple[Any, ...], turn: Turn[FigureCopy]
    ) -> None:
        self._job = job
        self._data = data
        self._turn = turn
        self._before: DrawGlobals | None = None
        self._began = self._began_in_thread = 0.0

    def __call__(self) -> object:
        """Return the figure."""
        self._before = DrawGlobals.now() if self._turn.may_keep else None
        self._began, self._began_in_thread = perf_counter(), thread_time()
        return build_once(self._call_function, self._job.recipe.source)

    def _call_function(self) -> object:
        job = self._job
        returned = _await_result(job.recipe.function(*self._data, **job.copy_values()))
        if isinstance(returned, Response):
            # Read the body now: several requests may share it, and a stream is read
            # once.
            returned.direct_passthrough = False
            returned.get_data()
            abort(returned)  # Sent unchanged and not cached.
        job.release()  # Encoding may take long.
        return returned

    def keep(self, figure: Any) -> bool:
        """Keep a copy of *figure* if that is expected to save time."""
        kept = self._job.kept
        kept.note_built()
        if self._before is None:
            return False
        made_s = kept.load_s + self._measure_build()
        is_kept = (kept.is_text or self._turn.is_worth(made_s)) and self._turn.keep(
            partial(copy_figure, figure, self._before), made_s
        )
        self._turn.end()
        return is_kept

    def _measure_build(self) -> float:
        """Return the seconds of this thread, and those of a query in the function."""
        build_s = thread_time() - self._began_in_thread
        waited_s = perf_counter() - self._began - build_s
        return build_s + (waited_s if waited_s > QUERY_S else 0.0)


def _await_result(returned: Any) -> Any:
    """Return *returned*. If it is a coroutine, run it in this thread first.

    Flask's ``ensure_sync`` would run it in another thread. If it then requested another
    figure, this would be a deadlock, because this thread holds the gate.
    """
    return asyncio.run(returned) if inspect.iscoroutine(returned) else returned
