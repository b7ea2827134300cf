"""Serve Matplotlib figures from Flask: validated, cached, with correct HTTP."""

from .blueprint import FigureBlueprint
from .cache.serializer import BytesSerializer
from .caches import redis_options
from .errors import (
    ArgumentFault,
    ArgumentsError,
    BudgetError,
    CacheDownError,
    ConfigError,
    FigureTypeError,
    ImageTooLargeError,
    InnerFigureError,
    MplStreamError,
    OverloadedError,
    RemoteError,
    RenderTimeoutError,
    SignatureError,
    SlowRenderError,
    TexError,
    UnknownFigureError,
    WorkerDiedError,
)
from .image import ImageFormat, RenderedImage
from .logs import keep_to_one_line
from .render import DARK_STYLE, render
from .settings import FigureOptions
from .signals import (
    figure_failed,
    figure_rendered,
    figure_served,
    render_began,
    render_ended,
    worker_killed,
)
from .state import start_workers
from .templating import figure, figure_arguments, figure_data_uri, figure_script
from .urls import figure_url

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
    "MplStreamError",
    "OverloadedError",
    "RemoteError",
    "RenderTimeoutError",
    "RenderedImage",
    "SignatureError",
    "SlowRenderError",
    "TexError",
    "UnknownFigureError",
    "WorkerDiedError",
    "figure",
    "figure_arguments",
    "figure_data_uri",
    "figure_failed",
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
