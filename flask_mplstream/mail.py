"""Pictures in e-mail: the related parts of a message (RFC 2387, RFC 2392).

Values layer: the standard library and ``errors``.
"""

from __future__ import annotations

from email.message import MIMEPart

from .errors import MessageError, MessageTypeError


def attach(
    message: MIMEPart, body: bytes, mimetype: str, content_id: str, filename: str
) -> None:
    """Add *body* as a related part of the HTML in *message*, at most once.

    :param content_id: the ``Content-ID``, including its angle brackets.
    :param filename: the name in mail clients that list pictures as attachments.
    :raises MessageError: if *message* is no ``EmailMessage`` or has no HTML part.
    """
    place = _related_part(message)
    if any(part["Content-ID"] == content_id for part in place.iter_parts()):
        return
    maintype, subtype = mimetype.split("/")
    place.add_related(
        body,
        maintype=maintype,
        subtype=subtype,
        cid=content_id,
        filename=filename,
        disposition="inline",
    )


def _related_part(message: MIMEPart) -> MIMEPart:
    """Return the related part around the HTML part, or else the HTML part."""
    if not isinstance(message, MIMEPart):
        raise MessageTypeError(
            f"The message is {_a(type(message).__name__)}, which cannot be extended. "
            f"Make an email.message.EmailMessage, or read a text with "
            f"email.message_from_bytes(…, policy=email.policy.default)."
        )
    html = message.get_body(("html",))
    if html is None:
        raise MessageError(
            "The message has no HTML part to show the picture in. Call "
            "message.add_alternative(html, subtype='html') before attach_to(message)."
        )
    around = message.get_body(("related",))
    is_around = around is not None and around.get_body(("html",)) is html
    return around if around is not None and is_around else html


def _a(name: str) -> str:
    return f"an {name}" if name[:1].upper() in "AEIOU" else f"a {name}"
