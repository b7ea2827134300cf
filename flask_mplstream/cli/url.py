"""The ``flask figures url`` command: the canonical URL of a picture.

Flask side.
"""

from __future__ import annotations

from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from flask.globals import app_ctx

from ..web.urls import figure_url
from .click_options import arguments_argument, figure_argument, named, variant_options
from .exit_codes import as_failure, as_usage
from .task import Job


@click.command("url")
@figure_argument
@arguments_argument
@variant_options
@click.option("--download", "_download", is_flag=True, help="Saved and not shown.")
@click.option("--external", "_external", is_flag=True, help="With scheme and host.")
@click.option(
    "--expires-in",
    "_expires_in",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="For which a signed URL is served.",
)
@with_appcontext
def command(
    endpoint: str, arguments: tuple[str, ...], _external: bool, **options: Any
) -> None:
    """Print the URL of a picture, as figure_url() makes it.

    \b
    flask figures url plots.walk n=500                 /plots/walk?n=500
    flask figures url plots.walk --format svg          /plots/walk.svg
    flask figures url plots.walk --external            https://example.org/plots/walk
    flask figures url plots.secret --expires-in 3600   a signed one, for an hour

    It names only what differs from the defaults. A host is known where the app has
    SERVER_NAME, its scheme from PREFERRED_URL_SCHEME.
    """
    chosen = named(options)
    with as_usage():
        job = Job.named(endpoint, arguments, chosen)
    if "_expires_in" in chosen and not job.route.options.signed:
        raise click.UsageError(f"{endpoint} is not signed: its URLs do not expire.")
    if _external and not current_app.config["SERVER_NAME"]:
        raise click.UsageError(
            "--external wants to know the host, and there is no request that says it. "
            'Set SERVER_NAME, such as app.config["SERVER_NAME"] = "example.org".'
        )
    app = app_ctx.app
    values = job.picture.arguments.values
    # Flask builds relative URLs only in a request.
    with as_failure(job), app.test_request_context():
        url = figure_url(endpoint, **values, **chosen, _external=_external)
    click.echo(url)
