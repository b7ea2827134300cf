"""The ``flask figures`` group, to which each command's module adds itself.

Flask side. It turns errors of the command line into usage errors: exit code 2.
"""

from __future__ import annotations

from typing import Any

import click
from flask.cli import AppGroup

from ..errors import ArgumentsError, ConfigError, UnknownFigureError, UnknownTagError

#: Errors of the command line, not of the render.
USAGE = (ArgumentsError, ConfigError, UnknownFigureError, UnknownTagError)


class FigureCommand(click.Command):
    """A command of the group."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        :raises click.UsageError: instead of an error in :data:`USAGE`.
        """
        try:
            return super().invoke(ctx)
        except USAGE as error:
            raise click.UsageError(str(error), ctx) from error


class FigureGroup(AppGroup):
    """A group of commands, each of which runs with an app context."""

    command_class = FigureCommand


figures = FigureGroup("figures", help="Manage the app's Matplotlib figures.")
