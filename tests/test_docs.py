"""The documentation: it builds, is complete, and its code runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from flask import Flask, render_template_string
from flask.cli import cli
from flask.testing import FlaskClient
from sphinx.util.inventory import InventoryFile
from sphinx.util.typing import stringify_annotation

import flask_mplstream
from flask_mplstream.settings import PREFIX, FigureOptions, RouteOptions, Settings
from tests.support.paths import DOCS

PAGES = sorted(DOCS.glob("*.md"))
PICTURES = sorted(DOCS.glob("pictures/*"))
#: Largest size of a picture, as each clone of the repository downloads it.
MAX_PICTURE_BYTES = 150_000
MAX_PAGE_LINES = 250

APP_SETTINGS = Settings.model_fields.keys() - RouteOptions.model_fields.keys()


def build(builder: str, folder: Path) -> Path:
    """Build the docs with Sphinx and return the folder; any warning is an error."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q"]
    target = folder / builder
    # The second builder reuses the pages that the first has read.
    shared = ["-d", str(folder / "doctrees")]
    result = subprocess.run(
        [*command, "-b", builder, *shared, DOCS, target],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,  # An example stores pictures in a folder beside it.
        env={**os.environ, "PYTHONPATH": str(DOCS.parent)},
    )
    assert result.returncode == 0, result.stderr
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("docs")


@pytest.fixture(scope="module")
def html(folder: Path) -> Path:
    """Build the HTML pages; a broken link between them is an error."""
    return build("html", folder)


@pytest.fixture(scope="module")
def documented(html: Path) -> set[str]:
    """Return the names with an entry in the index."""
    content = html.joinpath("objects.inv").read_bytes()
    inventory = InventoryFile.loads(content, uri="").data
    kinds = ("py:class", "py:exception", "py:function", "py:attribute", "py:data")
    return {name for kind in kinds for name in inventory[kind]}


@pytest.mark.slow
def test_the_examples_in_the_pages_run(html: Path, folder: Path) -> None:
    """Each example has the output that its page shows."""
    build("doctest", folder)
    shown = folder.joinpath("doctest", "output.txt").read_text("utf-8")
    assert "parameters" in shown
    assert "quickstart" in shown


@pytest.mark.slow
def test_a_page_loads_nothing_from_other_hosts(html: Path) -> None:
    """A page works from a disk and sends no request to a third party."""
    for page in html.glob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)[^>]*", page.read_text("utf-8"))
        assert not [tag for tag in loaded if re.search(r"(src|href)=\"(\w+:)?//", tag)]


@pytest.mark.slow
@pytest.mark.parametrize("name", flask_mplstream.__all__)
def test_every_public_name_is_documented(name: str, documented: set[str]) -> None:
    """Each name in ``__all__`` has an entry."""
    assert f"flask_mplstream.{name}" in documented


def describe_field(name: str, annotation: object) -> str:
    """Return the line of a list that states the type and the default of a field."""
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    if name in ("formats", "page_formats"):
        value = tuple(map(str, value))
    default = f"{value:_}" if type(value) is int else repr(value)
    kind = re.sub(r"~[\w.]+\.", "", stringify_annotation(annotation, "smart"))
    return f"`{kind.replace('[[...]', '[...')}`, default `{default}`"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(
            "options.md",
            {
                name: describe_field(name, annotation)
                for name, annotation in typing.get_type_hints(FigureOptions).items()
            },
            id="options",
        ),
        pytest.param(
            "settings.md",
            {
                f"{PREFIX}{name.upper()}": describe_field(name, annotation)
                for name, annotation in typing.get_type_hints(Settings).items()
                if name in APP_SETTINGS
            },
            id="settings",
        ),
    ],
)
def test_a_list_has_each_name_type_and_default(
    page: str, expected: dict[str, str]
) -> None:
    """The lists are plain Markdown. Each entry ends with the reason to change it."""
    text = DOCS.joinpath(page).read_text("utf-8")
    entries = re.findall(r"^### (\w+)\n\n(.*)\n\n((?:.+\n)+)", text, re.M)
    assert {name: line for name, line, _ in entries} == expected
    reason = re.compile(r"^\*\*Change it\*\* (if|to|in) .", re.M)
    assert all(reason.search(words) for *_, words in entries)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_short(page: Path) -> None:
    """Split a page over ``MAX_PAGE_LINES`` into two."""
    assert len(page.read_text("utf-8").splitlines()) <= MAX_PAGE_LINES


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_index_links_to_every_page(page: Path, html: Path) -> None:
    """Both the text of the index and the sidebar have the link."""
    if page.stem == "index":
        return
    assert f"]({page.name})" in DOCS.joinpath("index.md").read_text("utf-8")
    tree = re.search(
        r'<div class="sidebar-tree">.*?</div>',
        html.joinpath("index.html").read_text("utf-8"),
        re.S,
    )
    assert tree is not None
    assert f'href="{page.stem}.html"' in tree[0]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_every_picture_is_used_and_small(picture: Path) -> None:
    """Each picture is on a page, is small and is made by ``make_pictures.py``."""
    pages = [*PAGES, DOCS.parent / "README.md"]
    assert any(f"pictures/{picture.name}" in page.read_text("utf-8") for page in pages)
    assert picture.stat().st_size <= MAX_PICTURE_BYTES
    program = DOCS.joinpath("make_pictures.py").read_text("utf-8")
    assert f'"{picture.stem}"' in program


