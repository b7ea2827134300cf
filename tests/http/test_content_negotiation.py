"""The format that an ``Accept`` header gets (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flask_mplstream.formats import FORMATS, ImageFormat
from flask_mplstream.http.content_negotiation import MAX_ACCEPT_LENGTH, negotiate

ALL = ["png", "webp", "avif", "jpg", "svg", "pdf"]
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
SAFARI = (
    "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,"
    "image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
)
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


def chosen(accept: str | None, offered: list[str]) -> str | None:
    found = negotiate(accept, [FORMATS[name] for name in offered])
    return found.name if found else None


def row(id: str, accept: str | None, expected: str | None, *offered: str) -> Any:
    return pytest.param(accept, list(offered) or ALL, expected, id=id)


ANYTHING = [
    row("missing", None, "png"),
    row("empty", "", "png"),
    row("blank", " \t", "png"),
    row("empty-elements", " , ,", "png"),
    row("wildcard", "*/*", "png"),
    row("wildcard-with-quality", "*/*;q=0.1", "png"),
    row("image-wildcard", "image/*", "png"),
    row("first-is-svg", "*/*", "svg", "svg", "png"),
    row("first-is-pdf", None, "pdf", "pdf", "png"),
]

BROWSERS = [
    row("chrome-img", CHROME, "png"),
    row("firefox-img", FIREFOX, "png"),
    row("safari-img", SAFARI, "png"),
    row("chrome-img-svg-second", CHROME, "png", "png", "svg", "webp"),
    row("chrome-img-svg-first", CHROME, "svg", "svg", "png"),
    row("chrome-img-without-png", CHROME, "webp", "webp", "avif", "svg"),
    row("chrome-page", PAGE, "png"),
    row("chrome-page-svg-first", PAGE, "svg", "svg", "png"),
    row("chrome-page-pdf-alone", PAGE, "pdf", "pdf"),
    row("curl", "*/*", "png"),
]

RULES = [
    row("named", "image/webp", "webp"),
    row("none-named", "text/plain", None),
    row("html-alone", "text/html", "png"),
    row("html-refused", "text/html;q=0", None),
    row("html-and-the-first-refused", "text/html, image/png;q=0, */*", "webp"),
    row("html-and-the-rest-refused", "text/html, */*;q=0", None),
    row("not-offered", "image/webp", None, "png"),
    row("zero", "image/png;q=0", None),
    row("zero-with-digits", "image/png;q=0.000, image/webp;q=0.001", "webp"),
    row("zero-beats-wildcard", "image/png;q=0, */*", "webp"),
    row("zero-in-any-order", "*/*, image/png;q=0", "webp"),
    row("zero-family-beats-wildcard", "image/*;q=0, */*", None),
    row("zero-wildcard", "*/*;q=0", None),
    row("zero-wildcard-named", "*/*;q=0, image/jpeg", "jpg"),
    row("specific-beats-family", "image/*, image/png;q=0.1", "webp"),
    row("family-beats-wildcard", "*/*;q=0.9, image/*;q=0.1, image/jpeg;q=0.5", "jpg"),
    row("best-quality", "image/png;q=0.8, image/avif;q=0.9", "avif"),
    row("third-decimal", "image/png;q=0.998, image/avif;q=0.999", "avif"),
    row("tie-is-ours", "image/webp, image/png", "png"),
    row("tie-is-ours-reversed", "image/png, image/webp", "webp", "webp", "png"),
    row("tie-of-named-and-wildcard", "image/webp, image/*", "png"),
]

VECTORS = [
    row("svg-named", "image/svg+xml", "svg"),
    row("svg-named-best", "image/svg+xml, */*;q=0.1", "svg"),
    row("pdf-named", "application/pdf", "pdf"),
    row("pdf-not-by-family", "application/*", None),
    row("svg-not-by-wildcard", "*/*, image/png;q=0", "svg", "svg", "png"),
    row("svg-second-not-by-wildcard", "*/*, image/png;q=0", None, "png", "svg"),
    row("svg-second-not-by-family", "image/*, image/png;q=0", None, "png", "svg"),
    row("svg-first-by-family", "image/*", "svg", "svg", "png"),
    row("pdf-first-by-family", "application/*", "pdf", "pdf", "png"),
    row("pdf-first-not-an-image", "image/*", "png", "pdf", "png"),
    row("svg-first-refused", "*/*, image/svg+xml;q=0", "png", "svg", "png"),
]

SPELLINGS = [
    row("upper-case", "IMAGE/WEBP", "webp"),
    row("upper-case-zero", "IMAGE/PNG;Q=0, */*", "webp"),
    row("upper-case-family", "Image/*", "png"),
    row("space-around-semicolon", "image/png ; q=0 , image/webp", "webp"),
    row("tabs", "image/png\t;\tq=0\t,\timage/webp", "webp"),
    row("parameter", "image/webp;v=1", "webp"),
    row("parameter-and-quality", "image/png;q=0.5, image/webp;v=1;q=0.9", "webp"),
    row("refused-with-parameter-only", "image/png;v=1;q=0, image/png", "png"),
    row("quoted-comma", 'image/webp;a="x,image/png"', "webp"),
    row("quoted-semicolon", 'image/webp;a=";q=0"', "webp"),
]

MALFORMED = [
    row("no-slash", "png, image/webp", "webp"),
    row("only-a-star", "*, image/webp", "webp"),
    row("star-slash-type", "*/png, image/webp", "webp"),
    row("quality-is-no-number", "image/png;q=high, image/webp", "webp"),
    row("quality-above-one", "image/png;q=7, image/webp", "webp"),
    row("quality-negative", "image/png;q=-1, image/webp", "webp"),
    row("quality-nan", "image/png;q=nan, image/webp", "webp"),
    row("quality-infinite", "image/png;q=inf, image/webp", "webp"),
    row("lone-quality", ";q=1, image/webp", "webp"),
    row("empty-elements", ",,image/webp,,", "webp"),
    row("trailing-semicolon", "image/webp;", "webp"),
]


@pytest.mark.parametrize(("accept", "offered", "expected"), ANYTHING)
def test_no_preference(
    accept: str | None, offered: list[str], expected: str | None
) -> None:
    """A request without a preference gets the first format."""
    assert chosen(accept, offered) == expected


@pytest.mark.parametrize(("accept", "offered", "expected"), BROWSERS)
def test_browsers(accept: str, offered: list[str], expected: str | None) -> None:
    """A browser's real header gets the first format that it names."""
    assert chosen(accept, offered) == expected


