"""From the store, or from one render: the only way to a picture.

Cache layer: it receives ``produce`` and the time; it knows neither Flask nor
Matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..image import RenderedImage
from .entry import Entry
from .store import Store


@dataclass(frozen=True, slots=True)
class Served:
    """A picture to send, and how it was come by."""

    entry: Entry
    #: Whole seconds since it was rendered.
    age_s: int
    #: Why it was rendered, in the words of RFC 9211; ``None`` for a hit.
    fwd: str | None = None
    is_stored: bool = False


def look_up(
    store: Store,
    key: str,
    produce: Callable[[], RenderedImage],
    *,
    max_age_s: int,
    clock: Callable[[], float],
) -> Served:
    """The fresh entry under *key*, else what *produce* renders.

    :param max_age_s: seconds that an entry is fresh; 0 keeps none.
    :param clock: Unix time in seconds.
    """
    if not max_age_s:
        return Served(Entry.of(produce(), clock()), 0, fwd="bypass")
    entry = store.get(key)
    if entry is not None:
        age_s = entry.age_s(clock())
        if age_s < max_age_s:
            return Served(entry, int(age_s))
    entry = Entry.of(produce(), clock())
    is_stored = store.set(key, entry, max_age_s)
    fwd = "uri-miss"
    return Served(entry, 0, fwd, is_stored)
