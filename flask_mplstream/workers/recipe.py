"""How a figure route's pictures are made: everything but the arguments.

Flask side, wherever a render runs. A :class:`Recipe` is a value that can be
pickled, as its functions travel by name, so the same lines render in the web
process, in a worker and on another machine.
"""

from __future__ import annotations

import linecache
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from traceback import walk_tb
from typing import Any

from werkzeug.exceptions import HTTPException, abort
from werkzeug.wrappers import Response

from ..errors import ArgumentFault, ArgumentsError, ConfigError, cut
from ..image import RenderedImage, Variant
from ..render import Style, mathtext_of, render_variant

EnsureSync = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A figure function, and how what it returns is drawn."""

    function: Callable[..., object]
    #: Fetches the data, outside the gate.
    load: Callable[..., Any] | None
    #: Those of the arguments that ``load`` takes.
    load_takes: tuple[str, ...]
    #: Arguments that come from the URL.
    url_names: tuple[str, ...]
    savefig: Mapping[str, Any]
    style: Style | None
    max_pixels: int
    max_bytes: int

    @property
    def source(self) -> str:
        """The figure function's full name."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def image(
        self,
        values: Mapping[str, Any],
        variant: Variant,
        *,
        timeout_s: float | None = None,
        ensure_sync: EnsureSync,
    ) -> RenderedImage:
        """The picture of *values* in *variant*.

        :param timeout_s: seconds to wait for the gate.
        :param ensure_sync: makes an ``async def`` callable, as an app does.
        :raises ArgumentsError: where a text from the URL is no mathtext.
        """
        began = perf_counter()
        loaded = []
        with self._explained(values):
            if self.load is not None:
                given = {name: values[name] for name in self.load_takes}
                loaded = [ensure_sync(self.load)(**given)]
            steps = [("load", perf_counter() - began)] if loaded else []
            image = render_variant(
                lambda: _no_response(ensure_sync(self.function)(*loaded, **values)),
                variant,
                source=self.source,
                savefig=self.savefig,
                style=self.style,
                max_pixels=self.max_pixels,
                max_bytes=self.max_bytes,
                timeout_s=timeout_s,
            )
        return replace(image, timings_s=(*steps, *image.timings_s))

    @contextmanager
    def _explained(self, values: Mapping[str, Any]) -> Iterator[None]:
        """Blame the URL for its own mathtext; tell the line for other errors."""
        try:
            yield
        except HTTPException:
            raise  # An answer, not a fault.
        except Exception as error:
            fault = self._mathtext_fault(error, values)
            if fault is not None:
                raise ArgumentsError([fault]) from error
            if line := _line_of(error, self.function):
                error.add_note(line)
            raise

    def _mathtext_fault(
        self, error: Exception, values: Mapping[str, Any]
    ) -> ArgumentFault | None:
        found = mathtext_of(error)
        if found is None:
            return None
        for name in self.url_names:
            value = values[name]
            for text in [value] if isinstance(value, str) else _texts(value):
                if text in found and _MARKUP.search(text):
                    reason = f"Matplotlib cannot read it as mathtext: {_reason(error)}."
                    return ArgumentFault(name, cut(text), reason, _ACCEPTED_MATHTEXT)
        return None

    def check_portable(self) -> None:
        """Refuse what another process could not be told.

        :raises ConfigError: naming the function and how to mend it.
        """
        for what, function in (("figure function", self.function), ("load", self.load)):
            try:
                pickle.dumps(function)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                name = getattr(function, "__qualname__", repr(function))
                raise ConfigError(
                    f"The {what} {name!r} cannot run in a worker, which imports it by "
                    f"name: {error}. Define it with def at the top level of a module, "
                    f"not inside a function and not as a lambda, with "
                    f"@figure_route above its other decorators; what it closes over "
                    f"can be a parameter, or come through load=… or inject=…."
                ) from error


def _no_response(returned: object) -> object:
    if isinstance(returned, Response):
        abort(returned)  # The user's own answer: sent as it is, and not kept.
    return returned


_MARKUP = re.compile(r"[$\\{}^_]")
_ACCEPTED_MATHTEXT = (
    r"text whose parts between $ and $ are mathtext, and \$ for a dollar sign"
)


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, list | set | tuple | frozenset) else []
    return [item for item in items if isinstance(item, str)]


def _reason(error: Exception) -> str:
    """The last line that says something; pyparsing draws an arrow above it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return cut(lines[-1]) if lines else type(error).__name__


def _line_of(error: Exception, function: Callable[..., object]) -> str:
    """The line of the user's own code in which *error* was raised, or nothing."""
    code = getattr(function, "__code__", None)
    own = code.co_filename if code else None
    found = ""
    for frame, number in walk_tb(error.__traceback__):
        if frame.f_code.co_filename == own:
            text = linecache.getline(own, number).strip()
            found = f"{frame.f_code.co_qualname}, line {number}: {text}"
    return found
