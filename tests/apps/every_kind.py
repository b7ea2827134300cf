"""An app whose figures have parameters of every kind."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Flask
from matplotlib.figure import Figure
from pydantic import Field

from flask_mplstream import FigureBlueprint
from tests.support.signatures import Color, Level

plots = FigureBlueprint("plots", __name__, url_prefix="/plots", formats=["png"])


@plots.figure_route("/numbers", formats=["svg", "png", "csv", "json"])
def numbers(
    *,
    needed: int,
    whole: int = 0,
    bounded: Annotated[int, Field(ge=10, le=5000, description="A bound.")] = 20,
    real: float = 0,
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    maybe: int | None = None,
    level: Level = Level.LOW,
) -> Figure:
    """Numbers of all kinds.

    Whole and real ones.
    """
    return small()


@plots.figure_route("/texts")
def texts(
    plain: str = "",
    short: Annotated[str, Field(max_length=3)] = "a",
    like: Annotated[str, Field(pattern="^[a-z]+$")] = "a",
    maybe: str | None = None,
    color: Color = Color.RED,
    level: Level | None = None,
    choice: Literal["a", 1] = "a",
    flag: bool = False,
    switch: bool | None = None,
) -> Figure:
    return small()


@plots.figure_route("/times")
def times(
    day: date = date(2024, 1, 1),
    until: date | None = None,
    at: datetime | None = None,
    since: datetime = datetime(2024, 1, 2, 3, 4, 5),
    clock: time = time(1),
    wait: timedelta = timedelta(1),
    run: UUID | None = None,
) -> Figure:
    return small()


@plots.figure_route("/many")
def many(
    whole: list[int] = [],
    names: set[str] = set(),
    colors: frozenset[Color] | None = None,
    pair: tuple[float, float] = (0, 1),
    some: Annotated[list[int], Field(min_length=1, max_length=3)] = [1],
    several: Annotated[list[int], Field(min_length=2)] | None = None,
) -> Figure:
    return small()


@plots.figure_route("/of/<int:year>/<any(a, b):letter>/<name>/<uuid:run>/<float:x>")
def of(
    year: Annotated[int, Field(le=3000)],
    letter: str,
    name: Annotated[str, Field(max_length=5)],
    run: UUID,
    x: float = 1,
    n: int = 1,
) -> Figure:
    return small()


@plots.figure_route("/mine", inject={"user": lambda: 1})
def mine(user: int, n: int = 1) -> Figure:
    return small()


@plots.figure_route("/signed", signed=True)
def signed(secret: int = 1) -> Figure:
    return small()


def small() -> Figure:
    return Figure(figsize=(0.5, 0.5))


def every_kind(**config: Any) -> Flask:
    """Return an app with a parameter of every kind."""
    app = Flask("every kind")
    app.config.update(SECRET_KEY="not secret", DEBUG=True, **config)
    app.register_blueprint(plots)
    return app
