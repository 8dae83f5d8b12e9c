"""Pictures over HTTP: brought, shown, made smaller, and shown to nobody else."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import PIL.Image
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from agentkit import Agent, Image, OpenRouter
from agentkit.emulator import Emulator
from agentkit.errors import StoreError
from agentkit.images.store import Draft, FileImageStore, ImageStore, MemoryImageStore
from agentkit.sessions import Sessions
from agentkit.web.addresses import digest_of, preview_url
from agentkit.web.doors import Doors
from agentkit.web.pictures import Pictures
from agentkit.web.previews import Previews
from agentkit.web.refusal import Refused, refused_response
from agentkit.web.shelf import MOST_UPLOADS, Shelf
from agentkit.web.uploads import MOST_BYTES, take_in
from tests.clock import GUARD
from tests.web_server import Reply, Served, serving_app

ADA, BOB = [("x-login", "ada")], [("x-login", "bob")]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def picture(form: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB") -> bytes:
    file = BytesIO()
    PIL.Image.new(mode, size, "orange" if mode in {"RGB", "RGBA"} else 100).save(file, form)
    return file.getvalue()


def login(request: Request) -> str | None:
    return request.headers.get("x-login")


class Pages:
    """A server of pictures alone."""

    def __init__(self, store: ImageStore, folder: Path) -> None:
        self.store = store
        self.sessions = Sessions(f"sqlite:///{folder / 'chats.db'}", store=store)
        self.pictures = Pictures(store, self.sessions)
        self.previews = Previews(memory=100_000)

    @contextmanager
    def served(self) -> Generator[Served]:
        routes = [*self.pictures.routes(), *self.previews.routes()]
        app = Starlette(routes=routes, exception_handlers={Refused: refused_response})
        try:
            with serving_app(Doors(app, user=login), lifespan="off") as server:
                yield server
        finally:
            self.pictures.close()
            self.sessions.close()


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(MemoryImageStore(), tmp_path)


@pytest.fixture
def server(pages: Pages) -> Generator[Served]:
    with pages.served() as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Pages, Served]]:
    """One server for the tests that leave nothing which another one would see."""
    pages = Pages(MemoryImageStore(), tmp_path_factory.mktemp("shared"))
    with pages.served() as running:
        yield pages, running


def upload(
    server: Served, data: bytes, kind: str = "image/png", who: list[tuple[str, str]] = ADA
) -> Reply:
    return server.ask("POST", "/api/images", [*who, ("content-type", kind)], data)


def test_a_picture_is_brought_and_shown(pages: Pages, server: Served) -> None:
    data = picture()
    brought = upload(server, data, "image/jpeg")
    assert brought.status == 201
    made = brought.json()
    image = Image.from_bytes(data)
    assert made == {
        "sha256": image.sha256,
        "url": f"images/{image.sha256}",
        "mediaType": "image/png",
        "width": 40,
        "height": 30,
        "size": len(data),
    }
    shown = server.ask("GET", f"/{made['url']}", ADA)
    assert (shown.status, shown.body) == (200, data)
    assert shown.header("content-type") == "image/png"
    assert shown.header("content-length") == str(len(data))
    assert shown.header("cache-control") == "private, max-age=31536000, immutable"
    assert shown.header("content-security-policy") == "default-src 'none'; sandbox"
    assert shown.header("vary") == "cookie, authorization"
    assert (shown.header("content-disposition") or "").startswith("inline; ")
    tag = shown.header("etag") or ""
    for known in (tag, f'"other", W/{tag}', "*"):
        again = server.ask("GET", f"/{made['url']}", [*ADA, ("if-none-match", known)])
        assert (again.status, again.body, again.header("etag")) == (304, b"", tag)
    assert server.ask("GET", f"/{made['url']}", [*ADA, ("if-none-match", '"x"')]).status == 200
    head = server.ask("HEAD", f"/{made['url']}", ADA)
    assert (head.status, head.body, head.header("content-length")) == (200, b"", str(len(data)))
    saved = server.ask("GET", f"/{made['url']}?download=1&w=20", ADA)
    assert saved.body == data
    name = f'attachment; filename="{image.sha256[:12]}.png"'
    assert saved.header("content-disposition") == name


def test_a_digest_is_no_key(server: Served) -> None:
    sha256 = upload(server, picture()).json()["sha256"]
    missing = server.ask("GET", f"/images/{'0' * 64}", BOB)
    for query in ("", "?w=20", "?download=1"):
        others = server.ask("GET", f"/images/{sha256}{query}", BOB)
        assert (others.status, others.body) == (404, missing.body), "it is as if it were not there"
    tag = [*BOB, ("if-none-match", f'"{sha256}"')]
    assert server.ask("GET", f"/images/{sha256}", tag).status == 404
    assert upload(server, picture(), who=BOB).status == 201, "who has the bytes may have them"
    assert server.ask("GET", f"/images/{sha256}", BOB).status == 200


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no bytes at all"),
        (b"%PDF-1.7 and so on", "not a picture (PDF)"),
        (b"%PDF-1.7" + b"x" * 5_000, "not a picture (PDF)"),
        (b"<html><body>" + b"x" * 2_000, "not a picture (text/html)"),
        (b"just words", "not a picture (text)"),
        (picture()[:-12], "it has no IEND"),
        (picture("JPEG", (300, 200))[:500], "cut off"),
        (SVG, "it is SVG, which no model takes"),
        (b"\0" * 4_000, "starts with 00 00"),
    ],
    ids=["empty", "pdf", "long pdf", "html", "text", "cut png", "cut jpeg", "svg", "zeros"],
)
def test_what_is_no_picture_leaves_no_trace(
    shared: tuple[Pages, Served], data: bytes, words: str
) -> None:
    pages, server = shared
    before = pages.store.size()
    reply = upload(server, data)
    assert reply.status == 415
    assert words in reply.json()["error"]
    assert "PNG" in reply.json()["accepted"]
    assert pages.store.size() == before


def test_too_many_bytes_are_refused_as_they_arrive(pages: Pages, server: Served) -> None:
    told = [*ADA, ("content-type", "image/png"), ("content-length", str(MOST_BYTES + 1))]
    assert server.ask("POST", "/api/images", told, picture()).status == 413, "before any came"
    chunk = picture() + b"\0" * (1 << 20)
    chunked = [*ADA, ("content-type", "image/png"), ("transfer-encoding", "chunked")]
    size = f"{len(chunk):x}\r\n".encode()
    endless = (size + chunk + b"\r\n") * 22  # and no end of it
    assert server.ask("POST", "/api/images", chunked, endless).status == 413
    assert pages.store.size() == 0


async def test_an_upload_that_breaks_off_leaves_no_trace(tmp_path: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield picture("BMP", (400, 400)) * 2
        raise ConnectionError("gone")

    store = FileImageStore(tmp_path / "store")
    with pytest.raises(ConnectionError):
        await take_in(store, body(), None)
    assert not [each for each in (tmp_path / "store").rglob("*") if each.is_file()]


async def test_a_store_that_is_full_is_said(tmp_path: Path) -> None:
    class Full(MemoryImageStore):
        def create(self) -> Draft:
            raise StoreError("the disk at /srv/secret is full")

    pages = Pages(Full(), tmp_path)
    with pages.served() as server:
        reply = upload(server, picture())
        assert (reply.status, b"secret" in reply.body) == (507, False)


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("JPEG", "RGB"),
        ("PNG", "I;16"),
        ("TIFF", "L"),
    ],
)
def test_thumbnails(shared: tuple[Pages, Served], form: str, mode: str) -> None:
    _, server = shared
    sha256 = upload(server, picture(form, (400, 300), mode)).json()["sha256"]
    small = server.ask("GET", f"/images/{sha256}?w=100", ADA)
    assert small.header("content-type") == "image/webp"
    with PIL.Image.open(BytesIO(small.body)) as made:
        assert made.size == (160, 120), "rounded up to a width that is made"
    tag = small.header("etag") or ""
    assert tag == f'"{sha256}-160"'
    known = [*ADA, ("if-none-match", tag)]
    assert server.ask("GET", f"/images/{sha256}?w=100", known).status == 304
    wide = server.ask("GET", f"/images/{sha256}?w=1000", ADA)
    expected = "image/webp" if form == "TIFF" else f"image/{form.lower()}"
    assert wide.header("content-type") == expected, "no wider than it is; TIFF is shown by few"


@pytest.mark.parametrize("width", ["0", "-1", "x", "", "1e3", "5000", "9" * 30, "%EF%BC%91"])
def test_widths_that_are_none(shared: tuple[Pages, Served], width: str) -> None:
    _, server = shared
    sha256 = upload(server, picture()).json()["sha256"]
    reply = server.ask("GET", f"/images/{sha256}?w={width}", ADA)
    assert (reply.status, reply.json()["error"]) == (400, "w is no width.")


def test_one_that_is_longer_than_models_take_is_made_smaller(pages: Pages, server: Served) -> None:
    data = picture("PNG", (9_000, 20), "L")
    brought = upload(server, data).json()
    assert (brought["width"], brought["mediaType"]) == (8_192, "image/png")
    assert server.ask("GET", f"/{brought['url']}", ADA).status == 200
    assert pages.store.size() == brought["size"], "the other one leaves no trace"


async def test_pictures_that_are_made_smaller_keep_no_other_work_waiting() -> None:
    """One is made at a time, and those that wait for it occupy no thread of the event loop's."""
    reached, gate = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Slow(MemoryImageStore):
        made = 0

        def create(self) -> Draft:
            self.made += 1
            if self.made == 2:  # the first is the upload itself
                loop.call_soon_threadsafe(reached.set)
                assert gate.wait(GUARD)
            return super().create()

    async def body() -> AsyncIterator[bytes]:
        yield picture("PNG", (9000, 4))

    loop.set_default_executor(ThreadPoolExecutor(2))
    store = Slow()
    first = asyncio.create_task(take_in(store, body(), None))
    await asyncio.wait_for(reached.wait(), GUARD)
    second = asyncio.create_task(take_in(store, body(), None))
    for _ in range(50):
        await asyncio.wait_for(asyncio.to_thread(int), GUARD / 10)
    gate.set()
    one, other = await asyncio.gather(first, second)
    assert (one.width or 0) < 9000
    assert one.sha256 == other.sha256


