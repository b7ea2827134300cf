"""Pictures in Python: ``figure_image``, ``_inject``, e-mail and notebooks."""

from __future__ import annotations

import email
import json
import re
from base64 import b64decode
from collections.abc import Callable
from email.message import EmailMessage, Message, MIMEPart
from email.mime.multipart import MIMEMultipart
from email.policy import SMTP, default
from typing import Any

import pytest
from flask import Flask, abort, request, session
from flask.testing import FlaskClient
from matplotlib.figure import Figure
from werkzeug.datastructures import MultiDict

from flask_mplstream import (
    ArgumentsError,
    FigureBlueprint,
    MessageError,
    MessageTypeError,
    MplStreamError,
    RenderedImage,
    UnknownFigureError,
    figure,
    figure_data_uri,
    figure_image,
    figure_url,
    render,
)
from flask_mplstream.formats import FORMATS
from tests.support.doubles import Clock, Counter
from tests.support.pictures import pixels

Serve = Callable[..., FlaskClient]


class OutageError(Exception):
    """A failure to read a figure's data."""


class Switch:
    """A switch that makes the data unavailable."""

    is_down = False


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def client(
    plots: FigureBlueprint, serve: Serve, renders: Counter, switch: Switch
) -> FlaskClient:
    @plots.figure_route("/walk", style={"figure.dpi": 50}, savefig={"facecolor": "red"})
    def walk(n: int = 200) -> Figure:
        """A random walk."""
        renders(n)
        drawn = Figure(figsize=(2, 1))
        drawn.text(0.1, 0.5, str(n))
        return drawn

    @plots.figure_route("/lock")
    def lock(strict: bool = False) -> Figure:
        renders(strict)
        return Figure(figsize=(1, 1))

    @plots.figure_route("/outer")
    def outer() -> Figure:
        renders(len(figure_image("plots.walk", n=3).body))
        return Figure(figsize=(1, 1))

    @plots.figure_route("/flaky", max_age=10, stale_while_revalidate=100)
    def flaky() -> Figure:
        renders("flaky")
        if switch.is_down:
            raise OutageError("No data.")
        return Figure(figsize=(1, 1))

    @plots.figure_route("/steady", max_age=10)
    def steady() -> Figure:
        return flaky()

    @plots.figure_route("/gone")
    def gone() -> Figure:
        abort(404)

    @plots.figure_route(
        "/mine",
        inject={
            "user_id": lambda: session["user_id"],
            "group": lambda: request.headers.get("Group", "none"),
        },
        version=lambda user_id: f"v{user_id}",
    )
    def mine(user_id: int, group: str, n: int = 1) -> Figure:
        renders(user_id, group, n)
        drawn = Figure(figsize=(2, 1))
        drawn.text(0.1, 0.5, f"{user_id} {group} {n}")
        return drawn

    return serve()


@pytest.fixture
def app(client: FlaskClient) -> Flask:
    return client.application


def log_in(client: FlaskClient, user_id: int) -> None:
    with client.session_transaction() as values:
        values["user_id"] = user_id


# --- The cached picture ------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "url"),
    [
        pytest.param({}, "/plots/walk", id="default"),
        pytest.param({"n": 5}, "/plots/walk?n=5", id="argument"),
        pytest.param({"n": "5"}, "/plots/walk?n=5", id="argument-as-text"),
        pytest.param({"_format": "webp"}, "/plots/walk.webp", id="format"),
        pytest.param({"_format": "svg"}, "/plots/walk.svg", id="svg"),
        pytest.param({"_format": "txt"}, "/plots/walk.txt", id="words"),
        pytest.param({"_scale": 2}, "/plots/walk?_scale=2", id="scale"),
        pytest.param({"_width": 320}, "/plots/walk?_width=320", id="width"),
        pytest.param({"_theme": "dark"}, "/plots/walk?_theme=dark", id="theme"),
    ],
)
def test_figure_image_equals_the_picture_of_its_url(
    client: FlaskClient, values: dict[str, Any], url: str, renders: Counter
) -> None:
    """Body, type and ETag are equal, from one render."""
    answer = client.get(url)
    with client.application.app_context():
        image = figure_image("plots.walk", **values)
        uri = figure_data_uri("plots.walk", **values)
    assert image.body == answer.data
    assert image.mimetype == answer.mimetype
    assert image.etag == answer.headers["ETag"]
    assert uri == image.data_uri()
    assert len(renders) == 1


