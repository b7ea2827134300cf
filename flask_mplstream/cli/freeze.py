"""The ``flask figures freeze`` command: pictures as files, for static pages.

Flask side.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from ..formats import RenderedImage
from .atomic_files import built_beside, write_whole
from .click_options import (
    arguments_argument,
    maybe_figure_argument,
    plan_options,
    run_options,
)
from .exit_codes import as_failure
from .file_names import file_name, stem_of
from .frozen_files import FrozenFigure, FrozenFile
from .frozen_page import page
from .plan import Chosen
from .plan_entry import Looks, first_and_data
from .progress import run
from .task import Job, check_inject

PAGE, MANIFEST, PICTURES = "index.html", "manifest.json", "figures"
#: The manifest's mark of a folder that this command wrote.
GENERATOR = "flask figures freeze"


@click.command("freeze")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
@maybe_figure_argument
@arguments_argument
@plan_options
@run_options
@click.option("--force", is_flag=True, help="Replace DIR, whatever is in it.")
@with_appcontext
def command(
    folder: str, jobs: int | None, fail_fast: bool, force: bool, **chosen: Any
) -> None:
    """Write pictures into the folder DIR, with the HTML to embed them.

    \b
    flask figures freeze site plots.walk n=500      one figure
    flask figures freeze site plots.walk --grid n=100,200 --format svg
    flask figures freeze site --all                 every figure, arguments default
    flask figures freeze site --from figures.toml   what the file lists

    DIR gets the pictures in figures/, an index.html that shows each with the HTML to
    copy, and a manifest.json for scripts. All links are relative: it can be opened
    from the disk and served from anywhere.

    How to say which pictures, and the file, are as for "flask figures warm". By
    default each is there in the first format at scales 1 and 2, with its dark twin
    where the figure has a dark_style, and with its data where it offers csv or json.

    DIR is replaced when all is done, and left as it was where something fails. It
    has to be new, empty or an earlier freeze with nothing added. The exit code is 1
    where a picture failed, and 2 where something is asked for wrongly.
    """
    target = Path(folder).resolve()
    _check_target(target, force)
    planned = Chosen(**chosen).jobs(check_inject, Looks(usual=first_and_data))
    with as_failure(folder), built_beside(target) as draft:
        freeze = _Freeze(draft)
        run(planned, threads=jobs, fail_fast=fail_fast, keep=freeze.add)
        freeze.finish()
    click.echo(f"{folder}: {freeze.told}. Open {Path(folder, PAGE)}", err=True)


def _check_target(target: Path, force: bool) -> None:
    if not target.parent.is_dir():
        raise click.UsageError(f"There is no folder {target.parent}.")
    # Path.home() raises in a container without a home folder.
    places = (Path.cwd(), Path(os.path.expanduser("~")))
    if any(place.resolve().is_relative_to(target) for place in places):
        raise click.UsageError(
            f"{target} would be replaced, and you are in it, or at home in it. Name a "
            f"folder for the pictures alone."
        )
    if not force and _has_files(target) and not _is_freeze(target):
        raise click.UsageError(
            f"{target} has files that no freeze put there. Name another folder, or "
            f"have all of it replaced with --force."
        )


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _is_freeze(folder: Path) -> bool:
    """Return whether *folder* is an earlier freeze without added files."""
    try:
        manifest = json.loads(folder.joinpath(MANIFEST).read_text("utf-8"))
        files = [file for picture in manifest["pictures"] for file in picture["files"]]
        known = {PAGE, MANIFEST, *(file["path"] for file in files)}
        is_ours = manifest["generator"] == GENERATOR
    except (OSError, ValueError, LookupError, TypeError):
        return False
    found = (path for path in folder.rglob("*") if not path.is_dir())
    return is_ours and {path.relative_to(folder).as_posix() for path in found} <= known


class _Freeze:
    """A freeze in progress in *folder*, which is empty at first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._figures: dict[str, FrozenFigure] = {}
        folder.joinpath(PICTURES).mkdir()

    def add(self, job: Job, image: RenderedImage) -> None:
        """Write *image*, the picture of *job*."""
        variant = job.picture.variant
        stem = stem_of(job.route.endpoint, job.picture.arguments)
        path = f"{PICTURES}/{file_name(stem, variant)}"
        write_whole(self._folder / path, image.body)
        size_px = image.width_px, image.height_px
        if stem not in self._figures:
            natural_px = (round(px / variant.scale) for px in size_px)
            self._figures[stem] = FrozenFigure(job, [], image.alt, *natural_px)
        file = FrozenFile(path, variant, *size_px, len(image.body))
        self._figures[stem].files.append(file)

    def finish(self) -> None:
        """Write the page and the manifest."""
        figures = list(self._figures.values())
        pictures = [figure.as_json() for figure in figures]
        manifest = {"generator": GENERATOR, "pictures": pictures}
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        for name, content in ((MANIFEST, text), (PAGE, page(figures))):
            write_whole(self._folder / name, content.encode("utf-8", "replace"))

    @property
    def told(self) -> str:
        """The number of pictures and files, in words."""
        figures = self._figures.values()
        count = sum(len(figure.files) for figure in figures)
        return f"{len(figures)} picture{'s' * (len(figures) != 1)} in {count} files"
