"""The plan of ``--from``: pictures listed in a JSON or TOML file.

Flask side. Only the file's form is checked here, not its figures and arguments.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import Field, TypeAdapter, ValidationError, field_validator

from ..errors import suggest
from ..parameters.pydantic_messages import explain_fault
from .variants import Variants


class ListedPicture(Variants):
    """An entry of a plan file."""

    figure: str
    #: A list of values for each argument.
    arguments: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("arguments")
    @classmethod
    def _list_values(cls, arguments: Mapping[str, Any]) -> dict[str, list[Any]]:
        for name, values in arguments.items():
            if values == []:
                raise ValueError(f"The list of {name!r} is empty.")
        return {n: v if isinstance(v, list) else [v] for n, v in arguments.items()}


_PICTURES = TypeAdapter(list[ListedPicture])


def read_plan(name: str) -> list[ListedPicture]:
    """Return the entries of the file *name*.

    :raises click.UsageError: naming the file, the entry and the cause.
    """
    path = Path(name)
    load = {".json": json.loads, ".toml": tomllib.loads}.get(path.suffix.lower())
    if load is None:
        raise click.UsageError(f"{name!r} is not a plan: name a .json or .toml file.")
    try:
        document = load(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise click.UsageError(f"{name}: {error}") from error
    if isinstance(document, dict) and [*document] == ["pictures"]:
        document = document["pictures"]
    if not isinstance(document, list):
        raise click.UsageError(
            f"{name}: The plan must be a list of entries such as "
            f'{{"figure": "plots.walk", "arguments": {{"n": [100, 200]}}}}, or a table '
            f'with that list under "pictures" (in TOML: [[pictures]]).'
        )
    try:
        return _PICTURES.validate_python(document)
    except ValidationError as error:
        raise click.UsageError(f"{name}, {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    """Return the place and the reason of the first fault."""
    fault = error.errors(include_url=False)[0]
    index, *keys = fault["loc"]
    words = [f"entry {int(index) + 1}", *map(str, keys)]
    reason = explain_fault(fault)
    if fault["type"] == "extra_forbidden":
        known = list(ListedPicture.model_fields)
        reason = f"There is no such key. Accepted: {', '.join(known)}. "
        reason = f"{reason}{suggest(words[-1], known)}".rstrip()
    return ": ".join([*words, reason])
