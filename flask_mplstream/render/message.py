"""A picture that says something went wrong, for where a page wants an image.

Render layer. Drawn with Pillow and not as a figure: a flood of bad URLs must
not stand in line at the gate.
"""

from __future__ import annotations

import textwrap
from functools import cache
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

_WIDTH_PX = 640
_MARGIN_PX = 28
_BAR_PX = 8
_TITLE_PX, _TEXT_PX, _LINE_PX = 26, 18, 27
_CHARACTERS = 58
_MAX_LINES = 12


def message_image(title: str, text: str) -> bytes:
    """A PNG, 640 pixels wide, with *title* over *text*, wrapped and cut."""
    lines = _lines(text)
    top = _MARGIN_PX + _TITLE_PX + 18
    size = (_WIDTH_PX, top + len(lines) * _LINE_PX + _MARGIN_PX)
    image = Image.new("RGB", size, "#ffffff")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, _BAR_PX, size[1]), fill="#b3261e")
    draw.text((_MARGIN_PX, _MARGIN_PX), title, "#b3261e", _font(_TITLE_PX, bold=True))
    for number, line in enumerate(lines):
        position = (_MARGIN_PX, top + number * _LINE_PX)
        draw.text(position, line, "#1f1f1f", _font(_TEXT_PX))
    buffer = BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def _lines(text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.splitlines():
        printable = "".join(c if c.isprintable() else " " for c in paragraph)
        room = _MAX_LINES - len(lines)
        if room:
            lines += textwrap.wrap(
                printable, _CHARACTERS, max_lines=room, placeholder=" …"
            )
    return lines


@cache
def _font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(mpl.get_data_path(), "fonts", "ttf", name)
    return ImageFont.truetype(path, size_px)
