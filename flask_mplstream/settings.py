"""The options of figure routes and the settings of an app.

Values layer. This module doesn't import Flask or Matplotlib. All values are validated
once, when the blueprint is registered. An option on the route overrides the
blueprint's, which overrides ``MPLSTREAM_…`` in ``app.config``.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import Executor
from copy import copy
from functools import partial
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
from pydantic_core import PydanticCustomError

from .errors import ConfigError, cut, suggest
from .formats import (
    FORMATS,
    PAGE_FORMATS,
    UNIVERSAL,
    ImageFormat,
    choose_page_formats,
    find_format,
)
from .parameters.size_steps import SCALES, WIDTHS_PX

PREFIX = "MPLSTREAM_"

#: Options about the markup of ``figure()``, which others can make useless.
_PAGE_OPTIONS = ("page_formats", "page_densities")

#: Accepted keyword arguments of ``Figure.savefig``.
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


_STYLE = "the name of a Matplotlib style, a dict of rcParams, or a list of those"
_SCALES = tuple(step for step in SCALES if step >= 1)
_SCALE_NAMES = ", ".join(f"{step:g}" for step in _SCALES)

_Seconds = Annotated[
    int, Field(ge=0, description="a whole number of seconds, 0 or more")
]
_Count = Annotated[int, Field(ge=1, description="a whole number, 1 or more")]
_CountOr0 = Annotated[int, Field(ge=0, description="a whole number, 0 or more")]
_SecondsOrNone = Annotated[
    Annotated[float, Field(gt=0)] | None,
    Field(description="a number of seconds above 0, or None"),
]
_Style = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_Policy = Literal["same-origin", "same-site", "cross-origin"] | None


def _read_formats(value: object) -> object:
    if isinstance(value, str) and "," in value:
        parts = [part.strip() for part in value.split(",")]
        raise ValueError(f"It is one text. Write a list: {parts}")
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence):
        return names
    return tuple(find_format(name) if isinstance(name, str) else name for name in names)


def _drop_repeated(formats: tuple[ImageFormat, ...]) -> tuple[ImageFormat, ...]:
    return tuple(dict.fromkeys(formats))


def _require_picture(formats: tuple[ImageFormat, ...]) -> tuple[ImageFormat, ...]:
    if formats and all(format.is_text for format in formats):
        raise ValueError("None of them is a picture. Add one, such as png or svg")
    return formats


def _check_page_formats(formats: tuple[ImageFormat, ...]) -> tuple[ImageFormat, ...]:
    for format in formats:
        if format.name not in PAGE_FORMATS:
            fix = (
                "Remove it" if format.is_text else "To show it, put it first in formats"
            )
            known = ", ".join(PAGE_FORMATS)
            raise ValueError(
                f"{format} is not one of the formats that a page can offer as a choice "
                f"({known}). {fix}"
            )
        if formats.count(format) > 1:
            raise ValueError(f"{format} is in it more than once. Remove one")
    if {FORMATS[name] for name in UNIVERSAL} <= set(formats):
        raise ValueError(
            f"Every browser shows both {' and '.join(UNIVERSAL)}, so the second would "
            f"never be used. Remove one"
        )
    return formats


def _check_densities(values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if value not in _SCALES:
            raise ValueError(f"{value:g} is not a density. Accepted: {_SCALE_NAMES}")
        if values.count(value) > 1:
            raise ValueError(f"{value:g} is in it more than once. Remove one")
    return tuple(sorted(values))


def _to_tuple(value: object) -> object:
    if isinstance(value, str | int | float) or callable(value):
        return (value,)
    return tuple(value) if isinstance(value, list | set | frozenset) else value


def _check_savefig(value: object) -> object:
    for name in value if isinstance(value, Mapping) else ():
        if name == "format":
            raise ValueError(
                "'format' is not passed to savefig. Write formats=['png'], an option "
                "of the route"
            )
        if name not in SAVEFIG_OPTIONS:
            known = f"Accepted: {', '.join(SAVEFIG_OPTIONS)}"
            fix = suggest(name, SAVEFIG_OPTIONS) or known
            raise ValueError(f"{name!r} is not passed to savefig. {fix}")
    return value


def _check_step(steps: Sequence[float], value: float) -> float:
    if value not in steps:
        raise PydanticCustomError("step", "It is not one of the steps")
    return value


class FigureOptions(TypedDict, total=False):
    """The keyword arguments of ``figure_route``, all of which are optional.

    See the Options page in the documentation for a description of each one.
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
    style: _Style
    dark_style: bool | _Style
    alt: str
    page_formats: Sequence[str]
    page_densities: Sequence[float]
    max_pixels: int
    max_bytes: int
    max_width: int
    max_scale: float
    resource_policy: _Policy
    decorators: Sequence[_Decorator]
    load: Callable[..., Any]
    keep: float
    signed: bool
    expires_in: float