def create_app_of(page: Path) -> Flask:
    """Run the first block of *page* and return its app."""
    code = page.read_text("utf-8").partition("```{testcode}\n")[2].partition("```")[0]
    namespace: dict[str, Any] = {"__name__": page.stem}
    exec(compile(code, page.name, "exec"), namespace)
    app: Flask = namespace["app"]
    return app


def find_templates() -> list[Any]:
    """Return each template in the pages, with the markup that follows it."""
    pair = r"^```jinja\n((?:(?!```).)*)```((?:(?!```).)*)```html\n(.*?)^```"
    return [
        pytest.param(page, jinja, html, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, (jinja, _, html) in enumerate(
            re.findall(pair, page.read_text("utf-8"), re.M | re.S)
        )
    ]


def join_lines(html: str) -> str:
    """Return *html* on one line, without spaces between tags."""
    return re.sub(r"\s+", " ", re.sub(r">\s+<", "><", html.strip()))


@pytest.mark.parametrize(("page", "jinja", "html"), find_templates())
def test_a_template_makes_the_markup_of_its_page(
    page: Path, jinja: str, html: str
) -> None:
    """Line breaks may differ, and ``…`` matches any text."""
    with create_app_of(page).test_request_context():
        made = join_lines(render_template_string(jinja))
    shown = ".*".join(re.escape(part) for part in join_lines(html).split("…"))
    assert re.fullmatch(shown, made), made


#: Measured values, which vary: numbers with these units, and those in a table.
MEASURED = re.compile(r"\d[\d.,]*(?= (?:ms|s|bytes)\b)|(?<=  )\d[\d.,]*")


def normalize(output: str) -> str:
    """Return *output* with single spaces and 0 for each measured value."""
    return " ".join(MEASURED.sub("0", output).split())


@pytest.mark.slow
def test_each_command_prints_the_output_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands run one after another in one folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")  # Flask leaves it set.
    page = DOCS.joinpath("cli.md").read_text("utf-8")
    files = {"app.py": r"\{testcode\}", "warm.toml": "toml"}
    for name, language in files.items():
        content = re.findall(rf"^```{language}\n(.*?)^```", page, re.M | re.S)[0]
        tmp_path.joinpath(name).write_text(content, "utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.M | re.S)
    commands = re.findall(r"^\$ flask (.*)\n([^$]*)", "".join(blocks), re.M)
    assert len(commands) > 10
    for command, shown in commands:
        made = CliRunner().invoke(cli, command.split(), prog_name="flask").output
        del sys.modules["app"]  # Let the next command import the app again.
        expected = ".*".join(re.escape(part) for part in normalize(shown).split("…"))
        assert re.fullmatch(expected, normalize(made)), f"{command}\n{made}"


def find_rows() -> list[Any]:
    """Return the rows of the table "What a URL gets" that begin with a query."""
    text = DOCS.joinpath("parameters.md").read_text("utf-8")
    found = re.findall(r"^\| (`\?.*?`) \| (\d+) \| (.*?) \|$", text, re.M)
    return [
        pytest.param(query, int(status), words, id=query)
        for queries, status, words in found
        for query in re.findall(r"`\?(.*?)`", queries)
    ]


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """Return a client of the app above the table."""
    return create_app_of(DOCS / "parameters.md").test_client()


@pytest.mark.parametrize(("query", "status", "words"), find_rows())
def test_a_url_gets_the_response_in_the_table(
    client: FlaskClient, query: str, status: int, words: str
) -> None:
    """The status is equal, and an error contains the words of the row."""
    response = client.get(f"/plots/prices?{quote(query, safe='=&')}")
    assert response.status_code == status
    if response.json:
        assert words in response.json["detail"]
