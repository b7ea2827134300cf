"""The data that a figure shows, as CSV and as JSON.

Render layer. Call it inside the gate. What is written goes straight into a
buffer with a limit, a few thousand values at a time.
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

from ..drawing import LimitedBuffer
from .dimensions import Values
from .series import AxesContent, Column, Content, Series, read

#: Values that are Python objects at a time; as such they take four times the room.
_CHUNK = 4096
#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")


def data_csv(figure: Figure, max_bytes: int) -> bytes:
    """One table of all that *figure* shows, UTF-8, with a heading for each column.

    Series with the same places in the same axes share their column. Shorter columns
    end with empty cells, and a cell is empty where there is no number. Values of
    images stand below each other, each with its place.

    :raises ImageTooLargeError: before more than *max_bytes* are held.
    """
    buffer = LimitedBuffer(max_bytes, what="The data have")
    table = _table(read(figure))
    writer = csv.writer(codecs.getwriter("utf-8")(buffer, "replace"))
    if table:
        writer.writerow(_text(heading) for heading in table)
        writer.writerows(zip_longest(*map(_csv_cells, table.values())))
    return buffer.getvalue()


def data_json(figure: Figure, max_bytes: int) -> bytes:
    """All that *figure* shows, UTF-8: ``title``, and ``axes`` with their ``series``.

    What is no number is ``null``. The ``value`` of an image is a list of rows.

    :raises ImageTooLargeError: before more than *max_bytes* are held.
    """
    buffer = LimitedBuffer(max_bytes, what="The data have")
    _write_json(_tree(read(figure)), codecs.getwriter("utf-8")(buffer, "replace").write)
    return buffer.getvalue()


def _table(content: Content) -> dict[str, Column]:
    table: dict[str, Column] = {}
    used: Counter[str] = Counter()
    for axes in content.axes:
        title = f"{axes.title}: " if axes.title and len(content.axes) > 1 else ""
        for own, column in _columns(axes):
            heading = unique = f"{title}{own}"
            while unique in table:
                used[heading] += 1
                unique = f"{heading} ({used[heading] + 1})"
            table[unique] = column
    return table


def _columns(axes: AxesContent) -> Iterator[tuple[str, Column]]:
    """The columns of one axes under their headings; equal places only once."""
    known: set[object] = set()
    for series in axes.series:
        for name, column in _flat(series.columns).items():
            if name.partition("_")[0] == series.across:
                identity = (name, *_identity(column))
                if identity in known:
                    continue
                known.add(identity)
            yield _heading(series, name), column


def _flat(columns: Mapping[str, Column]) -> Mapping[str, Column]:
    """*columns* with those of a grid below each other, row after row."""
    if "value" not in columns or columns["value"].values.ndim == 1:
        return columns
    shape = columns["value"].values.shape
    flat = {}
    for name, column in columns.items():
        values = column.values
        if name == "y" and values.ndim == 1:
            values = values[:, np.newaxis]
        spread = np.broadcast_to(values, shape).ravel()
        flat[name] = Column(spread, column.dimension)
    return flat


def _identity(column: Column) -> tuple[object, ...]:
    values = column.values
    if values.dtype == object:
        return tuple(values)
    return values.dtype.str, blake2b(values.tobytes()).digest()


def _heading(series: Series, name: str) -> str:
    direction, _, part = name.partition("_")
    dimension = series.columns[name].dimension
    if dimension is None:
        own = series.value_label if name == "value" else ""
        return own or f"{series.label} {name}".strip()
    shared = dimension.label or direction
    base = shared if direction == series.across else series.label or shared
    return f"{base} {part.replace('_', ' ')}".strip()


def _csv_cells(column: Column) -> Iterator[Any]:
    for cells in _chunks(column):
        if column.is_named:
            cells = [_text(c) if isinstance(c, str) else c for c in cells]
        yield from cells


def _text(cell: str) -> str:
    """*cell* so that no spreadsheet runs it."""
    seen = "".join(c for c in normalize("NFKC", cell) if category(c) != "Cf")
    return f"'{cell}" if seen.lstrip().startswith(_FORMULA) else cell.lstrip("\ufeff")


def _tree(content: Content) -> dict[str, Any]:
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
        ],
    }


def _write_json(value: Any, write: Callable[[str], object]) -> None:
    """Write *value* piece by piece; a column's values, which may be many, too."""
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
        for number, cells in enumerate(_chunks(value)):
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
        _write_json(value, write)
    write(brackets[1])


def _chunks(column: Column) -> Iterator[list[Any]]:
    """The values as Python's own, ``None`` for none, not too many at a time."""
    cells = _converter(column)
    for start in range(0, len(column.values), _CHUNK):
        yield cells(column.values[start : start + _CHUNK])


def _converter(column: Column) -> Callable[[Values], list[Any]]:
    if column.values.dtype == object:
        return list
    dimension = column.dimension
    if dimension is not None and (periods := dimension.periods) is not None:
        return lambda values: [text or None for text in periods(values)]
    if dimension is not None and dimension.dates is not None:
        return _iso_dates(dimension.dates, column.values, dimension.is_zoned)
    if dimension is not None and (names := dimension.names) is not None:
        return lambda values: [
            place if place is None else names.get(place, place)
            for place in _numbers(values)
        ]
    return _numbers


def _numbers(values: Values) -> list[Any]:
    is_number = np.isfinite(values)
    if is_number.all():
        return values.tolist()  # type: ignore[no-any-return]
    cells = values.astype(object)
    cells[~is_number] = None
    return cells.tolist()  # type: ignore[no-any-return]


def _iso_dates(
    dates: Callable[[Values], Values], values: Values, is_zoned: bool
) -> Callable[[Values], list[Any]]:
    """Numbers -> ISO 8601, all as exact as the most exact of *values*."""
    known = dates(values)
    known = known[~np.isnat(known)]
    units: Sequence[Any] = ("D", "s", "us")
    unit = next(u for u in units if (known.astype(f"datetime64[{u}]") == known).all())
    suffix = "Z" if is_zoned and unit != "D" else ""

    def iso(part: Values) -> list[Any]:
        texts = np.datetime_as_string(dates(part), unit=unit).tolist()
        return [None if text == "NaT" else f"{text}{suffix}" for text in texts]

    return iso
