"""The pictures that a page of the app shows, for ``warm --url``.

Flask side. The app answers the request for the page in this process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import click
from flask import Flask, request
from flask.globals import app_ctx

from ..errors import MplStreamError
from ..http.query_string import parse_query
from ..web.app_state import current_state
from ..web.request_reading import choose_variant
from .task import Task

#: An entry of a ``srcset``: a URL, which may contain commas, and its descriptor.
ENTRY = re.compile(r"[\s,]*([^\s,](?:\S*[^\s,])?)(?:,+|\s+[^,]*(?:,|$)|$)")


def find_tasks(urls: Sequence[str]) -> list[Task]:
    """Return the pictures on the pages *urls*, without duplicates.

    :raises click.UsageError: as for :func:`_scan`.
    """
    return list(
        {task.picture.key: task for url in urls for task in _scan(url)}.values()
    )


def _scan(url: str) -> Iterator[Task]:
    """Yield the pictures on the page *url*.

    :param url: a path of the app, or an absolute URL.
    :raises click.UsageError: if the status is not 200, if no picture on the page can
        be rendered ahead, or if the app rejects the URL of one.
    """
    app = app_ctx.app
    response = app.test_client().get(url, follow_redirects=True)
    if response.status_code != 200:
        raise click.UsageError(f"{url}: The app responded with {response.status}.")
    reader = _Reader(response.request.url)
    reader.feed(response.text)
    own = [
        shown
        for shown in reader.urls
        if _split_origin(shown) == _split_origin(reader.base)
    ]
    tasks = [_read_url(app, shown) for shown in dict.fromkeys(own)]
    if not any(tasks):
        raise click.UsageError(f"{url}: The page has no picture to render ahead.")
    yield from filter(None, tasks)


def _split_origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


class _Reader(HTMLParser):
    """A collector of image URLs, from ``src``, ``srcset`` and preloads."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value for name, value in attrs if value}
        if tag == "base" and "href" in named:
            self.base = urljoin(self.base, named["href"])
        is_preload = tag == "link" and named.get("as") == "image"
        if tag not in ("img", "source") and not is_preload:
            return
        given = [named.get("src"), named.get("href")] if tag != "source" else []
        given += ENTRY.findall(named.get("srcset", named.get("imagesrcset", "")))
        self.urls += [urljoin(self.base, url) for url in given if url]


def _read_url(app: Flask, url: str) -> Task | None:
    """Return the picture of *url*; ``None`` if it has none or the route injects."""
    parts = urlsplit(url)
    # Flask adds the root again.
    root = app.config["APPLICATION_ROOT"].rstrip("/")
    inner = parts._replace(path=parts.path.removeprefix(root)).geturl()
    with app.test_request_context(inner):
        endpoint, path = request.endpoint, dict(request.view_args or {})
        query = request.environ["QUERY_STRING"]
    route = current_state().routes.get(endpoint or "")
    if route is None:
        return None
    if route.options.inject:
        click.echo(
            f"{endpoint}: left out. It has inject, so it belongs to a user.", err=True
        )
        return None
    options = {"_format": path.pop("_format", None)}
    own = []
    for name, text in parse_query(query):
        if name.startswith("_"):
            options[name] = text
        else:
            own.append((name, text))
    try:
        arguments = route.parameters.parse(own, path)
        variant = choose_variant(route, options)
    except MplStreamError as error:
        raise click.UsageError(f"{url}: {error}") from error
    return Task(route, route.picture(arguments, variant))
