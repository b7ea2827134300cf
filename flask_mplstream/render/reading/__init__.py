"""What a figure shows, read back from it: in words, and in numbers.

Render layer. It draws nothing and changes nothing; call it inside the gate. What the
artists hold becomes values in :mod:`series`; :mod:`description` puts them into words
and :mod:`data` into files.
"""

from .data import data_csv, data_json
from .description import describe

__all__ = ["data_csv", "data_json", "describe"]
