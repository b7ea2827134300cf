"""A figure's content, read from the figure: in words, and as data.

Description layer. It reads Matplotlib's objects and changes none; call it inside the
gate. It must not import Flask, ``cache``, ``http`` or ``settings``.

Four steps are separate. *Drawn*: :mod:`axes_reader` and :mod:`artists` take the artists
and their own labels. *Encoded*: :mod:`axis_values` gives the numbers their meaning, by
the axis's converter and formatter. *Seen*: :mod:`bounding_boxes` clips to the limits.
*Said*: :mod:`sentences` states only facts with a source.
"""

from .data_export import data_csv, data_json
from .generated_alt import describe, read_titles
from .plain_text import plain

__all__ = ["data_csv", "data_json", "describe", "plain", "read_titles"]
