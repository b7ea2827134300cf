"""Figures with every kind of control, for a server with a gallery."""

from __future__ import annotations

from datetime import date, datetime, time
from enum import Enum
from typing import Annotated, Literal

from flask import Flask
from matplotlib.figure import Figure
from pydantic import AfterValidator, Field

from flask_mplstream import FigureBlueprint

shown = FigureBlueprint("shown", __name__, url_prefix="/shown", gallery=True)


class Colour(Enum):
    """Enough colors for a drop-down list."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    GREY = "grey"


def _require_even(n: int) -> int:
    if n % 2:
        raise ValueError("it is odd")
    return n


@shown.figure_route("/every-kind", formats=["png", "svg", "pdf"])
def every_kind(
    n: Annotated[int, Field(ge=10, le=500, description="How many points.")] = 200,
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    even: Annotated[int, AfterValidator(_require_even)] = 0,
    least: Annotated[int, Field(ge=0)] | None = None,
    title: Annotated[str, Field(max_length=400)] = "A title",
    colour: Colour = Colour.RED,
    style: Literal["line", "dots"] = "line",
    grid: bool = True,
    log: bool | None = None,
    start: date | None = None,
    when: datetime = datetime(2024, 1, 2, 3, 4),
    noon: time = time(12),
    marks: frozenset[Literal["a", "b", "c", "d"]] = frozenset({"a", "c"}),
    levels: list[float] = [1.0, 2.5],
    pair: tuple[int, int] = (1, 2),
) -> Figure:
    """Every kind of control.

    <script>alert("Not a script, but a docstring.")</script>
    """
    fig = Figure(figsize=(4, 3))
    ax = fig.subplots()
    ax.plot(range(n), color=colour.value, alpha=alpha)
    ax.set_title(title, parse_math=False)
    return fig


@shown.figure_route("/sales/<int:year>")
def sales(year: int, region: Literal["north", "south"] = "north") -> Figure:
    """Units sold in a year."""
    fig = Figure(figsize=(4, 3))
    fig.subplots().set_title(f"{region} in {year}")
    return fig


@shown.figure_route("/broken")
def broken(n: int) -> Figure:
    """A figure function that fails."""
    raise RuntimeError(f"nothing for {n}")


@shown.figure_route("/file", formats=["pdf"])
def file() -> Figure:
    """A picture in a format that no page shows."""
    return Figure(figsize=(1, 1))


def create_app() -> Flask:
    """Create the app with a gallery."""
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="not secret", MPLSTREAM_TIMEOUT=120)
    app.register_blueprint(shown)
    return app
