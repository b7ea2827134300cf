"""The ``flask figures openapi`` command: an OpenAPI document of the figure routes.

Flask side.
"""

from __future__ import annotations

from typing import TextIO

import click
from flask.cli import with_appcontext
from flask.globals import app_ctx

from ..web.json_documents import document_text
from ..web.openapi import openapi_document
from .exit_codes import as_usage


@click.command("openapi")
@click.option("--blueprint", metavar="NAME", help="Its figures alone.")
@click.option(
    *("-o", "--output"),
    type=click.File("w", encoding="utf-8", atomic=True),
    default="-",
    help="The file to write, by default the screen.",
)
@with_appcontext
def command(blueprint: str | None, output: TextIO) -> None:
    """Write an OpenAPI 3.1 document of the figures.

    \b
    flask figures openapi                       every figure of the app
    flask figures openapi --blueprint plots     those of one blueprint
    flask figures openapi -o openapi.json       into a file
    """
    app = app_ctx.app
    root = app.config["APPLICATION_ROOT"]
    with as_usage():
        document = openapi_document(app, blueprint, root=root)
    output.write(document_text(document))
