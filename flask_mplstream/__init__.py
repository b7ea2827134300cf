"""Serve Matplotlib figures from Flask: validated, cached, with correct HTTP."""

from .blueprint import FigureBlueprint
from .errors import (
    ArgumentFault,
    ArgumentsError,
    ConfigError,
    FigureTypeError,
    ImageTooLargeError,
    MplStreamError,
    UnknownFigureError,
)
from .image import ImageFormat, RenderedImage
from .render import render
from .settings import FigureOptions
from .templating import figure, figure_arguments, figure_data_uri, figure_url

__all__ = [
    "ArgumentFault",
    "ArgumentsError",
    "ConfigError",
    "FigureBlueprint",
    "FigureOptions",
    "FigureTypeError",
    "ImageFormat",
    "ImageTooLargeError",
    "MplStreamError",
    "RenderedImage",
    "UnknownFigureError",
    "figure",
    "figure_arguments",
    "figure_data_uri",
    "figure_url",
    "render",
]
