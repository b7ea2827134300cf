"""The time zone that pandas drops when it plots a regular time series.

Render layer. ``Series.plot`` converts such times to periods in local time. Then the
axes have no zone, and when clocks go back, one position on the axis means two hours.
The objects that pandas returns lack the times, so this module records them on the axes
during the conversion. It does not change the drawing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import numpy as np

#: The function that converts times, and the modules that contain it.
_FUNCTION = "maybe_convert_index"
_MODULE = "pandas.plotting._matplotlib.timeseries"
_IMPORTER = "pandas.plotting._matplotlib.core"
_ATTRIBUTE = "_mplstream_times"


@dataclass(eq=False)
class NotedTimes:
    """The times with a zone that one axes shows as periods."""

    zone: tzinfo
    #: For each series, its period ordinals and the same times in UTC.
    series: list[tuple[Any, Any]] = field(default_factory=list)

    def moments(self, counts: Any, wall_clock: Any) -> Any:
        """Return the UTC times of the period ordinals *counts*, as ``datetime64[us]``.

        :param wall_clock: the same times without a zone, for unknown ordinals.
        """
        for known, times in self.series:
            if np.array_equal(known, counts):
                return times
        by_count = {
            count: time
            for known, times in self.series
            for count, time in zip(known.tolist(), times, strict=True)
        }
        pairs = zip(np.asarray(counts).tolist(), wall_clock.tolist(), strict=True)
        found = [by_count.get(count, self._localize(time)) for count, time in pairs]
        return np.array(found, "datetime64[us]")

    def _localize(self, time: datetime | None) -> Any:
        if time is None:
            return np.datetime64("NaT", "us")
        utc = time.replace(tzinfo=self.zone).astimezone(UTC)
        return np.datetime64(utc.replace(tzinfo=None), "us")


def note_zones() -> None:
    """Record time zones from now on, even if pandas is imported later."""
    if _MODULE in sys.modules:
        for name in (_MODULE, _IMPORTER):
            if module := sys.modules.get(name):
                _wrap_in(module)
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


class _Watch(MetaPathFinder):
    """Import hook that wraps the function when pandas' module is imported."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        run = loader.exec_module

        def execute(module: ModuleType) -> None:
            run(module)
            _wrap_in(module)

        # importlib looks up exec_module on the instance.
        loader.exec_module = execute
        return spec


def _wrap_in(module: ModuleType) -> None:
    convert: Callable[..., Any] | None = getattr(module, _FUNCTION, None)
    if convert is None or hasattr(convert, "__wrapped__"):
        return

    @wraps(convert)
    def convert_and_note(axes: Any, data: Any, *args: Any, **options: Any) -> Any:
        converted = convert(axes, data, *args, **options)
        # In another version of pandas, times may stay in wall-clock time.
        with suppress(AttributeError, TypeError, ValueError):
            _note(axes, data.index, converted)
        return converted

    setattr(module, _FUNCTION, convert_and_note)


def _note(axes: Any, index: Any, converted: Any) -> None:
    zone = getattr(index, "tz", None)
    if zone is None:
        return
    data = converted[0] if isinstance(converted, tuple) else converted
    counts = np.asarray(getattr(data.index, "asi8", data.index))
    noted = getattr(axes, _ATTRIBUTE, None) or NotedTimes(zone)
    times = np.asarray(index.tz_convert(None)).astype("datetime64[us]")
    noted.series.append((counts, times))
    setattr(axes, _ATTRIBUTE, noted)
