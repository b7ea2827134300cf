"""Database connections that a request holds while it waits for a picture.

Flask side. A figure function has a separate app context, so its queries need a second
connection. If every request that waits holds one, a pool of 15 is empty at 15 requests
and the render that they wait for gets none.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

from flask import current_app, g, has_app_context

#: What the log and the debug answer add to a pool's timeout.
POOL_HINT = (
    "All database connections are in use: requests may hold one each while they wait "
    "for a picture. Commit or close the session before figure() or in version and "
    "inject, name a function that does so in MPLSTREAM_BEFORE_WAIT, or raise pool_size."
)


#: Where a session keeps the connections that it has begun a transaction on.
_BEGUN = "flask_mplstream_begun"
#: Statements that change nothing, hold no lock and set nothing for later ones.
_READS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:SELECT|WITH|VALUES|SHOW|EXPLAIN|PRAGMA)\b"
    r"(?!.*\b(?:INSERT|UPDATE|DELETE|MERGE|INTO|FOR\s+(?:NO\s+)?(?:KEY|SHARE))\b)",
    re.IGNORECASE | re.DOTALL,
)
#: Transactions with other statements.
_written: WeakSet[Any] = WeakSet()
_watching = threading.Lock()  # held for good by the first call of watch_writes


def watch_writes() -> None:
    """Note from now on which transactions write, if the app uses SQLAlchemy."""
    if "sqlalchemy.orm" not in sys.modules or not _watching.acquire(blocking=False):
        return
    from sqlalchemy import Engine, event
    from sqlalchemy.orm import Session

    event.listen(Engine, "before_cursor_execute", _note_statement)
    event.listen(Session, "after_begin", _note_begin)
    event.listen(Session, "after_transaction_end", _note_end)


def _note_statement(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if not _READS.match(statement):
        transaction = connection.get_transaction()
        if transaction is not None:
            _written.add(transaction)


def _note_begin(session: Any, _transaction: Any, connection: Any) -> None:
    session.info.setdefault(_BEGUN, []).append(connection)


def _note_end(session: Any, transaction: Any) -> None:
    if transaction.parent is None:
        session.info.pop(_BEGUN, None)


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
    if not session.is_active or session.in_nested_transaction():
        return False
    if session.new or session.dirty or session.deleted:
        return False
    # Without any, it holds no connection, or began before writes were watched.
    begun = session.info.get(_BEGUN, ())
    return bool(begun) and not any(c.get_transaction() in _written for c in begun)


def _end_transaction(session: Any) -> None:
    """Commit, which changes nothing, without expiring what was loaded."""
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