def test_a_gif_goes_on_moving(server: Served) -> None:
    data = picture("GIF", (400, 300), "P")
    sha256 = upload(server, data).json()["sha256"]
    assert server.ask("GET", f"/images/{sha256}?w=100", ADA).body == data


def test_one_that_cannot_be_decoded_comes_as_it_is(pages: Pages, server: Served) -> None:
    data = bytearray(picture("PNG", (400, 300)))
    at = data.index(b"IDAT") + 6
    data[at : at + 20] = b"\xff" * 20  # its header is whole
    sha256 = upload(server, bytes(data)).json()["sha256"]
    shown = server.ask("GET", f"/images/{sha256}?w=100", ADA)
    assert (shown.status, shown.body) == (200, bytes(data))


def test_pictures_of_a_run_that_goes_on(pages: Pages, server: Served) -> None:
    image = stored(pages.store, picture())
    path = f"/images/{image.sha256}"
    assert server.ask("GET", path, ADA).status == 404
    pages.pictures.seen("ada", "run_1", image)
    assert server.ask("GET", path, ADA).status == 200
    assert server.ask("GET", path, BOB).status == 404
    pages.pictures.drop("run_1")
    assert server.ask("GET", path, ADA).status == 404


def stored(store: ImageStore, data: bytes, name: str = "img_1") -> Image:
    draft = store.create()
    draft.write(data)
    draft.keep()
    return replace(Image.from_bytes(data), name=name, blobs=store)