@pytest.mark.parametrize(("accept", "offered", "expected"), RULES)
def test_rules(accept: str, offered: list[str], expected: str | None) -> None:
    """The most specific range decides, then the quality, then our order."""
    assert chosen(accept, offered) == expected


@pytest.mark.parametrize(("accept", "offered", "expected"), VECTORS)
def test_vectors(accept: str, offered: list[str], expected: str | None) -> None:
    """SVG and PDF are chosen by name, or by a wildcard if they come first."""
    assert chosen(accept, offered) == expected


@pytest.mark.parametrize(("accept", "offered", "expected"), SPELLINGS)
def test_spellings(accept: str, offered: list[str], expected: str | None) -> None:
    """Case, white space and parameters do not change the result."""
    assert chosen(accept, offered) == expected


@pytest.mark.parametrize(("accept", "offered", "expected"), MALFORMED)
def test_malformed(accept: str, offered: list[str], expected: str | None) -> None:
    """A malformed member does not affect the others."""
    assert chosen(accept, offered) == expected


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        pytest.param(MAX_ACCEPT_LENGTH, "webp", id="longest-that-is-read"),
        pytest.param(MAX_ACCEPT_LENGTH + 1, "png", id="one-more"),
        pytest.param(1_000_000, "png", id="a-million"),
    ],
)
def test_long_headers_accept_anything(length: int, expected: str) -> None:
    """A header over 8 KiB counts as no header."""
    assert chosen("image/webp".ljust(length, ","), ALL) == expected


# --- Properties --------------------------------------------------------------

RANGES = [*(format.mimetype for format in FORMATS.values()), "image/*", "*/*"]
RANGES += ["application/*", "text/html", "image/apng"]
#: Qualities in thousandths, for each media range.
Preferences = dict[str, int]
PREFERENCES = st.dictionaries(
    st.sampled_from(RANGES), st.sampled_from([0, 1, 500, 999, 1000])
)
OFFERS = st.lists(st.sampled_from([*FORMATS.values()]), min_size=1, unique=True)
SPACE = st.text(" \t", max_size=2)


def quality(format: ImageFormat, preferences: Preferences) -> int:
    """Return the quality by the most specific range, in thousandths."""
    family = format.mimetype.partition("/")[0]
    given = (preferences.get(r) for r in (format.mimetype, f"{family}/*", "*/*"))
    return next((quality for quality in given if quality is not None), 0)


def spelled(preferences: Preferences, space: str = "") -> str:
    return f"{space},{space}".join(
        f"{name}{space};{space}q={thousandths / 1000:.3f}"
        for name, thousandths in preferences.items()
    )


@given(PREFERENCES, OFFERS)
def test_a_refused_format_is_never_chosen(
    preferences: Preferences, offered: list[ImageFormat]
) -> None:
    """The result is offered, and its quality is not zero."""
    found = negotiate(spelled(preferences), offered)
    # To an address bar a format that it does not name is not refused.
    unnamed = {"*/*": 1} if preferences.get("text/html") else {}
    if found and preferences:
        assert found in offered
        assert quality(found, unnamed | preferences) > 0


@given(PREFERENCES, OFFERS)
def test_no_better_format_is_offered(
    preferences: Preferences, offered: list[ImageFormat]
) -> None:
    """No pixel format has a higher quality, or the same and comes first."""
    assume(not preferences.get("text/html"))
    found = negotiate(spelled(preferences), offered)
    ranks = {f: (quality(f, preferences), -offered.index(f)) for f in offered}
    pixels = [format for format in offered if format.is_raster]
    if found and preferences:
        assert all(ranks[format] <= ranks[found] for format in pixels)
    elif preferences:
        assert all(ranks[format][0] == 0 for format in pixels)


@given(PREFERENCES, OFFERS, SPACE)
def test_white_space_changes_nothing(
    preferences: Preferences, offered: list[ImageFormat], space: str
) -> None:
    """Optional white space around commas and semicolons has no meaning (5.6.3)."""
    padded = space + spelled(preferences, space) + space
    assert negotiate(padded, offered) is negotiate(spelled(preferences), offered)


@given(PREFERENCES, OFFERS)
def test_order_of_ranges_changes_nothing(
    preferences: Preferences, offered: list[ImageFormat]
) -> None:
    """The order of the ranges in the header has no meaning."""
    backwards = dict(reversed(preferences.items()))
    assert negotiate(spelled(backwards), offered) is negotiate(
        spelled(preferences), offered
    )


@given(st.text() | st.text('image/*png;q=01.,"\\ \t'), OFFERS)
def test_any_text(accept: str, offered: list[ImageFormat]) -> None:
    """No text raises, and the result is offered or ``None``."""
    assert negotiate(accept, offered) in [None, *offered]
