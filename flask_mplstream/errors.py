"""The errors of the package, one tree.

Values layer: imports nothing of the package. Each error also inherits the
builtin that it specialises, so that ``except ValueError`` keeps working. Which
HTTP status an error has is decided in one place, :mod:`flask_mplstream.http`::

    MplStreamError
    ├── ConfigError (ValueError)       the app is set up wrongly
    ├── ArgumentsError (ValueError)    a request's arguments are not accepted
    ├── SignatureError (PermissionError) a URL that was not signed here
    ├── InnerFigureError (RuntimeError) a figure function asked for a figure wrongly
    ├── FigureTypeError (TypeError)    a figure function returned no figure
    ├── ImageTooLargeError (ValueError)  a picture is over a limit
    ├── TexError (ValueError)          a figure wants LaTeX
    ├── MessageError (ValueError)      an e-mail message has no HTML part
    │   └── MessageTypeError (TypeError) it is no EmailMessage
    ├── UnknownFigureError (LookupError) no such figure route
    ├── UnknownTagError (LookupError)  no figure route has the tag
    ├── RenderTimeoutError (TimeoutError) waited too long for a picture
    │   └── SlowRenderError            the render itself took too long
    ├── OverloadedError (RuntimeError) no room, or no time, for a render
    │   └── BudgetError                a client has used up its render time
    ├── WorkerDiedError (RuntimeError) a worker did not survive a render
    ├── RemoteError (RuntimeError)     a worker's error that cannot travel
    └── CacheDownError (RuntimeError)  an invalidation was not taken
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches


class MplStreamError(Exception):
    """Root of all errors that this package raises."""


class ConfigError(MplStreamError, ValueError):
    """An option, a setting or a signature that cannot work.

    Most are raised when the app starts. A value of ``inject`` or ``version`` that no
    cache key can hold, and a cache that cannot work, are found out by a request.
    """


#: The reason of a fault in an argument's name.
NO_SUCH_ARGUMENT = "There is no such argument."


@dataclass(frozen=True, slots=True)
class ArgumentFault:
    """What is wrong with one argument of a request."""

    #: Name of the argument, as it stands in the URL.
    name: str
    #: What was given, cut to a readable length; ``None`` where nothing was.
    value: str | None
    #: Why it is not accepted, a full sentence.
    reason: str
    #: What would be accepted, in words.
    accepted: str
    #: The known name that is nearest to an unknown one.
    nearest: str | None = None
    #: How to correct it, a full sentence; empty if :attr:`accepted` says it.
    hint: str = ""

    @property
    def is_unknown(self) -> bool:
        """Whether there is no argument of this name."""
        return self.reason == NO_SUCH_ARGUMENT

    @property
    def explanation(self) -> str:
        """The problem and the fix, in two sentences that do not name the argument."""
        fix = f"Did you mean {self.nearest!r}?" if self.nearest else self.hint
        if fix:
            return f"{self.reason.rstrip('.')} (accepted: {self.accepted}). {fix}"
        return f"{self.reason} Accepted: {self.accepted}."

    def suggest_reserved(self, words: Collection[str]) -> ArgumentFault:
        """Return this fault with the one of *words* that was written without ``_``."""
        meant = f"_{self.name.rstrip('_')}"
        is_meant = self.is_unknown and meant in words
        return replace(self, nearest=meant) if is_meant else self

    def __str__(self) -> str:
        given = "" if self.value is None else f" = {self.value!r}"
        return f"{self.name}{given}: {self.explanation}"


class ArgumentsError(MplStreamError, ValueError):
    """The arguments of a request, or of ``figure_url``, are not accepted."""

    def __init__(self, faults: Sequence[ArgumentFault]) -> None:
        super().__init__(faults)
        #: One fault for each bad argument, in the order of the signature.
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return " ".join(map(str, self.faults))


class SignatureError(MplStreamError, PermissionError):
    """A URL of a signed route was not made by ``figure_url``, or is too old."""


class InnerFigureError(MplStreamError, RuntimeError):
    """A figure function asked for another figure with arguments it does not take."""


class FigureTypeError(MplStreamError, TypeError):
    """A figure function returned something that is not one figure."""


class ImageTooLargeError(MplStreamError, ValueError):
    """A picture, or the data in it, is larger than its limit allows."""

    #: Whether it would be within the limit at scale 1.
    is_scaled = False


class TexError(MplStreamError, ValueError):
    """A figure has text that LaTeX would have to set."""


class MessageError(MplStreamError, ValueError):
    """An e-mail message has no place for a picture."""


class MessageTypeError(MessageError, TypeError):
    """An e-mail message is not an ``email.message.EmailMessage``."""


class UnknownFigureError(MplStreamError, LookupError):
    """No figure route has this endpoint."""


class UnknownTagError(MplStreamError, LookupError):
    """No figure route of the app has this tag."""


class RenderTimeoutError(MplStreamError, TimeoutError):
    """A picture was not ready in time."""


class SlowRenderError(RenderTimeoutError):
    """A render took longer than ``timeout``; where it can be, it was ended."""


class OverloadedError(MplStreamError, RuntimeError):
    """There is no room, or was no time, for one more render.

    :param fix: what the operator of the server can do, for the log.
    """

    def __init__(self, *args: object, fix: str = "") -> None:
        super().__init__(*args)
        self.fix = fix


class BudgetError(OverloadedError):
    """A client has used up its render time.

    :param retry_after_s: seconds until there is some again.
    """

    def __init__(self, message: str, retry_after_s: int) -> None:
        fix = "Raise MPLSTREAM_CLIENT_BUDGET if ordinary visitors use theirs up."
        super().__init__(message, retry_after_s, fix=fix)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return str(self.args[0])


class WorkerDiedError(MplStreamError, RuntimeError):
    """The process that rendered a picture ended, and so did the next one."""


class RemoteError(MplStreamError, RuntimeError):
    """An error in another thread or process, in words, as it cannot be copied."""


class CacheDownError(MplStreamError, RuntimeError):
    """The cache did not take what must not get lost: an invalidation."""


#: Characters of a text from a request that a message shows.
SHOWN_LENGTH = 60


def cut(text: str) -> str:
    """*text*, or its beginning where it is too long to be shown."""
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 1]}…"


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the one of *known* that *name* was probably meant to be, or ``None``.

    Case does not count, nor does a ``_`` in front, which all reserved names share. The
    time grows with the square of a name's length, so that it is cut first.
    """
    names = {_core(one): one for one in known}
    found = get_close_matches(_core(name), names, n=1, cutoff=0.5)
    return names[found[0]] if found else None


def _core(name: str) -> str:
    return cut(name).lstrip("_").casefold()
