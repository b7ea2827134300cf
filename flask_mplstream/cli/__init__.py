"""The ``flask figures`` group and its commands, one module each.

Imports ``html``, ``web`` and the layers below them. Only the blueprint imports it.
Wrong usage ends with exit code 2, a failure with 1.
"""

from flask.cli import AppGroup

from . import bench, freeze, list, openapi, purge, render, url, warm

figures = AppGroup("figures", help="Manage the app's Matplotlib figures.")
for module in (bench, freeze, list, openapi, purge, render, url, warm):
    figures.add_command(module.command)
