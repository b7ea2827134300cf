"""Find out whether the code that is running is part of a render.

Values layer: the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum


class RenderStage(IntEnum):
    """The part of a render that the current code belongs to."""

    NONE = 0
    #: The flight of a picture, which other callers may wait for.
    FLIGHT = 1
    #: The steps of a render, such as a figure function. Pictures that they request are
    #: part of the same render.
    FIGURE = 2


render_stage: ContextVar[RenderStage] = ContextVar(
    "flask_mplstream_render_stage", default=RenderStage.NONE
)


@contextmanager
def enter(stage: RenderStage) -> Iterator[None]:
    """Run the block at *stage*, or at the current one if it is further inside."""
    token = render_stage.set(max(stage, render_stage.get()))
    try:
        yield
    finally:
        render_stage.reset(token)


def is_nested() -> bool:
    """Return whether this code must not wait for a picture that another caller renders.

    That caller may wait for the figure lock, which this render may hold.
    """
    return render_stage.get() >= RenderStage.FLIGHT


def is_in_figure() -> bool:
    """Return whether a figure function or another step of a render is running."""
    return render_stage.get() is RenderStage.FIGURE
