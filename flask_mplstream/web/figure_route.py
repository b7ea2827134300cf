"""A figure route of an app, with its pictures, their keys and their renders.

Flask side. :mod:`flask_mplstream.web.request_reading` reads a request. Registering a
blueprint makes a :class:`FigureRoute` with its options resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from itertools import accumulate
from secrets import token_hex
from types import CodeType, MappingProxyType
from typing import Any

from flask import Flask, has_request_context

from ..cache.freshness import Lifetime
from ..cache.key import copy_value, digest, fingerprint
from ..cache.lookup import Derivation, Pictures, Served, Wanted
from ..errors import ArgumentFault, ArgumentsError, ConfigError, cut, nearest
from ..forks import cached_property
from ..formats import ALT_FORMAT, FORMATS, ImageFormat, Theme, Variant
from ..http.etag import make_version_etag
from ..limits.deadline import Deadline
from ..parameters.callables import (
    find_plain_function,
    find_plain_name,
    select_accepted,
    summarize,
)
from ..parameters.canonical import Arguments
from ..parameters.function_signature import Parameters
from ..rendered_image import RenderedImage
from ..rendering.derivation import keeps_pixels
from ..rendering.figure_lock import read_app_globals
from ..rendering.pipeline import MATPLOTLIB_VERSION, Limits, Meaning
from ..rendering.styles import Look
from ..settings import RouteOptions
from ..workers.dispatch import Renders
from ..workers.exception_notes import is_failure
from ..workers.job import Recipe
from ..workers.kept_figures import Origin
from .natural_size import NaturalSize
from .rule_arguments import RuleArguments
from .signed_urls import authenticate
from .source_code import read_source

#: Part of every key, because another version may draw or describe differently.
_VERSION = version("flask-mplstream")
#: The format that the other pixel formats are encoded from.
PNG = FORMATS["png"]


@dataclass(frozen=True, slots=True)
class Version:
    """The version of the data in one picture, with its injected values."""

    text: str
    #: The picture's names for invalidation.
    names: tuple[str, ...]
    #: The injected values, as texts in the key.
    injected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is requested by a URL or by a call in a template."""

    arguments: Arguments
    variant: Variant
    #: Key without the results of ``version`` and ``inject``.
    key: str
    #: Names for invalidation.
    names: tuple[str, ...]
    #: Identity of the app if the picture is private, else empty.
    owner: str
    #: The lookup, if it needs neither ``version`` nor ``inject``.
    wanted: Wanted | None = None
    #: Injected values from a trusted caller; ``inject`` returns the others.
    inject: Mapping[str, object] = field(default_factory=dict)
    #: The key of the PNG that it is encoded from; empty if it is drawn.
    png_key: str = ""


