"""The data of a figure as CSV and JSON.

Description layer. Call it inside the gate. Values are in data units, neither clipped
nor formatted. They are written to a limited buffer in chunks of a few thousand.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import zip_longest
from typing import Any
from unicodedata import category, normalize

import numpy as np
from matplotlib.figure import Figure

from ..limits.max_bytes import LimitedBuffer
from .axis_values import Dimension, Values
from .figure_content import read
from .series import AxesContent, Column, Content, Series

#: Values per chunk; as Python objects, values need four times the memory.
_CHUNK = 4096
#: First characters of a formula in a spreadsheet.
_FORMULA = ("=", "+", "-", "@")


def write_csv(figure: Figure, max_bytes: int, returned: object = None) -> bytes:
    """Return the data of *figure* as one CSV table in UTF-8, with a header.

    Series in the same axes with equal places share the column of places. Shorter
    columns are padded with empty cells, and a missing number is an empty cell. An image
    has one row per value, with its place. Without data, there is only the header.

    :param returned: the figure function's result, if known.
    :raises ImageTooLargeError: as soon as the table would exceed *max_bytes*.
    """
    buffer = LimitedBuffer(max_bytes, subject="The data have")
    table = _make_table(read(figure, returned))
    writer = csv.writer(codecs.getwriter("utf-8")(buffer, "replace"))
    writer.writerow(_escape(heading) for heading in table)
    writer.writerows(zip_longest(*map(_list_cells, table.values())))
    return buffer.getvalue()


def write_json(figure: Figure, max_bytes: int, returned: object = None) -> bytes:
    """Return the data of *figure* as JSON: ``title``, ``axes`` and their ``series``.

    A missing number is ``null``. The ``value`` of an image is a list of rows.

    :param returned: the figure function's result, if known.
    :raises ImageTooLargeError: as soon as the document would exceed *max_bytes*.
    """
    buffer = LimitedBuffer(max_bytes, subject="The data have")
    tree = _make_tree(read(figure, returned))
    _write_value(tree, codecs.getwriter("utf-8")(buffer, "replace").write)
    return buffer.getvalue()


def _make_table(content: Content) -> dict[str, Column]:
    table: dict[str, Column] = {}
    used: Counter[str] = Counter()
    shown = [axes for axes in content.axes if axes.series]
    for axes in shown:
        title = f"{axes.title}: " if axes.title and len(shown) > 1 else ""
        for own, column in _list_columns(axes):
            heading = unique = f"{title}{own}"
            while unique in table:
                used[heading] += 1
                unique = f"{heading} ({used[heading] + 1})"
            table[unique] = column
    return table or _make_empty_table(content)


def _make_empty_table(content: Content) -> dict[str, Column]:
    """Return the header of a figure without data: the labels of its first axes."""
    labels = {"x": "", "y": ""}
    if content.axes:
        labels = {n: d.label for n, d in content.axes[0].dimensions.items()}
    return {label or name: Column(np.array([])) for name, label in labels.items()}


def _list_columns(axes: AxesContent) -> Iterator[tuple[str, Column]]:
    """Yield headings and columns of one axes, with equal places only once."""
    known: set[object] = set()
    for series in axes.series:
        for name, column in _flatten(series.columns).items():
            if name.partition("_")[0] == series.across:
                identity = (name, *_identify(column))
                if identity in known:
                    continue
                known.add(identity)
            yield _make_heading(series, name), column


def _flatten(columns: Mapping[str, Column]) -> Mapping[str, Column]:
    """Flatten the *columns* of a grid, row after row."""
    if "value" not in columns or columns["value"].values.ndim == 1:
        return columns
    shape = columns["value"].values.shape
    flat = {}
    for name, column in columns.items():
        exact = None if column.exact is None else _spread(column.exact, name, shape)
        values = _spread(column.values, name, shape)
        flat[name] = Column(values, column.dimension, exact)
    return flat


def _spread(values: Values, name: str, shape: tuple[int, ...]) -> Values:
    if name == "y" and values.ndim == 1:
        values = values[:, np.newaxis]
    return np.broadcast_to(values, shape).ravel()


def _identify(column: Column) -> tuple[object, ...]:
    values = column.values if column.exact is None else column.exact
    if values.dtype == object:
        return tuple(values)
    if values.dtype.kind in "iuf":
        values = values.astype(float)
    return values.dtype.kind, blake2b(np.ascontiguousarray(values).tobytes()).digest()


def _make_heading(series: Series, name: str) -> str:
    direction, _, part = name.partition("_")
    dimension = series.columns[name].dimension
    if dimension is None:
        own = series.value_label if name == "value" else ""
        return own or f"{series.label} {name}".strip()
    shared = dimension.label or direction
    base = shared if direction == series.across else series.label or shared
    return f"{base} {part.replace('_', ' ')}".strip()


def _list_cells(column: Column) -> Iterator[Any]:
    for cells in _split(column):
        if column.is_named:
            cells = [_escape(c) if isinstance(c, str) else c for c in cells]
        yield from cells


def _escape(cell: str) -> str:
    """Escape *cell* if a spreadsheet would evaluate it as a formula."""
    seen = "".join(c for c in normalize("NFKC", cell) if category(c) != "Cf")
    return f"'{cell}" if seen.lstrip().startswith(_FORMULA) else cell.lstrip("\ufeff")


def _make_tree(content: Content) -> dict[str, Any]:
    return {
        "title": content.title,
        "axes": [
            {
                "title": axes.title,
                **{
                    name: {"label": dimension.label, "scale": dimension.scale}
                    for name, dimension in axes.dimensions.items()
                },
                "series": [
                    {"kind": series.kind, "label": series.label, **series.columns}
                    for series in axes.series
                ],
            }
            for axes in content.axes
            if axes.series
        ],
    }


def _write_value(value: Any, write: Callable[[str], object]) -> None:
    """Write *value* as JSON in pieces, including the values of columns."""
    if isinstance(value, dict):
        pieces = ((f"{json.dumps(key)}: ", inner) for key, inner in value.items())
        _write_list("{}", pieces, write)
    elif isinstance(value, list):
        _write_list("[]", (("", inner) for inner in value), write)
    elif isinstance(value, Column) and value.values.ndim == 2:
        rows = (Column(row, value.dimension) for row in value.values)
        _write_list("[]", (("", row) for row in rows), write)
    elif isinstance(value, Column):
        write("[")
        for number, cells in enumerate(_split(value)):
            inside = json.dumps(cells, ensure_ascii=False, allow_nan=False)[1:-1]
            write(f", {inside}" if number else inside)
        write("]")
    else:
        write(json.dumps(value, ensure_ascii=False))


def _write_list(
    brackets: str, pieces: Iterator[tuple[str, Any]], write: Callable[[str], object]
) -> None:
    write(brackets[0])
    for number, (key, value) in enumerate(pieces):
        write(f", {key}" if number else key)
        _write_value(value, write)
    write(brackets[1])


def _split(column: Column) -> Iterator[list[Any]]:
    """Yield chunks of the values as Python objects, ``None`` for missing ones."""
    values = column.values if column.exact is None else column.exact
    cells = _make_converter(values, column.dimension)
    for start in range(0, len(values), _CHUNK):
        yield cells(values[start : start + _CHUNK])


def _make_converter(
    values: Values, dimension: Dimension | None
) -> Callable[[Values], list[Any]]:
    """Return a function that converts chunks of *values* to cells."""
    is_zoned = dimension is not None and dimension.data_zone is not None
    if values.dtype == object:
        return list
    if values.dtype.kind == "M":
        return _make_date_converter(lambda part: part, values, is_zoned)
    if values.dtype.kind == "m":
        return _format_durations
    if dimension is None or not (values > dimension.last_number).any():
        return _list_numbers
    if dimension.periods is not None:
        periods = dimension.periods
        return lambda part: [text or None for text in periods(part)]
    if dimension.dates is not None:
        return _make_date_converter(dimension.dates, values, is_zoned)
    if dimension.unit_s is not None:
        unit_ns = round(dimension.unit_s * 1e9)
        return lambda part: _format_durations(_to_durations(part, unit_ns))
    names = dimension.names or {}
    if names and set(np.unique(values[np.isfinite(values)]).tolist()) <= set(names):
        return lambda part: [names.get(place) for place in _list_numbers(part)]
    return _list_numbers


def _list_numbers(values: Values) -> list[Any]:
    is_number = np.isfinite(values)
    if not is_number.all():
        values = values.astype(object)
        values[~is_number] = None
    cells: list[Any] = values.tolist()
    return cells


def _make_date_converter(
    dates: Callable[[Values], Values], values: Values, is_zoned: bool
) -> Callable[[Values], list[Any]]:
    """Return a converter to ISO 8601, at the finest precision in *values*."""
    known = dates(values)
    known = known[~np.isnat(known)]
    units: Sequence[Any] = ("D", "s", "ms", "us", "ns")[is_zoned:]
    unit = next(u for u in units if (known.astype(f"datetime64[{u}]") == known).all())
    suffix = "Z" if is_zoned else ""

    def iso(part: Values) -> list[Any]:
        texts = np.datetime_as_string(dates(part), unit=unit, casting="unsafe").tolist()
        return [None if text == "NaT" else f"{text}{suffix}" for text in texts]

    return iso


def _to_durations(values: Values, unit_ns: int) -> Values:
    is_known = np.isfinite(values)
    counts = np.where(is_known, values, 0).round().astype("int64") * unit_ns
    return np.where(is_known, counts.astype("m8[ns]"), np.timedelta64("NaT", "ns"))


def _format_durations(values: Values) -> list[Any]:
    """Return durations in ISO 8601, such as ``P0DT1H30M0S`` for 90 minutes."""
    counts = values.astype("m8[ns]")
    pairs = zip(counts.astype("int64").tolist(), np.isnat(counts), strict=True)
    return [None if is_nat else _format_duration(count) for count, is_nat in pairs]


def _format_duration(nanoseconds: int) -> str:
    whole, rest = divmod(abs(nanoseconds), 10**9)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}P{days}DT{hour}H{minute}M{second}{fraction}S"
