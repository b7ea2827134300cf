"""The errors that the package raises.

Values layer. This module doesn't import anything from the package. Each error also
inherits from a built-in exception, so you can catch it with ``except ValueError``, for
example. :mod:`flask_mplstream.http` maps the classes to HTTP status codes::

    MplStreamError
    ├── ConfigError (ValueError)          a bad option, setting or signature
    ├── ArgumentsError (ValueError)       bad arguments in a request
    ├── SignatureError (PermissionError)  a URL with a missing or bad signature
    ├── InnerFigureError (RuntimeError)   bad arguments for a figure inside a figure
    ├── FigureTypeError (TypeError)       a figure function returned no figure
    ├── ImageTooLargeError (ValueError)   a picture over a limit
    ├── TexError (ValueError)             text that requires LaTeX
    ├── MessageError (ValueError)         an e-mail message without an HTML part
    │   └── MessageTypeError (TypeError)  a message that is not an EmailMessage
    ├── UnknownFigureError (LookupError)  no such figure route
    ├── UnknownTagError (LookupError)     no figure route has the tag
    ├── RenderTimeoutError (TimeoutError) waited too long for a picture
    │   └── SlowRenderError               the render itself took too long
    ├── OverloadedError (RuntimeError)    no capacity, or no time, for a render
    │   └── BudgetError                   a client has used up its render time
    ├── WorkerDiedError (RuntimeError)    a worker died during a render
    ├── RemoteError (RuntimeError)        an error in another thread or process
    └── CacheDownError (RuntimeError)     the cache rejected an invalidation
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches


class MplStreamError(Exception):
    """The base class of all errors that this package raises."""

    #: Whether a picture has too many bytes in this format; another may have fewer.
    is_over_max_bytes = False


class ConfigError(MplStreamError, ValueError):
    """An option, a setting or a signature is not valid.

    This is usually raised when the app starts. It is raised during a request if a value
    from ``inject`` or ``version`` can't be part of a cache key, or if the cache can't
    be used.
    """


#: The reason in the fault of an unknown argument.
NO_SUCH_ARGUMENT = "There is no such argument."


@dataclass(frozen=True, slots=True)
class ArgumentFault:
    """A problem with one argument of a request."""

    #: Name of the argument, as in the URL.
    name: str
    #: The given value, cut to a readable length; ``None`` if it is missing.
    value: str | None
    #: The problem, as a full sentence.
    reason: str
    #: The accepted values, in words.
    accepted: str
    #: The known name closest to an unknown one, if any.
    nearest: str | None = None
    #: The fix, as a full sentence; empty if :attr:`accepted` is sufficient.
    hint: str = ""

    @property
    def is_unknown(self) -> bool:
        """Whether the function doesn't have an argument with this name."""
        return self.reason == NO_SUCH_ARGUMENT

    @property
    def explanation(self) -> str:
        """The problem and how to fix it, without the name of the argument."""
        fix = f"Did you mean {self.nearest!r}?" if self.nearest else self.hint
        if fix:
            return f"{self.reason.rstrip('.')} (accepted: {self.accepted}). {fix}"
        return f"{self.reason} Accepted: {self.accepted}."

    def suggest_reserved(self, words: Collection[str]) -> ArgumentFault:
        """Return the fault; suggest a name in *words* if only its ``_`` is missing."""
        meant = f"_{self.name.rstrip('_')}"
        is_meant = self.is_unknown and meant in words
        return replace(self, nearest=meant) if is_meant else self

    def __str__(self) -> str:
        given = "" if self.value is None else f" = {self.value!r}"
        return f"{self.name}{given}: {self.explanation}"


class ArgumentsError(MplStreamError, ValueError):
    """A request or a call of ``figure_url`` has invalid arguments."""

    def __init__(self, faults: Sequence[ArgumentFault]) -> None:
        super().__init__(faults)
        #: Faults of the bad arguments: unknown names, then signature order.
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return " ".join(map(str, self.faults))


class SignatureError(MplStreamError, PermissionError):
    """The URL of a signed route has expired or doesn't have a valid signature."""


class KeptFigureError(MplStreamError, RuntimeError):
    """A picture of a kept figure differs from that of a new one."""


class InnerFigureError(MplStreamError, RuntimeError):
    """A figure function requested another figure with invalid arguments."""


class FigureTypeError(MplStreamError, TypeError):
    """A figure function didn't return a figure, or returned more than one."""


class ImageTooLargeError(MplStreamError, ValueError):
    """A picture, or the data in it, exceeds its limit."""

    #: Whether the picture is within the limit at scale 1.
    is_scaled = False


class TexError(MplStreamError, ValueError):
    """A figure has text that requires LaTeX."""


class MessageError(MplStreamError, ValueError):
    """A picture cannot be attached to an e-mail message."""


class MessageTypeError(MessageError, TypeError):
    """An e-mail message is not an ``email.message.EmailMessage``."""


class UnknownFigureError(MplStreamError, LookupError):
    """No figure route has this endpoint."""


class UnknownTagError(MplStreamError, LookupError):
    """No figure route of the app has this tag."""


class RenderTimeoutError(MplStreamError, TimeoutError):
    """A picture was not ready in time."""


class SlowRenderError(RenderTimeoutError):
    """A render took longer than ``timeout``. It was stopped if that was possible."""


class OverloadedError(MplStreamError, RuntimeError):
    """The server was too busy for another render.

    :param fix: what the operator of the server can do, for the log.
    """

    def __init__(self, *args: object, fix: str = "") -> None:
        super().__init__(*args)
        self.fix = fix


class BudgetError(OverloadedError):
    """A client has used up its rendering time.

    :param retry_after_s: the number of seconds after which the client can try again.
    """

    def __init__(self, message: str, retry_after_s: int) -> None:
        fix = "Raise MPLSTREAM_CLIENT_BUDGET if ordinary visitors use theirs up."
        super().__init__(message, retry_after_s, fix=fix)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return str(self.args[0])


class WorkerDiedError(MplStreamError, RuntimeError):
    """A worker died or the executor broke, and the render couldn't be repeated."""


class RemoteError(MplStreamError, RuntimeError):
    """An error was raised in another thread or process, and it can't be copied."""


class CacheDownError(MplStreamError, RuntimeError):
    """The cache couldn't store an invalidation."""


#: Maximum characters of a text from a request in a message.
SHOWN_LENGTH = 60

#: Characters of a line in the log.
MAX_LOG_LINE = 1000


def cut(text: str) -> str:
    """Shorten *text* to ``SHOWN_LENGTH`` characters."""
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 1]}…"


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the name in *known* that is most similar to *name*, or ``None``.

    Case is ignored, and so is a leading ``_``, because all reserved names have one. A
    long name is cut first, because the search takes quadratic time.
    """
    names = {_fold_case(one): one for one in known}
    found = get_close_matches(_fold_case(name), names, n=1, cutoff=0.5)
    return names[found[0]] if found else None


def _fold_case(name: str) -> str:
    return cut(name).lstrip("_").casefold()


def suggest(name: object, known: Sequence[str]) -> str:
    """Return "Did you mean …?" with the name most similar to *name*, if any."""
    guess = nearest(str(name), known)
    return f"Did you mean {guess!r}?" if guess else ""