def test_figure_image_uses_the_routes_style_and_options(app: Flask) -> None:
    """``render`` with the route's options gives the same bytes."""
    with app.app_context():
        image = figure_image("plots.walk")
    assert (image.width_px, image.height_px) == (100, 50)
    assert pixels(image.body)[0, 0].tolist() == [255, 0, 0, 255]

    def build() -> Figure:
        drawn = Figure(figsize=(2, 1))
        drawn.text(0.1, 0.5, "200")
        return drawn

    alone = render(build, style={"figure.dpi": 50}, savefig={"facecolor": "red"})
    assert alone.body == image.body


@pytest.mark.parametrize(
    ("endpoint", "values", "message"),
    [
        pytest.param("plots.walk", {"n": "b"}, "n = 'b'", id="type"),
        pytest.param("plots.walk", {"nn": 1}, "Did you mean 'n'", id="name"),
        pytest.param("plots.walk", {"_scale": 7}, r"one of 0\.5", id="scale"),
        pytest.param("plots.walk", {"_format": "csv"}, "not offered", id="format"),
        pytest.param("plots.walk", {"_width": 9, "_scale": 2}, "either", id="both"),
        pytest.param("plots.walk", {"strict": "maybe"}, "strict = 'maybe'", id="word"),
    ],
)
def test_figure_image_validates_its_arguments(
    app: Flask, endpoint: str, values: dict[str, Any], message: str
) -> None:
    """A wrong argument raises instead of giving an error picture."""
    with app.app_context(), pytest.raises(ArgumentsError, match=message):
        figure_image(endpoint, **values)


def test_an_unknown_figure_is_an_error(app: Flask) -> None:
    """The error suggests the nearest endpoint."""
    with app.app_context(), pytest.raises(UnknownFigureError, match=r"plots\.walk"):
        figure_image("plots.wlak")


def test_a_figure_functions_error_is_raised(app: Flask, switch: Switch) -> None:
    """The function's error and ``abort()`` reach the caller."""
    switch.is_down = True
    with app.app_context():
        with pytest.raises(OutageError):
            figure_image("plots.flaky")
        with pytest.raises(Exception, match="404"):
            figure_image("plots.gone")


def test_a_figure_function_can_call_figure_image(
    client: FlaskClient, renders: Counter
) -> None:
    """The image comes from the same cache, without a request."""
    size = len(client.get("/plots/walk?n=3").data)
    assert client.get("/plots/outer").status_code == 200
    assert renders.calls == [3, size]


def test_strict_refuses_a_stale_picture(
    app: Flask, clock: Clock, switch: Switch
) -> None:
    """``strict=True`` raises the error; otherwise the stale picture is returned."""
    with app.app_context():
        stale = figure_image("plots.steady")
        switch.is_down = True
        clock.now += 50
        assert figure_image("plots.steady", strict=False) == stale
        with pytest.raises(OutageError):
            figure_image("plots.steady", strict=True)
        with pytest.raises(OutageError):
            figure_data_uri("plots.steady", strict=True)


def test_strict_renders_a_stale_picture_again(
    app: Flask, clock: Clock, renders: Counter
) -> None:
    """The next callers, strict or not, get the fresh picture from the cache."""
    with app.app_context():
        figure_image("plots.flaky")
        clock.now += 50
        for _ in range(2):
            figure_image("plots.flaky", strict=True)
        figure_image("plots.flaky")
    assert len(renders) == 2


def test_a_parameter_named_strict_takes_precedence(
    app: Flask, renders: Counter
) -> None:
    """``strict_`` always means the option, as in ``figure()``."""
    with app.app_context():
        figure_image("plots.lock", strict=True)
        figure_image("plots.lock", strict_=True)
    assert renders.calls == [True, False]


# --- Injected values of a trusted caller ---------------------------------------------


def test_injected_values_can_be_set_without_a_request(
    app: Flask, renders: Counter
) -> None:
    """Every function for a picture accepts ``_inject``, as in a nightly job."""
    inject = {"user_id": 2, "group": "a"}
    with app.app_context():
        image = figure_image("plots.mine", n=3, _inject=inject)
        assert figure_data_uri("plots.mine", n=3, _inject=inject) == image.data_uri()
    with app.test_request_context():
        assert "<svg" in figure("plots.mine", n=3, inline=True, _inject=inject)
        assert "<img" in figure("plots.mine", n=3, alt="Mine", _inject=inject)
        assert figure_url("plots.mine", n=3, _inject=inject).startswith("/plots/mine")
    assert set(renders.calls) == {(2, "a", 3)}


