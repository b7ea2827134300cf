"""A rendered image, which can be used on pages, in notebooks and in e-mail.

Values layer. This module only imports ``formats``, ``errors``, ``http.etag`` and
MarkupSafe.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from email.message import MIMEPart
from typing import Any

from markupsafe import Markup

from .errors import MessageError, MessageTypeError
from .formats import ImageFormat
from .http.etag import digest_body, make_etag

#: Formats that browsers show in an ``<img>``, but notebooks do not as an output.
_UNKNOWN_TO_NOTEBOOKS = ("avif", "webp")


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """A rendered picture, with the metadata that is needed to send or embed it."""

    body: bytes = field(repr=False)
    format: ImageFormat
    #: Width in pixels; for SVG, PDF and text, the width of the same picture as PNG.
    width_px: int
    #: Height in pixels; for SVG, PDF and text, the height of the same picture as PNG.
    height_px: int
    #: The alternative text, or a function that reads it; ``None`` if it was not read.
    words: str | Callable[[], str] | None = field(
        default=None, kw_only=True, repr=False, hash=False
    )
    #: Seconds per step, in order: ``load``, ``wait``, ``build`` and ``keep`` (or
    #: ``copy``, of a kept figure), ``layout``, ``draw``, ``encode``. Skipped steps are
    #: absent.
    timings_s: tuple[tuple[str, float], ...] = field(default=(), compare=False)
    #: Seconds from the load of its data, or else from the build, to its completion.
    age_s: float = field(default=0.0, kw_only=True, compare=False)

    @property
    def alt(self) -> str:
        """The alternative text; empty if it was not read."""
        return self.words() if callable(self.words) else self.words or ""

    @property
    def mimetype(self) -> str:
        """The media type, such as ``image/png``."""
        return self.format.mimetype

    @property
    def etag(self) -> str:
        """The strong entity tag of the body, quoted (RFC 9110 section 8.8.3)."""
        return make_etag(self.body)

    @property
    def content_id(self) -> str:
        """The ``Content-ID`` of the picture in a message, ``<…>`` (RFC 2392).

        It is computed from the bytes, so it is the same in every process for equal
        pictures, and different for different ones.
        """
        return f"<{self._digest}.{self.format.name}@flask-mplstream.invalid>"

    @property
    def cid_url(self) -> str:
        """The URL of the picture in the HTML of a message: ``cid:…`` (RFC 2392)."""
        return f"cid:{self.content_id[1:-1]}"

    @property
    def _digest(self) -> str:
        return digest_body(self.body)

    def attach_to(self, message: MIMEPart) -> None:
        """Attach the picture to the HTML part of *message* that uses :attr:`cid_url`.

        If the message already contains the picture, it isn't added again.

        :raises MessageError: if *message* isn't an ``EmailMessage`` or doesn't have an
            HTML part, or if the format is text.
        """
        if self.format.is_text:
            raise MessageError(
                f"The image is {self.format.name}, which a message cannot show. "
                f"Request png or jpg, or write the text into the message."
            )
        filename = f"figure-{self._digest[:8]}.{self.format.name}"
        html = _find_related_part(message)
        if any(part["Content-ID"] == self.content_id for part in html.iter_parts()):
            return
        maintype, subtype = self.mimetype.split("/")
        html.add_related(
            self.body,
            maintype=maintype,
            subtype=subtype,
            cid=self.content_id,
            filename=filename,
            disposition="inline",
        )

    def data_uri(self) -> str:
        """Return the picture as a ``data:`` URI, for e-mail and single-file pages."""
        return f"data:{self.mimetype};base64,{b64encode(self.body).decode('ascii')}"

    def _repr_mimebundle_(
        self,
        include: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the data and metadata for each media type, for Jupyter notebooks.

        https://ipython.readthedocs.io/en/stable/config/integrating.html
        """
        data = {
            mimetype: content
            for mimetype, content in self._by_mimetype().items()
            if (not include or mimetype in include) and mimetype not in (exclude or ())
        }
        has_alt = self.alt and not self.format.is_text and self.mimetype in data
        return data, {self.mimetype: {"alt": self.alt}} if has_alt else {}

    def _by_mimetype(self) -> dict[str, Any]:
        """Return the picture for each media type, with binary formats in base64."""
        if self.format.is_text:
            text = self.body.decode()
            is_json = self.format.name == "json"
            return {
                self.mimetype: json.loads(text) if is_json else text,
                "text/plain": text,
            }
        plain = {"text/plain": self.alt or repr(self)}
        if self.format.name == "svg":
            return {self.mimetype: self.body.decode(), **plain}
        bundle = {self.mimetype: b64encode(self.body).decode("ascii"), **plain}
        if self.format.name in _UNKNOWN_TO_NOTEBOOKS:
            bundle["text/html"] = str(
                Markup('<img src="{}" alt="{}">').format(self.data_uri(), self.alt)
            )
        return bundle


def _find_related_part(message: MIMEPart) -> MIMEPart:
    """Return the related part that contains the HTML part, or the HTML part itself."""
    if not isinstance(message, MIMEPart):
        raise MessageTypeError(
            f"{type(message)!r} is not an EmailMessage. Create an "
            f"email.message.EmailMessage, or parse the text with "
            f"email.message_from_bytes(…, policy=email.policy.default)."
        )
    html = message.get_body(("html",))
    if html is None:
        raise MessageError(
            "The message has no HTML part for the picture. Call "
            "message.add_alternative(html, subtype='html') before attach_to(message)."
        )
    around = message.get_body(("related",))
    is_around = around is not None and around.get_body(("html",)) is html
    return around if around is not None and is_around else html
