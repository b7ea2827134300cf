"""``flask figures …``: what can be done with figures from the shell.

Flask side, on top of everything else but the blueprint. Each command has a module
of its name; what several need is in the others. Wrong usage ends with exit code 2,
and what went wrong while it was done with 1.
"""

from flask.cli import AppGroup

from . import bench, freeze, list, openapi, purge, render, url, warm

__all__ = ["figures"]

figures = AppGroup("figures", help="Figures that Matplotlib draws for this app.")
for module in (bench, freeze, list, openapi, purge, render, url, warm):
    figures.add_command(module.command)