def test_an_injected_picture_equals_that_of_the_request(
    client: FlaskClient, renders: Counter
) -> None:
    """Key, version and bytes are the same as with values from the request."""
    log_in(client, 2)
    answer = client.get("/plots/mine", headers={"Group": "a"})
    with client.application.app_context():
        image = figure_image("plots.mine", _inject={"user_id": 2, "group": "a"})
        other = figure_image("plots.mine", _inject={"user_id": 3, "group": "a"})
    assert image.body == answer.data
    assert other.body != answer.data
    assert renders.calls == [(2, "a", 1), (3, "a", 1)]
    assert "private" in answer.headers["Cache-Control"]


def test_missing_injected_values_come_from_the_request(
    client: FlaskClient, renders: Counter
) -> None:
    """``_inject`` need not have all names."""
    with client.application.test_request_context(headers={"Group": "b"}):
        figure_image("plots.mine", _inject={"user_id": 4})
    assert renders.calls == [(4, "b", 1)]


def test_a_missing_injected_value_requires_a_request(app: Flask) -> None:
    """Without a request, the callable's error is raised."""
    with app.app_context(), pytest.raises(RuntimeError, match="request context"):
        figure_image("plots.mine", _inject={"user_id": 4})


def test_the_url_of_an_injected_picture_names_its_version(
    client: FlaskClient,
) -> None:
    """``version`` is called with the injected values."""
    log_in(client, 2)
    with client.application.test_request_context():
        own = figure_url("plots.mine", _inject={"user_id": 2})
        other = figure_url("plots.mine", _inject={"user_id": 3})
    assert own != other
    assert "_v=" in own
    assert client.get(own).status_code == 200


@pytest.mark.parametrize(
    ("endpoint", "inject", "message"),
    [
        pytest.param("plots.mine", {"user": 2}, "user_id, group", id="unknown"),
        pytest.param("plots.mine", {"usr_id": 2}, "mean 'user_id'", id="misspelt"),
        pytest.param("plots.mine", {"n": 2}, "no such name", id="an-argument"),
        pytest.param("plots.mine", {2: 2}, "no such name", id="no-text"),
        pytest.param("plots.walk", {"n": 2}, "has no inject", id="none-declared"),
        pytest.param("plots.mine", None, "must be a dict", id="nothing"),
        pytest.param("plots.mine", "user_id=2", "must be a dict", id="text"),
        pytest.param("plots.mine", ["user_id", 2], "must be a dict", id="list"),
        pytest.param("plots.mine", [("user_id", 2)], "must be a dict", id="pairs"),
        pytest.param(
            "plots.mine", MultiDict({"user_id": "2"}), "must be a dict", id="query"
        ),
    ],
)
def test_only_declared_names_can_be_injected(
    app: Flask, endpoint: str, inject: object, message: str
) -> None:
    """The error lists the declared names."""
    with app.test_request_context():
        for function in (figure_image, figure_data_uri, figure, figure_url):
            with pytest.raises(ArgumentsError, match=message) as caught:
                function(endpoint, _inject=inject)
            assert caught.value.faults[0].name == "_inject"


@pytest.mark.parametrize(
    "query",
    [
        "_inject=2",
        "_inject=user_id",
        '_inject={"user_id":2}',
        "_inject[user_id]=2",
        "_inject.user_id=2",
        "_inject=user_id&_inject=2",
        "user_id=2",
    ],
)
@pytest.mark.parametrize(
    "read", [dict, lambda query: dict(query.lists())], ids=["first", "lists"]
)
def test_a_query_cannot_inject_values(
    client: FlaskClient, query: str, read: Callable[[Any], Any], renders: Counter
) -> None:
    """Neither a picture's URL nor ``figure(…, **request.args)`` accepts them."""
    log_in(client, 1)
    answer = client.get(f"/plots/mine?{query}")
    assert answer.status_code == 400
    with client.application.test_request_context(f"/?{query}"):
        for function in (figure_image, figure_data_uri, figure, figure_url):
            with pytest.raises(ArgumentsError):
                function("plots.mine", **read(request.args))
    assert not renders.calls


# --- E-mail ------------------------------------------------------------------------


@pytest.fixture
def image(app: Flask) -> RenderedImage:
    with app.app_context():
        return figure_image("plots.walk")


