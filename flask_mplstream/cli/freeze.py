"""The ``flask figures freeze`` command: pictures as files, for static pages.

Flask side.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from ..html.alt_choice import add_words, choose_alt
from ..rendered_image import RenderedImage
from .click_options import PLAN_HELP, PLAN_PARAMETERS, RUN_PARAMETERS
from .command_group import figures
from .failures import report_failure
from .file_names import make_file_name, make_stem
from .frozen_page import FrozenFigure, FrozenFile, render_page
from .plan import Selection
from .progress import run_tasks
from .task import Task, check_inject
from .variants import Defaults, choose_first_and_data

PAGE, MANIFEST, PICTURES = "index.html", "manifest.json", "figures"
#: The manifest's mark of a folder that this command wrote.
GENERATOR = "flask figures freeze"


@figures.command(
    "freeze",
    params=[
        click.Argument(["folder"], metavar="DIR", type=click.Path(file_okay=False)),
        *PLAN_PARAMETERS,
        *RUN_PARAMETERS,
    ],
    epilog=PLAN_HELP,
)
@click.option("--force", is_flag=True, help="Replace DIR, even with other files in it.")
def command(
    folder: str, threads: int | None, fail_fast: bool, force: bool, **selected: Any
) -> None:
    """Write pictures into the folder DIR, with the HTML to embed them.

    \b
    flask figures freeze site plots.walk n=500      one figure
    flask figures freeze site plots.walk --grid n=100,200 --format svg
    flask figures freeze site --all                 every figure, default arguments
    flask figures freeze site --from plan.toml      the pictures of a plan

    DIR gets the pictures in figures/, an index.html that shows each with the HTML to
    copy, and a manifest.json for scripts. All links are relative: open it from the
    disk or serve it under any URL.

    The arguments are those of "flask figures warm". The default is the first format at
    scales 1 and 2, also dark if the figure has a dark_style, and csv or json if the
    figure offers them.

    DIR is replaced at the end, and unchanged after a failure. It must be new, empty or
    an earlier freeze without added files. The exit code is 1 if a picture failed, and
    2 for wrong usage.
    """
    target = Path(folder).resolve()
    _check_target(target, force)
    tasks = Selection(**selected).plan(check_inject, Defaults(choose_first_and_data))
    with report_failure(folder):
        figures = _freeze(tasks, target, threads, fail_fast)
    files = sum(len(figure.files) for figure in figures)
    pictures = f"{len(figures)} picture{'s' * (len(figures) != 1)}"
    page = Path(folder, PAGE)
    click.echo(f"{folder}: {pictures} in {files} files. Open {page}", err=True)


def _check_target(target: Path, force: bool) -> None:
    if not target.parent.is_dir():
        raise click.UsageError(f"The folder '{target.parent}' does not exist.")
    # Path.home() raises in a container without a home folder.
    places = (Path.cwd(), Path(os.path.expanduser("~")))
    if any(place.resolve().is_relative_to(target) for place in places):
        raise click.UsageError(
            f"'{target}' contains the current or the home folder, and freeze would "
            f"replace it. Name a folder for the pictures alone."
        )
    has_files = target.is_dir() and any(target.iterdir())
    if has_files and not force and not _is_freeze(target):
        raise click.UsageError(
            f"'{target}' has files that freeze did not write. Name another folder, or "
            f"replace it with --force."
        )


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


def _freeze(
    tasks: Sequence[Task], target: Path, threads: int | None, fail_fast: bool
) -> list[FrozenFigure]:
    """Render *tasks* into a new folder, which then replaces *target*."""
    files: dict[str, list[FrozenFile]] = {}
    alts: dict[str, str] = {}
    with TemporaryDirectory(
        prefix=".", dir=target.parent, ignore_cleanup_errors=True
    ) as scratch:
        # A subfolder, because the temporary folder is accessible only to its owner.
        draft = Path(scratch, "new")
        draft.joinpath(PICTURES).mkdir(parents=True)

        def write(task: Task, image: RenderedImage) -> None:
            stem = _name_figure(task)
            path = f"{PICTURES}/{make_file_name(stem, task.picture.variant)}"
            draft.joinpath(path).write_bytes(image.body)
            if stem not in files:
                words = add_words(task.route, task.picture, image).alt
                alts[stem] = choose_alt(task.route, words)
            files.setdefault(stem, []).append(FrozenFile.of(task, path, image))

        planned = list(_plan_words(tasks))
        run_tasks(planned, threads=threads, fail_fast=fail_fast, keep=write)
        figures = [FrozenFigure(listed, alts[stem]) for stem, listed in files.items()]
        pictures = [figure.describe() for figure in figures]
        manifest = {"generator": GENERATOR, "pictures": pictures}
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        for name, content in ((MANIFEST, text), (PAGE, render_page(figures))):
            draft.joinpath(name).write_bytes(content.encode("utf-8", "replace"))
        _swap(target, draft, Path(scratch, "old"))
    return figures


def _name_figure(task: Task) -> str:
    return make_stem(task.route.endpoint, task.picture.arguments)


def _plan_words(tasks: Iterable[Task]) -> Iterator[Task]:
    """Yield *tasks*; the render of each figure's first file also reads the words."""
    planned: set[str] = set()
    for task in tasks:
        stem = _name_figure(task)
        yield task if stem in planned else task.with_words()
        planned.add(stem)


def _swap(target: Path, new: Path, old: Path) -> None:
    """Move *target*, if it exists, to *old*, and *new* to *target*."""
    try:
        with suppress(FileNotFoundError):
            target.rename(old)
        new.rename(target)
    except BaseException:
        with suppress(OSError):  # There was no old folder, or the new one is in place.
            old.rename(target)
        raise