class RouteOptions(BaseModel):
    """The validated options of a figure route."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True
    )

    #: The formats that the route offers. The first one is sent for ``Accept: */*``. The
    #: data formats ``csv`` and ``json`` are not offered unless they are listed.
    formats: Annotated[
        tuple[ImageFormat, ...],
        BeforeValidator(_read_formats),
        Field(min_length=1, description="names of formats, such as ['png', 'svg']"),
        AfterValidator(_drop_repeated),
        AfterValidator(_require_picture),
    ] = tuple(format for format in FORMATS.values() if not format.is_text)
    #: The number of seconds for which a picture stays fresh in the cache and in the
    #: browser. If it is 0, pictures are not cached, and a request gets a render that
    #: began after the request arrived, which it may share with other requests.
    max_age: _Seconds = 300
    #: The number of seconds after ``max_age`` during which a stale picture is sent
    #: immediately while a new one is rendered in the background (RFC 5861).
    stale_while_revalidate: _Seconds = 0
    #: The number of seconds after ``max_age`` during which the last good picture is
    #: sent if rendering fails (RFC 5861).
    stale_if_error: _Seconds = 86_400
    #: The number of seconds to wait after a failure before the figure function is
    #: called again with the same arguments. Until then, requests get the same error.
    error_backoff: Annotated[
        float, Field(ge=0, description="a number of seconds, 0 or more")
    ] = 1.0
    #: The number of seconds that a request waits for ``load``, for other renders and
    #: for its own render. After that, it gets a 503, or a 504 if the render was
    #: stopped. A worker that takes longer is killed. A render in the web process
    #: continues, and its picture is cached.
    timeout: Annotated[
        float,
        Field(
            gt=0, le=86_400, description="a number of seconds above 0, at most 86400"
        ),
    ] = 10.0
    #: Names that can be passed to ``invalidate(tags=[…])``.
    tags: Annotated[
        tuple[str, ...],
        BeforeValidator(_to_tuple),
        Field(description="names, such as ['sales', 'daily']"),
    ] = ()
    #: A function that is called with the arguments of the figure during the request.
    #: Its result, such as the time of the last change, becomes part of the cache key.
    #: If it returns ``None``, the picture has no version.
    version: Annotated[
        Callable[..., object] | None,
        Field(description="a callable, such as lambda: last_change()"),
    ] = None
    #: A dict that maps a parameter name to a callable. The callable runs during the
    #: request, and its result is passed to the figure function. The value becomes part
    #: of the cache key, can't be set from the URL, and makes the response private.
    inject: Annotated[
        Mapping[str, Callable[[], object]],
        Field(
            description="a dict from names of parameters to callables, such as "
            "{'user_id': lambda: current_user.id}"
        ),
    ] = Field(default_factory=dict)
    #: Whether only browsers may store the picture, which they must revalidate each
    #: time. If it is ``None``, this applies to routes that use ``inject`` or
    #: ``decorators``, and to blueprints with a ``before_request`` function. Use
    #: ``False`` to declare that the decorators let everyone in. It applies to the
    #: decorators of the same layer (route or blueprint) and of all wider ones. Pictures
    #: with ``inject`` are always private.
    private: Annotated[bool | None, Field(description="True, False or None")] = None
    #: Keyword arguments to pass to ``Figure.savefig``.
    savefig: Annotated[
        Mapping[str, Any],
        BeforeValidator(_check_savefig),
        Field(description="a dict, such as {'dpi': 150, 'facecolor': 'white'}"),
    ] = Field(default_factory=dict)
    #: A Matplotlib style, given as its name, as a dict of rcParams, or as a list.
    style: Annotated[_Style | None, Field(description=_STYLE)] = None
    #: A style to apply on top of ``style`` for ``_theme=dark``. A bool means the
    #: package's own ``DARK_STYLE``. Unless this is ``False``, ``figure()`` offers both
    #: pictures.
    dark_style: Annotated[
        bool | _Style, Field(description=f"True, False, {_STYLE}")
    ] = False
    #: The alternative text. If it is ``None``, the text is read from each figure. Use
    #: ``""`` for decoration.
    alt: Annotated[
        str | None, Field(description="text, '' for decoration, or None")
    ] = None
    #: Formats that ``figure()`` offers browsers. The URLs of other ``formats`` work as
    #: well. PNG and JPEG replace each other. If the route offers none of these formats,
    #: or if a vector format is the first of ``formats``, pages show what there is.
    page_formats: Annotated[
        tuple[ImageFormat, ...],
        BeforeValidator(_read_formats),
        Field(
            min_length=1,
            description=f"a list such as ['webp', 'png'], of {', '.join(PAGE_FORMATS)}",
        ),
        AfterValidator(_check_page_formats),
    ] = (FORMATS["webp"], FORMATS["png"])
    #: Screen densities, in device pixels per CSS pixel, that ``figure()`` offers
    #: pictures for: steps of ``_scale``, ascending.
    page_densities: Annotated[
        tuple[float, ...],
        BeforeValidator(_to_tuple),
        Field(
            min_length=1,
            description=f"a list of numbers such as [1, 2], each one of {_SCALE_NAMES}",
        ),
        AfterValidator(_check_densities),
    ] = (1, 2)
    #: The maximum number of pixels in a picture (its width times its height).
    max_pixels: _Count = 16_000_000
    #: The maximum size of an encoded picture or of exported data, in bytes.
    max_bytes: _Count = 8 * 2**20
    #: The largest ``_width`` in pixels. It must be one of ``WIDTHS_PX``.
    max_width: Annotated[
        int,
        AfterValidator(partial(_check_step, WIDTHS_PX)),
        Field(description=f"one of the integers {', '.join(map(str, WIDTHS_PX))}"),
    ] = WIDTHS_PX[-1]
    #: The largest ``_scale``. It must be 1, 1.5, 2, 3 or 4.
    max_scale: Annotated[
        float,
        AfterValidator(partial(_check_step, _SCALES)),
        Field(description=_SCALE_NAMES),
    ] = SCALES[-1]
    #: The value of the ``Cross-Origin-Resource-Policy`` header, which says which sites
    #: may embed the picture. If it is ``None``, the value is ``same-site`` for apps
    #: that match subdomains or hosts, and ``same-origin`` for all others.
    resource_policy: Annotated[
        _Policy,
        Field(description="'same-origin', 'same-site', 'cross-origin' or None"),
    ] = None
    #: Decorators to apply to the whole view, in order, as in ``View.decorators``.
    decorators: Annotated[
        Sequence[_Decorator],
        BeforeValidator(_to_tuple),
        Field(description="a list of decorators, such as [login_required]"),
    ] = ()
    #: A function that is called with the arguments of the figure before the render
    #: takes its turn. Its result is passed to the figure function as the first
    #: argument.
    load: Annotated[
        Callable[..., Any] | None,
        Field(description="a callable that returns the data, such as lambda: read()"),
    ] = None
    #: The number of seconds for which a figure and its data are kept in the process
    #: that built it, to draw the other formats, sizes and themes of the picture. It is
    #: limited to 90% of ``max_age``. With 0, each of them is built from new data.
    keep: Annotated[
        float, Field(ge=0, description="a number of seconds, 0 or more")
    ] = 30.0
    #: Whether to only serve URLs that were signed by ``figure_url``.
    signed: Annotated[bool, Field(description="True or False")] = False
    #: The number of seconds for which a signed URL is valid, or ``None`` for no limit.
    expires_in: _SecondsOrNone = None

    @property
    def widths_px(self) -> tuple[int, ...]:
        """The offered widths, ascending."""
        return tuple(step for step in WIDTHS_PX if step <= self.max_width)

    @property
    def scales(self) -> tuple[float, ...]:
        """The offered scales, ascending."""
        return tuple(step for step in SCALES if step <= self.max_scale)

    @property
    def shown_formats(self) -> list[ImageFormat]:
        """The formats that ``figure()`` offers browsers, best first."""
        pictures = [format for format in self.formats if not format.is_text]
        return choose_page_formats(pictures, self.page_formats)

    def check_pages(self, names: Container[str], label: Callable[[str], str]) -> None:
        """Reject options of pages that other options make useless.

        :param names: the options that were set together or after the others.
        :param label: returns the name of an option for a message.
        :raises ConfigError: naming the option and the fix.
        """
        formats, densities = label("page_formats"), label("page_densities")
        first = next(format for format in self.formats if not format.is_text)
        missing = [str(f) for f in self.page_formats if f not in self.formats]
        excess = [d for d in self.page_densities if d > self.max_scale]
        if "page_formats" in names and missing:
            raise ConfigError(
                f"{formats} has {missing[0]!r}, which is not one of the formats "
                f"({', '.join(map(str, self.formats))}). Add it to formats, or remove "
                f"it."
            )
        if "page_formats" in names and not first.is_raster:
            raise ConfigError(
                f"{formats} has no effect, as pages show {first}, the first of the "
                f"formats. Put {self.page_formats[-1]} before it, or remove the option."
            )
        if "page_densities" in names and excess:
            raise ConfigError(
                f"{densities} has {excess[0]:g}, but max_scale is {self.max_scale:g}. "
                f"Remove it, or raise max_scale."
            )

    @property
    def is_private(self) -> bool:
        """Whether these options alone make the response private."""
        if self.private is None:
            return bool(self.inject or self.decorators)
        return self.private or bool(self.inject)

    @classmethod
    def read(cls, options: Mapping[str, Any], label: Callable[[str], str]) -> Self:
        """Validate *options*.

        :param label: a function that returns the name of an option for a message.
        :raises ConfigError: if an option is unknown or invalid.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            name = str(fault["loc"][0])
            if fault["type"] == "extra_forbidden":
                problem = cls._explain_unknown(name)
                raise ConfigError(f"{label(name)} {problem}") from None
            given = f"{label(name)} is {cut(repr(options[name]))}"
            if fault["type"] == "value_error":  # From the package's validators.
                reason = str(fault["ctx"]["error"])
                end = "" if reason.endswith((".", "?")) else "."
                raise ConfigError(f"{given}: {reason}{end}") from None
            accepted = cls.model_fields[name].description
            raise ConfigError(f"{given}. Accepted: {accepted}.") from None

    @classmethod
    def spell_option(cls, name: str) -> str:
        """Return the spelling of the option *name* in the code that sets it."""
        return name

    @classmethod
    def _explain_unknown(cls, name: str) -> str:
        """Return a message about the unknown option *name* and how to fix it."""
        if name in _EQUIVALENTS:
            return f"is not an option. Write {_EQUIVALENTS[name]} instead."
        if name in Settings.model_fields:
            return f"is an option of the app. Set {_spell_key(name)} in app.config."
        known = list(map(cls.spell_option, cls.model_fields))
        fix = suggest(cls.spell_option(name), known) or f"Accepted: {', '.join(known)}."
        return f"is not an option. {fix}"


