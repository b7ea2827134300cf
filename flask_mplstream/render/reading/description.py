"""A figure in words: the text for those who do not see it.

Render layer. Call it inside the gate, before or after a draw. It is made from
what the figure shows, and looks at some of the points only.
"""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from .chart import Chart, short
from .plain import plain
from .series import Content, read

#: Characters of a description; a screen reader reads it in one go.
MOST_CHARACTERS = 600
#: Points of each series that are looked at.
_MOST_POINTS = 1000
_ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth")


def describe(figure: Figure, name: str = "") -> str:
    """What *figure* shows, in full sentences and plain text.

    :param name: what to call it where it has no title of its own.
    :return: at most :data:`MOST_CHARACTERS` characters; nothing where there is
        nothing to tell.
    """
    content = read(figure, most=_MOST_POINTS)
    return _cut(" ".join(_sentences(content, plain(name))))


def _sentences(content: Content, name: str) -> Iterator[str]:
    charts = [Chart.of(axes) for axes in content.axes]
    own = charts[0].title if len(charts) == 1 else ""
    titles = dict.fromkeys(filter(None, (content.title, own))) or filter(None, [name])
    yield from map(_sentence, titles)
    if not charts:
        yield from map(_sentence, content.texts)
    elif len(charts) == 1:
        yield from charts[0].sentences()
        yield from charts[0].details()
    else:
        yield f"{len(charts)} charts."
        for ordinal, chart in zip(_ORDINALS, charts, strict=False):
            title = f"{short(chart.title)}: " if chart.title else ""
            first, *others = chart.sentences()
            yield f"{ordinal}, {title}{first[0].lower()}{first[1:]}"
            yield from others


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _cut(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    beginning = text[:MOST_CHARACTERS]
    words = beginning.rpartition(" ")[0] or beginning[:-1]
    return f"{words.rstrip(' .,;:')}…"
