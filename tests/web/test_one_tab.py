"""Two users, one after the other, in one tab of a real Chromium.

Browsers show an image again from memory without a request, even with ``Vary``, unless
its headers require revalidation. The pages have ``no-store``, as in a careful app.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response, abort, render_template_string, session
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint
from tests.support.servers import serve_in_threads

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.keeps_threads]

COLORS = {"alice": (230, 40, 40), "bob": (40, 230, 40)}
#: The color of the picture for all members.
OURS = (40, 40, 230)


def the_user() -> str:
    return str(session["user"]) if "user" in session else abort(401)


def for_members(view: Any) -> Any:
    def guarded(**values: Any) -> Any:
        the_user()
        return view(**values)

    return guarded


def sheet(color: tuple[int, int, int]) -> Figure:
    red, green, blue = color
    return Figure(figsize=(1, 1), facecolor=(red / 255, green / 255, blue / 255))


def badge(user: str) -> Figure:
    return sheet(COLORS[user])


def ours() -> Figure:
    return sheet(OURS)


PAGE = """<!doctype html><title>Pictures</title><link rel="icon" href="data:,">
<img class="mine" src="/plots/mine.png">
<img class="mine" src="/plots/mine">
<img class="mine" src="{{ figure_url('plots.mine') }}">
<img class="mine" src="/plots/dated.png">
<img class="mine" src="/plots/dated.png?_v=1">
<img class="mine" src="{{ figure_url('plots.dated') }}">
{{ figure('plots.mine', class_='mine', loading='eager', alt='', width=9, height=9) }}
{{ figure('plots.dated', class_='mine', loading='eager', alt='', width=9, height=9) }}
<img class="ours" src="/plots/members.png">
<img class="ours" src="{{ figure_url('plots.dated_members') }}">
"""


def site() -> Flask:
    """Return the app and its pages."""
    app = Flask(__name__)
    app.secret_key = "not secret"
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots", max_age=600)

    def serve(name: str, function: Any, **options: Any) -> None:
        plots.figure_route(f"/{name}", endpoint=name, **options)(function)

    mine, guard = {"user": the_user}, [for_members]
    serve("mine", badge, inject=mine, stale_while_revalidate=600)
    serve("dated", badge, inject=mine, version=lambda: 1)
    serve("members", ours, decorators=guard)
    serve("dated_members", ours, decorators=guard, version=lambda: 1)
    app.register_blueprint(plots)

    @app.get("/login/<user>")
    def login(user: str) -> str:
        session.update(user=user)
        return f"You are {user}."

    @app.get("/logout")
    def logout() -> str:
        session.clear()
        return "You are nobody."

    @app.get("/page")
    def page() -> Response:
        if "user" not in session:
            # Request the URLs that the browser may have kept.
            shown = PAGE.partition("<img")[0]
            urls = ["mine.png", "mine", "dated.png", "dated.png?_v=1", "members.png"]
            shown += "".join(f'<img class="mine" src="/plots/{url}">' for url in urls)
            html = shown
        else:
            html = render_template_string(PAGE)
        return Response(html, headers={"Cache-Control": "no-store"})

    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve_in_threads(site()) as url:
        yield url


#: The middle of each image as red, green and blue; ``null`` if it is broken.
SEEN = """async () => {
    const middle = async image => {
        try { await image.decode(); } catch { return null; }
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = 1;
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    const images = [...document.images];
    return Promise.all(images.map(async i => [i.className, await middle(i)]));
}"""


def seen(page: Page) -> list[str]:
    """Return the pictures' owners in order: a user, ``ours`` or ``nothing``."""
    names = {**COLORS, "ours": OURS}

    def owner(color: list[int] | None) -> str:
        if color is None:
            return "nothing"
        near = [
            name
            for name, own in names.items()
            if max(abs(a - b) for a, b in zip(color, own, strict=True)) < 30
        ]
        return near[0]

    return [owner(color) for _, color in page.evaluate(SEEN)]


def test_a_tab_never_shows_another_users_picture(browser: Browser, url: str) -> None:
    """It holds after another login, a reload, a step back and a logout."""
    from tests.support.browsing import open_page

    own = {user: [user] * 8 + ["ours"] * 2 for user in COLORS}
    with open_page(browser, []) as page:
        for user in ("alice", "bob", "alice"):
            page.goto(f"{url}/login/{user}")
            page.goto(f"{url}/page")
            assert seen(page) == own[user]
            page.reload()
            assert seen(page) == own[user]
        page.go_back()
        page.go_back()  # Bob's last page.
        assert seen(page) == own["alice"]
        page.goto(f"{url}/logout")
        page.goto(f"{url}/page")
        assert set(seen(page)) == {"nothing"}
        page.go_back()
        page.go_back()
        assert set(seen(page)) == {"nothing"}


def test_a_returning_user_loads_nothing_again(browser: Browser, url: str) -> None:
    """A picture under the user's version is kept; others are 304s."""
    from tests.support.browsing import open_page

    with open_page(browser, []) as page:
        page.goto(f"{url}/login/alice")
        page.goto(f"{url}/page")
        assert "nothing" not in seen(page)
        statuses: list[int] = []
        page.on("response", lambda answer: statuses.append(answer.status))
        page.goto(f"{url}/page")
        assert "nothing" not in seen(page)
        sent = dict(page.evaluate(SENT))
    kept = [name for name, sent_bytes in sent.items() if not sent_bytes]
    assert kept
    assert all("/plots/dated" in name and "_v=" in name for name in kept)
    # The page and the pictures that the browser has kept.
    assert statuses.count(200) == 1 + len(kept)
    assert statuses.count(304) == len(sent) - len(kept)


#: The pictures' URLs, with the bytes transferred for each.
SENT = """() => performance.getEntriesByType("resource").map(
    entry => [entry.name, entry.transferSize])"""
