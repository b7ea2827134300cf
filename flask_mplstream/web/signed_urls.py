"""Sign URLs and verify their signatures.

Flask side. The signature covers the figure, the host, the path, the arguments and the
time at which the URL expires. It doesn't depend on how they are spelled, so a proxy may
encode the URL in a different way. Injected values aren't covered, because they come
from the request.
"""

from __future__ import annotations

import hashlib
import json
import math
from time import time
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from flask import Flask, Request, has_request_context, request
from itsdangerous import Signer

from ..errors import ConfigError, SignatureError
from ..parameters.canonical import Arguments

#: Error messages.
EXPIRED = "The URL has expired. Make a new one with figure_url() or figure()."
NOT_SIGNED = (
    "The URL is unsigned or was changed. Make it with figure_url() or figure()."
)

#: Expiry times are rounded down to a multiple of the lifetime divided by this, so that
#: a URL stays the same for a while and caches hit.
GRID = 10


class Place(NamedTuple):
    """The figure, the host and the path of a URL."""

    endpoint: str
    #: The host if the app matches hosts or subdomains, else empty.
    host: str
    #: The path under which the app is mounted.
    root: str
    #: The path below the root.
    path: str


class UrlSigner:
    """A signer for URLs, which uses the ``SECRET_KEY`` of *app*.

    Signatures made with ``SECRET_KEY_FALLBACKS`` are valid as well, as for sessions.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app

    def sign(
        self,
        endpoint: str,
        url: str,
        arguments: Arguments,
        reserved: Arguments,
        expires_in_s: float | None,
    ) -> str:
        """Return the value of ``_sig`` for *url*.

        :param url: the absolute URL of *endpoint* with *arguments* and *reserved*.
        :param expires_in_s: the lifetime in seconds, or ``None`` if it doesn't expire.
        :raises ConfigError: if the app doesn't have a ``SECRET_KEY``.
        """
        parts, root = urlsplit(url), self._root()
        path = unquote(parts.path).removeprefix(root)
        place = Place(endpoint, self._host(parts.netloc), root, path)
        expires = "" if expires_in_s is None else str(_expires_at(expires_in_s))
        message = _message(place, arguments, reserved, expires)
        signature = self._signer().get_signature(message).decode("ascii")
        return f"{expires}.{signature}"

    def place_of(self, endpoint: str, request: Request) -> Place:
        """Return the place in *request*, which is for *endpoint*."""
        host = self._host(request.host)
        return Place(endpoint, host, request.script_root, request.path)

    def check(
        self, place: Place, arguments: Arguments, reserved: Arguments
    ) -> int | None:
        """Return the Unix time at which the URL expires, or ``None`` if it doesn't.

        The caller has to check whether this time has passed.

        :raises SignatureError: if ``_sig`` in *reserved* isn't valid.
        """
        expires, _, signature = reserved.values["_sig"].partition(".")
        message = _message(place, arguments, reserved, expires)
        if not self._signer().verify_signature(message, signature.encode()):
            raise SignatureError(NOT_SIGNED)
        return int(expires) if expires else None

    def _host(self, host: str) -> str:
        """Return *host* without a default port, if the app matches hosts."""
        if not (self._app.url_map.host_matching or self._app.subdomain_matching):
            return ""
        return host.lower().removesuffix(":80").removesuffix(":443")

    def _root(self) -> str:
        if has_request_context():
            return request.script_root
        return str(self._app.config["APPLICATION_ROOT"]).rstrip("/")

    def _signer(self) -> Signer:
        key = self._app.secret_key
        if not key:
            raise ConfigError("Signed URLs require a SECRET_KEY. Set app.secret_key.")
        old = self._app.config.get("SECRET_KEY_FALLBACKS") or []
        return _signer([*old, key], "flask_mplstream.url")


def authenticate(app: Flask, text: str) -> str:
    """Return 128 bits of an HMAC of *text* that uses the ``SECRET_KEY`` of *app*.

    ``SECRET_KEY_FALLBACKS`` aren't used, so the URLs on pages change immediately.
    """
    signer = _signer([app.secret_key], "flask_mplstream.version")
    return signer.get_signature(text).decode("ascii")[:22]


def _signer(keys: list[Any], salt: str) -> Signer:
    """Return a signer that signs with the last of *keys* and accepts all of them.

    :param salt: distinguishes signatures that are used for different purposes.
    """
    return Signer(keys, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)


#: Reserved arguments that are not signed: the signature, and the version, which a
#: page's script changes to reload a picture and which does not select one.
_UNSIGNED = ("_sig", "_v")


def _message(
    place: Place, arguments: Arguments, reserved: Arguments, expires: str
) -> bytes:
    named = {n: text for n, text in reserved.query.items() if n not in _UNSIGNED}
    signed = [*place, arguments.canonical, named, expires]
    return json.dumps(signed, sort_keys=True).encode()


def _expires_at(expires_in_s: float) -> int:
    expires = math.ceil(time() + expires_in_s)
    return expires - expires % max(int(expires_in_s / GRID), 1)
