"""Serve Matplotlib figures from a Flask app.

This module exports the public names. No other module of the package imports it.
"""

from .blueprint import FigureBlueprint
from .cache.backend_detection import redis_options
from .cache.entry_serializer import BytesSerializer
from .errors import (
    ArgumentFault,
    ArgumentsError,
    BudgetError,
    CacheDownError,
    ConfigError,
    FigureTypeError,
    ImageTooLargeError,
    InnerFigureError,
    MessageError,
    MessageTypeError,
    MplStreamError,
    OverloadedError,
    RemoteError,
    RenderTimeoutError,
    SignatureError,
    SlowRenderError,
    TexError,
    UnknownFigureError,
    UnknownTagError,
    WorkerDiedError,
)
from .formats import ImageFormat
from .html.figure_tag import (
    figure,
    figure_arguments,
    figure_data_uri,
    figure_image,
    figure_script,
)
from .rendered_image import RenderedImage
from .rendering.pipeline import render
from .rendering.styles import DARK_STYLE
from .settings import FigureOptions
from .signals import (
    data_loaded,
    figure_built,
    figure_failed,
    figure_rendered,
    figure_served,
    render_began,
    render_ended,
    worker_killed,
)
from .web.app_state import start_workers
from .web.log_filter import keep_to_one_line
from .web.urls import figure_url

__all__ = [
    "DARK_STYLE",
    "ArgumentFault",
    "ArgumentsError",
    "BudgetError",
    "BytesSerializer",
    "CacheDownError",
    "ConfigError",
    "FigureBlueprint",
    "FigureOptions",
    "FigureTypeError",
    "ImageFormat",
    "ImageTooLargeError",
    "InnerFigureError",
    "MessageError",
    "MessageTypeError",
    "MplStreamError",
    "OverloadedError",
    "RemoteError",
    "RenderTimeoutError",
    "RenderedImage",
    "SignatureError",
    "SlowRenderError",
    "TexError",
    "UnknownFigureError",
    "UnknownTagError",
    "WorkerDiedError",
    "data_loaded",
    "figure",
    "figure_arguments",
    "figure_built",
    "figure_data_uri",
    "figure_failed",
    "figure_image",
    "figure_rendered",
    "figure_script",
    "figure_served",
    "figure_url",
    "redis_options",
    "render",
    "render_began",
    "render_ended",
    "start_workers",
    "worker_killed",
]

keep_to_one_line()
