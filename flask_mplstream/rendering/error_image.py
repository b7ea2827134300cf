"""Error pictures, for pages that expect an image.

Render layer. Pillow draws them, not Matplotlib: a flood of bad URLs must not queue at
the gate. They use shades of one color, so that even a large one takes milliseconds to
draw and compress. The most recent ones are cached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

#: Cached pictures; one 640 pixels wide has about 10 KiB.
MAX_KEPT = 256
#: Characters of the details to draw.
MAX_DETAILS = 1000
#: Pixels of the longer side. A larger picture is scaled down.
LONGEST_SIDE_PX = 4096

#: Text height as a fraction of the width: 10 to 13 pixels on a phone that shows the
#: picture 390 pixels wide.
_LARGEST, _SMALLEST = 0.034, 0.026
#: Height of the smallest readable text at scale 1.
_READABLE_PX = 9
_LINE = 1.35
#: Ink of the border, the details and the rest, 0 to 255.
_FRAME, _QUIET, _FULL = 48, 176, 255

#: RGB of page and ink.
_LIGHT = ((255, 255, 255), (38, 42, 51))
_DARK = ((22, 25, 31), (231, 234, 240))


@dataclass(frozen=True, slots=True)
class Message:
    """The text of an error picture."""

    #: The problem, in one sentence.
    headline: str
    #: The fix, in one sentence.
    advice: str = ""
    #: The headline in a word or two, for a small picture.
    short: str = ""
    #: Further lines, for a developer.
    details: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    font: ImageFont.FreeTypeFont
    ink: int = _FULL


@lru_cache(MAX_KEPT)
def draw_message(
    message: Message,
    size_px: tuple[int, int] = (640, 480),
    *,
    scale: float = 1.0,
    is_dark: bool = False,
) -> bytes:
    """Return a PNG with the text of *message*, wrapped to fit.

    :param size_px: width and height, default 640 by 480.
    :param scale: pixels per CSS pixel, so that text is readable on dense screens;
        default 1.
    """
    width, height = _limit_size(size_px)
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    border = max(round(scale), 1)
    draw.rectangle((0, 0, width - 1, height - 1), outline=_FRAME, width=border)
    lines = _fit_message(message, width, height, scale)
    top = (height - _sum_heights(lines)) / 2
    for line in lines:
        left = (width - line.font.getlength(line.text)) / 2
        draw.text((left, top), line.text, line.ink, line.font)
        top += line.font.size * _LINE
    image.putpalette(_make_palette(*(_DARK if is_dark else _LIGHT)))
    buffer = BytesIO()
    image.save(buffer, "png", compress_level=6)
    return buffer.getvalue()


def _limit_size(size_px: tuple[int, int]) -> tuple[int, int]:
    shrink = max(1.0, max(size_px) / LONGEST_SIDE_PX)
    width, height = (max(int(side / shrink), 1) for side in size_px)
    return width, height


def _make_palette(page: tuple[int, ...], ink: tuple[int, ...]) -> bytes:
    """Return 256 colors from *page* to *ink*, as RGB bytes."""
    return bytes(
        round(a + (b - a) * shade / 255)
        for shade in range(256)
        for a, b in zip(page, ink, strict=True)
    )


def _fit_message(
    message: Message, width: int, height: int, scale: float
) -> list[_Line]:
    """Return the longest text of *message* that fits, in the largest size that fits."""
    room = _compute_room(width), _compute_room(height)
    smallest = max(_SMALLEST * width, _READABLE_PX * scale)
    largest = max(_LARGEST * width, 1.5 * _READABLE_PX * scale)
    for headline, advice in (
        (message.headline, message.advice),
        (message.headline, ""),
        (message.short, ""),
    ):
        for size in _yield_sizes(largest, smallest):
            lines = _wrap(headline, size, room[0], is_bold=True)
            lines += _wrap(advice, size, room[0])
            if _fits(lines, room):
                details = _fit_details(
                    message.details, 0.75 * size, room, _sum_heights(lines)
                )
                return lines + details
    return _fit_mark(room)


def _compute_room(side: int) -> float:
    return side - 2 * max(3, 0.05 * side)


def _yield_sizes(largest: float, smallest: float) -> Iterator[float]:
    size = largest
    while size > smallest:
        yield size
        size *= 0.92
    yield smallest


def _fit_mark(room: tuple[float, float]) -> list[_Line]:
    """Return an exclamation mark, or nothing if even that is too small to read."""
    size = min(*room) * 0.9
    return _wrap("!", size, room[0], is_bold=True) if size >= _READABLE_PX else []


def _fit_details(
    text: str, size: float, room: tuple[float, float], taken: float
) -> list[_Line]:
    """Return as many lines of *text* as fit below *taken* pixels of other lines."""
    count = int((room[1] - taken) / (size * _LINE))
    lines = _wrap(text[:MAX_DETAILS], size, room[0], ink=_QUIET)
    if len(lines) <= count:
        return lines
    if not count:
        return []
    *kept, last = lines[:count]
    return [*kept, _Line(_cut(last.text, last.font, room[0]), last.font, last.ink)]


def _cut(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    while text and font.getlength(f"{text} …") > room:
        text = text[:-1]
    return f"{text} …"


def _fits(lines: list[_Line], room: tuple[float, float]) -> bool:
    """Return whether *lines* fit; a single long word may be too wide."""
    widest = max((line.font.getlength(line.text) for line in lines), default=0)
    return bool(lines) and widest <= room[0] and _sum_heights(lines) <= room[1]


def _sum_heights(lines: list[_Line]) -> float:
    return sum(line.font.size * _LINE for line in lines)


def _wrap(
    text: str, size: float, room: float, *, is_bold: bool = False, ink: int = _FULL
) -> list[_Line]:
    font = _load_font(round(size, 1), is_bold=is_bold)
    found = [
        line
        for paragraph in text.splitlines()
        for line in _break_words(_replace_unprintable(paragraph).split(), font, room)
    ]
    return [_Line(line, font, ink) for line in found]


def _break_words(
    words: list[str], font: ImageFont.FreeTypeFont, room: float
) -> Iterator[str]:
    """Yield lines of *words*; break a word that is wider than a line."""
    line = ""
    for word in words:
        longer = f"{line} {word}".strip()
        if font.getlength(longer) <= room:
            line = longer
            continue
        if line:
            yield line
        while font.getlength(word) > room and len(word) > 1:
            count = max(int(len(word) * room / font.getlength(word)), 1)
            yield word[:count]
            word = word[count:]
        line = word
    if line:
        yield line


def _replace_unprintable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


@lru_cache(64)
def _load_font(size_px: float, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    path = Path(mpl.get_data_path(), "fonts", "ttf", name)
    return ImageFont.truetype(path, size_px)
