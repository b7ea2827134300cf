"""The ``flask figures`` group of all commands.

Imports each command's module; Flask side.
"""

from flask.cli import AppGroup

from . import bench, freeze, list, openapi, purge, render, url, warm

figures = AppGroup("figures", help="Figures that Matplotlib draws for this app.")
for module in (bench, freeze, list, openapi, purge, render, url, warm):
    figures.add_command(module.command)
