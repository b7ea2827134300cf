"""Database connections: a request that waits for a picture holds none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g, render_template_string
from flask_login import LoginManager, UserMixin, current_user, login_required
from flask_sqlalchemy import SQLAlchemy
from matplotlib.figure import Figure
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import QueuePool

from flask_mplstream import FigureBlueprint
from flask_mplstream.workers.database_connections import (
    POOL_HINT,
    _only_reads,
    release_connections,
)
from tests.support.processes import wait_until

#: Threads as in a server, twice the connections of the default pool of 5 + 10.
THREADS = 32
PICTURES = 20

db = SQLAlchemy()


class User(UserMixin, db.Model):  # type: ignore[name-defined]  # A call made it.
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def count_users() -> int:
    return db.session.execute(select(func.count(User.id))).scalar_one()


def load_with_query(n: int) -> int:
    return count_users() + n


def version_with_query() -> int:
    return count_users()


@pytest.fixture
def plots() -> FigureBlueprint:
    """Create figures whose version, load and function each run a query."""
    plots = FigureBlueprint("plots", __name__, formats=["png"], timeout=60)

    @plots.figure_route("/versioned", version=version_with_query)
    def versioned(n: int = 0) -> Figure:
        assert count_users() == 3
        return Figure(figsize=(0.5, 0.5))

    @plots.figure_route(
        "/loaded", version=version_with_query, load=load_with_query, endpoint="loaded"
    )
    def loaded(users: int, n: int = 0) -> Figure:
        assert count_users() + n == users
        return Figure(figsize=(0.5, 0.5))

    @plots.figure_route(
        "/own",
        inject={"user_id": lambda: current_user.id},
        decorators=[login_required],
        endpoint="own",
    )
    def own(user_id: int, n: int = 0) -> Figure:
        assert db.session.get(User, user_id)
        return Figure(figsize=(0.5, 0.5))

    return plots


@pytest.fixture
def app(tmp_path: Path, plots: FigureBlueprint) -> Iterator[Flask]:
    """Create an app on a database file, with Flask-SQLAlchemy's default pool."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'users.db'}"
    # Less than the default of 30 s, so that the test fails sooner.
    options = {"poolclass": QueuePool, "pool_timeout": 8}
    app.config.update(SECRET_KEY="not secret", SQLALCHEMY_ENGINE_OPTIONS=options)
    db.init_app(app)
    login = LoginManager(app)

    @login.request_loader
    def load_user(request: object) -> User | None:
        return db.session.get(User, 1)

    app.register_blueprint(plots)
    with app.app_context():
        db.create_all()
        db.session.add_all([User(name=name) for name in "abc"])
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("figure", ["versioned", "loaded", "own"])
def test_twenty_requests_on_a_small_pool_get_their_pictures(
    app: Flask, figure: str
) -> None:
    """Waiting requests leave connections for the renders."""
    start = threading.Barrier(PICTURES)

    def ask(n: int) -> int:
        start.wait(10)
        return app.test_client().get(f"/{figure}?n={n}").status_code

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(ask, range(PICTURES))) == [200] * PICTURES


def test_pages_leave_connections_for_their_figures(
    app: Flask, plots: FigureBlueprint
) -> None:
    """A page that has read releases its connection before it waits for a figure."""

    @app.get("/page/<int:n>")
    def page(n: int) -> str:
        users = db.session.execute(select(User)).scalars()
        shown = "{% for u in users %}{{ figure('plots.versioned', n=n) }}{{ u.name }}"
        return render_template_string(shown + "{% endfor %}", users=users, n=n)

    start = threading.Barrier(PICTURES)

    def ask(n: int) -> str:
        start.wait(10)
        return app.test_client().get(f"/page/{n}").text

    with ThreadPoolExecutor(THREADS) as pool:
        pages = list(pool.map(ask, range(PICTURES)))
    assert all(page.count("width=") == 3 for page in pages)
    assert all(page.endswith(">c") for page in pages)


def checked_out(app: Flask) -> int:
    pool = db.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


def test_loaded_objects_stay_attached(app: Flask) -> None:
    """Code after the picture reads them without another query."""
    with app.app_context():
        user = db.session.get(User, 1)
        assert user is not None
        assert checked_out(app) == 1
        release_connections()
        assert checked_out(app) == 0
        assert user.name == "a"
        assert checked_out(app) == 0
        assert user in db.session
        assert db.session().expire_on_commit


def change(session: Any) -> None:
    session.get(User, 1).name = "z"


def add(session: Any) -> None:
    session.add(User(name="d"))


def flush(session: Any) -> None:
    session.add(User(name="d"))
    session.flush()


def delete(session: Any) -> None:
    session.delete(session.get(User, 1))
    session.flush()


def execute(session: Any) -> None:
    session.execute(insert(User).values(name="d"))


def execute_text(session: Any) -> None:
    session.execute(text("INSERT INTO user (name) VALUES ('d')"))


def execute_below(session: Any) -> None:
    session.connection().exec_driver_sql("INSERT INTO user (name) VALUES ('d')")


@pytest.mark.parametrize(
    "write", [change, add, flush, delete, execute, execute_text, execute_below]
)
def test_uncommitted_changes_keep_their_transaction(
    app: Flask, write: Callable[[Any], None]
) -> None:
    """The app commits it or rolls it back."""
    with app.app_context():
        write(db.session)
        release_connections()
        db.session.rollback()
        names = db.session.execute(select(User.name).order_by(User.id)).scalars()
        assert list(names) == ["a", "b", "c"]