def test_a_database_that_fails_is_said_in_words(
    pages: Pages, server: Served, tmp_path: Path
) -> None:
    sha256 = upload(server, picture()).json()["sha256"]
    (tmp_path / "chats.db").rename(tmp_path / "elsewhere.db")
    failed = upload(server, picture("JPEG"))
    assert (failed.status, sorted(failed.json())) == (503, ["error"])
    assert str(tmp_path) not in failed.json()["error"]
    assert server.ask("GET", f"/images/{sha256}", ADA).status == 200


def test_svg_is_never_shown(pages: Pages, server: Served) -> None:
    image = stored(pages.store, SVG)
    pages.pictures.seen("ada", "run_1", image)
    for query in ("", "?w=100", "?download=1"):
        reply = server.ask("GET", f"/images/{image.sha256}{query}", ADA)
        assert reply.status == 200
        assert reply.header("content-type") == "application/octet-stream"
        assert reply.header("content-disposition") == 'attachment; filename="img_1.svg"'
        assert reply.header("content-security-policy") == "default-src 'none'; sandbox"
        assert reply.header("x-content-type-options") == "nosniff"


def test_what_the_store_has_lost_is_said(pages: Pages, server: Served) -> None:
    sha256 = upload(server, picture("PNG", (400, 300))).json()["sha256"]
    pages.store.delete(sha256)
    for query in ("", "?w=100"):
        reply = server.ask("GET", f"/images/{sha256}{query}", ADA)
        assert (reply.status, "lost" in reply.json()["error"]) == (404, True)


