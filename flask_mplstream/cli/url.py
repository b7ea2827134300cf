"""The ``flask figures url`` command: the canonical URL of a picture.

Flask side.
"""

from __future__ import annotations

from typing import Any

import click
from flask import current_app
from flask.globals import app_ctx

from ..web.urls import figure_url
from .click_options import ARGUMENTS, FIGURE, FORMAT, LOOK_OPTIONS, drop_unset
from .command_group import figures
from .failures import report_failure
from .task import Task


@figures.command("url", params=[FIGURE, ARGUMENTS, FORMAT, *LOOK_OPTIONS])
@click.option(
    "--download", "_download", is_flag=True, help="Let browsers save the picture."
)
@click.option(
    "--external", "_external", is_flag=True, help="Add the scheme and the host."
)
@click.option(
    "--expires-in",
    "_expires_in",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Lifetime of a signed URL.",
)
def command(
    endpoint: str, arguments: tuple[str, ...], _external: bool, **options: Any
) -> None:
    """Print the canonical URL of a picture, like figure_url().

    \b
    flask figures url plots.walk n=500                 /plots/walk?n=500
    flask figures url plots.walk --format svg          /plots/walk.svg
    flask figures url plots.walk --external            https://example.org/plots/walk
    flask figures url plots.secret --expires-in 3600   signed, for an hour

    The URL names only arguments that differ from their defaults. --external takes the
    host from SERVER_NAME and the scheme from PREFERRED_URL_SCHEME.
    """
    chosen = drop_unset(options)
    task = Task.parse(endpoint, arguments, chosen)
    if "_expires_in" in chosen and not task.route.options.signed:
        raise click.UsageError(
            f"--expires-in requires a signed figure, and {endpoint!r} is not signed."
        )
    if _external and not current_app.config["SERVER_NAME"]:
        raise click.UsageError(
            "--external requires the app's host. Set SERVER_NAME, such as "
            'app.config["SERVER_NAME"] = "example.org".'
        )
    app = app_ctx.app
    values = task.picture.arguments.values
    # Flask builds relative URLs only in a request.
    with report_failure(task), app.test_request_context():
        url = figure_url(endpoint, **values, **chosen, _external=_external)
    click.echo(url)
