"""Warming from Python: ``plots.warm("walk", [{"n": 100}])``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import ArgumentsError, FigureBlueprint, UnknownFigureError
from tests.support.doubles import Clock, Counter

Serve = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def walk(plots: FigureBlueprint, renders: Counter) -> None:
    @plots.figure_route("/walk", max_age=60, stale_if_error=600)
    def walk(n: int = 1) -> Figure:
        renders(n)
        if len(renders) > 9:
            raise OSError("no data")
        return Figure(figsize=(n, 1))

    @plots.figure_route("/mine", inject={"user": lambda: 1 // 0})
    def mine(user: int) -> Figure:
        renders(user)
        return Figure(figsize=(user, 1))


def test_a_warm_picture_is_a_hit(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """The requests for the URLs of the same pictures render nothing."""
    client = serve()
    pictures: list[dict[str, Any]] = [
        {"n": 2},
        {},
        {"n": 3, "_scale": 2, "_format": "svg"},
    ]
    report = plots.warm("walk", pictures, app=client.application)
    assert report == (pictures, [])
    for url in ("walk?n=2", "walk", "walk.svg?n=3&_scale=2"):
        status = client.get(f"/plots/{url}").headers["Cache-Status"]
        assert "hit" in status
    assert renders.calls == [2, 1, 3]


def test_a_report_separates_rendered_pictures_from_hits(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A picture in the cache, or earlier in the list, is a hit."""
    client = serve()
    client.get("/plots/walk?n=2")
    with client.application.app_context():
        report = plots.warm("plots.walk", [{"n": 2}, {"n": 3}, {"n": 3}])
        assert plots.warm("walk") == ([{}], [])
    assert report.rendered == [{"n": 3}]
    assert report.hits == [{"n": 2}, {"n": 3}]


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        pytest.param([{"n": 2}, {"n": "x"}], "n = 'x': It is not an", id="value"),
        pytest.param([{"n": 2}, {"m": 2}], "m = '2': There is no such", id="name"),
        pytest.param([{"_width": 0}], "_width = '0'", id="option"),
        pytest.param({"n": 2}, "pictures = 'n': It is not a dict", id="dict"),
    ],
)
def test_bad_arguments_are_refused_before_a_render(
    plots: FigureBlueprint, serve: Serve, renders: Counter, pictures: Any, message: str
) -> None:
    """A bad last picture of a long list is found at once."""
    with pytest.raises(ArgumentsError, match=message):
        plots.warm("walk", pictures, app=serve().application)
    assert not renders.calls


def test_an_unknown_figure_is_named(plots: FigureBlueprint, serve: Serve) -> None:
    """The message suggests the nearest route; an app may also have none."""
    with pytest.raises(UnknownFigureError, match="Did you mean 'walk'"):
        plots.warm("wlak", app=serve().application)
    with pytest.raises(UnknownFigureError, match="Did you forget"):
        plots.warm("walk", app=Flask(__name__))


def test_a_stale_picture_is_rendered_again(
    plots: FigureBlueprint, serve: Serve, renders: Counter, clock: Clock
) -> None:
    """Its render's error is raised, although a request would get the old picture."""
    app = serve().application
    plots.warm("walk", app=app)
    clock.now += 100
    assert plots.warm("walk", app=app).rendered == [{}]
    clock.now += 100
    renders.calls *= 9
    with pytest.raises(OSError, match="no data"):
        plots.warm("walk", app=app)


def test_injected_values_can_be_given(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """Each user's picture is a separate one; without a value, ``inject`` runs."""
    app = serve().application
    users = [{"_inject": {"user": n}} for n in (1, 2)]
    assert plots.warm("mine", users, app=app).rendered == users
    assert renders.calls == [1, 2]
    with pytest.raises(ZeroDivisionError):
        plots.warm("mine", app=app)


def test_each_registration_of_the_blueprint_is_warmed(
    plots: FigureBlueprint, renders: Counter
) -> None:
    """A name means the figure at all its URLs, a full endpoint just one."""
    app = Flask(__name__)
    app.register_blueprint(plots)
    app.register_blueprint(plots, name="more", url_prefix="/more")
    assert plots.warm("more.walk", app=app) == ([{}], [])
    assert plots.warm("walk", app=app) == ([{}], [])
    assert plots.warm("walk", app=app) == ([], [{}])
    assert len(renders) == 2
