"""Database connections that a request holds while it waits for a picture.

Flask side. A figure function has a separate app context, so its queries need a second
connection. If every request that waits holds one, a pool of 15 is empty at 15 requests
and the render that they wait for gets none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import current_app, g, has_app_context

#: What the log and the debug answer add to a pool's timeout.
POOL_HINT = (
    "All database connections are in use: requests may hold one each while they wait "
    "for a picture. Commit or close the session before figure() or in version and "
    "inject, name a function that does so in MPLSTREAM_BEFORE_WAIT, or raise pool_size."
)


def release_connections() -> None:
    """Give back the connections of Flask-SQLAlchemy sessions that have only read.

    Objects stay attached, and keep what was loaded. A session with changes that are
    not committed keeps its transaction, and its connection.
    """
    if has_app_context():
        for session in _open_sessions():
            if _has_only_read(session):
                _end_transaction(session)


def _open_sessions() -> Iterator[Any]:
    """The sessions of the current app context, of Flask-SQLAlchemy and its Lite."""
    scoped = getattr(current_app.extensions.get("sqlalchemy"), "session", None)
    registry = getattr(scoped, "registry", None)
    if registry is not None and registry.has():
        yield registry()
    yield from g.get("_sqlalchemy_sessions", {}).values()


def _has_only_read(session: Any) -> bool:
    transaction = session.get_transaction()
    if transaction is None or session.in_nested_transaction() or not session.is_active:
        return False
    unsaved = (session.new, session.dirty, session.deleted)
    # What was flushed is known to the transaction alone.
    flushed = (getattr(transaction, n, ()) for n in ("_new", "_dirty", "_deleted"))
    return not any(map(bool, (*unsaved, *flushed)))


def _end_transaction(session: Any) -> None:
    """Commit, as a rollback would undo statements past the session's own tracking."""
    found, session.expire_on_commit = session.expire_on_commit, False
    try:
        session.commit()
    finally:
        session.expire_on_commit = found


def note_pool_timeout(error: BaseException) -> None:
    """Add the cause and the fix to *error* if a connection pool was empty."""
    kind = type(error)
    is_timeout = kind.__name__ in ("TimeoutError", "PoolTimeout")
    is_pool = kind.__module__.startswith(("sqlalchemy", "psycopg_pool"))
    notes = getattr(error, "__notes__", ())
    if is_timeout and is_pool and POOL_HINT not in notes:
        error.add_note(POOL_HINT)
