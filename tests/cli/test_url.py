"""``flask figures url``: the canonical URL of a picture."""

from __future__ import annotations

import pytest

from tests.apps.cli_figures import create_app, invoke


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        pytest.param(["plots.walk"], "/plots/walk", id="defaults"),
        pytest.param(["plots.walk", "n=5"], "/plots/walk", id="default by name"),
        pytest.param(
            ["plots.walk", "seed=3", "n=500"], "/plots/walk?n=500&seed=3", id="order"
        ),
        pytest.param(["plots.year", "year=2001"], "/plots/year/2001", id="path"),
        pytest.param(
            ["plots.sales", "country=de", "country=fr"],
            "/plots/sales?country=de&country=fr",
            id="list",
        ),
        pytest.param(
            ["plots.walk", "--format", "SVG", "--download"],
            "/plots/walk.svg?_download=1",
            id="format",
        ),
        pytest.param(
            ["plots.walk", "--scale", "2"], "/plots/walk?_scale=2", id="scale"
        ),
        pytest.param(
            ["plots.sales", "--theme", "dark", "--width", "700"],
            "/plots/sales?_width=800&_theme=dark",
            id="theme and width",
        ),
        pytest.param(["plots.theirs"], "/plots/theirs", id="inject"),
    ],
)
def test_the_canonical_url_is_printed(arguments: list[str], url: str) -> None:
    """It has only arguments that differ from the defaults, in signature order."""
    result = invoke(create_app(), "url", *arguments)
    assert result.stdout == f"{url}\n"
    assert result.exit_code == 0


def test_a_url_has_the_prefix_of_the_app() -> None:
    """``APPLICATION_ROOT`` is the prefix."""
    app = create_app(APPLICATION_ROOT="/site")
    assert invoke(app, "url", "plots.walk").stdout == "/site/plots/walk\n"


def test_a_signed_url_is_served() -> None:
    """An unsigned URL is rejected."""
    app = create_app()
    url = invoke(app, "url", "plots.secret", "n=3", "--expires-in", "60").stdout.strip()
    assert app.test_client().get(url).status_code == 200
    assert app.test_client().get("/plots/secret?n=3").status_code == 403


def test_an_external_url_has_the_host_of_the_settings() -> None:
    """The host is ``SERVER_NAME``, because there is no request."""
    app = create_app(SERVER_NAME="example.org", PREFERRED_URL_SCHEME="https")
    result = invoke(app, "url", "plots.walk", "n=6", "--external")
    assert result.stdout == "https://example.org/plots/walk?n=6\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["plots.walk", "--external"], "Set SERVER_NAME", id="host"),
        pytest.param(
            ["plots.walk", "--expires-in", "9"], "requires a signed", id="expiry"
        ),
        pytest.param(["plots.wlak"], "Did you mean 'plots.walk'", id="figure"),
        pytest.param(["plots.walk", "sed=3"], "Did you mean 'seed'", id="argument"),
        pytest.param(["plots.walk", "n=0"], "an integer from 1 to 1000", id="value"),
        pytest.param(["plots.walk", "n"], "NAME=VALUE", id="form"),
        pytest.param(
            ["plots.walk", "--format", "svgg"], "Did you mean 'svg'", id="format"
        ),
        pytest.param(
            ["plots.walk", "--format", "webp"], "accepted: png, svg", id="not offered"
        ),
        pytest.param(["plots.walk", "--scale", "7"], "one of 0.5", id="scale"),
        pytest.param(["plots.walk", "--theme", "dim"], "'dark'", id="theme"),
        pytest.param(
            ["plots.walk", "--width", "500", "--scale", "2"],
            "_width: A picture has either a width or a scale",
            id="width and scale",
        ),
        pytest.param([], "FIGURE", id="nothing"),
    ],
)
def test_wrong_usage_is_an_error(arguments: list[str], message: str) -> None:
    """The message has the accepted values, and the exit code is 2."""
    result = invoke(create_app(), "url", *arguments)
    assert message in result.stderr
    assert result.exit_code == 2
    assert not result.stdout


def test_a_signature_without_a_secret_is_a_failure() -> None:
    """The usage is right, but the app has no secret key: the exit code is 1."""
    result = invoke(create_app(SECRET_KEY=None), "url", "plots.secret")
    assert "Set app.secret_key" in result.stderr
    assert result.exit_code == 1
