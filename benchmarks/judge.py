"""What REDbot says of the responses, fetched over real HTTP on loopback.

A PNG, an SVG, a PDF, a 304 and a 400. REDbot fetches each, and again with
``If-None-Match``, ``If-Modified-Since``, a range and ``Accept-Encoding: gzip``
to see whether what the headers promise is kept. Target: no note of level BAD or
WARN, except two that say what is meant so: the one about ``'unsafe-inline'`` in
the policy of an SVG, which styles its shapes by attributes, and the one that
every 400 has for being a 400.

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
from benchmarks._pairs import Result, parser, show
from flask_mplstream import FigureBlueprint
from tests.support.servers import serve_in_threads

TIMEOUT_S = 60
#: REDbot's words for any 'unsafe-inline'; the policy of an SVG has it for styles.
UNSAFE_INLINE = "Inline scripts are allowed."
#: REDbot's words for the status 400 itself.
BAD_REQUEST = "The server didn't understand the request."
#: What each answer may be told, as it is meant so.
MEANT = {"SVG": UNSAFE_INLINE, "400": BAD_REQUEST}


class Note(NamedTuple):
    """A remark of REDbot's."""

    #: ``GOOD``, ``INFO``, ``WARN`` or ``BAD``.
    level: str
    summary: str

    @property
    def is_fault(self) -> bool:
        """Whether it says that something is wrong."""
        return self.level in ("BAD", "WARN")


def notes(url: str, headers: Sequence[tuple[str, str]] = ()) -> list[Note]:
    """All that REDbot remarks on *url*, worst first.

    Its follow-up requests are judged as responses too; a remark that is made on
    one of those only begins with the name of the check.

    :param headers: to send with every request.
    :raises RuntimeError: where a response could not be fetched in 60 seconds.
    """
    config = ConfigParser()
    config.read_dict({"redbot": {"enable_local_access": "True"}})
    # REDbot shares one client, whose connections end with thor's first loop.
    RedFetcher.client = RedHttpClient()
    resource = HttpResource(config["redbot"])
    resource.set_request(url, headers=list(headers))
    resource.on("check_done", thor.stop)
    thor.schedule(TIMEOUT_S, thor.stop)
    resource.check()
    if not resource.check_done:
        thor.run()
    if not resource.check_done or not resource.response.complete:
        raise RuntimeError(f"REDbot cannot judge {url}: {resource.fetch_error}")
    found = dict.fromkeys(_flat(resource.response.notes))
    for check in resource.subreqs.values():
        if check.response.complete:
            for note in _flat(check.response.notes):
                if note not in found:
                    summary = f"{check.check_name}: {note.summary}"
                    found[Note(note.level, summary)] = None
    order = ["BAD", "WARN", "INFO", "GOOD"]
    return sorted(found, key=lambda note: order.index(note.level))


def _flat(remarks: Sequence[Any]) -> Iterator[Note]:
    for remark in remarks:
        yield Note(remark.level.name, str(remark.summary))
        yield from _flat(remark.subnotes)


def app() -> Flask:
    """An app with one figure."""
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

    @plots.figure_route("/scatter")
    def drawn(n: int = 50) -> object:
        return scatter()

    app = Flask("judged")
    app.register_blueprint(plots)
    return app


def main() -> None:
    """Ask REDbot and print what it says."""
    options = parser(__doc__)
    options.add_argument("--verbose", action="store_true", help="GOOD and INFO too")
    options.add_argument("--rounds", type=int, default=1)
    chosen = options.parse_args()
    with serve_in_threads(app(), keeps_connections=True) as url:
        plot = f"{url}/plots/scatter"
        with urllib.request.urlopen(f"{plot}.png") as response:
            etag = response.headers["ETag"]
        asked: list[tuple[str, str, list[tuple[str, str]]]] = [
            ("PNG", f"{plot}.png", []),
            ("PNG, negotiated", plot, [("Accept", "image/png,image/*;q=0.8")]),
            ("SVG", f"{plot}.svg", []),
            ("PDF", f"{plot}.pdf", []),
            ("304", f"{plot}.png", [("If-None-Match", etag)]),
            ("400", f"{plot}?nn=1", []),
        ]
        for _ in range(chosen.rounds):
            results = []
            for name, target, headers in asked:
                found = notes(target, headers)
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
            show("REDbot", results)


if __name__ == "__main__":
    main()
