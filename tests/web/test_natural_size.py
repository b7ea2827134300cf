"""The natural size of a route's pictures, apart from the route itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint
from flask_mplstream.formats import FORMATS, Variant
from flask_mplstream.rendered_image import RenderedImage
from flask_mplstream.web.app_state import AppState
from flask_mplstream.web.natural_size import NaturalSize


def test_a_render_assigns_nothing_to_its_route(
    plots: FigureBlueprint, serve: Callable[..., FlaskClient]
) -> None:
    """A route is complete when constructed, except for its digest at first use."""

    @plots.figure_route("/wide")
    def wide(n: int = 0) -> Figure:
        return Figure(figsize=(8, 2), dpi=100)

    client = serve()
    route = AppState.of(client.application).route("plots.wide")
    before = dict(vars(route))
    for query in ("", "n=1", "_width=320", "n=x"):
        client.get(f"/plots/wide?{query}")
    assert {n for n, v in vars(route).items() if v is not before.get(n)} == {
        "_identity"
    }
    assert route.natural_size.read() == (800, 200)


@pytest.mark.parametrize(
    ("variant", "size"),
    [
        pytest.param(Variant(FORMATS["png"]), (400, 100), id="plain"),
        pytest.param(Variant(FORMATS["png"], 2.0), (200, 50), id="scale"),
        pytest.param(Variant(FORMATS["png"], 1.0, 400), (640, 160), id="width"),
    ],
)
def test_a_picture_gives_its_size_at_scale_1(
    variant: Variant, size: tuple[int, int]
) -> None:
    """A picture of a requested width gives only the proportions."""
    natural = NaturalSize()
    natural.note(RenderedImage(b"", variant.format, 400, 100), variant)
    assert natural.read() == size
