"""The error tree of the package.

Values layer: imports nothing from the package. Each error also inherits from the
built-in exception that it specializes, so ``except ValueError`` works.
:mod:`flask_mplstream.http` maps the classes to HTTP statuses::

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
    """Base class of all errors of this package."""


class ConfigError(MplStreamError, ValueError):
    """An option, a setting or a signature that cannot work.

    Most are raised when the app starts. A request raises one if a value of ``inject``
    or ``version`` cannot be part of a cache key, or if the cache cannot work.
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
        """Whether the function has no argument with this name."""
        return self.reason == NO_SUCH_ARGUMENT

    @property
    def explanation(self) -> str:
        """The problem and the fix, in two sentences that do not name the argument."""
        fix = f"Did you mean {self.nearest!r}?" if self.nearest else self.hint
        if fix:
            return f"{self.reason.rstrip('.')} (accepted: {self.accepted}). {fix}"
        return f"{self.reason} Accepted: {self.accepted}."

    def suggest_reserved(self, words: Collection[str]) -> ArgumentFault:
        """Return the fault; suggest the one of *words* that lacks only its ``_``."""
        meant = f"_{self.name.rstrip('_')}"
        is_meant = self.is_unknown and meant in words
        return replace(self, nearest=meant) if is_meant else self

    def __str__(self) -> str:
        given = "" if self.value is None else f" = {self.value!r}"
        return f"{self.name}{given}: {self.explanation}"


class ArgumentsError(MplStreamError, ValueError):
    """Bad arguments in a request or in a call of ``figure_url``."""

    def __init__(self, faults: Sequence[ArgumentFault]) -> None:
        super().__init__(faults)
        #: Faults of the bad arguments: unknown names, then signature order.
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return " ".join(map(str, self.faults))


class SignatureError(MplStreamError, PermissionError):
    """A URL of a signed route has no valid signature, or has expired."""


class InnerFigureError(MplStreamError, RuntimeError):
    """A figure function requested another figure with bad arguments."""


class FigureTypeError(MplStreamError, TypeError):
    """A figure function returned an object that is not one figure."""


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
    """A render took longer than ``timeout``; if possible, it was ended."""


class OverloadedError(MplStreamError, RuntimeError):
    """The server had no capacity, or no time, for another render.

    :param fix: advice for the operator of the server, for the log.
    """

    def __init__(self, *args: object, fix: str = "") -> None:
        super().__init__(*args)
        self.fix = fix


class BudgetError(OverloadedError):
    """A client has used up its render time.

    :param retry_after_s: seconds until the client has render time again.
    """

    def __init__(self, message: str, retry_after_s: int) -> None:
        fix = "Raise MPLSTREAM_CLIENT_BUDGET if ordinary visitors use theirs up."
        super().__init__(message, retry_after_s, fix=fix)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return str(self.args[0])


class WorkerDiedError(MplStreamError, RuntimeError):
    """A worker died or the executor broke, and a retry failed or was impossible."""


class RemoteError(MplStreamError, RuntimeError):
    """The message of an error in another thread or process that cannot be copied."""


class CacheDownError(MplStreamError, RuntimeError):
    """The cache rejected an invalidation, which must not be lost."""


#: Maximum characters of a text from a request in a message.
SHOWN_LENGTH = 60

#: Characters of a line in the log.
MAX_LOG_LINE = 1000


def cut(text: str) -> str:
    """Shorten *text* to ``SHOWN_LENGTH`` characters."""
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 1]}…"


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the name in *known* that *name* probably means, or ``None``.

    Case and a leading ``_``, common to all reserved names, are ignored. The name is cut
    first, because the time grows with the square of its length.
    """
    names = {_fold_case(one): one for one in known}
    found = get_close_matches(_fold_case(name), names, n=1, cutoff=0.5)
    return names[found[0]] if found else None


def _fold_case(name: str) -> str:
    return cut(name).lstrip("_").casefold()


def suggest(name: object, known: Sequence[str]) -> str:
    """Return "Did you mean …?" with the name nearest to *name*, or an empty text."""
    guess = nearest(str(name), known)
    return f"Did you mean {guess!r}?" if guess else ""
