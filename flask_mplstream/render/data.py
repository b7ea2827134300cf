"""Placeholder."""

from matplotlib.figure import Figure


def data_csv(figure: Figure, max_bytes: int) -> bytes:
    return b""


def data_json(figure: Figure, max_bytes: int) -> bytes:
    return b""
