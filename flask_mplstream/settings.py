"""Options of a figure route and settings of an app, checked once.

Values layer: neither Flask nor Matplotlib. An option is looked up at the
route, then at the blueprint, then under ``MPLSTREAM_…`` in ``app.config``,
then here; what wins is fixed when the blueprint is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from copy import copy
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from .errors import ConfigError, cut, nearest
from .image import FORMATS, SCALES, WIDTHS_PX, ImageFormat, image_format

PREFIX = "MPLSTREAM_"

#: Keyword arguments of ``Figure.savefig`` that may be passed through.
SAVEFIG_OPTIONS = (
    "dpi",
    "facecolor",
    "edgecolor",
    "bbox_inches",
    "bbox_extra_artists",
    "pad_inches",
    "transparent",
    "metadata",
    "pil_kwargs",
)


def _formats(value: object) -> object:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence):
        return names
    formats = (image_format(name) if isinstance(name, str) else name for name in names)
    return tuple(dict.fromkeys(formats))


def _with_a_picture(formats: tuple[ImageFormat, ...]) -> tuple[ImageFormat, ...]:
    if all(format.is_text for format in formats):
        raise ValueError("At least one format must be a picture, such as png or svg")
    return formats


def _tags(value: object) -> object:
    return tuple(value) if isinstance(value, list | set | frozenset) else value


def _savefig(value: object) -> object:
    if isinstance(value, Mapping):
        for name in value:
            if name not in SAVEFIG_OPTIONS:
                raise ValueError(
                    f"{name!r} cannot be passed to savefig. Accepted are: "
                    f"{', '.join(SAVEFIG_OPTIONS)}"
                )
    return value


def _width_step(width_px: int) -> int:
    if width_px not in WIDTHS_PX:
        raise ValueError(f"Choose one of {', '.join(map(str, WIDTHS_PX))}")
    return width_px


def _scale_step(scale: float) -> float:
    steps = [step for step in SCALES if step >= 1]
    if scale not in steps:
        raise ValueError(f"Choose one of {', '.join(f'{step:g}' for step in steps)}")
    return scale


class FigureOptions(TypedDict, total=False):
    """Keyword arguments of ``figure_route``, all of them optional.

    What each means, and its default, stands below.
    """

    formats: Sequence[str]
    max_age: int
    stale_while_revalidate: int
    stale_if_error: int
    error_backoff: float
    timeout: float
    tags: Sequence[str]
    version: Callable[..., object]
    inject: Mapping[str, Callable[[], object]]
    private: bool | None
    savefig: Mapping[str, Any]
    style: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
    dark_style: bool | str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
    alt: str
    max_pixels: int
    max_bytes: int
    max_width: int
    max_scale: float
    resource_policy: Literal["same-origin", "same-site", "cross-origin"]
    decorators: Sequence[Callable[[Callable[..., Any]], Callable[..., Any]]]
    load: Callable[..., Any]
    signed: bool
    expires_in: float


class RouteOptions(BaseModel):
    """What holds for one figure route."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True
    )

    #: Names of the formats offered; the first answers ``Accept: */*``. ``csv`` and
    #: ``json``, the data behind the picture, are offered only where named here.
    formats: Annotated[
        tuple[ImageFormat, ...],
        BeforeValidator(_formats),
        Field(min_length=1),
        AfterValidator(_with_a_picture),
    ] = tuple(format for format in FORMATS.values() if not format.is_text)
    #: Seconds that a picture is fresh, in the cache and in the browser. 0 keeps
    #: nothing: a request gets a render that began after it came, which it may share
    #: with others that came before.
    max_age: Annotated[int, Field(ge=0)] = 300
    #: Seconds after that in which an old picture is sent at once while it is
    #: rendered again in the background (RFC 5861).
    stale_while_revalidate: Annotated[int, Field(ge=0)] = 0
    #: Seconds after ``max_age`` in which the last good picture is sent where
    #: rendering fails (RFC 5861).
    stale_if_error: Annotated[int, Field(ge=0)] = 86_400
    #: Seconds for which a figure function that failed is not called again with
    #: the same arguments; whoever asks gets that error.
    error_backoff: Annotated[float, Field(ge=0)] = 1.0
    #: Seconds that a request waits, for ``load``, for other renders and for its own;
    #: then it gets 503, or 504 where the render was ended. A worker that takes longer
    #: is killed; a render in the web process runs on, and its picture is kept.
    timeout: Annotated[float, Field(gt=0, le=86_400)] = 10.0
    #: Names of what the picture shows, for ``invalidate(tags=[…])``.
    tags: Annotated[tuple[str, ...], BeforeValidator(_tags)] = ()
    #: Called with the figure function's arguments in the request's app context;
    #: what it returns is part of the key, such as the data's last-modified.
    version: Callable[..., object] | None = None
    #: Parameter name -> callable, run in the request. Its value is passed to
    #: the figure function, is part of the key, cannot be set from the URL, and
    #: makes the response private.
    inject: Mapping[str, Callable[[], object]] = Field(default_factory=dict)
    #: Whether only browsers may keep the picture, and ask again each time. By default
    #: if the route has ``inject`` or ``decorators``, or its blueprint a
    #: ``before_request``. ``False`` says that those let everybody in: the decorators of
    #: the same layer (route, blueprint) or a wider one. ``inject`` is always private.
    private: bool | None = None
    #: Keyword arguments for ``Figure.savefig``.
    savefig: Annotated[Mapping[str, Any], BeforeValidator(_savefig)] = Field(
        default_factory=dict
    )
    #: Matplotlib style: a name, a dict of rcParams, or a list of those.
    style: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None = None
    #: Laid over ``style`` for ``_theme=dark``; a bool stands for the package's own
    #: ``DARK_STYLE``. Where it is not ``False``, ``figure()`` offers browsers both.
    dark_style: bool | str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] = (
        False
    )
    #: Alternative text; ``None`` reads it from each figure, ``""`` is for decoration.
    alt: str | None = None
    #: Pixels that a picture may have, width times height.
    max_pixels: Annotated[int, Field(ge=1)] = 16_000_000
    #: Bytes that a picture may have once encoded.
    max_bytes: Annotated[int, Field(ge=1)] = 8 * 2**20
    #: Pixels of the widest picture that ``_width`` may name: one of its steps.
    max_width: Annotated[int, AfterValidator(_width_step)] = WIDTHS_PX[-1]
    #: The largest ``_scale``: 1, 1.5, 2, 3 or 4.
    max_scale: Annotated[float, AfterValidator(_scale_step)] = SCALES[-1]
    #: ``Cross-Origin-Resource-Policy``: which sites may embed the picture.
    resource_policy: Literal["same-origin", "same-site", "cross-origin"] = "same-origin"
    #: Decorators of the whole view, applied in order as in ``View.decorators``.
    decorators: Sequence[Callable[[Callable[..., Any]], Callable[..., Any]]] = ()
    #: Called with the figure function's arguments outside the gate; its result
    #: is the figure function's first argument.
    load: Callable[..., Any] | None = None
    #: Whether only URLs that ``figure_url`` made are served.
    signed: bool = False
    #: Seconds for which a signed URL is served; ``None`` for ever.
    expires_in: Annotated[float, Field(gt=0)] | None = None

    @property
    def widths_px(self) -> tuple[int, ...]:
        """The widths that are offered, ascending."""
        return tuple(step for step in WIDTHS_PX if step <= self.max_width)

    @property
    def scales(self) -> tuple[float, ...]:
        """The scales that are offered, ascending."""
        return tuple(step for step in SCALES if step <= self.max_scale)

    @property
    def is_private(self) -> bool:
        """Whether these options alone make the response one person's."""
        if self.private is None:
            return bool(self.inject or self.decorators)
        return self.private or bool(self.inject)

    @classmethod
    def checked(cls, options: Mapping[str, Any], label: Callable[[str], str]) -> Self:
        """*options* as a value that is known to be valid.

        :param label: what a message calls an option, by its name.
        :raises ConfigError: naming the option, its value and what is accepted.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            name = str(fault["loc"][0])
            if fault["type"] == "extra_forbidden":
                raise _unknown(name, list(cls.model_fields), label) from None
            reason = fault["msg"].removeprefix("Value error, ").rstrip(".")
            raise ConfigError(
                f"{label(name)} is {options[name]!r}. {reason}."
            ) from None


class Settings(RouteOptions):
    """What holds for one app: the defaults of its routes, and its own."""

    #: What an unknown argument in a URL is: an error, or nothing.
    unknown_args: Literal["error", "ignore"] = "error"
    #: Size of the embedded cache, used where the app has no Flask-Caching.
    cache_bytes: Annotated[int, Field(ge=0)] = 64 * 2**20
    #: Size of the layer in this process in front of a cache that others share;
    #: 0 for none.
    fast_bytes: Annotated[int, Field(ge=0)] = 32 * 2**20
    #: Processes that render; 0 renders in the web process.
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    #: Memory that a worker may take beyond what it starts with.
    worker_bytes: Annotated[int, Field(ge=64 * 2**20)] = 2**30
    #: Renders after which a worker is replaced by a new one; 0 for never.
    worker_renders: Annotated[int, Field(ge=0)] = 1000
    #: ``"module:factory"`` or ``"module:app"``: the app whose context figure
    #: functions have in a worker.
    app: str | None = None
    #: Whether the workers start with the first request to the app, whatever it
    #: is for, and not with the first render. ``None``: worker processes do unless
    #: ``app.testing``, an executor does not.
    preload: bool | None = None
    #: Renders elsewhere: an executor, or a callable that makes one.
    executor: Executor | Callable[[], Executor] | None = None
    #: Renders that may wait for a turn; one more is refused with 503.
    max_pending: Annotated[int, Field(ge=0)] = 32
    #: Requests that may wait in one process for a picture that another request
    #: renders, each with a thread of the server; more of them wait one second at most,
    #: then get 503. ``None``: 6, and no limit under gevent and eventlet. With 8 threads
    #: that leaves one for pictures in the cache.
    max_followers: Annotated[int, Field(ge=0)] | None = None
    #: Called in a request before it waits for a render, to give database connections
    #: back. ``None`` commits the Flask-SQLAlchemy sessions that have only read.
    before_wait: Callable[[], object] | None = None
    #: Seconds of rendering for each client and minute.
    client_budget: Annotated[float, Field(gt=0)] | None = None
    #: Names the client of the current request; by default its address.
    client: Callable[[], str] | None = None

    @property
    def renders_elsewhere(self) -> bool:
        """Whether figure functions run outside the web process."""
        return bool(self.workers) or self.executor is not None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Settings:
        """Read ``MPLSTREAM_*`` from *config* and write the effective values back.

        :raises ConfigError: for an unknown key, a wrong type or range.
        """
        settings = cls._read(config)
        if settings.workers and settings.executor is not None:
            raise ConfigError(
                "MPLSTREAM_WORKERS and MPLSTREAM_EXECUTOR are both set. Choose one: "
                "workers of this machine, or an executor."
            )
        if settings.executor is not None and not settings.max_pending:
            raise ConfigError(
                "MPLSTREAM_MAX_PENDING is 0, so that MPLSTREAM_EXECUTOR would be given "
                "nothing: on an executor every render counts as pending."
            )
        for name in cls.model_fields:
            # A copy, so that a change in place is seen as one.
            config.setdefault(_config_key(name), copy(getattr(settings, name)))
        return settings

    @classmethod
    def _read(cls, config: Mapping[str, Any]) -> Self:
        given = {
            key.removeprefix(PREFIX).lower(): value
            for key, value in config.items()
            if isinstance(key, str) and key.startswith(PREFIX)
        }
        return cls.checked(given, _config_key)

    def check_unchanged(self, config: Mapping[str, Any]) -> None:
        """Refuse *config* if it differs from the one of these settings.

        :raises ConfigError: naming the key that was changed.
        """
        now = type(self)._read(config)
        for name in type(self).model_fields:
            value = getattr(now, name)
            if value != getattr(self, name):
                raise ConfigError(
                    f"{_config_key(name)} was changed to {cut(repr(value))} after the "
                    f"blueprint was registered. Set it before register_blueprint."
                )

    def route_options(self, *layers: Mapping[str, Any]) -> RouteOptions:
        """The options of a route: *layers* over these settings, last one first.

        A wider layer's ``private=False`` says nothing of the decorators, or of the
        ``before_request`` functions, of a narrower one.
        """
        merged = {name: getattr(self, name) for name in RouteOptions.model_fields}
        merged["private"] = self.private or None
        for layer in layers:
            if layer.get("decorators"):
                merged["private"] = merged["private"] or None
            merged |= layer
        return RouteOptions.checked(merged, str)


def _config_key(name: str) -> str:
    return PREFIX + name.upper()


def _unknown(
    name: str, known: Sequence[str], label: Callable[[str], str]
) -> ConfigError:
    guess = nearest(name, known)
    hint = f" Did you mean {label(guess)!r}?" if guess else ""
    return ConfigError(
        f"{label(name)} is not known. "
        f"Accepted are: {', '.join(map(label, known))}.{hint}"
    )
