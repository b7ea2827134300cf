"""REDbot's notes on the responses, fetched over real HTTP on loopback.

REDbot fetches a PNG, an SVG, a PDF, a 304 and a 400. It fetches each again with
``If-None-Match``, ``If-Modified-Since``, a range and ``Accept-Encoding: gzip`` to check
the promises of the headers. Target: no note of level BAD or WARN, except two intended
ones: the note on ``'unsafe-inline'`` in the policy of an SVG, which needs it for style
attributes, and the note on every 400 for its status.

    python -m benchmarks.judge [--verbose] [--rounds 1]
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from typing import Any, NamedTuple

import thor
from flask import Flask
from redbot.resource import HttpResource
from redbot.resource.fetch import RedFetcher, RedHttpClient

from benchmarks._figures import scatter
from benchmarks._pairs import Result, create_parser, print_table
from flask_mplstream import FigureBlueprint
from tests.support.servers import serve_in_threads

TIMEOUT_S = 60
#: REDbot's note on any 'unsafe-inline'; the policy of an SVG has it for styles.
UNSAFE_INLINE = "Inline scripts are allowed."
#: REDbot's note on the status 400 itself.
BAD_REQUEST = "The server didn't understand the request."
#: The accepted note on each response.
MEANT = {"SVG": UNSAFE_INLINE, "400": BAD_REQUEST}


class Note(NamedTuple):
    """A note of REDbot's."""

    #: ``GOOD``, ``INFO``, ``WARN`` or ``BAD``.
    level: str
    summary: str

    @property
    def is_fault(self) -> bool:
        """Whether the note reports a fault."""
        return self.level in ("BAD", "WARN")


def fetch_notes(url: str, headers: Sequence[tuple[str, str]] = ()) -> list[Note]:
    """Return all notes of REDbot's on *url*, worst first.

    REDbot's follow-up requests are judged as well. A note on those alone begins with
    the name of the check.

    :param headers: sent with every request.
    :raises RuntimeError: a response could not be fetched within 60 seconds.
    """
    config = ConfigParser()
    config.read_dict({"redbot": {"enable_local_access": "True"}})
    # REDbot shares one client, and its connections end with thor's first loop.
    RedFetcher.client = RedHttpClient()
    resource = HttpResource(config["redbot"])
    resource.set_request(url, headers=list(headers))
    resource.on("check_done", thor.stop)
    thor.schedule(TIMEOUT_S, thor.stop)
    resource.check()
    if not resource.check_done:
        thor.run()
    if not resource.check_done or not resource.response.complete:
        raise RuntimeError(f"REDbot failed to fetch {url}: {resource.fetch_error}")
    found = dict.fromkeys(_flatten(resource.response.notes))
    for check in resource.subreqs.values():
        if check.response.complete:
            for note in _flatten(check.response.notes):
                if note not in found:
                    summary = f"{check.check_name}: {note.summary}"
                    found[Note(note.level, summary)] = None
    order = ["BAD", "WARN", "INFO", "GOOD"]
    return sorted(found, key=lambda note: order.index(note.level))


def _flatten(remarks: Sequence[Any]) -> Iterator[Note]:
    for remark in remarks:
        yield Note(remark.level.name, str(remark.summary))
        yield from _flatten(remark.subnotes)


def create_app() -> Flask:
    """Create an app with one figure."""
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

    @plots.figure_route("/scatter")
    def picture(n: int = 50) -> object:
        return scatter()

    app = Flask("judged")
    app.register_blueprint(plots)
    return app


def main() -> None:
    """Run REDbot and print its notes."""
    options = create_parser(__doc__)
    options.add_argument(
        "--verbose", action="store_true", help="print GOOD and INFO, too"
    )
    options.add_argument("--rounds", type=int, default=1)
    chosen = options.parse_args()
    with serve_in_threads(create_app(), keeps_connections=True) as url:
        plot = f"{url}/plots/scatter"
        with urllib.request.urlopen(f"{plot}.png") as response:
            etag = response.headers["ETag"]
        requests: list[tuple[str, str, list[tuple[str, str]]]] = [
            ("PNG", f"{plot}.png", []),
            ("PNG, negotiated", plot, [("Accept", "image/png,image/*;q=0.8")]),
            ("SVG", f"{plot}.svg", []),
            ("PDF", f"{plot}.pdf", []),
            ("304", f"{plot}.png", [("If-None-Match", etag)]),
            ("400", f"{plot}?nn=1", []),
        ]
        for _ in range(chosen.rounds):
            results = []
            for name, target, headers in requests:
                found = fetch_notes(target, headers)
                print(f"\n{name}: {len(found)} notes")
                for note in found:
                    if chosen.verbose or note.is_fault:
                        print(f"  {note.level}: {note.summary}")
                faults = [
                    note
                    for note in found
                    if note.is_fault and note.summary != MEANT.get(name)
                ]
                results.append(Result(f"BAD and WARN, {name}", len(faults), 0, "d"))
            print_table("REDbot", results)


if __name__ == "__main__":
    main()
