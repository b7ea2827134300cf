"""The ``flask figures openapi`` command: an OpenAPI document of the figure routes.

Flask side.
"""

from __future__ import annotations

import click
from flask.globals import app_ctx

from ..web.json_documents import format_document
from ..web.openapi import make_openapi_document
from .command_group import figures
from .output import STDOUT, check_output, write_output


@figures.command("openapi")
@click.option("--blueprint", metavar="NAME", help="Only the figures of this blueprint.")
@click.option(
    *("-o", "--output"),
    default=STDOUT,
    metavar="FILE",
    help="The file. Default: stdout.",
)
def command(blueprint: str | None, output: str) -> None:
    """Write an OpenAPI 3.1 document of the figures.

    \b
    flask figures openapi                       every figure of the app
    flask figures openapi --blueprint plots     the figures of one blueprint
    flask figures openapi -o openapi.json       to a file
    """
    app = app_ctx.app
    root = app.config["APPLICATION_ROOT"]
    check_output(output)
    document = make_openapi_document(app, blueprint, root=root)
    write_output(output, format_document(document).encode())