class FigureRoute:
    """A figure function with its options, at an endpoint of an app.

    :param function: the figure function.
    :param parameters: the parameters in its signature.
    :param options: the resolved options.
    :param rule: the arguments that are set by the URL rule.
    :param pictures: returns the app's pictures; finds their store at first use.
    :param renders: a function that returns the renderer, which may use other processes.
    """

    def __init__(
        self,
        app: Flask,
        endpoint: str,
        function: Callable[..., object],
        parameters: Parameters,
        options: RouteOptions,
        rule: RuleArguments,
        pictures: Callable[[], Pictures],
        renders: Callable[[], Renders],
    ) -> None:
        self.endpoint = endpoint
        self.function = function
        #: The name in file names and, for a figure without a title, in descriptions.
        self.name = find_plain_name(function) or endpoint.rpartition(".")[2]
        self.parameters = parameters
        self.options = options
        self.pictures = pictures
        self.recipe = _make_recipe(endpoint, function, parameters, options)
        self._renders = renders
        self.natural_size = NaturalSize()
        #: Arguments in the URL's path.
        self.path_names = rule.path_names
        #: Arguments that the rules provide: path variables and fixed values.
        self.rule_names = rule.names
        #: Arguments that a rule fixes (``url_defaults``), with their values.
        self.rule_defaults = rule.fixed
        self._app = app
        stale_s = options.stale_while_revalidate, options.stale_if_error
        self._lifetime = Lifetime(options.max_age, *stale_s)
        self._keep_s = min(options.keep, self._lifetime.max_first_age_s)
        self._version = options.version and self._with_its_own(options.version)
        self._inject = {n: app.ensure_sync(call) for n, call in options.inject.items()}
        self._derived_formats = _list_derived_formats(options)
        self._declared = _digest_declaration(self.recipe, options)
        self._has_owner = any((options.is_private, options.signed, options.decorators))
        self._guarding = _list_guards(self.blueprint, options)
        # The app's identity if it has no SECRET_KEY.
        self._unknown_owner = token_hex()
        self._tags = tuple(map(tag_name, options.tags))

    @cached_property
    def _identity(self) -> str:
        """A digest of everything that affects the picture and isn't in the URL.

        It is computed when it is first used, because the app may still change rcParams
        after the registration.
        """
        return digest(self._declared, str(read_app_globals()))

    def _with_its_own(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that only passes accepted arguments to *call*."""
        run = self._app.ensure_sync(call)
        names = select_accepted(self.parameters.names, call)
        return lambda **values: run(**{name: values[name] for name in names})

    def bind(self, given: Mapping[str, Any]) -> Arguments:
        """Return the arguments from Python values and the fixed values of the rule.

        :raises ArgumentsError: with a fault for each invalid argument.
        """
        if not self.rule_defaults:
            return self.parameters.bind(given)
        asked = self.parameters.bind({**self.rule_defaults, **given}).values
        served = self.parameters.bind({**given, **self.rule_defaults})
        faults = [
            ArgumentFault(
                name,
                cut(str(given[name])),
                "The URL's rule fixes another value.",
                str(fixed),
            )
            for name, fixed in self.rule_defaults.items()
            if asked[name] != served.values[name]
        ]
        if faults:
            raise ArgumentsError(faults)
        return served

    def _owner(self) -> str:
        """Return the identity of the app for the keys of private pictures, or ``""``.

        It makes sure that user 7 of this app doesn't get the pictures of user 7 of
        another app that uses the same Redis. It is computed each time, because
        ``SECRET_KEY`` may be set after the registration.
        """
        if not (self._has_owner or self._is_private_by_guard):
            return ""
        secret = self._app.config.get("SECRET_KEY")
        return repr(secret) if secret else self._unknown_owner

    def check_inject(self, given: object) -> Mapping[str, object]:
        """Return *given*, the ``_inject`` from a trusted caller, if it is valid.

        A query string can't set it, because ``figure(…, **request.args)`` passes
        strings and lists, which are rejected. A ``MultiDict`` is rejected as well.

        :raises ArgumentsError: if it isn't valid, with the names that ``inject``
            declares.
        """
        declared = ", ".join(self._inject) or f"nothing, {self.endpoint} has no inject"
        if not isinstance(given, Mapping) or hasattr(given, "getlist"):
            reason = "It must be a dict of injected values, set in Python."
            fault = ArgumentFault("_inject", cut(str(given)), reason, declared)
            raise ArgumentsError([fault])
        unknown = [cut(str(name)) for name in given if name not in self._inject]
        if unknown:
            guess = nearest(unknown[0], list(self._inject))
            reason = "The figure's inject has no such name."
            fault = ArgumentFault("_inject", unknown[0], reason, declared, guess)
            raise ArgumentsError([fault])
        return given

    def picture(
        self,
        arguments: Arguments,
        variant: Variant,
        inject: Mapping[str, object] = MappingProxyType({}),
    ) -> Picture:
        """Return the picture of *arguments* in *variant*.

        :param inject: the injected values that :meth:`check_inject` returned.
        """
        owner = self._owner()
        identity = self._identity, owner, arguments.canonical
        key, png_key = digest(*identity, str(variant)), ""
        if variant.format in self._derived_formats:
            png_key = digest(*identity, str(replace(variant, format=PNG)))
        names = self._names_of(arguments)
        picture = Picture(
            arguments, variant, key, names, owner, inject=inject, png_key=png_key
        )
        if self._inject or self._version:
            return picture
        return replace(picture, wanted=self._identify(picture, {}))

    def _name_of(self, arguments: Arguments | None = None) -> str:
        """Return the name of all its pictures, or of those with *arguments*."""
        if arguments is None:
            return f"figure {self.endpoint}"
        return f"figure {self.endpoint} {arguments.canonical}"

    def _names_of(self, arguments: Arguments) -> tuple[str, ...]:
        """Return the names that invalidate a picture with *arguments*."""
        return self._name_of(), self._name_of(arguments), *self._tags

    def invalidate(self, arguments: Arguments | None = None) -> None:
        """Invalidate all its pictures, or only those with *arguments*.

        :raises CacheDownError: if the cache can't store the invalidation.
        """
        self.pictures().store.invalidate([self._name_of(arguments)])

    def fetch(self, picture: Picture, *, strict: bool = False) -> Served:
        """Return the picture from the store, or render it.

        :param strict: whether to raise an error instead of returning a stale picture.
        :raises MplStreamError: if the picture can't be rendered.
        """
        wanted, _ = self.wanted(picture)
        if strict:
            wanted = wanted.without_stale()
        return self.pictures().get(wanted)

    @property
    def blueprint(self) -> str:
        """The full name of its blueprint."""
        return self.endpoint.rpartition(".")[0]

    def describe(
        self,
        arguments: Arguments,
        inject: Mapping[str, object] = MappingProxyType({}),
    ) -> RenderedImage:
        """Return the alternative text of the picture, with its size at scale 1.

        On a miss, build the figure; draw it only if its bounding box is tight.

        :raises MplStreamError: if the figure cannot be built.
        """
        variant = Variant(ALT_FORMAT)
        picture = self.picture(arguments, variant, inject)
        image = self.fetch(picture).entry.image
        self.natural_size.note(image, variant)
        return image

    @property
    def is_private(self) -> bool:
        """Whether all responses are private because of an option or a blueprint.

        This doesn't change after the first request, because an app no longer accepts
        ``before_request`` functions then.
        """
        return self.options.is_private or self._is_private_by_guard

    @property
    def _is_private_by_guard(self) -> bool:
        """Whether a blueprint has a ``before_request`` that may deny access."""
        guards = self._app.before_request_funcs
        return any(map(guards.get, self._guarding))

    @property
    def has_urls_of_users(self) -> bool:
        """Whether the version in the URL also identifies the user.

        If it does, no other user gets this URL, so the picture can be immutable.
        """
        return bool(self._inject and self._app.secret_key)

    def version_of(
        self,
        arguments: Arguments,
        inject: Mapping[str, object] = MappingProxyType({}),
    ) -> str:
        """Return the version for a URL, or an empty text if there is none."""
        if self._version is None:
            return ""
        injected = self.injected(inject)
        text = self._version_text(arguments, injected)
        if not text:
            return ""
        names, texts = self._names_of(arguments), self._texts_of(injected)
        return self.url_version(Version(text, names, texts))

    def url_version(self, version: Version) -> str:
        """Return *version* as text for a URL, which an invalidation changes.

        With injected values, it is an HMAC that also covers them and the arguments.
        """
        generation = self.pictures().store.generation(version.names)
        if self.has_urls_of_users:
            texts = (version.text, generation, *version.names, *version.injected)
            return authenticate(self._app, digest(*texts))
        return digest(version.text, generation)[:16]

    def wanted(self, picture: Picture) -> tuple[Wanted, Version | None]:
        """Return how to look up *picture*, and its version if it has one.

        This calls ``inject`` and ``version``, which may need a request.
        """
        if self._has_owner and picture.owner != self._owner():
            # SECRET_KEY changed after *picture* was made.
            picture = self.picture(picture.arguments, picture.variant, picture.inject)
        if picture.wanted is not None:
            return picture.wanted, None
        injected = self.injected(picture.inject)
        texts, version = self._texts_of(injected), None
        if self._version is not None:
            text = self._version_text(picture.arguments, injected)
            version = Version(text, picture.names, texts) if text else None
        identity = (version.text if version else "", *texts)
        return self._identify(picture, injected, identity), version

    def _texts_of(self, injected: Mapping[str, object]) -> tuple[str, ...]:
        """Return *injected* as texts that are different for different values."""
        return tuple(
            f"{name}={fingerprint(value, self._injection(name))}"
            for name, value in injected.items()
        )

    def _identify(
        self,
        picture: Picture,
        injected: Mapping[str, object],
        identity: tuple[str, ...] = (),
    ) -> Wanted:
        """Return the lookup of *picture*.

        :param identity: the text of the version, which may be empty, and those of
            *injected*; empty if the route has neither.
        """
        key, series, derivation = picture.key, None, None
        if identity:
            key = digest(picture.key, *identity)
        if identity and identity[0]:
            # The injected values are part of it: each user has a separate series.
            series = partial(digest, picture.key, "series", *identity[1:])
        if picture.png_key:
            derivation = partial(self._derivation, picture, injected, identity)
        return Wanted(
            key,
            picture.names,
            partial(self._render, picture, injected, identity),
            self._lifetime,
            self.options.timeout,
            self.options.error_backoff,
            is_failure,
            partial(make_version_etag, key) if series else None,
            lambda begins: self._renders().admit(begins),
            lambda: self._renders().before_wait(),
            series,
            lambda: self._renders().clock(),
            jitter_key=picture.png_key or picture.key,
            derivation=derivation,
        )

    def _derivation(
        self,
        picture: Picture,
        injected: Mapping[str, object],
        identity: tuple[str, ...],
    ) -> Derivation:
        """Return the derivation of *picture* from the PNG of the same draw."""
        variant, key = replace(picture.variant, format=PNG), picture.png_key
        png = replace(picture, variant=variant, key=key, png_key="", wanted=None)
        master = self._identify(png, injected, identity)
        return Derivation(master, partial(self._encode, picture, injected))

    def injected(
        self, given: Mapping[str, object] = MappingProxyType({})
    ) -> dict[str, object]:
        """Return copies of the injected values, *given* or from ``inject``.

        Without a copy, a list that changes later would be drawn with its old key.

        :raises ConfigError: if a value can't be part of a key.
        """
        injected = {
            name: given[name] if name in given else self._call_inject(name, call)
            for name, call in self._inject.items()
        }
        self._texts_of(injected)  # Rejects other values.
        return _copy_values(injected)

    def _call_inject(self, name: str, call: Callable[[], object]) -> object:
        """Return the value that *call* injects. Explain errors without a request."""
        try:
            return call()
        except Exception as error:
            if not has_request_context():
                error.add_note(
                    f"There is no request for {self._injection(name)} to read. "
                    f"Set the value with _inject={{{name!r}: …}}."
                )
            raise

    def _injection(self, name: str) -> str:
        return f"inject[{name!r}] of {self.recipe.source}"

    def _version_text(
        self, arguments: Arguments, injected: Mapping[str, object]
    ) -> str:
        assert self._version is not None
        version = self._version(**arguments.copy(), **_copy_values(injected))
        if version is None:  # Unknown, such as for an empty table: no immutable URL.
            return ""
        text = fingerprint(version, f"version of {self.recipe.source}")
        return digest(self._identity, self._owner(), text)[:16]

    def _render(
        self,
        picture: Picture,
        injected: Mapping[str, object],
        identity: tuple[str, ...],
        deadline: Deadline,
        payer: str | None,
        date: str | None,
    ) -> RenderedImage:
        values = {**picture.arguments.copy(), **_copy_values(injected)}
        variant, origin = picture.variant, None
        if date is not None:
            data = (picture.arguments.canonical, *identity, date)
            origin = Origin(digest(self._identity, picture.owner, *data), self._keep_s)
        image = self._renders().render(
            self.recipe, values, variant, deadline, payer, origin
        )
        self.natural_size.note(image, variant)
        return image

    def _encode(
        self,
        picture: Picture,
        injected: Mapping[str, object],
        png: RenderedImage,
        deadline: Deadline,
        payer: str | None,
    ) -> RenderedImage:
        values = {**picture.arguments.copy(), **_copy_values(injected)}
        return self._renders().derive(
            self.recipe, values, picture.variant, png, deadline, payer
        )


def _copy_values(values: Mapping[str, object]) -> dict[str, object]:
    """Return copies of *values* that a function may modify."""
    return {name: copy_value(value) for name, value in values.items()}


def _make_recipe(
    endpoint: str,
    function: Callable[..., object],
    parameters: Parameters,
    options: RouteOptions,
) -> Recipe:
    light = Look(options.style, options.savefig)
    dark = light.darken(options.dark_style)
    return Recipe(
        endpoint,
        function,
        options.load,
        select_accepted(parameters.names, options.load) if options.load else (),
        tuple(parameter.name for parameter in parameters),
        {p.name: p.default for p in parameters if not p.is_required},
        {Theme.LIGHT: light, Theme.DARK: dark},
        Limits(options.max_pixels, options.max_bytes),
        Meaning(summarize(function), options.alt),
    )


def _list_derived_formats(options: RouteOptions) -> frozenset[ImageFormat]:
    """Return the formats that are encoded from the PNG of the same draw."""
    if PNG not in options.formats or not keeps_pixels(options.savefig):
        return frozenset()
    return frozenset(f for f in options.formats if f.is_raster and f is not PNG)


def _list_guards(blueprint: str, options: RouteOptions) -> list[str]:
    """Return the blueprints that make a route private with a ``before_request``.

    If the option ``private`` is set, there are none.
    """
    if options.private is not None:
        return []
    return list(accumulate(blueprint.split("."), "{}.{}".format))


def _digest_declaration(recipe: Recipe, options: RouteOptions) -> str:
    """Return a digest of the code and the options that affect the picture."""
    code = [_code_of(call) for call in (recipe.function, options.load) if call]
    styles = [look.style for look in recipe.looks.values()]
    savefig = sorted(options.savefig.items())
    look = (savefig, styles, options.alt, MATPLOTLIB_VERSION, _VERSION)
    return digest(repr((recipe.source, recipe.endpoint, look, code)))


def tag_name(tag: str) -> str:
    """Return the name that is used to invalidate pictures with *tag*."""
    return f"tag {tag}"


def _code_of(function: Callable[..., Any]) -> str:
    """Return the code of *function* as text, so that a change results in a new key."""
    plain = find_plain_function(function)
    bound = _bound_to(function) if isinstance(function, partial) else ""
    source = read_source(plain)
    return (source or _text_of(getattr(plain, "__code__", None))) + bound


def _bound_to(call: partial[Any]) -> str:
    """Return the bound arguments of *call* as text, the same in all processes."""
    texts = []
    for name, value in [*enumerate(call.args), *call.keywords.items()]:
        with suppress(ConfigError):  # The value has no stable text.
            texts.append(f"{name}={fingerprint(value, 'a partial')}")
    return repr(texts)


def _text_of(value: object) -> str:
    if isinstance(value, frozenset):  # Its order differs between processes.
        return repr(sorted(map(_text_of, value)))
    if isinstance(value, tuple):
        return repr([_text_of(item) for item in value])
    if not isinstance(value, CodeType):
        return repr(value)
    constants = [_text_of(constant) for constant in value.co_consts]
    return repr((value.co_code.hex(), value.co_names, constants))
