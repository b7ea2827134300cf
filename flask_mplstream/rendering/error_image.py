"""A picture that says something went wrong, where a page expects an image.

Render layer. Drawn with Pillow and not as a figure: a flood of bad URLs must not
wait at the gate. It has one hue, so that even a large one is drawn and compressed in
milliseconds, and the last ones are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

#: Pictures that are kept; one of 640 pixels has some 10 KiB.
MAX_KEPT = 256
#: Characters of the details that are drawn.
MAX_DETAILS = 1000
#: Pixels of a side. A larger picture is drawn smaller, in the same proportions.
MAX_SIDE_PX = 4096

#: Height of the text as a share of the width: 10 to 13 pixels on a phone that shows
#: the whole picture in 390.
_LARGEST, _SMALLEST = 0.034, 0.026
#: Pixels of a text that can just be read, at scale 1.
_READABLE_PX = 9
_LINE = 1.35
#: Ink of the border, the details and the rest, of 255.
_FRAME, _QUIET, _FULL = 48, 176, 255

#: Page and ink.
_LIGHT = ((255, 255, 255), (38, 42, 51))
_DARK = ((22, 25, 31), (231, 234, 240))


@dataclass(frozen=True, slots=True)
class Message:
    """What a picture says."""

    #: What went wrong, in one sentence.
    headline: str
    #: What to do about it, in one sentence.
    advice: str = ""
    #: The headline of a picture with room for a word or two.
    short: str = ""
    #: Further lines, for a developer.
    details: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    font: ImageFont.FreeTypeFont
    ink: int = _FULL


@lru_cache(MAX_KEPT)
def message_image(
    message: Message,
    size_px: tuple[int, int] = (640, 480),
    *,
    scale: float = 1.0,
    is_dark: bool = False,
) -> bytes:
    """Return a PNG that says *message*, wrapped to fit.

    :param size_px: width and height of the picture.
    :param scale: pixels per CSS pixel, so that text is readable on dense screens.
    """
    width, height = _limited(size_px)
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    border = max(round(scale), 1)
    draw.rectangle((0, 0, width - 1, height - 1), outline=_FRAME, width=border)
    lines = _fitting(message, width, height, scale)
    top = (height - _height(lines)) / 2
    for line in lines:
        left = (width - line.font.getlength(line.text)) / 2
        draw.text((left, top), line.text, line.ink, line.font)
        top += line.font.size * _LINE
    image.putpalette(_palette(*(_DARK if is_dark else _LIGHT)))
    buffer = BytesIO()
    image.save(buffer, "png", compress_level=6)
    return buffer.getvalue()


def _limited(size_px: tuple[int, int]) -> tuple[int, int]:
    shrink = max(1.0, max(size_px) / MAX_SIDE_PX)
    width, height = (max(int(side / shrink), 1) for side in size_px)
    return width, height


def _palette(page: tuple[int, ...], ink: tuple[int, ...]) -> bytes:
    """Return the colors from *page* to *ink*, one for each shade of gray."""
    return bytes(
        round(a + (b - a) * shade / 255)
        for shade in range(256)
        for a, b in zip(page, ink, strict=True)
    )


def _fitting(message: Message, width: int, height: int, scale: float) -> list[_Line]:
    """Return the lines with the most words that fit, as large as they fit."""
    room = _room(width), _room(height)
    smallest = max(_SMALLEST * width, _READABLE_PX * scale)
    largest = max(_LARGEST * width, 1.5 * _READABLE_PX * scale)
    for headline, advice in (
        (message.headline, message.advice),
        (message.headline, ""),
        (message.short, ""),
    ):
        for size in _sizes(largest, smallest):
            lines = _wrapped(headline, size, room[0], is_bold=True)
            lines += _wrapped(advice, size, room[0])
            if _fits(lines, room):
                details = _details(message.details, 0.75 * size, room, _height(lines))
                return lines + details
    return _largest_mark(room)


def _room(side: int) -> float:
    return side - 2 * max(3, 0.05 * side)


def _sizes(largest: float, smallest: float) -> Iterator[float]:
    size = largest
    while size > smallest:
        yield size
        size *= 0.92
    yield smallest


def _largest_mark(room: tuple[float, float]) -> list[_Line]:
    """Return a mark for a picture without room for a word; nothing for a dot."""
    size = min(*room) * 0.9
    return _wrapped("!", size, room[0], is_bold=True) if size >= _READABLE_PX else []


def _details(
    text: str, size: float, room: tuple[float, float], taken: float
) -> list[_Line]:
    """Return as many lines of *text* as fit below the lines that are *taken*."""
    count = int((room[1] - taken) / (size * _LINE))
    lines = _wrapped(text[:MAX_DETAILS], size, room[0], ink=_QUIET)
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
    """Whether no line is cut off; a word alone may be wider than the room."""
    widest = max((line.font.getlength(line.text) for line in lines), default=0)
    return bool(lines) and widest <= room[0] and _height(lines) <= room[1]


def _height(lines: list[_Line]) -> float:
    return sum(line.font.size * _LINE for line in lines)


def _wrapped(
    text: str, size: float, room: float, *, is_bold: bool = False, ink: int = _FULL
) -> list[_Line]:
    font = _font(round(size, 1), is_bold=is_bold)
    found = [
        line
        for paragraph in text.splitlines()
        for line in _broken(_printable(paragraph).split(), font, room)
    ]
    return [_Line(line, font, ink) for line in found]


def _broken(
    words: list[str], font: ImageFont.FreeTypeFont, room: float
) -> Iterator[str]:
    """Yield lines of *words*; a word that is wider than a line is broken."""
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


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


@lru_cache(64)
def _font(size_px: float, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    path = Path(mpl.get_data_path(), "fonts", "ttf", name)
    return ImageFont.truetype(path, size_px)
