"""The file of ``--from``: pictures listed in JSON, TOML or CSV.

Flask side. Only the file's form is checked here, not its figures and arguments.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import nearest
from ..parameters.pydantic_messages import reason_of
from .grid import from_values
from .plan_entry import Looks, PlanEntry

#: Columns of a CSV file that choose variants, named as in URLs.
LOOKS_COLUMNS = ("_format", "_scale", "_width", "_theme")


class _Written(BaseModel):
    """An entry of a JSON or TOML file."""

    model_config = ConfigDict(extra="forbid")

    figure: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    formats: list[str] = Field(default_factory=list)
    scales: list[float] = Field(default_factory=list)
    widths: list[int] = Field(default_factory=list)
    themes: list[str] = Field(default_factory=list)


def entries_in(name: str) -> list[PlanEntry]:
    """Return the entries of the file *name*.

    :raises click.UsageError: naming the file, the entry and the cause.
    """
    path = Path(name)
    readers = {".json": _in_json, ".toml": _in_toml, ".csv": _in_csv}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise click.UsageError(f"{name}: Its name ends in none of .json, .toml, .csv.")
    try:
        return list(read(name, path.read_text("utf-8-sig")))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise click.UsageError(f"{name}: {error}") from error


def _in_json(name: str, text: str) -> Iterator[PlanEntry]:
    return _list_entries(name, json.loads(text))


def _in_toml(name: str, text: str) -> Iterator[PlanEntry]:
    return _list_entries(name, tomllib.loads(text))


def _list_entries(name: str, document: object) -> Iterator[PlanEntry]:
    if isinstance(document, dict) and [*document] == ["pictures"]:
        document = document["pictures"]
    if not isinstance(document, list):
        raise click.UsageError(
            f"{name}: It has to be a list of entries such as "
            f'{{"figure": "plots.walk", "arguments": {{"n": [100, 200]}}}}, or to have '
            f"that list under the name pictures (in TOML: [[pictures]])."
        )
    for number, written in enumerate(document, 1):
        yield _entry(f"{name}, entry {number}", written)


def _entry(place: str, written: object) -> PlanEntry:
    try:
        entry = _Written.model_validate(written)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        reason = reason_of(fault)
        if fault["type"] == "extra_forbidden":
            reason = f"There is no such key.{_hint(where, list(_Written.model_fields))}"
        raise click.UsageError(
            ": ".join(filter(None, (place, where, reason)))
        ) from error
    axes = {n: v if isinstance(v, list) else [v] for n, v in entry.arguments.items()}
    for argument, values in axes.items():
        if not values:
            raise click.UsageError(f"{place}: {argument} is a list without a value.")
    looks = Looks(entry.formats, entry.scales, entry.widths, entry.themes)
    return PlanEntry(entry.figure, axes, from_values, looks, place)


def _in_csv(name: str, text: str) -> Iterator[PlanEntry]:
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    columns = [column.strip() for column in next(rows, [])]
    if "figure" not in columns:
        raise click.UsageError(
            f"{name}: The first line has to name the columns, and one of them figure."
        )
    for column in columns:
        if column.startswith("_") and column not in LOOKS_COLUMNS:
            hint = _hint(column, list(LOOKS_COLUMNS))
            raise click.UsageError(f"{name}: There is no such column: {column}.{hint}")
    filled = (row for row in rows if any(row))
    for number, row in enumerate(filled, 1):
        place = f"{name}, entry {number} (line {rows.line_num})"
        if len(row) > len(columns):
            raise click.UsageError(
                f"{place}: It has {len(row)} values for {len(columns)} columns. Does "
                f"one have a comma and no quotes?"
            )
        yield _row(place, columns, row)


def _row(place: str, columns: Sequence[str], row: Sequence[str]) -> PlanEntry:
    """Return the picture of *row*; ignore empty cells; a column may come twice."""
    given: dict[str, list[str]] = {}
    for column, text in zip(columns, row, strict=False):
        if text:
            given.setdefault(column, []).append(text)
    if "figure" not in given:
        raise click.UsageError(f"{place}: It names no figure.")
    figure = given.pop("figure")[0]
    formats, scales, widths, themes = (given.pop(c, []) for c in LOOKS_COLUMNS)
    looks = Looks(formats, scales, widths, themes)
    axes: Mapping[str, Any] = {name: [texts] for name, texts in given.items()}
    return PlanEntry(figure, axes, looks=looks, place=place)


def _hint(name: str, known: Sequence[str]) -> str:
    guess = nearest(name, known)
    return f" Accepted: {', '.join(known)}." + (
        f" Did you mean {guess!r}?" if guess else ""
    )
