"""Options and settings: their precedence, and the ones that stop the app."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import ConfigError, FigureBlueprint, FigureOptions
from flask_mplstream.formats import FORMATS
from flask_mplstream.settings import RouteOptions, Settings
from tests.support.messages import assert_short

Serve = Callable[..., FlaskClient]


def empty() -> Figure:
    return Figure(figsize=(1, 1))


def sized(n: int = 1) -> Figure:
    return Figure(figsize=(n, 1))


def register(plots: FigureBlueprint, **config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(config)
    app.register_blueprint(plots)
    return app


@pytest.mark.parametrize(
    ("route", "blueprint", "config", "expected"),
    [
        pytest.param({}, {}, {}, 300, id="default"),
        pytest.param({}, {}, {"MPLSTREAM_MAX_AGE": 1}, 1, id="config"),
        pytest.param({}, {"max_age": 2}, {"MPLSTREAM_MAX_AGE": 1}, 2, id="blueprint"),
        pytest.param({"max_age": 3}, {"max_age": 2}, {}, 3, id="route"),
        pytest.param({"max_age": 0}, {"max_age": 2}, {}, 0, id="zero-is-a-value"),
    ],
)
def test_the_innermost_option_wins(
    route: Any, blueprint: Any, config: dict[str, Any], expected: int
) -> None:
    """The precedence is route, blueprint, app config, default."""
    plots = FigureBlueprint("plots", __name__, **blueprint)
    plots.figure_route("/empty", **route)(empty)
    app = register(plots, **config)
    assert app.extensions["mplstream"].route("plots.empty").options.max_age == expected


def test_options_are_resolved_for_each_app() -> None:
    """The blueprint keeps no options of an app."""
    plots = FigureBlueprint("plots", __name__)
    plots.figure_route("/empty")(empty)
    apps = [register(plots, MPLSTREAM_MAX_AGE=age) for age in (1, 2)]
    ages = [
        app.extensions["mplstream"].route("plots.empty").options.max_age for app in apps
    ]
    assert ages == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"max_agee": 1}, r"not an option\. .* mean 'max_age'\?$", id="typo"
        ),
        pytest.param({"maxage": 1}, r"not an option\. .* mean 'max_age'\?$", id="word"),
        pytest.param({"zzz": 1}, r"option\. Accepted: formats, max_age, ", id="other"),
        pytest.param({"ttl": 1}, r"not an option\. Write max_age=…", id="ttl"),
        pytest.param({"dpi": 1}, r"option\. Write savefig={'dpi': …}", id="dpi"),
        pytest.param({"format": "svg"}, r"Write formats=\[…\]", id="one-format"),
        pytest.param({"methods": ["POST"]}, "answer to GET and HEAD", id="methods"),
        pytest.param({"workers": 2}, "Set MPLSTREAM_WORKERS in app.config", id="app"),
        pytest.param(
            {"max_age": "5"}, r"'5'\. Accepted: a whole number of s", id="text"
        ),
        pytest.param({"max_age": -1}, r"-1\. .* seconds, 0 or more\.", id="negative"),
        pytest.param({"max_age": 1.5}, r"1\.5\. .* a whole number", id="fraction"),
        pytest.param({"formats": ["gif"]}, "'gif' is not an image format", id="format"),
        pytest.param({"formats": ["txt"]}, r"is a picture\. Add one", id="no-picture"),
        pytest.param({"formats": []}, r"\['png', 'svg'\]", id="no-format"),
        pytest.param({"formats": 3}, r"\['png', 'svg'\]", id="formats-a-number"),
        pytest.param(
            {"private": "yes"}, r"'yes'\. Accepted: True, False or", id="bool"
        ),
        pytest.param({"tags": 3}, r"Accepted: names, such as \['sales'", id="tags"),
        pytest.param({"savefig": {"fname": "x"}}, "'fname' is not pas", id="savefig"),
        pytest.param(
            {"savefig": {"format": "x"}},
            r"Write formats=\['png'\]",
            id="savefig-format",
        ),
        pytest.param({"savefig": 3}, "a dict, such as {'dpi'", id="savefig-a-number"),
        pytest.param({"version": 3}, "callable, such as lambda", id="version"),
        pytest.param({"load": [1]}, "callable that returns the data", id="load"),
        pytest.param({"inject": {"a": 3}}, "callables, such as {'user_", id="inject"),
        pytest.param({"decorators": 3}, r"\[login_required\]", id="decorators"),
        pytest.param({"style": 3}, "a dict of rcParams", id="style"),
        pytest.param({"resource_policy": "all"}, "'cross-origin'", id="policy"),
        pytest.param(
            {"page_formats": ["gif"]}, "'gif' is not an image f", id="page-format"
        ),
        pytest.param(
            {"page_formats": "webp, png"},
            r"Write a list: \['webp', 'png'\]\.",
            id="page-text",
        ),
        pytest.param({"page_formats": []}, r"\['webp', 'png'\]", id="no-page-format"),
        pytest.param({"page_formats": 3}, r"\['webp', 'png'\]", id="page-a-number"),
        pytest.param(
            {"page_formats": ["svg"]},
            r"svg is not one of the .*jpg\)\. To show it, put it first in formats",
            id="page-shapes",
        ),
        pytest.param(
            {"page_formats": ["png", ".PNG"]},
            "png is in it more than once. Remove one",
            id="page-format-twice",
        ),
        pytest.param(
            {"page_formats": ["jpg", "png"]},
            "the second would never be used. Remove one",
            id="page-two-for-all",
        ),
        pytest.param(
            {"page_densities": [1, 5]},
            "5 is not a density. Accepted: 1, 1.5, 2, 3, 4",
            id="density",
        ),
        pytest.param({"page_densities": [0]}, "0 is not a den", id="density-0"),
        pytest.param({"page_densities": [-1]}, "-1 is not a den", id="density-below"),
        pytest.param(
            {"page_densities": [float("nan")]}, "nan is not a den", id="density-nan"
        ),
        pytest.param(
            {"page_densities": [2, 2.0]}, "2 is in it more than", id="density-twice"
        ),
        pytest.param({"page_densities": []}, r"such as \[1, 2\]", id="no-density"),
        pytest.param({"page_densities": "12"}, r"such as \[1, 2\]", id="density-text"),
        pytest.param({"page_densities": ["2"]}, r"such as \[1, 2\]", id="densities"),
        pytest.param({"page_densities": [True]}, r"such as \[1, 2\]", id="true"),
        pytest.param({"timeout": float("inf")}, r"inf\. .* most 86400", id="for-ever"),
        pytest.param({"timeout": 0.0}, r"0\.0\. .* above 0", id="no-time"),
    ],
)
def test_a_bad_option_is_refused_at_its_layer(options: Any, message: str) -> None:
    """The error names the option, the value and the accepted values."""
    plots = FigureBlueprint("plots", __name__)
    with pytest.raises(ConfigError, match=message) as caught:
        plots.figure_route("/empty", **options)(empty)
    assert_short(caught)
    with pytest.raises(ConfigError, match=message) as caught:
        FigureBlueprint("others", __name__, **options)
    assert_short(caught)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_option_describes_its_accepted_values(name: str) -> None:
    """The description uses no names of Python types."""
    with pytest.raises(ConfigError) as caught:
        Settings.from_config({f"MPLSTREAM_{name.upper()}": object()})
    text = str(caught.value)
    assert text.startswith(f"MPLSTREAM_{name.upper()} is <object object")
    assert re.search(r" Accepted: (?!None\.)", text)
    assert_short(caught)


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        pytest.param({"tags": "sales"}, "tags", ("sales",), id="tags"),
        pytest.param({"tags": {"sales"}}, "tags", ("sales",), id="tags-a-set"),
        pytest.param({"formats": "svg"}, "formats", (FORMATS["svg"],), id="formats"),
        pytest.param({"decorators": len}, "decorators", (len,), id="decorators"),
    ],
)
def test_one_value_is_a_list_of_one(options: Any, name: str, value: object) -> None:
    """``tags="sales"`` means ``tags=["sales"]``."""
    assert getattr(RouteOptions.read(options, str), name) == value


@pytest.mark.parametrize(
    ("blueprint", "route", "message"),
    [
        pytest.param(
            {},
            {"max_age": 0, "stale_if_error": 60},
            "stale_if_error=….*no picture is kept",
            id="nothing-kept",
        ),
        pytest.param({}, {"expires_in": 60.0}, "Add signed=True", id="unsigned"),
        pytest.param(
            {"signed": True},
            {"expires_in": 60.0, "signed": False},
            "Add signed=True",
            id="unsigned-here",
        ),
        pytest.param(
            {},
            {"formats": ["png", "svg"], "page_formats": ["webp", "png"]},
            r"page_formats=….* has 'webp'.* formats \(png, svg\)\. Add it",
            id="page-format-not-offered",
        ),
        pytest.param(
            {"formats": ["png"]},
            {"page_formats": ["avif"]},
            "has 'avif'",
            id="page-format-not-offered-outside",
        ),
        pytest.param(
            {},
            {"formats": ["svg", "png"], "page_formats": ["png"]},
            "no effect, as pages show svg, .* Put png before it",
            id="page-format-behind-shapes",
        ),
        pytest.param(
            {},
            {"max_scale": 2, "page_densities": [1, 3]},
            "page_densities=….* has 3, but max_scale is 2",
            id="density-over-the-scale",
        ),
    ],
)
def test_contradicting_options_stop_the_app(
    blueprint: Any, route: Any, message: str
) -> None:
    """One of the options would have no effect."""
    plots = FigureBlueprint("plots", __name__, **blueprint)
    plots.figure_route("/sized", **route)(sized)
    with pytest.raises(ConfigError, match=message) as caught:
        register(plots)
    assert_short(caught)


@pytest.mark.parametrize(
    ("blueprint", "route", "config"),
    [
        pytest.param({"stale_if_error": 60}, {"max_age": 0}, {}, id="one-uncached"),
        pytest.param(
            {}, {"max_age": 0, "stale_while_revalidate": 60}, {}, id="always-renewed"
        ),
        pytest.param(
            {"expires_in": 60.0}, {}, {"MPLSTREAM_EXPIRES_IN": 60.0}, id="for-signed"
        ),
        pytest.param({"private": False}, {"inject": {"n": int}}, {}, id="one-private"),
        pytest.param(
            {}, {"signed": True, "private": True}, {}, id="signed-and-private"
        ),
        pytest.param(
            {"page_formats": ["avif", "webp"]},
            {"formats": ["png"]},
            {},
            id="a-format-of-other-routes",
        ),
        pytest.param(
            {},
            {"formats": ["svg"], "max_scale": 1},
            {"MPLSTREAM_PAGE_FORMATS": ["png"], "MPLSTREAM_PAGE_DENSITIES": [1, 3]},
            id="shapes-alone",
        ),
        pytest.param(
            {},
            {},
            {
                "MPLSTREAM_FORMATS": ["svg"],
                "MPLSTREAM_PAGE_FORMATS": ["webp", "png"],
            },
            id="default-of-another-app",
        ),
    ],
)
def test_an_inner_option_overrides_an_outer_one(
    blueprint: Any, route: Any, config: dict[str, Any]
) -> None:
    """Only options of one layer can contradict each other."""
    plots = FigureBlueprint("plots", __name__, **blueprint)
    plots.figure_route("/sized", **route)(sized)
    register(plots, **config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param(
            {"MPLSTREAM_MAX_AGEE": 1}, r"mean 'MPLSTREAM_MAX_AGE'\?", id="unknown"
        ),
        pytest.param({"MPLSTREAM_MAX_AGE": "5"}, "MPLSTREAM_MAX_AGE is '5'", id="type"),
        pytest.param({"MPLSTREAM_CACHE_BYTES": -1}, "-1", id="range"),
        pytest.param({"MPLSTREAM_UNKNOWN_ARGS": "drop"}, "'ignore'", id="choice"),
        pytest.param({"MPLSTREAM_STYLE": "seborn"}, "seborn", id="style"),
        pytest.param({"MPLSTREAM_TIMEOUT": float("inf")}, "86400", id="for-ever"),
        pytest.param(
            {"MPLSTREAM_FORMATS": ["png"], "MPLSTREAM_PAGE_FORMATS": ["avif"]},
            "MPLSTREAM_PAGE_FORMATS has 'avif'",
            id="page-formats",
        ),
        pytest.param(
            {"MPLSTREAM_MAX_SCALE": 1, "MPLSTREAM_PAGE_DENSITIES": [1, 2, 3]},
            "MPLSTREAM_PAGE_DENSITIES has 2, but",
            id="page-densities",
        ),
    ],
)
def test_a_bad_setting_stops_the_app(config: dict[str, Any], message: str) -> None:
    """A wrong ``MPLSTREAM_*`` key is an error at registration."""
    plots = FigureBlueprint("plots", __name__)
    plots.figure_route("/empty")(empty)
    with pytest.raises(ConfigError, match=message):
        register(plots, **config)


def test_the_config_shows_the_effective_settings() -> None:
    """``app.config`` contains the settings in use."""
    app = register(FigureBlueprint("plots", __name__), MPLSTREAM_MAX_AGE=7)
    assert app.config["MPLSTREAM_MAX_AGE"] == 7
    assert app.config["MPLSTREAM_MAX_PIXELS"] == 16_000_000


def change_in_place(config: dict[str, Any]) -> None:
    config["MPLSTREAM_SAVEFIG"]["dpi"] = 50


@pytest.mark.parametrize(
    ("before", "change", "key"),
    [
        pytest.param(
            {}, lambda c: c.update(MPLSTREAM_MAX_AGE=5), "MPLSTREAM_MAX_AGE", id="set"
        ),
        pytest.param(
            {"MPLSTREAM_WORKERS": 1},
            lambda c: c.update(MPLSTREAM_WORKERS=0),
            "MPLSTREAM_WORKERS",
            id="changed",
        ),
        pytest.param(
            {"MPLSTREAM_MAX_AGE": 5},
            lambda c: c.pop("MPLSTREAM_MAX_AGE"),
            "MPLSTREAM_MAX_AGE",
            id="removed",
        ),
        pytest.param({}, change_in_place, "MPLSTREAM_SAVEFIG", id="default-in-place"),
        pytest.param(
            {"MPLSTREAM_SAVEFIG": {"dpi": 90}},
            change_in_place,
            "MPLSTREAM_SAVEFIG",
            id="in-place",
        ),
    ],
)
def test_a_late_setting_is_refused(
    before: dict[str, Any], change: Callable[[dict[str, Any]], object], key: str
) -> None:
    """The first picture and the next blueprint report a setting without effect."""
    plots = FigureBlueprint("plots", __name__)
    plots.figure_route("/empty")(empty)
    app = register(plots, TESTING=True, **before)
    change(app.config)
    with pytest.raises(ConfigError, match=key):
        app.register_blueprint(FigureBlueprint("more", __name__))
    for _ in range(2):
        with pytest.raises(ConfigError, match=f"{key} .* before register_blueprint"):
            app.test_client().get("/empty.png")


def test_a_late_misspelled_setting_is_refused() -> None:
    """The message is the same as at registration."""
    plots = FigureBlueprint("plots", __name__)
    plots.figure_route("/empty")(empty)
    app = register(plots, TESTING=True)
    app.config["MPLSTREAM_MAX_AGEE"] = 5
    with pytest.raises(ConfigError, match=r"MPLSTREAM_MAX_AGE'\?"):
        app.test_client().get("/empty.png")


def test_the_typed_options_are_the_checked_ones() -> None:
    """The options that an editor completes are those that are accepted."""
    assert set(typing.get_type_hints(FigureOptions)) == set(RouteOptions.model_fields)
    assert set(RouteOptions.model_fields) < set(Settings.model_fields)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"version": lambda n: n}, "version=…", id="version"),
        pytest.param({"load": lambda other: other}, "load=…", id="load"),
        pytest.param(
            {"inject": {"user": lambda who: who}}, r"inject\['user'\]", id="inject"
        ),
        pytest.param({"inject": {"nobody": lambda: 1}}, "'nobody'", id="inject-name"),
        pytest.param({"style": {"no.such": 1}}, "no.such", id="style"),
    ],
)
def test_a_callable_with_a_wrong_signature_stops_the_app(
    options: Any, message: str
) -> None:
    """The signature is checked before a request calls it."""
    plots = FigureBlueprint("plots", __name__)

    def figure(user: int, seed: int = 0) -> Figure:
        return empty()

    plots.figure_route("/figure", **options)(figure)
    with pytest.raises(ConfigError, match=message):
        register(plots)


def test_formats_have_several_spellings(plots: FigureBlueprint, serve: Serve) -> None:
    """``jpeg``, ``.PNG`` and a single name are accepted."""
    plots.figure_route("/empty", formats=["jpeg", ".PNG", "jpg"])(empty)
    client = serve()
    assert client.get("/plots/empty").mimetype == "image/jpeg"
    assert client.get("/plots/empty.png").mimetype == "image/png"
    assert client.get("/plots/empty.svg").status_code == 404