def test_settings_of_a_transaction_are_kept(app: Flask) -> None:
    """The end of the transaction would reset its tenant."""
    tenants: list[str] = []

    def set_config(name: str, value: str) -> None:
        tenants.append(value)

    with app.app_context():
        connection = db.session.connection().connection.dbapi_connection
        assert connection is not None
        connection.create_function("set_config", 2, set_config)
        held = db.session.connection()
        db.session.execute(select(func.set_config("app.tenant", "7")))
        release_connections()
        assert tenants == ["7"]
        assert db.session.connection() is held
        db.session.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT set_config('app.tenant', '7', true)",
        "select 1, Pg_Advisory_Xact_Lock (1)",
        "SELECT \"set_config\"('a', 'b', false)",
        "SELECT public.book(1)",
        "WITH x AS (SELECT nextval('s')) SELECT * FROM x",
        "SELECT GET_LOCK('a', 10)",
        "SELECT id FROM user LOCK IN SHARE MODE",
        "SELECT id FROM user WITH (UPDLOCK)",
        "SELECT id FROM user FOR NO KEY UPDATE",
        "SELECT @tenant := 7",
        "PRAGMA query_only = 1",
        "SET search_path TO tenant",
    ],
)
def test_a_statement_with_an_effect_keeps_its_connection(statement: str) -> None:
    """It sets, locks or calls a function that may do so."""
    assert not _only_reads(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(user.id) AS n FROM user WHERE (user.id IN (1, 2))",
        "SELECT CAST(a AS VARCHAR(20)) FROM t JOIN (SELECT max(b) FROM u) ON (1)",
        "WITH x AS (SELECT 1) SELECT * FROM x WHERE NOT EXISTS (SELECT 2)",
        "SELECT rank() OVER (PARTITION BY a) FROM t /* by (hand) */",
        "PRAGMA foreign_keys",
    ],
)
def test_a_statement_that_only_reads_releases_its_connection(statement: str) -> None:
    """It may call the usual functions of SQL."""
    assert _only_reads(statement)


def test_a_savepoint_keeps_its_connection(app: Flask) -> None:
    """Its outer transaction may have written."""
    with app.app_context():
        with db.session.begin_nested():
            release_connections()
            assert db.session().in_nested_transaction()
        db.session.rollback()


def test_nothing_is_released_without_a_database() -> None:
    """The same holds outside an app context, or if nothing was read."""
    release_connections()
    with Flask(__name__).app_context():
        release_connections()


def test_sessions_of_flask_sqlalchemy_lite_are_released(app: Flask) -> None:
    """It keeps them in ``g``."""
    with app.app_context(), db.session.session_factory() as session:
        g._sqlalchemy_sessions = {"default": session}
        session.execute(text("SELECT 1"))
        assert checked_out(app) == 1
        release_connections()
        assert checked_out(app) == 0


def test_before_wait_replaces_the_release(app: Flask, plots: FigureBlueprint) -> None:
    """``MPLSTREAM_BEFORE_WAIT`` runs in the request on a miss, not on a hit."""
    called: list[str] = []
    other = Flask(__name__)
    other.config["MPLSTREAM_BEFORE_WAIT"] = lambda: called.append("miss")
    blueprint = FigureBlueprint("plots", __name__)
    blueprint.figure_route("/plain", endpoint="plain")(lambda: Figure(figsize=(1, 1)))
    other.register_blueprint(blueprint)
    client = other.test_client()
    assert [client.get("/plain").status_code for _ in range(3)] == [200] * 3
    assert called == ["miss"]


def test_the_log_explains_an_empty_pool(
    app: Flask, plots: FigureBlueprint, caplog: pytest.LogCaptureFixture
) -> None:
    """It names the fixes."""

    def raise_timeout() -> Figure:
        raise PoolTimeout("QueuePool limit of size 5 overflow 10 reached")

    others = FigureBlueprint("others", __name__)
    others.figure_route("/drawn", endpoint="drawn")(raise_timeout)
    others.figure_route("/asked", endpoint="asked", version=raise_timeout)(
        lambda: Figure(figsize=(1, 1))
    )
    app.register_blueprint(others)
    for path in ("/drawn", "/asked"):
        caplog.clear()
        assert app.test_client().get(path).status_code == 500
        assert caplog.text.count(POOL_HINT) == 1, path


def test_a_render_holds_no_connection_while_it_waits(
    app: Flask,
) -> None:
    """``load`` releases its connection before the figure function's turn."""
    held: list[int] = []
    loaded = threading.Semaphore(0)

    def read() -> int:
        users = count_users()
        loaded.release()
        return users

    others = FigureBlueprint("others", __name__)

    @others.figure_route("/slow", load=read)
    def slow(users: int, n: int = 0) -> Figure:
        if not held:
            assert all(loaded.acquire(timeout=10) for _ in range(4))
            # They have read the data and now wait for the gate.
            wait_until(lambda: checked_out(app) == 0)
            held.append(checked_out(app))
        return Figure(figsize=(0.5, 0.5))

    app.register_blueprint(others, url_prefix="/again")
    with ThreadPoolExecutor(4) as pool:
        answers = [
            pool.submit(app.test_client().get, f"/again/slow?n={n}") for n in range(4)
        ]
        assert [answer.result().status_code for answer in answers] == [200] * 4
    assert held == [0]
