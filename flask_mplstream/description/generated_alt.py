"""The alternative text of a figure, for people who cannot see it.

Description layer. Call it inside the gate, before or after a draw.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from .figure_content import read
from .plain_text import to_plain
from .sentences import Chart, end_sentence
from .series import Content
from .value_texts import join_words, shorten

#: Maximum characters for a figure with one chart, which screen readers read without a
#: pause.
MOST_CHARACTERS = 400
#: Maximum characters for a figure with several charts.
MOST_FOR_SEVERAL = 600
#: Maximum characters of a title; a longer one is cut.
_MOST_IN_TITLE = 240
#: Minimum space in characters for the first sentence.
_LEAST = 100
_MOST_NAMED = 6
_ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth")


def describe(figure: Figure, name: str = "", returned: object = None) -> str:
    """Describe *figure* in full sentences and plain text.

    :param name: the name of a figure without a title.
    :param returned: the figure function's result, if known.
    :return: at most :data:`MOST_CHARACTERS` characters, :data:`MOST_FOR_SEVERAL` for
        several charts; an empty text if the figure has no content.
    """
    content = read(figure, returned)
    charts = _list_charts(content)
    titles, sentences = _list_sentences(content, charts, to_plain(name))
    most = MOST_CHARACTERS if len(charts) < 2 else MOST_FOR_SEVERAL
    return _fit(
        most, [end_sentence(_cut(t, _MOST_IN_TITLE)) for t in titles], sentences
    )


def read_titles(figure: Figure) -> str:
    """Return only the titles of *figure* and its axes, if it cannot be read."""
    titles = (figure.get_suptitle(), *(axes.get_title() for axes in figure.axes))
    shown = dict.fromkeys(filter(None, map(to_plain, titles)))
    return " ".join(end_sentence(_cut(title, _MOST_IN_TITLE)) for title in shown)


def _list_charts(content: Content) -> list[Chart]:
    bases = dict.fromkeys(axes.base for axes in content.axes)
    charts = (Chart([a for a in content.axes if a.base == base]) for base in bases)
    return [c for c in charts if not all(axes.is_silent for axes in c.layers)]


def _list_sentences(
    content: Content, charts: Sequence[Chart], name: str
) -> tuple[list[str], list[list[str]]]:
    """Return the titles and the sentences about each chart."""
    own = charts[0].title if len(charts) == 1 else ""
    titles = list(dict.fromkeys(filter(None, (content.title, own))))
    shown = titles or ([name] if name else [])
    said = [list(chart.list_sentences()) for chart in charts]
    written = [end_sentence(text) for text in content.texts]
    if len(charts) < 2:
        return shown, [*said, written]
    are_named = all(chart.title for chart in charts)
    for number, (chart, sentences) in enumerate(zip(charts, said, strict=True)):
        if sentences:
            sentences[0] = _begin(number, chart, sentences[0], are_named)
    return shown, [[_count(charts, are_named)], written, *said]


def _count(charts: Sequence[Chart], are_named: bool) -> str:
    """Return a sentence with the number and the names of the charts."""
    names = [shorten(chart.title) for chart in charts] if are_named else []
    if len(names) > _MOST_NAMED:
        names = [*names[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} more"]
    return f"{len(charts)} charts{': ' if names else ''}{join_words(names)}."


def _begin(number: int, chart: Chart, first: str, are_named: bool) -> str:
    """Return the first sentence about one of several charts."""
    inset = "an inset: " if chart.layers[0].is_inset else ""
    title = f"{inset}{shorten(chart.title)}: " if chart.title else inset
    lower = f"{first[0].lower()}{first[1:]}" if first[1:2].islower() else first
    if are_named or number >= len(_ORDINALS):
        return f"{title}{lower}" if title else first
    return f"{_ORDINALS[number]}, {title}{lower}"


def _fit(most: int, titles: Sequence[str], charts: Sequence[Sequence[str]]) -> str:
    """Return all titles, and as many whole sentences as fit into *most* characters.

    The first sentences of all charts take precedence over any second one.
    """
    places = [(rank, n) for n, said in enumerate(charts) for rank in range(len(said))]
    length, kept = len(" ".join(titles)), set()
    for rank, chart in sorted(places):
        longer = length + 1 + len(charts[chart][rank])
        if longer <= most:
            length = longer
            kept.add((rank, chart))
    sentences = [charts[n][rank] for rank, n in sorted(kept, key=lambda k: k[::-1])]
    if not kept and places:
        first = next(said[0] for said in charts if said)
        sentences = [_cut(first, max(most - length - 1, _LEAST))]
    return " ".join([*titles, *sentences])


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    beginning = text[: most - 1]
    words = beginning.rpartition(" ")[0] or beginning
    return f"{words.rstrip(' .,;:')}…"
