"""External judges of pages: axe-core and Lighthouse, installed by npm."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from playwright.sync_api import Browser, Page

from tests.support.browsing import launch
from tests.support.paths import OUTPUT
from tests.support.servers import find_free_port, find_program, skip_or_fail

#: The judges, with exact versions.
PACKAGES = Path(__file__).parent / "package.json"
INSTALL_TIMEOUT_S = 300
#: A round takes about ten seconds on two idle cores.
LIGHTHOUSE_TIMEOUT_S = 300


@cache
def install_judges() -> Path:
    """Return the judges' folder; install them at the first call.

    The folder is kept between runs. Without npm, or if npm has no network, a test
    fails under ``CI=true`` and is skipped otherwise.
    """
    npm = find_program("npm")
    folder = OUTPUT / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    installed = folder / "installed.json"
    with FileLock(folder / "lock"):
        if not installed.exists() or installed.read_text() != PACKAGES.read_text():
            (folder / "package.json").write_text(PACKAGES.read_text())
            _install(npm, folder)
            # Written last, so that an interrupted install is repeated.
            installed.write_text(PACKAGES.read_text())
    return folder / "node_modules"


def _install(npm: str, folder: Path) -> None:
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
    done = subprocess.run(
        [npm, "install", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_TIMEOUT_S,
    )
    if done.returncode:
        skip_or_fail(f"npm could not install the packages in {PACKAGES}: {done.stderr}")


#: WCAG 2.2 at level AA, and axe-core's further recommendations.
RULES = [
    *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"),
]


@dataclass(frozen=True)
class Violation:
    """A violation of one of axe-core's rules."""

    rule: str
    #: ``minor``, ``moderate``, ``serious`` or ``critical``.
    impact: str
    #: The requirement, in axe-core's words.
    advice: str
    #: The HTML of each element that breaks the rule.
    elements: tuple[str, ...]


def find_violations(page: Page) -> list[Violation]:
    """Return axe-core's violations in the page's current state."""
    page.evaluate((install_judges() / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("tags => axe.run({runOnly: tags})", RULES)
    return [_read_violation(broken) for broken in found["violations"]]


def _read_violation(broken: dict[str, Any]) -> Violation:
    elements = tuple(node["html"] for node in broken["nodes"])
    return Violation(broken["id"], broken["impact"], broken["help"], elements)


CATEGORIES = ("performance", "accessibility", "best-practices")
#: Other load makes a page slower, never faster, so the best round counts.
ROUNDS = 5


@dataclass(frozen=True)
class Score:
    """Lighthouse's score of a page in one category."""

    #: 0 to 100.
    points: int
    #: The titles of imperfect audits, each with its measure; not all cost points.
    faults: tuple[str, ...]


def measure_lighthouse_scores(
    browser: Browser, url: str, *, form_factor: Literal["desktop", "mobile"]
) -> dict[str, Score]:
    """Return Lighthouse's scores of the page at *url*, by category.

    The network and the processor are simulated. Performance is the best of five rounds,
    or of fewer if one is perfect; the other categories are the same in each round.

    :param browser: its driver starts a separate Chromium for Lighthouse.
    """
    port = find_free_port()
    # Lighthouse may be killed, so it does not start the browser.
    fresh = launch(browser.browser_type, f"--remote-debugging-port={port}")
    try:
        scores = _run_lighthouse(url, port, form_factor, CATEGORIES)
        for _ in range(ROUNDS - 1):
            if scores["performance"].points < 100:
                again = _run_lighthouse(url, port, form_factor, ["performance"])
                both = (scores["performance"], again["performance"])
                scores["performance"] = max(both, key=attrgetter("points"))
    finally:
        fresh.close()
    return scores


def _run_lighthouse(
    url: str, port: int, form_factor: str, categories: Sequence[str]
) -> dict[str, Score]:
    """Run Lighthouse once in the Chromium that listens on *port*."""
    script = install_judges() / "lighthouse" / "cli" / "index.js"
    options = [f"--port={port}", f"--only-categories={','.join(categories)}"]
    options += ["--output=json", "--output-path=stdout", "--quiet", "--locale=en"]
    options += ["--no-enable-error-reporting", "--disable-full-page-screenshot"]
    options += ["--skip-audits=bf-cache"]  # Playwright disables that cache.
    if form_factor == "desktop":
        options += ["--preset=desktop"]  # The default is a phone.
    done = subprocess.run(
        [find_program("node"), str(script), url, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIGHTHOUSE_TIMEOUT_S,
    )
    if done.returncode:
        raise RuntimeError(f"Lighthouse failed for {url}: {done.stderr}")
    report = json.loads(done.stdout)
    return {name: _read_score(report, name) for name in categories}


def _read_score(report: dict[str, Any], name: str) -> Score:
    category = report["categories"][name]
    audits = [report["audits"][reference["id"]] for reference in category["auditRefs"]]
    faults = tuple(
        f"{audit['title']} {audit.get('displayValue', '')}".strip()
        for audit in audits
        if audit["scoreDisplayMode"] == "error" or audit["score"] not in (1, None)
    )
    # A category has no score if one of its audits failed to run.
    return Score(round(100 * (category["score"] or 0)), faults)
