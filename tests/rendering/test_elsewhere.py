"""Outside Flask: the same core serves Django and any WSGI app."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from matplotlib.figure import Figure
from werkzeug.test import Client

from flask_mplstream import render

DJANGO = """
import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from matplotlib import pyplot as plt
from flask_mplstream import render
import numpy as np

def scatter():
    x, y, colors, area = np.random.rand(4, 50)
    plt.scatter(x, y, s=np.pi * (15 * area) ** 2, c=colors, alpha=0.5)
    return plt.gcf()

def get_image(request: HttpRequest) -> HttpResponse:
    image = render(scatter, "png", savefig={"facecolor": (0.95, 0.95, 0.95)})
    return HttpResponse(image.body, content_type=image.mimetype)

urlpatterns = [path("image.png", get_image)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"])
django.setup()
first, second = (Client().get("/image.png") for _ in range(2))
assert first["Content-Type"] == "image/png"
assert first.content.startswith(b"\\x89PNG")
assert first.content != second.content
assert not plt.get_fignums()
print("served")
"""


@pytest.mark.slow
def test_django_serves_the_seeds_scatter() -> None:
    """The view of the 2014 article works in a separate process without a Flask app."""
    result = subprocess.run(
        [sys.executable, "-c", DJANGO],
        capture_output=True,
        text=True,
        check=False,
        env={"MPLBACKEND": "agg"},
    )
    assert result.stdout == "served\n", result.stderr


def wsgi_app(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    image = render(lambda: Figure(figsize=(2, 1)), "svg")
    headers = [("Content-Type", image.mimetype)]
    start_response("200 OK", headers)
    return [image.body]


def test_any_wsgi_app_can_serve_a_picture() -> None:
    """It needs only ``body`` and ``mimetype``."""
    response = Client(wsgi_app).get("/")
    assert response.mimetype == "image/svg+xml"
    assert b"<svg" in response.data
