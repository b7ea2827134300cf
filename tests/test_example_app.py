"""The example app: its figures, its settings, and the errors it reports."""

from __future__ import annotations

import pytest

from example_app import create_app


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow renders on a busy machine to be slow."""
    monkeypatch.setenv("FLASK_MPLSTREAM_TIMEOUT", "120")


@pytest.mark.parametrize(
    "path",
    [
        *("scatter", "scatter.svg?seed=5", "prices", "prices.pdf?log=1&tickers=XRX"),
        *("prices?tickers=", "prices?start=2020-01-01&end=2019-01-01", "relief"),
        *("prices?start=2022-06-01&tickers=IBM", "prices?end=1980-01-01"),
        *("relief?ve=1&azimuth=90", "identity.svg?n=50", "identity?_scale=2"),
    ],
)
def test_every_figure_is_drawn(path: str) -> None:
    """Each renders with its defaults and with extreme values of its controls."""
    client = create_app().test_client()
    assert client.get(f"/plots/{path}").status_code == 200


def test_an_invalid_query_is_a_400() -> None:
    """The page reports invalid values, and ignores an unknown argument."""
    client = create_app().test_client()
    for query in ("seed=x", "n=1&n=2", "ve=nan", "tickers=%ff", "start=2024-99-99"):
        assert client.get(f"/?{query}").status_code == 400
    assert client.get("/?unknown=1&tickers=&tickers=IBM").status_code == 200


@pytest.mark.slow
def test_redis_url_selects_redis(
    monkeypatch: pytest.MonkeyPatch, redis_port: int
) -> None:
    """Two servers share the pictures, so the second renders none."""
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{redis_port}/1")
    statuses = []
    for _ in range(2):
        app = create_app()
        response = app.test_client().get("/plots/scatter?seed=77")
        assert response.status_code == 200
        statuses.append("hit" in response.headers["Cache-Status"])
        (backend,) = app.extensions["cache"].values()
        backend._write_client.close()
    assert statuses == [False, True]


def test_a_missing_redis_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra to install."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setattr("example_app.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"flask-mplstream\[redis\]"):
        create_app()


def test_metrics_are_exported_on_request() -> None:
    """``METRICS`` adds ``/metrics``, which counts requests by figure."""
    client = create_app({"METRICS": True}).test_client()
    client.get("/plots/scatter")
    metrics = client.get("/metrics").text
    assert 'mplstream_requests_total{cache="uri-miss",figure="plots.scatter"' in metrics
    assert create_app().test_client().get("/metrics").status_code == 404
