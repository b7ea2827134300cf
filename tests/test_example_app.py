"""The example app as a person meets it: a real server, a real Chromium."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from example_app import create_app
from tests.support.browsing import open_page
from tests.support.servers import Server, free_port

# The browser's driver has some for as long as it runs.
pytestmark = pytest.mark.keeps_threads


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The example app as the README starts it, on the embedded store."""
    port = free_port()
    flask = [sys.executable, "-m", "flask", "--app", "example_app"]
    with Server(
        *flask, "run", "--port", str(port), port=port, environment={"REDIS_URL": ""}
    ):
        yield f"http://127.0.0.1:{port}"


def test_the_button_brings_another_picture(
    browser: Browser, url: str, complaints: list[str]
) -> None:
    """The seed's button, without a new page."""
    with open_page(browser, complaints) as page:
        page.goto(url)
        page.evaluate("window.isTheSamePage = true")
        picture = page.locator("#scatter img")
        before = picture.evaluate("image => image.currentSrc")
        page.get_by_role("button", name="New scatter").click()
        page.wait_for_function(
            "before => document.querySelector('#scatter img').currentSrc != before",
            arg=before,
        )
        assert picture.evaluate(
            "async image => (await image.decode(), image.naturalWidth)"
        )
        assert page.evaluate("window.isTheSamePage")
    assert complaints == []


def test_controls_change_the_picture_as_they_move(
    browser: Browser, url: str, complaints: list[str]
) -> None:
    """The address keeps what is shown, and a mistake is told beside its form."""
    with open_page(browser, complaints) as page:
        page.goto(url)
        page.get_by_label("Logarithmic scale").check()
        page.wait_for_function(
            "() => document.querySelector('#prices img').currentSrc.includes('log=')"
        )
        page.wait_for_url("**log=true**")
        page.goto(f"{url}/?n=700")
        message = page.locator("#identity .message").inner_text()
        assert "an integer from 1 to 50" in message
    # The browser itself notes the 400 of the page.
    assert all("400" in complaint for complaint in complaints)


def test_everything_works_without_javascript(
    browser: Browser, url: str, complaints: list[str]
) -> None:
    """The button and the forms load the page again with their picture."""
    with open_page(browser, complaints, java_script_enabled=False) as page:
        page.goto(url)
        before = page.locator("#scatter img").get_attribute("src")
        page.get_by_role("button", name="New scatter").click()
        after = page.locator("#scatter img").get_attribute("src")
        assert before != after
        page.locator("#prices").get_by_label("Adobe").check()
        page.locator("#prices").get_by_role("button", name="Show").click()
        shown = page.locator("#prices img").get_attribute("src")
        assert shown is not None
        assert "tickers=ADBE" in shown
        # The other figures keep what they show.
        assert page.locator("#scatter img").get_attribute("src") == after
    assert complaints == []


def test_paper_is_light(browser: Browser, url: str, complaints: list[str]) -> None:
    """As the pictures on it are, whatever the reader prefers on a screen."""
    with open_page(browser, complaints, color_scheme="dark") as page:
        page.goto(url)
        expect(page.locator("body")).to_have_css("background-color", "rgb(18, 21, 27)")
        page.emulate_media(media="print")
        expect(page.locator("body")).to_have_css(
            "background-color", "rgb(244, 245, 248)"
        )


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
    """With defaults and at the edges of what its controls can say."""
    client = create_app().test_client()
    assert client.get(f"/plots/{path}").status_code == 200


def test_garbage_in_the_address_is_answered() -> None:
    """The page is there, with 400 and the reason, and never a 500."""
    client = create_app().test_client()
    for query in ("seed=x", "n=1&n=2", "ve=nan", "tickers=%ff", "start=2024-99-99"):
        assert client.get(f"/?{query}").status_code == 400
    assert client.get("/?unknown=1&tickers=&tickers=IBM").status_code == 200


def test_it_runs_on_redis_by_one_variable(
    monkeypatch: pytest.MonkeyPatch, redis_port: int
) -> None:
    """Two servers share the pictures: the second renders none."""
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
    """The error says what to install."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setattr("example_app.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"flask-mplstream\[redis\]"):
        create_app()


def test_it_counts_for_prometheus_where_asked() -> None:
    """What was sent is there, under the figure's name."""
    client = create_app({"METRICS": True}).test_client()
    client.get("/plots/scatter")
    metrics = client.get("/metrics").text
    assert 'mplstream_requests_total{cache="uri-miss",figure="plots.scatter"' in metrics
    assert create_app().test_client().get("/metrics").status_code == 404