class Settings(RouteOptions):
    """The validated settings of an app, including the defaults for its routes."""

    #: Whether an unknown argument in a URL is an error or is ignored.
    unknown_args: Annotated[
        Literal["error", "ignore"], Field(description="'error' or 'ignore'")
    ] = "error"
    #: The size of the embedded cache in bytes, for apps without Flask-Caching.
    cache_bytes: _CountOr0 = 64 * 2**20
    #: The size in bytes of the in-memory layer that each process has in front of a
    #: shared cache. Use 0 to turn it off.
    fast_bytes: _CountOr0 = 32 * 2**20
    #: The size in bytes of the kept figures and their data in each process that
    #: renders. Use 0 to turn it off.
    keep_bytes: _CountOr0 = 64 * 2**20
    #: The packages of the app whose classes and functions may be part of kept figures
    #: and data. They must not use variables that a figure function changes.
    keep_modules: Annotated[
        tuple[str, ...],
        BeforeValidator(_to_tuple),
        Field(description="names of packages, such as ['myapp']"),
    ] = ()
    #: Whether each picture that is drawn from a kept figure is compared with that of a
    #: new figure. If they differ, ``KeptFigureError`` is raised.
    keep_check: Annotated[bool, Field(description="True or False")] = False
    #: The number of worker processes. If it is 0, the web process renders.
    workers: Annotated[
        int, Field(ge=0, le=256, description="a whole number from 0 to 256")
    ] = 0
    #: The number of bytes that a worker may use in addition to its initial memory.
    worker_bytes: Annotated[
        int,
        Field(ge=64 * 2**20, description="a whole number of bytes, at least 64 MiB"),
    ] = 2**30
    #: The number of renders after which a worker is replaced. Use 0 for never.
    worker_renders: _CountOr0 = 1000
    #: The app that provides the context for figure functions in a worker, as
    #: ``"module:factory"`` or ``"module:app"``.
    app: Annotated[
        str | None, Field(description="text such as 'myapp:create_app', or None")
    ] = None
    #: Whether to start the workers with the first request of any kind instead of the
    #: first render. If it is ``None``, this applies to worker processes (unless
    #: ``app.testing`` is set), but not to an executor.
    preload: Annotated[bool | None, Field(description="True, False or None")] = None
    #: An executor that runs the renders, or a callable that returns one.
    executor: Annotated[
        Executor | Callable[[], Executor] | None,
        Field(description="a concurrent.futures.Executor, or a callable for one"),
    ] = None
    #: The number of renders that may wait in the queue. Any further ones get a 503.
    max_pending: _CountOr0 = 32
    #: The number of requests in a process that may wait for a render that another
    #: request started. Each of them occupies a server thread. Any further requests get
    #: a 503 after a second. If it is ``None``, the limit is 6, but there is no limit
    #: under gevent and eventlet. With 8 threads, this leaves one for cached pictures.
    max_followers: Annotated[
        Annotated[int, Field(ge=0)] | None,
        Field(description="a whole number, 0 or more, or None"),
    ] = None
    #: Called before a request waits for a render, to release database connections.
    #: ``None`` commits the Flask-SQLAlchemy sessions that have only read.
    before_wait: Annotated[
        Callable[[], object] | None,
        Field(description="a callable, such as session.remove, or None"),
    ] = None
    #: Seconds of rendering per client and minute; ``None`` for no limit.
    client_budget: _SecondsOrNone = None
    #: Returns the name of the current client; by default its address.
    client: Annotated[
        Callable[[], str] | None,
        Field(description="a callable, such as lambda: current_user.get_id()"),
    ] = None

    @classmethod
    def spell_option(cls, name: str) -> str:
        """Return the key of the option *name* in ``app.config``."""
        return _spell_key(name)

    @property
    def renders_elsewhere(self) -> bool:
        """Whether figure functions run outside of the web process."""
        return bool(self.workers) or self.executor is not None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Settings:
        """Read ``MPLSTREAM_*`` from *config*, and write the effective values back.

        :raises ConfigError: if a key is unknown, if a value is not valid, or if two
            settings contradict each other.
        """
        settings = cls._read(config)
        if settings.workers and settings.executor is not None:
            raise ConfigError(
                "MPLSTREAM_WORKERS and MPLSTREAM_EXECUTOR are both set. Choose one: "
                "workers of this machine, or an executor."
            )
        if settings.executor is not None and not settings.max_pending:
            raise ConfigError(
                "MPLSTREAM_MAX_PENDING is 0, so MPLSTREAM_EXECUTOR would get no "
                "render: each one counts as pending. Set it to 1 or more."
            )
        # A default may be in *config*, too: the effective value of another app.
        default = cls()
        named = [
            n for n in _PAGE_OPTIONS if getattr(settings, n) != getattr(default, n)
        ]
        settings.check_pages(named, _spell_key)
        for name in cls.model_fields:
            # A copy, so that check_unchanged detects a change in place.
            config.setdefault(_spell_key(name), copy(getattr(settings, name)))
        return settings

    @classmethod
    def _read(cls, config: Mapping[str, Any]) -> Self:
        given = {
            key.removeprefix(PREFIX).lower(): value
            for key, value in config.items()
            if isinstance(key, str) and key.startswith(PREFIX)
        }
        return cls.read(given, _spell_key)

    def check_unchanged(self, config: Mapping[str, Any]) -> None:
        """Reject *config* if it differs from these settings.

        :raises ConfigError: if a setting was changed.
        """
        now = type(self)._read(config)
        for name in type(self).model_fields:
            value = getattr(now, name)
            if value != getattr(self, name):
                raise ConfigError(
                    f"{_spell_key(name)} was changed to {cut(repr(value))} after the "
                    f"blueprint was registered. Set it before register_blueprint."
                )

    def route_options(
        self,
        blueprint: Mapping[str, Any],
        route: Mapping[str, Any] = MappingProxyType({}),
        *,
        label: Callable[[str], str] = str,
    ) -> RouteOptions:
        """Merge the options of a route over its blueprint's and these settings.

        ``private=False`` doesn't apply to decorators and ``before_request`` functions
        of narrower layers.

        :param label: returns the name of an option for a message.
        :raises ConfigError: if options contradict each other.
        """
        merged = {name: getattr(self, name) for name in RouteOptions.model_fields}
        merged["private"] = self.private or None
        for layer in (blueprint, route):
            if layer.get("decorators"):
                merged["private"] = merged["private"] or None
            merged |= layer
            if not layer.keys().isdisjoint(_PAGE_OPTIONS):
                RouteOptions.read(merged, label).check_pages(layer, label)
            is_renewed = bool(merged["stale_while_revalidate"])
            keeps_nothing = layer.get("max_age") == 0 and not is_renewed
            if keeps_nothing and layer.get("stale_if_error"):
                raise ConfigError(
                    f"{label('stale_if_error')} has no effect with max_age=0, as no "
                    f"picture is kept. Remove one, or set stale_while_revalidate."
                )
        # A blueprint's expires_in applies to its signed routes only.
        if route.get("expires_in") is not None and not merged["signed"]:
            name = label("expires_in")
            raise ConfigError(f"{name} applies to signed URLs only. Add signed=True.")
        return RouteOptions.read(merged, label)


def _spell_key(name: str) -> str:
    return PREFIX + name.upper()


#: Options of other packages and of ``Flask.route`` -> the equivalent here.
_EQUIVALENTS = {
    **{name: f"savefig={{{name!r}: …}}" for name in SAVEFIG_OPTIONS},
    **dict.fromkeys(("cache_timeout", "expires", "ttl"), "max_age=…, in seconds,"),
    "format": "formats=[…]",
    "defaults": "a default in the function's signature, or url_defaults=… of the "
    "blueprint,",
    "methods": "nothing, as pictures answer to GET and HEAD,",
    "login_required": "decorators=[login_required]",
}
