"""``flask figures``: the group of all commands."""

from flask.cli import AppGroup

from . import bench, freeze, list, openapi, purge, render, url, warm

figures = AppGroup("figures", help="Figures that Matplotlib draws for this app.")
for module in (bench, freeze, list, openapi, purge, render, url, warm):
    figures.add_command(module.command)