async def test_pictures_of_saved_conversations(
    emulator: Emulator, client: OpenRouter, pages: Pages, server: Served
) -> None:
    agent = Agent("google/gemini-2.5-flash-image", client=client, store=pages.store)
    chat = agent.conversation("hers", sessions=pages.sessions, user="ada")
    (image,) = (await chat.send("Draw a fox")).images
    path = f"/images/{image.sha256}?download=1"

    def status(who: list[tuple[str, str]]) -> int:
        return server.ask("GET", path, who).status

    assert (await asyncio.to_thread(status, ADA), await asyncio.to_thread(status, BOB)) == (
        200,
        404,
    )
    assert (await pages.pictures.image("ada", path)).prompt == image.prompt
    await pages.sessions.delete("hers")
    assert await asyncio.to_thread(status, ADA) == 404


async def test_the_pictures_of_a_message(pages: Pages) -> None:
    data = picture()
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    image = await pages.pictures.image("ada", url)
    assert (image.width, image.media_type, image.bytes()) == (40, "image/png", data)
    for spelt in (
        f"images/{image.sha256}",
        f"/chat/images/{image.sha256}",
        f"https://chat.example.org/chat/images/{image.sha256}?w=320",
    ):
        assert await pages.pictures.image("ada", spelt) == image
        with pytest.raises(Refused) as caught:
            await pages.pictures.image("bob", spelt)
        assert caught.value.refusal.status == 404
    long = base64.b64encode(b"\x89PNG" + bytes(MOST_BYTES)).decode()
    for wrong, status in (
        ("https://elsewhere.example/fox.png", 400),
        ("file:///etc/passwd", 400),
        ("images/../../etc/passwd", 400),
        (f"images/{image.sha256.upper()}", 400),
        (f"images/{image.sha256}0", 400),
        ("data:text/html,hello", 400),
        ("data:image/png;base64,äöü", 400),
        ("data:image/png;base64,AAA", 400),
        ("data:image/png;base64,", 415),
        ("data:image/svg+xml;base64," + base64.b64encode(SVG).decode(), 415),
        ("data:image/png;base64," + base64.b64encode(b"%PDF-1.7").decode(), 415),
        (f"data:image/png;base64,{long}", 413),
        ("", 400),
    ):
        with pytest.raises(Refused) as caught:
            await pages.pictures.image("ada", wrong)
        assert caught.value.refusal.status == status, wrong[:60]
    pages.store.delete(image.sha256)
    with pytest.raises(Refused, match="lost"):
        await pages.pictures.image("ada", f"images/{image.sha256}")
    pages.sessions.close()