@pytest.fixture
def other_image(app: Flask) -> RenderedImage:
    with app.app_context():
        return figure_image("plots.walk", n=7)


def write_images(*images: RenderedImage) -> str:
    return "".join(f'<img src="{image.cid_url}" alt="">' for image in images)


def write_plain_and_html(html: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "The week"
    message.set_content("See the pictures.")
    message.add_alternative(html, subtype="html")
    return message


def write_html(html: str) -> EmailMessage:
    message = EmailMessage()
    message.set_content(html, subtype="html")
    return message


def write_with_file(html: str) -> EmailMessage:
    message = write_plain_and_html(html)
    message.add_attachment("a,b", subtype="csv", filename="data.csv")
    return message


def write_with_logo(html: str) -> EmailMessage:
    message = write_plain_and_html(html)
    part = message.get_body(("html",))
    assert part is not None
    part.add_related(b"GIF89a", "image", "gif", cid="<logo@example.com>")
    return message


def write_and_read(html: str) -> Message:
    sent = write_plain_and_html(html).as_bytes()
    return email.message_from_bytes(sent, policy=SMTP)


def read_shown_pictures(message: Message) -> dict[str, bytes]:
    """Return the pictures that a mail client would show in *message*, by URL."""
    read = email.message_from_bytes(message.as_bytes(), policy=default)
    assert isinstance(read, EmailMessage)
    html = read.get_body(("html",))
    assert html is not None
    related = read.get_body(("related",))
    assert related is not None
    root, *parts = related.iter_parts()
    assert root is html
    by_id = {part["Content-ID"]: part for part in parts}
    assert len(by_id) == len(parts)
    urls = re.findall('src="cid:([^"]+)"', html.get_content())
    return {url: by_id[f"<{url}>"].get_content() for url in urls}


@pytest.mark.parametrize(
    "write",
    [
        write_plain_and_html,
        write_html,
        write_with_file,
        write_with_logo,
        write_and_read,
    ],
)
def test_a_message_contains_its_pictures(
    write: Callable[[str], Any], image: RenderedImage, other_image: RenderedImage
) -> None:
    """Each ``cid:`` URL names the part with the picture's bytes."""
    message = write(write_images(image, other_image, image))
    for attached in (image, other_image, image):
        attached.attach_to(message)
    found = read_shown_pictures(message)
    assert found == {
        image.cid_url.removeprefix("cid:"): image.body,
        other_image.cid_url.removeprefix("cid:"): other_image.body,
    }


def test_a_picture_is_part_of_the_html(image: RenderedImage) -> None:
    """It is inline in ``multipart/related``, and not among the attachments."""
    message = write_with_file(write_images(image))
    image.attach_to(message)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "text/csv",
    ]
    assert [part.get_filename() for part in message.iter_attachments()] == ["data.csv"]
    (part,) = (p for p in message.walk() if p.get_content_type() == "image/png")
    assert part.get_content_disposition() == "inline"
    assert re.fullmatch(r"figure-[0-9a-f]{8}\.png", part.get_filename() or "")


def test_a_picture_is_attached_once(image: RenderedImage) -> None:
    """Repeated calls add no second part."""
    message = write_plain_and_html(write_images(image, image))
    for _ in range(3):
        image.attach_to(message)
    assert [p.get_content_type() for p in message.walk()].count("image/png") == 1


def forward(html: str) -> EmailMessage:
    """Return a message without HTML, with another message as its attachment."""
    message = EmailMessage()
    message.set_content("See below.")
    message.add_attachment(write_plain_and_html(html))
    return message


@pytest.mark.parametrize(
    ("message", "error", "words"),
    [
        pytest.param(EmailMessage(), MessageError, "add_alternative", id="empty"),
        pytest.param(MIMEPart(), MessageError, "add_alternative", id="empty-part"),
        pytest.param(forward("<p>"), MessageError, "no HTML part", id="forwarded"),
        pytest.param(MIMEMultipart(), MessageTypeError, "EmailMessage", id="legacy"),
        pytest.param(Message(), MessageTypeError, "EmailMessage", id="compat32"),
        pytest.param("<html>", MessageTypeError, "str.*EmailMessage", id="text"),
    ],
)
def test_a_message_without_html_is_refused(
    message: Any, error: type[Exception], words: str, image: RenderedImage
) -> None:
    """The error names the fix, and the message is unchanged."""
    found = str(message)
    with pytest.raises(error, match=words):
        image.attach_to(message)
    assert str(message) == found
    assert issubclass(error, MplStreamError | ValueError)


