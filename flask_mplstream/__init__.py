"""Serve Matplotlib figures from Flask: validated, cached, with correct HTTP."""

from .blueprint import FigureBlueprint
from .cache.serializer import BytesSerializer
from .caches import redis_options
from .errors import (
    ArgumentFault,
    ArgumentsError,
    CacheDownError,
    ConfigError,
    FigureTypeError,
    ImageTooLargeError,
    MplStreamError,
    RenderTimeoutError,
    UnknownFigureError,
)
from .image import ImageFormat, RenderedImage
from .render import render
from .settings import FigureOptions
from .templating import figure, figure_arguments, figure_data_uri, figure_url

__all__ = [
    "ArgumentFault",
    "ArgumentsError",
    "BytesSerializer",
    "CacheDownError",
    "ConfigError",
    "FigureBlueprint",
    "FigureOptions",
    "FigureTypeError",
    "ImageFormat",
    "ImageTooLargeError",
    "MplStreamError",
    "RenderTimeoutError",
    "RenderedImage",
    "UnknownFigureError",
    "figure",
    "figure_arguments",
    "figure_data_uri",
    "figure_url",
    "redis_options",
    "render",
]
