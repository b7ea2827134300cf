"""Options of a figure route and settings of an app, checked once.

Values layer: neither Flask nor Matplotlib. An option is looked up at the
route, then at the blueprint, then under ``MPLSTREAM_…`` in ``app.config``,
then here; what wins is fixed when the blueprint is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from copy import copy
from types import MappingProxyType
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
from .formats import FORMATS, SCALES, WIDTHS_PX, ImageFormat, image_format

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


#: Accepted values, in words.
_WHOLE_SECONDS = "a whole number of seconds, 0 or more"
_WIDTHS = f"one of the integers {', '.join(map(str, WIDTHS_PX))}"
_TRUTH = "True or False"
_COUNT = "a whole number, 1 or more"
_COUNT_OR_0 = "a whole number, 0 or more"
_STYLE = "the name of a Matplotlib style, a dict of rcParams, or a list of those"
_STYLE_OR_TRUTH = f"True, False, {_STYLE}"


def _formats(value: object) -> object:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence):
        return names
    formats = (image_format(name) if isinstance(name, str) else name for name in names)
    return tuple(dict.fromkeys(formats))


def _with_a_picture(formats: tuple[ImageFormat, ...]) -> tuple[ImageFormat, ...]:
    if formats and all(format.is_text for format in formats):
        raise ValueError("None of them is a picture. Add one, such as png or svg")
    return formats


def _tags(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list | set | frozenset) else value


def _decorators(value: object) -> object:
    return (value,) if callable(value) else value


def _savefig(value: object) -> object:
    if isinstance(value, Mapping):
        for name in value:
            if name not in SAVEFIG_OPTIONS:
                raise ValueError(f"{name!r} is not passed on. {_fix_of(name)}")
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


def _fix_of(name: object) -> str:
    """Return the fix for the unknown ``savefig`` argument *name*."""
    if name == "format":
        return "Write formats=['png'], an option of the route"
    guess = nearest(str(name), SAVEFIG_OPTIONS)
    hint = f"Did you mean {guess!r}?" if guess else ""
    return hint or f"Accepted: {', '.join(SAVEFIG_OPTIONS)}"


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
    resource_policy: Literal["same-origin", "same-site", "cross-origin"] | None
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
        Field(min_length=1, description="names of formats, such as ['png', 'svg']"),
        AfterValidator(_with_a_picture),
    ] = tuple(format for format in FORMATS.values() if not format.is_text)
    #: Seconds that a picture is fresh, in the cache and in the browser. 0 keeps
    #: nothing: a request gets a render that began after it came, which it may share
    #: with others that came before.
    max_age: Annotated[int, Field(ge=0, description=_WHOLE_SECONDS)] = 300
    #: Seconds after that in which an old picture is sent at once while it is
    #: rendered again in the background (RFC 5861).
    stale_while_revalidate: Annotated[int, Field(ge=0, description=_WHOLE_SECONDS)] = 0
    #: Seconds after ``max_age`` in which the last good picture is sent where
    #: rendering fails (RFC 5861).
    stale_if_error: Annotated[int, Field(ge=0, description=_WHOLE_SECONDS)] = 86_400
    #: Seconds for which a figure function that failed is not called again with
    #: the same arguments; whoever asks gets that error.
    error_backoff: Annotated[
        float, Field(ge=0, description="a number of seconds, 0 or more")
    ] = 1.0
    #: Seconds that a request waits, for ``load``, for other renders and for its own;
    #: then it gets 503, or 504 where the render was ended. A worker that takes longer
    #: is killed; a render in the web process runs on, and its picture is kept.
    timeout: Annotated[
        float,
        Field(
            gt=0, le=86_400, description="a number of seconds above 0, at most 86400"
        ),
    ] = 10.0
    #: Names of what the picture shows, for ``invalidate(tags=[…])``.
    tags: Annotated[
        tuple[str, ...],
        BeforeValidator(_tags),
        Field(description="names, such as ['sales', 'daily']"),
    ] = ()
    #: Called with the figure function's arguments in the request's app context;
    #: what it returns is part of the key, such as the data's last-modified. ``None``
    #: is no version: the picture is kept for ``max_age`` and no longer.
    version: Annotated[
        Callable[..., object] | None,
        Field(description="a callable, such as lambda: last_change()"),
    ] = None
    #: Parameter name -> callable, run in the request. Its value is passed to
    #: the figure function, is part of the key, cannot be set from the URL, and
    #: makes the response private.
    inject: Annotated[
        Mapping[str, Callable[[], object]],
        Field(
            description="a dict from names of parameters to callables, such as "
            "{'user_id': lambda: current_user.id}"
        ),
    ] = Field(default_factory=dict)
    #: Whether only browsers may keep the picture, and ask again each time. By default
    #: if the route has ``inject`` or ``decorators``, or its blueprint a
    #: ``before_request``. ``False`` says that those let everybody in: the decorators of
    #: the same layer (route, blueprint) or a wider one. ``inject`` is always private.
    private: Annotated[bool | None, Field(description="True, False or None")] = None
    #: Keyword arguments for ``Figure.savefig``.
    savefig: Annotated[
        Mapping[str, Any],
        BeforeValidator(_savefig),
        Field(description="a dict, such as {'dpi': 150, 'facecolor': 'white'}"),
    ] = Field(default_factory=dict)
    #: Matplotlib style: a name, a dict of rcParams, or a list of those.
    style: Annotated[
        str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None,
        Field(description=_STYLE),
    ] = None
    #: Laid over ``style`` for ``_theme=dark``; a bool stands for the package's own
    #: ``DARK_STYLE``. Where it is not ``False``, ``figure()`` offers browsers both.
    dark_style: Annotated[
        bool | str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]],
        Field(description=_STYLE_OR_TRUTH),
    ] = False
    #: Alternative text; ``None`` reads it from each figure, ``""`` is for decoration.
    alt: Annotated[
        str | None, Field(description="text, '' for decoration, or None")
    ] = None
    #: Pixels that a picture may have, width times height.
    max_pixels: Annotated[int, Field(ge=1, description=_COUNT)] = 16_000_000
    #: Bytes that a picture may have once encoded.
    max_bytes: Annotated[int, Field(ge=1, description=_COUNT)] = 8 * 2**20
    #: Pixels of the widest picture that ``_width`` may name: one of its steps.
    max_width: Annotated[
        int,
        AfterValidator(_width_step),
        Field(description=_WIDTHS),
    ] = WIDTHS_PX[-1]
    #: The largest ``_scale``: 1, 1.5, 2, 3 or 4.
    max_scale: Annotated[
        float,
        AfterValidator(_scale_step),
        Field(description="1, 1.5, 2, 3, 4"),
    ] = SCALES[-1]
    #: ``Cross-Origin-Resource-Policy``: which sites may embed the picture. ``None`` is
    #: ``same-site`` if the app matches subdomains or hosts, as a page may be on
    #: another one, else ``same-origin``.
    resource_policy: Annotated[
        Literal["same-origin", "same-site", "cross-origin"] | None,
        Field(description="'same-origin', 'same-site', 'cross-origin' or None"),
    ] = None
    #: Decorators of the whole view, applied in order as in ``View.decorators``.
    decorators: Annotated[
        Sequence[Callable[[Callable[..., Any]], Callable[..., Any]]],
        BeforeValidator(_decorators),
        Field(description="a list of decorators, such as [login_required]"),
    ] = ()
    #: Called with the figure function's arguments outside the gate; its result
    #: is the figure function's first argument.
    load: Annotated[
        Callable[..., Any] | None,
        Field(description="a callable that returns the data, such as lambda: read()"),
    ] = None
    #: Whether only URLs that ``figure_url`` made are served.
    signed: Annotated[bool, Field(description=_TRUTH)] = False
    #: Seconds for which a signed URL is served; ``None`` for ever.
    expires_in: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Field(description="a number of seconds above 0, or None"),
    ] = None

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
                raise ConfigError(f"{label(name)} {cls._meant(name)}") from None
            given = f"{label(name)} is {cut(repr(options[name]))}"
            if fault["type"] == "value_error":  # A message of the package.
                told = str(fault["ctx"]["error"])
                end = "" if told.endswith((".", "?")) else "."
                raise ConfigError(f"{given}: {told}{end}") from None
            accepted = cls.model_fields[name].description
            raise ConfigError(f"{given}. Accepted: {accepted}.") from None

    @classmethod
    def option_name(cls, name: str) -> str:
        """Return the spelling of the option *name* in the code that sets it."""
        return name

    @classmethod
    def _meant(cls, name: str) -> str:
        """Return the fix for the unknown option *name*."""
        if name in _MEANT:
            return f"is not an option. Write {_MEANT[name]} instead."
        if name in Settings.model_fields:
            return f"is an option of the app. Set {_config_key(name)} in app.config."
        known = list(map(cls.option_name, cls.model_fields))
        guess = nearest(cls.option_name(name), known)
        if guess:
            return f"is not an option. Did you mean {guess}?"
        return f"is not an option. Accepted: {', '.join(known)}."


class Settings(RouteOptions):
    """What holds for one app: the defaults of its routes, and its own."""

    #: What an unknown argument in a URL is: an error, or nothing.
    unknown_args: Annotated[
        Literal["error", "ignore"], Field(description="'error' or 'ignore'")
    ] = "error"
    #: Size of the embedded cache, used where the app has no Flask-Caching.
    cache_bytes: Annotated[int, Field(ge=0, description=_COUNT_OR_0)] = 64 * 2**20
    #: Size of the layer in this process in front of a cache that others share;
    #: 0 for none.
    fast_bytes: Annotated[int, Field(ge=0, description=_COUNT_OR_0)] = 32 * 2**20
    #: Processes that render; 0 renders in the web process.
    workers: Annotated[
        int, Field(ge=0, le=256, description="a whole number from 0 to 256")
    ] = 0
    #: Memory that a worker may take beyond what it starts with.
    worker_bytes: Annotated[
        int,
        Field(ge=64 * 2**20, description="a whole number of bytes, at least 64 MiB"),
    ] = 2**30
    #: Renders after which a worker is replaced by a new one; 0 for never.
    worker_renders: Annotated[int, Field(ge=0, description=_COUNT_OR_0)] = 1000
    #: ``"module:factory"`` or ``"module:app"``: the app whose context figure
    #: functions have in a worker.
    app: Annotated[
        str | None, Field(description="text such as 'myapp:create_app', or None")
    ] = None
    #: Whether the workers start with the first request to the app, whatever it
    #: is for, and not with the first render. ``None``: worker processes do unless
    #: ``app.testing``, an executor does not.
    preload: Annotated[bool | None, Field(description="True, False or None")] = None
    #: Renders elsewhere: an executor, or a callable that makes one.
    executor: Annotated[
        Executor | Callable[[], Executor] | None,
        Field(description="a concurrent.futures.Executor, or a callable for one"),
    ] = None
    #: Renders that may wait for a turn; one more is refused with 503.
    max_pending: Annotated[int, Field(ge=0, description=_COUNT_OR_0)] = 32
    #: Requests that may wait in one process for a picture that another request
    #: renders, each with a thread of the server; more of them wait one second at most,
    #: then get 503. ``None``: 6, and no limit under gevent and eventlet. With 8 threads
    #: that leaves one for pictures in the cache.
    max_followers: Annotated[
        Annotated[int, Field(ge=0)] | None,
        Field(description="a whole number, 0 or more, or None"),
    ] = None
    #: Called in a request before it waits for a render, to give database connections
    #: back. ``None`` commits the Flask-SQLAlchemy sessions that have only read.
    before_wait: Annotated[
        Callable[[], object] | None,
        Field(description="a callable, such as session.remove, or None"),
    ] = None
    #: Seconds of rendering for each client and minute.
    client_budget: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Field(description="a number of seconds above 0, or None"),
    ] = None
    #: Names the client of the current request; by default its address.
    client: Annotated[
        Callable[[], str] | None,
        Field(description="a callable, such as lambda: current_user.get_id()"),
    ] = None

    @classmethod
    def option_name(cls, name: str) -> str:
        """Return the key of the option *name* in ``app.config``."""
        return _config_key(name)

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

    def route_options(
        self,
        blueprint: Mapping[str, Any],
        route: Mapping[str, Any] = MappingProxyType({}),
        *,
        label: Callable[[str], str] = str,
    ) -> RouteOptions:
        """The options of a route: its own over its blueprint's over these settings.

        A wider layer's ``private=False`` says nothing of the decorators, or of the
        ``before_request`` functions, of a narrower one.

        :param label: returns the name of an option in a message.
        :raises ConfigError: if options contradict each other.
        """
        merged = {name: getattr(self, name) for name in RouteOptions.model_fields}
        merged["private"] = self.private or None
        for layer in (blueprint, route):
            if layer.get("decorators"):
                merged["private"] = merged["private"] or None
            merged |= layer
            for name, fix in _contradictions(layer, merged):
                raise ConfigError(f"{label(name)} contradicts another option. {fix}")
        # A blueprint may have both signed routes, for which it is, and others.
        if route.get("expires_in") is not None and not merged["signed"]:
            name = label("expires_in")
            raise ConfigError(f"{name} is for signed URLs alone. Add signed=True.")
        return RouteOptions.checked(merged, label)


def _config_key(name: str) -> str:
    return PREFIX + name.upper()


#: Words of other packages, and of Flask's own ``route``, for our options.
_MEANT = {
    **{name: f"savefig={{{name!r}: …}}" for name in SAVEFIG_OPTIONS},
    **dict.fromkeys(("cache_timeout", "expires", "ttl"), "max_age=…, in seconds,"),
    "format": "formats=[…]",
    "defaults": "a default in the function's signature, or url_defaults=… of the "
    "blueprint,",
    "methods": "nothing, as pictures answer to GET and HEAD,",
    "login_required": "decorators=[login_required]",
}


def _contradictions(
    given: Mapping[str, Any], merged: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield the options in *given* that another one rules out, and the fix.

    :param merged: *given* over the layers below it, whose options it may override.
    """
    keeps_nothing = not merged["max_age"] and not merged["stale_while_revalidate"]
    if keeps_nothing and given.get("max_age") == 0 and given.get("stale_if_error"):
        yield (
            "stale_if_error",
            (
                "With max_age=0 no picture is kept to be sent on an error: leave one "
                "of them out, or set stale_while_revalidate."
            ),
        )