def test_an_image_of_words_is_not_attached(app: Flask) -> None:
    """Text belongs in the message itself."""
    with app.app_context():
        words = figure_image("plots.walk", _format="txt")
    with pytest.raises(MessageError, match="txt"):
        words.attach_to(write_plain_and_html(""))


@pytest.mark.parametrize("name", ["png", "jpg", "webp", "svg", "pdf"])
def test_a_content_id_is_derived_from_the_bytes(name: str) -> None:
    """It is valid (RFC 2392, RFC 5322), short enough for one line, and unique."""

    def make_image(body: bytes, format: str = name) -> RenderedImage:
        return RenderedImage(body, FORMATS[format], 1, 1)

    one = make_image(b"one")
    atom = r"[a-z0-9-]+(?:\.[a-z0-9-]+)*"
    assert re.fullmatch(rf"<{atom}@{atom}>", one.content_id)
    assert len(f"Content-ID: {one.content_id}") < 78
    assert one.cid_url == f"cid:{one.content_id[1:-1]}"
    assert one.content_id == make_image(b"one").content_id
    assert one.content_id not in {
        make_image(b"two").content_id,
        make_image(b"").content_id,
    }
    assert one.content_id != make_image(b"one", "avif").content_id
    assert one.etag.strip('"') in one.content_id


# --- Notebooks ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mimetypes"),
    [
        pytest.param("png", {"image/png", "text/plain"}, id="png"),
        pytest.param("jpg", {"image/jpeg", "text/plain"}, id="jpg"),
        pytest.param("pdf", {"application/pdf", "text/plain"}, id="pdf"),
        pytest.param("webp", {"image/webp", "text/html", "text/plain"}, id="webp"),
        pytest.param("avif", {"image/avif", "text/html", "text/plain"}, id="avif"),
    ],
)
def test_a_notebook_shows_the_picture(name: str, mimetypes: set[str]) -> None:
    """The bundle has base64 text, and the alternative text for other displays."""
    figure_ = Figure(figsize=(1, 1))
    figure_.suptitle("Rain & <snow>")
    image = render(figure_, name)
    data, metadata = image._repr_mimebundle_()
    assert data.keys() == mimetypes
    assert b64decode(data[image.mimetype]) == image.body
    assert data["text/plain"] == image.alt != ""
    assert metadata == {image.mimetype: {"alt": image.alt}}
    assert json.dumps([data, metadata])
    if "text/html" in mimetypes:
        assert data["text/html"].startswith(f'<img src="{image.data_uri()}" alt="Rain')
        assert "&lt;snow&gt;" in data["text/html"]


@pytest.mark.parametrize(
    ("name", "body", "content"),
    [
        pytest.param("svg", b"<svg/>", {"image/svg+xml": "<svg/>"}, id="svg"),
        pytest.param("csv", b"a\n1\n", {"text/csv": "a\n1\n"}, id="csv"),
        pytest.param("json", b"[1]", {"application/json": [1]}, id="json"),
        pytest.param("txt", b"Rain", {"text/plain": "Rain"}, id="txt"),
    ],
)
def test_a_notebook_shows_text_as_text(
    name: str, body: bytes, content: dict[str, Any]
) -> None:
    """SVG, CSV, JSON and words are not encoded as base64."""
    image = RenderedImage(body, FORMATS[name], 1, 1)
    data, metadata = image._repr_mimebundle_()
    assert content.items() <= data.items()
    assert "text/plain" in data
    assert metadata == {}


@pytest.mark.parametrize(
    ("words", "mimetypes"),
    [
        pytest.param({"include": ["image/png"]}, {"image/png"}, id="include"),
        pytest.param({"exclude": ["image/png"]}, {"text/plain"}, id="exclude"),
        pytest.param(
            {"include": {"image/png", "text/plain"}, "exclude": {"image/png"}},
            {"text/plain"},
            id="both",
        ),
        pytest.param({"include": ["image/gif"]}, set(), id="nothing"),
    ],
)
def test_a_notebook_chooses_media_types(
    words: dict[str, Any], mimetypes: set[str], image: RenderedImage
) -> None:
    """``include`` and ``exclude`` also apply to the metadata."""
    data, metadata = image._repr_mimebundle_(**words)
    assert data.keys() == mimetypes
    assert metadata.keys() == mimetypes & {"image/png"}
