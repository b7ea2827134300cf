"""Release the database connections of a request that waits for a picture.

Flask side. A figure function runs in its own app context, so its queries need a second
connection. If 15 waiting requests hold all 15 connections of a pool, the render that
they are waiting for can't get one.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

from flask import current_app, g, has_app_context

#: The note that the log and the debug answer add to a pool's timeout.
POOL_HINT = (
    "All database connections are in use. Requests that wait for a picture may each "
    "hold one. Commit or close the session before figure() and in version and inject, "
    "set MPLSTREAM_BEFORE_WAIT to a function that does so, or raise pool_size."
)

#: Key in ``session.info`` of the connections with a transaction of this session.
_BEGUN = "flask_mplstream_begun"
#: Matches a statement that begins as a read and has no word of a write or lock and no
#: assignment to a variable.
_READS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*"
    r"(?:SELECT|WITH|VALUES|SHOW|EXPLAIN|PRAGMA(?![^=]*=))\b"
    r"(?!.*\b(?:INSERT|UPDATE|DELETE|MERGE|INTO|FOR\s+(?:NO\s+)?(?:KEY|SHARE)"
    r"|LOCK|UPDLOCK|XLOCK|HOLDLOCK|TABLOCKX?)\b)(?!.*:=)",
    re.IGNORECASE | re.DOTALL,
)
#: Names in front of a parenthesis.
_CALLED = re.compile(r"(?<![\w.$\"`\]])([\w.$\"`\]]+)\s*\(")
#: Functions and keywords that only compute. Other database functions have effects:
#: set_config can change the rows that the transaction sees, and pg_advisory_xact_lock
#: holds a lock until the transaction ends.
_COMPUTES = frozenset(
    re.findall(
        r"\w+",
        """
        all and any array as between by case cast cube distinct else except exists
        filter from grouping having ilike in intersect interval is join lateral like
        limit materialized not offset on or over rollup row select sets some then union
        using values when where with within char character decimal float numeric
        nvarchar time timestamp varchar varying abs age array_agg avg ceil ceiling
        char_length coalesce concat concat_ws convert corr count covar_pop date date_add
        date_bin date_format date_part date_sub date_trunc dateadd datediff datepart
        datetime day dense_rank exp extract first_value floor format generate_series
        greatest group_concat hour if ifnull iif initcap instr isnull json_agg
        json_array json_build_object json_each json_extract json_object jsonb_agg
        jsonb_build_object julianday lag last_value lead least left length ln log lower
        ltrim make_date max median min minute mod month now ntile nullif nvl
        percent_rank percentile_cont percentile_disc position power quarter rank replace
        right round row_number rtrim second sign sqrt stddev stddev_pop stddev_samp
        strftime string_agg strpos substr substring sum time_bucket to_char to_date
        to_timestamp total trim try_cast unixepoch unnest upper var_pop var_samp
        variance week width_bucket year
        """,
    )
)
#: Transactions with statements that may write.
_written: WeakSet[Any] = WeakSet()
_watching = threading.Lock()  # Taken by the first watch_writes(), never released.


def watch_writes() -> None:
    """Start recording which transactions write, if SQLAlchemy's ORM is loaded."""
    if "sqlalchemy.orm" not in sys.modules or not _watching.acquire(blocking=False):
        return
    from sqlalchemy import Engine, event
    from sqlalchemy.orm import Session

    event.listen(Engine, "before_cursor_execute", _note_statement)
    event.listen(Session, "after_begin", _note_begin)
    event.listen(Session, "after_transaction_end", _note_end)


def _note_statement(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if not _only_reads(statement):
        transaction = connection.get_transaction()
        if transaction is not None:
            _written.add(transaction)


def _only_reads(statement: str) -> bool:
    """Return whether *statement* doesn't change anything, judging by its text."""
    if not _READS.match(statement):
        return False
    return all(name.lower() in _COMPUTES for name in _CALLED.findall(statement))


def _note_begin(session: Any, _transaction: Any, connection: Any) -> None:
    session.info.setdefault(_BEGUN, []).append(connection)


def _note_end(session: Any, transaction: Any) -> None:
    if transaction.parent is None:
        session.info.pop(_BEGUN, None)


def release_connections() -> None:
    """Release the connections of Flask-SQLAlchemy sessions that only read data.

    Objects remain attached to their session, and their loaded attributes don't expire.
    If a session has uncommitted changes, its transaction and its connection are not
    touched.
    """
    if has_app_context():
        for session in _open_sessions():
            if _has_only_read(session):
                _end_transaction(session)


def _open_sessions() -> Iterator[Any]:
    """Yield the sessions of Flask-SQLAlchemy and Flask-SQLAlchemy-Lite."""
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
    # An empty list: no connection, or the session began before watch_writes().
    begun = session.info.get(_BEGUN, ())
    return bool(begun) and not any(c.get_transaction() in _written for c in begun)


def _end_transaction(session: Any) -> None:
    """Commit a transaction that only read data, without expiring any attributes."""
    found, session.expire_on_commit = session.expire_on_commit, False
    try:
        session.commit()
    finally:
        session.expire_on_commit = found


def note_pool_timeout(error: BaseException) -> None:
    """Add :data:`POOL_HINT` to *error* if it was raised because a pool is empty."""
    kind = type(error)
    is_timeout = kind.__name__ in ("TimeoutError", "PoolTimeout")
    is_pool = kind.__module__.startswith(("sqlalchemy", "psycopg_pool"))
    notes = getattr(error, "__notes__", ())
    if is_timeout and is_pool and POOL_HINT not in notes:
        error.add_note(POOL_HINT)