def test_uploads_are_bounded_and_forgotten() -> None:
    now = [0.0]
    shelf = Shelf(lambda: now[0])
    images = [replace(Image.from_bytes(picture()), sha256=f"{each:064}") for each in range(600)]
    for image in images[:MOST_UPLOADS]:
        shelf.check_room("ada")
        shelf.upload("ada", image)
    with pytest.raises(Refused, match="256 pictures wait to be sent"):
        shelf.check_room("ada")
    shelf.check_room("bob")
    for image in images[:MOST_UPLOADS]:
        shelf.send("ada", image.sha256)
    for image in images[MOST_UPLOADS:]:
        shelf.check_room("ada")
        shelf.upload("ada", image, is_sent=True)
    assert shelf.find("ada", images[0].sha256) is None, "the first that were sent make room"
    assert shelf.find("ada", images[-1].sha256) == images[-1]
    shelf.upload("bob", replace(images[0], size=1 << 30))
    with pytest.raises(Refused, match="1024 MiB"):
        shelf.check_room("bob")
    now[0] = 24 * 3600.0 + 1
    shelf.check_room("bob")
    assert shelf.find("ada", images[-1].sha256) is None


def test_previews(pages: Pages, server: Served) -> None:
    data = picture()
    pages.previews.put("ada", "run_1", "turn 1:a", 0, data, "image/png")
    path = f"/{preview_url('run_1', 'turn 1:a', 0)}"
    shown = server.ask("GET", path, ADA)
    assert (shown.status, shown.body, shown.header("cache-control")) == (200, data, "no-store")
    assert shown.header("content-security-policy") == "default-src 'none'; sandbox"
    assert server.ask("GET", path, BOB).status == 404
    later = picture("JPEG")
    pages.previews.put("ada", "run_1", "turn 1:a", 3, later, "image/jpeg")
    assert server.ask("GET", path, ADA).body == later, "who is late sees the latest"
    key = path.rpartition("/")[0]
    for wrong in ("4", "-1", "x", "1" * 30, "%EF%BC%91"):
        assert server.ask("GET", f"{key}/{wrong}", ADA).status == 404
    assert preview_url("run_2", "turn 1:a", 0) != preview_url("run_1", "turn 1:a", 0)
    pages.previews.drop("run_1")
    assert server.ask("GET", path, ADA).status == 404


def test_previews_are_bounded_and_pictures(pages: Pages, server: Served) -> None:
    data = picture("BMP", (100, 130))  # 39,054 bytes
    for number in range(4):
        pages.previews.put("ada", "run_1", f"{number}", 0, data, "image/bmp")
    pages.previews.put("ada", "run_1", "svg", 0, SVG, "image/svg+xml")
    pages.previews.put("ada", "run_1", "lie", 0, b"<script>", "image/png")
    pages.previews.put("ada", "run_1", "long", 0, picture("BMP", (300, 300)), "image/bmp")
    found = {
        item: server.ask("GET", f"/{preview_url('run_1', item, 0)}", ADA).status
        for item in ("0", "1", "2", "3", "svg", "lie", "long")
    }
    assert [item for item, status in found.items() if status == 200] == ["2", "3"]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("images/" + "a" * 64, True),
        ("ximages/" + "a" * 64, False),
        ("images/" + "a" * 63, False),
        ("images/" + "a" * 64 + "\n", False),
    ],
)
def test_addresses_of_ours(url: str, found: bool) -> None:
    assert (digest_of(url) == "a" * 64) is found
