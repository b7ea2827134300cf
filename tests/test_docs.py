"""The documentation's promises: it is built, complete, and its code runs."""

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
#: Bytes of a picture, as everyone who clones the repository downloads it.
MAX_PICTURE_BYTES = 150_000
MAX_PAGE_LINES = 250

APP_SETTINGS = Settings.model_fields.keys() - RouteOptions.model_fields.keys()


def build(builder: str, folder: Path) -> Path:
    """What Sphinx makes of the docs; a warning of any kind is an error."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q"]
    target = folder / builder
    # Both builders read the pages; the second takes what the first has read.
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
    """The pages as a reader gets them; no link within them leads nowhere."""
    return build("html", folder)


@pytest.fixture(scope="module")
def documented(html: Path) -> set[str]:
    """Names that have an entry."""
    content = html.joinpath("objects.inv").read_bytes()
    inventory = InventoryFile.loads(content, uri="").data
    kinds = ("py:class", "py:exception", "py:function", "py:attribute", "py:data")
    return {name for kind in kinds for name in inventory[kind]}


@pytest.mark.slow
def test_the_examples_in_the_pages_run(html: Path, folder: Path) -> None:
    """What they show is what comes out."""
    build("doctest", folder)
    shown = folder.joinpath("doctest", "output.txt").read_text("utf-8")
    assert "parameters" in shown
    assert "quickstart" in shown


@pytest.mark.slow
def test_a_page_loads_nothing_from_elsewhere(html: Path) -> None:
    """It works from a disk, and tells nobody who reads it."""
    for page in html.glob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)[^>]*", page.read_text("utf-8"))
        assert not [tag for tag in loaded if re.search(r"(src|href)=\"(\w+:)?//", tag)]


@pytest.mark.slow
@pytest.mark.parametrize("name", flask_mplstream.__all__)
def test_every_public_name_is_documented(name: str, documented: set[str]) -> None:
    """None can be imported and not be looked up."""
    assert f"flask_mplstream.{name}" in documented


def describe_field(name: str, annotation: object) -> str:
    """Return the line of a list that states the type and the default of a field."""
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    if name == "formats":
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
    assert all(re.search(r"^\*\*When:\*\* .", words, re.M) for *_, words in entries)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_short(page: Path) -> None:
    """A longer one is two pages."""
    assert len(page.read_text("utf-8").splitlines()) <= MAX_PAGE_LINES


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_index_leads_to_every_page(page: Path, html: Path) -> None:
    """In its own text, with a word about it, and in the list beside each page."""
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
def test_every_picture_is_shown_and_small(picture: Path) -> None:
    """Nobody clones what nobody sees, and the program that makes it is there."""
    pages = [*PAGES, DOCS.parent / "README.md"]
    assert any(f"pictures/{picture.name}" in page.read_text("utf-8") for page in pages)
    assert picture.stat().st_size <= MAX_PICTURE_BYTES
    program = DOCS.joinpath("make_pictures.py").read_text("utf-8")
    assert f'"{picture.stem}"' in program


def app_of(page: Path) -> Flask:
    """The app that the first block of *page* makes."""
    code = page.read_text("utf-8").partition("```{testcode}\n")[2].partition("```")[0]
    namespace: dict[str, Any] = {"__name__": page.stem}
    exec(compile(code, page.name, "exec"), namespace)
    app: Flask = namespace["app"]
    return app


def templates() -> list[Any]:
    """Each template that a page shows, with the markup that follows it there."""
    pair = r"^```jinja\n((?:(?!```).)*)```((?:(?!```).)*)```html\n(.*?)^```"
    return [
        pytest.param(page, jinja, html, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, (jinja, _, html) in enumerate(
            re.findall(pair, page.read_text("utf-8"), re.M | re.S)
        )
    ]


def on_one_line(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r">\s+<", "><", html.strip()))


@pytest.mark.parametrize(("page", "jinja", "html"), templates())
def test_a_template_makes_the_markup_that_is_shown(
    page: Path, jinja: str, html: str
) -> None:
    """But for line breaks, and for what ``…`` leaves out."""
    with app_of(page).test_request_context():
        made = on_one_line(render_template_string(jinja))
    shown = ".*".join(re.escape(part) for part in on_one_line(html).split("…"))
    assert re.fullmatch(shown, made), made


#: What is not the same each time: numbers with these units, and those of a table.
MEASURED = re.compile(r"\d[\d.,]*(?= (?:ms|s|bytes)\b)|(?<=  )\d[\d.,]*")


def words(output: str) -> str:
    return " ".join(MEASURED.sub("0", output).split())


@pytest.mark.slow
def test_each_command_says_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other in one folder, as whoever follows the page types them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")  # Flask itself leaves it set.
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
        del sys.modules["app"]  # The next command is another process to it.
        expected = ".*".join(re.escape(part) for part in words(shown).split("…"))
        assert re.fullmatch(expected, words(made)), f"{command}\n{made}"


def rows() -> list[Any]:
    """The rows of the table "What a URL gets" that begin with a query."""
    text = DOCS.joinpath("parameters.md").read_text("utf-8")
    found = re.findall(r"^\| (`\?.*?`) \| (\d+) \| (.*?) \|$", text, re.M)
    return [
        pytest.param(query, int(status), words, id=query)
        for queries, status, words in found
        for query in re.findall(r"`\?(.*?)`", queries)
    ]


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """Of the app that stands above the table."""
    return app_of(DOCS / "parameters.md").test_client()


@pytest.mark.parametrize(("query", "status", "words"), rows())
def test_a_url_gets_what_the_table_says(
    client: FlaskClient, query: str, status: int, words: str
) -> None:
    """Its status; and where it is refused, the words stand in the answer."""
    response = client.get(f"/plots/prices?{quote(query, safe='=&')}")
    assert response.status_code == status
    if response.json:
        assert words in response.json["detail"]
