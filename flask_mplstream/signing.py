"""Signed URLs: what ``figure_url`` made, and nothing else.

Flask side. The path, every argument and the time of expiry are under the
signature, by their meaning: a proxy that spells a URL another way breaks none.
"""

from __future__ import annotations

import hashlib
import json
import math
from time import time
from urllib.parse import unquote, urlsplit

from flask import Flask, has_request_context, request
from itsdangerous import Signer

from .errors import ConfigError, SignatureError
from .parameters import Arguments

#: Expiry times lie on a grid this many times finer than the URL's life, so that
#: a URL stays the same for a while and caches hit.
GRID = 10


class UrlSigner:
    """Signs and checks the URLs of *app* with its ``SECRET_KEY``.

    ``SECRET_KEY_FALLBACKS`` are accepted too, as for sessions.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app

    def sign(
        self,
        url: str,
        arguments: Arguments,
        reserved: Arguments,
        expires_in_s: float | None,
    ) -> str:
        """The value of ``_sig`` for *url*, which means *arguments* and *reserved*.

        :raises ConfigError: where the app has no ``SECRET_KEY``.
        """
        path = unquote(urlsplit(url).path).removeprefix(self._root())
        expires = "" if expires_in_s is None else str(_expires_at(expires_in_s))
        message = _message(path, arguments, reserved, expires)
        signature = self._signer().get_signature(message).decode("ascii")
        return f"{expires}.{signature}"

    def check(self, path: str, arguments: Arguments, reserved: Arguments) -> int | None:
        """When the URL expires, Unix time; ``None`` where it never does.

        :param path: the request's, below the app's root.
        :raises SignatureError: where ``_sig`` in *reserved* is not ours.
        """
        expires, _, signature = reserved.values["_sig"].partition(".")
        message = _message(path, arguments, reserved, expires)
        if not self._signer().verify_signature(message, signature.encode()):
            raise SignatureError("The URL is not signed, or was changed.")
        return int(expires) if expires else None

    def _root(self) -> str:
        if has_request_context():
            return request.script_root
        return str(self._app.config["APPLICATION_ROOT"]).rstrip("/")

    def _signer(self) -> Signer:
        key = self._app.secret_key
        if not key:
            raise ConfigError(
                "Signed URLs need a secret: set app.secret_key (SECRET_KEY)."
            )
        old = self._app.config.get("SECRET_KEY_FALLBACKS") or []
        return Signer(
            [*old, key],
            salt="flask_mplstream.url",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )


#: Not under the signature: itself, and the version, which chooses no picture and
#: which a page's script changes to reload one.
_UNSIGNED = ("_sig", "_v")


def _message(
    path: str, arguments: Arguments, reserved: Arguments, expires: str
) -> bytes:
    named = {n: text for n, text in reserved.query.items() if n not in _UNSIGNED}
    signed = [path, arguments.canonical, named, expires]
    return json.dumps(signed, sort_keys=True).encode()


def _expires_at(expires_in_s: float) -> int:
    expires = math.ceil(time() + expires_in_s)
    return expires - expires % max(int(expires_in_s / GRID), 1)
