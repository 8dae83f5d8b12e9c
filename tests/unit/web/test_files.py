"""Files at the chat server: brought, sent to the model, shown after a reload, and given to nobody
else, and to nobody to look at in a browser.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.requests import Request

from agentkit import Context, File, OpenRouter, tool
from agentkit.agent import Agent
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.images.store import FileImageStore, MemoryImageStore
from agentkit.values.file_kind import MOST_BYTES
from agentkit.web.file_uploads import take_file_in
from agentkit.web.refusal import Refused
from tests.conftest import picture
from tests.documents import pdf
from tests.unit.web.talking import TOKEN, Talker, chat_server, closing, web_for
from tests.web_server import Reply as HttpReply
from tests.web_server import serving_app

BYTES = "application/octet-stream"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BIDI = "\u202egpj.exe"


def bring(page: Talker, data: bytes, name: str) -> HttpReply:
    path = f"/api/files?name={quote(name)}"
    return page.ask("POST", path, data, **{"content-type": BYTES})


def said(chat: str, words: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """A message with these `file` parts, as `useChat` sends it."""
    message = {"id": "m", "role": "user", "parts": [*parts, {"type": "text", "text": words}]}
    return {"id": chat, "trigger": "submit-message", "messages": [message]}


def sent(url: str, **more: str) -> dict[str, Any]:
    return {"type": "file", "url": url, "mediaType": "application/pdf", **more}


def files_in(emulator: Emulator) -> list[str]:
    """The names of the files in the last request."""
    body = emulator.requests[-1].body
    items = body.get("messages") or body.get("input") or ()
    parts = [part for each in items for part in each.get("content") or () if isinstance(part, dict)]
    chat = [part["file"]["filename"] for part in parts if part["type"] == "file"]
    return chat + [part["filename"] for part in parts if part["type"] == "input_file"]


@tool
def report(title: str) -> File:
    """Writes a report."""
    return File.from_bytes(f"# {title}\n".encode(), name=f"{title}.md")


def test_a_file_is_brought_sent_and_shown_after_a_reload(
    emulator: Emulator, tmp_path: Path
) -> None:
    data = pdf(3)
    emulator.play(Reply([Say("It has three pages.")]))
    with chat_server(emulator, tmp_path) as page:
        brought = bring(page, data, "Bericht Größe.pdf")
        assert brought.status == 201
        made = brought.json()
        file = File.from_bytes(data, name="Bericht Größe.pdf")
        assert made == {
            "sha256": file.sha256,
            "url": f"files/{file.sha256}",
            "mediaType": "application/pdf",
            "filename": "Bericht Größe.pdf",
            "size": len(data),
            "pages": 3,
        }
        stream = page.open("POST", "/api/chat", said("ada", "How long?", sent(made["url"])))
        assert stream.status == 200, stream.response.read()
        list(stream.chunks())
        assert files_in(emulator) == ["Bericht Größe.pdf"]
        (told, plain, words) = page.history("ada")["messages"][0]["parts"]
        assert told["type"] == "data-file"
        assert told["data"] == {
            "name": "file_1",
            "filename": "Bericht Größe.pdf",
            "url": made["url"],
            "mediaType": "application/pdf",
            "size": len(data),
            "pages": 3,
            "invocationId": None,
        }
        assert plain == sent(made["url"], filename="Bericht Größe.pdf")
        assert words["text"] == "How long?"
        saved = page.ask("GET", f"/{made['url']}")
        assert (saved.status, saved.body) == (200, data)
        assert saved.header("content-disposition") == (
            'attachment; filename="Bericht Gr__e.pdf"; '
            "filename*=UTF-8''Bericht%20Gr%C3%B6%C3%9Fe.pdf"
        )
        assert saved.header("content-type") == BYTES
        assert saved.header("x-content-type-options") == "nosniff"
        assert saved.header("content-security-policy") == "default-src 'none'; sandbox"
        assert saved.header("content-length") == str(len(data))
        head = page.ask("HEAD", f"/{made['url']}")
        assert (head.status, head.body) == (200, b"")


def test_the_name_in_the_message_counts(emulator: Emulator, tmp_path: Path) -> None:
    with chat_server(emulator, tmp_path) as page:
        url = bring(page, b"sunny", "a.txt").json()["url"]
        bring(page, b"sunny", "b.txt")
        stream = page.open("POST", "/api/chat", said("c", "Hm", sent(url, filename="../x/a.txt")))
        list(stream.chunks())
        (told, *_) = page.history("c")["messages"][0]["parts"]
        assert (told["data"]["filename"], told["data"]["mediaType"]) == ("a.txt", "text/plain")


def test_a_file_of_a_tool_is_told_live_and_later(emulator: Emulator, tmp_path: Path) -> None:
    call = CallTool("report", {"title": "rain"}, id="call_r")
    emulator.play(Reply([call]), Reply([Say("See the report.")]))
    with chat_server(emulator, tmp_path, tools=[report]) as page:
        chunks = page.say("ada", "Write one")
        (told,) = [each for each in chunks if each["type"] == "data-file"]
        (plain,) = [each for each in chunks if each["type"] == "file"]
        assert set(plain) == {"type", "url", "mediaType"}, "version 6 refuses every other field"
        facts = told["data"]
        assert (facts["name"], facts["filename"]) == ("file_1", "rain.md")
        assert (facts["mediaType"], facts["invocationId"]) == ("text/markdown", "call_r")
        saved = page.ask("GET", f"/{plain['url']}")
        assert saved.body == b"# rain\n"
        answer = page.history("ada")["messages"][1]["parts"]
        assert {"type": "data-file", "id": told["id"], "data": facts} in answer
        assert plain in answer
        (call_part,) = [each for each in answer if each["type"] == "data-call"]
        assert call_part["data"]["files"] == ["file_1"]


def test_a_file_of_a_turn_that_goes_on_can_be_had(emulator: Emulator, tmp_path: Path) -> None:
    reached: list[HttpReply] = []

    @tool
    def look(context: Context) -> str:
        """Looks whether the file is to be had by now."""
        (file,) = context.files.values()
        reached.append(pages[0].ask("GET", f"/files/{file.sha256}"))
        return "yes"

    pages: list[Talker] = []
    calls = [CallTool("report", {"title": "rain"}), CallTool("look", {})]
    emulator.play(*[Reply([each]) for each in calls], Reply([Say("Done.")]))
    with chat_server(emulator, tmp_path, tools=[report, look]) as page:
        pages.append(page)
        page.say("ada", "Write one")
    assert [(each.status, each.body) for each in reached] == [(200, b"# rain\n")]


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "empty.pdf", "it has no bytes"),
        (
            b"<!doctype html><p>Log in",
            "report.pdf",
            "it is no PDF, as its name says, but text/html",
        ),
        (pdf(1, trailer=b" /Encrypt 5 0 R"), "secret.pdf", "the PDF is encrypted"),
        (picture(), "fox.pdf", "This is a picture, and no file."),
        (picture(size=(200, 200), noise=9), "fox.bin", "This is a picture, and no file."),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(
    data: bytes, name: str, words: str, emulator: Emulator, tmp_path: Path
) -> None:
    with chat_server(emulator, tmp_path) as page:
        refused = bring(page, data, name)
        assert refused.status == 415
        assert words in refused.json()["error"]
        assert refused.json()["accepted"]
    assert FileImageStore(tmp_path / "store").size() == 0, "there is no trace of it"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\files\\plan.txt", "plan.txt"),
        (f"a{BIDI}", "a gpj.exe"),
        ("x" * 300 + ".txt", "x" * 115 + "….txt"),
        ('a"b\r\nset-cookie: c.txt', "a'b set-cookie: c.txt"),
        ("", "file.txt"),
    ],
)
def test_no_name_does_harm(name: str, shown: str, emulator: Emulator, tmp_path: Path) -> None:
    with chat_server(emulator, tmp_path) as page:
        made = bring(page, b"just words", name).json()
        assert made["filename"] == shown
        saved = page.ask("GET", f"/{made['url']}")
        header = saved.header("content-disposition") or ""
        assert header.startswith("attachment; filename=")
        assert header.endswith(f"filename*=UTF-8''{quote(shown, safe='')}")
        assert header.isascii()
        assert header.isprintable()
        assert saved.header("set-cookie") is None


@pytest.mark.parametrize(
    ("data", "name"), [(b"<script>alert(1)</script><html>", "page.html"), (SVG, "drawing.svg")]
)
def test_what_a_browser_would_run_is_kept_and_never_shown(
    data: bytes, name: str, emulator: Emulator, tmp_path: Path
) -> None:
    with chat_server(emulator, tmp_path) as page:
        url = bring(page, data, name).json()["url"]
        for path in (url, f"{url}?download=0", f"{url}?w=20"):
            saved = page.ask("GET", f"/{path}")
            assert (saved.body, saved.header("content-type")) == (data, BYTES)
            assert (saved.header("content-disposition") or "").startswith("attachment; ")
            assert saved.header("x-content-type-options") == "nosniff"


def test_what_is_too_large_is_refused_before_it_comes(emulator: Emulator, tmp_path: Path) -> None:
    with chat_server(emulator, tmp_path) as page:
        head = (
            f"POST /api/files?name=big.pdf HTTP/1.1\r\nhost: 127.0.0.1:{page.served.port}\r\n"
            f"authorization: Bearer {TOKEN}\r\ncontent-type: {BYTES}\r\n"
            f"content-length: {500 << 20}\r\nconnection: close\r\n\r\n"
        )
        refused = page.served.raw(head, b"%PDF-1.7\n")
        assert refused.status == 413
        assert refused.json()["error"] == "The file has more than 100 MiB."
        assert page.get("/api/about")["maxFileBytes"] == MOST_BYTES


async def test_what_is_too_large_and_does_not_say_so_leaves_nothing() -> None:
    store = MemoryImageStore()

    async def endless() -> Any:
        yield b"%PDF-1.7\n"
        while True:
            yield bytes(16 << 20)

    with pytest.raises(Refused, match="more than 100 MiB"):
        await take_file_in(store, endless(), None, "big.pdf")
    assert store.size() == 0


def test_only_who_brought_it_has_it(emulator: Emulator, tmp_path: Path) -> None:
    def user(request: Request) -> str | None:
        return request.headers.get("x-login")

    client = OpenRouter(base_url=emulator.base_url, api_key="sk-or-any")
    store = FileImageStore(tmp_path / "store")
    agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False)
    with serving_app(closing(web_for(agent, tmp_path, user=user))) as served:
        ada, bob = (Talker(served, {"x-login": name}) for name in ("ada", "bob"))
        url = bring(ada, b"a secret", "plan.txt").json()["url"]
        missing = bob.ask("GET", f"/files/{'0' * 64}")
        others = bob.ask("GET", f"/{url}")
        assert (others.status, others.body) == (404, missing.body), "as if it were not there"
        assert bob.open("POST", "/api/chat", said("bobs", "Read it", sent(url))).status == 404
        list(ada.open("POST", "/api/chat", said("adas", "Read it", sent(url))).chunks())
        assert bob.ask("GET", f"/{url}").status == 404
        assert ada.ask("GET", f"/{url}").status == 200
        assert Talker(served).ask("GET", f"/{url}").status == 401
        for stream in (*ada.streams, *bob.streams):
            stream.leave()


def test_a_data_url_of_a_message_is_a_file_by_what_it_has(
    emulator: Emulator, tmp_path: Path
) -> None:
    def inline(data: bytes, kind: str) -> str:
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"

    parts = [
        sent(inline(pdf(2), "application/pdf"), filename="a.pdf"),
        {"type": "file", "mediaType": "image/png", "url": inline(picture(), "image/png")},
        {"type": "file", "mediaType": "image/svg+xml", "url": inline(SVG, "image/svg+xml")},
    ]
    with chat_server(emulator, tmp_path) as page:
        stream = page.open("POST", "/api/chat", said("ada", "Look", *parts))
        assert stream.status == 200, stream.response.read()
        list(stream.chunks())
        kinds = [each["type"] for each in page.history("ada")["messages"][0]["parts"]]
        assert kinds == ["data-file", "file", "data-picture", "file", "data-file", "file", "text"]
        assert files_in(emulator) == ["a.pdf"], "an SVG goes as words"
        fake = sent(inline(b"<html>no</html>", "application/pdf"), filename="b.pdf")
        refused = page.open("POST", "/api/chat", said("bob", "Look", fake))
        assert refused.status == 415
        assert b"it is no PDF" in refused.response.read()


def test_a_file_that_the_model_cannot_take_is_refused_in_words(
    emulator: Emulator, tmp_path: Path
) -> None:
    archive = b"PK\x03\x04" + bytes(60)
    options: dict[str, Any] = {"checks": True, "tools": []}
    with chat_server(emulator, tmp_path, model="openai/gpt-oss-20b", **options) as page:
        url = bring(page, archive, "all.zip").json()["url"]
        refused = page.open("POST", "/api/chat", said("ada", "Read it", sent(url)))
        assert refused.status == 400
        assert "it takes no files, and 'all.zip'" in refused.response.read().decode()
        assert [each for each in emulator.requests if each.method == "POST"] == []


def test_a_prompt_with_a_file_is_sent_again(emulator: Emulator, tmp_path: Path) -> None:
    with chat_server(emulator, tmp_path) as page:
        url = bring(page, pdf(2), "a.pdf").json()["url"]
        list(page.open("POST", "/api/chat", said("ada", "Read it", sent(url))).chunks())
        again = page.open("POST", "/api/chat", {"id": "ada", "trigger": "regenerate-message"})
        assert again.status == 200, again.response.read()
        list(again.chunks())
        assert files_in(emulator) == ["a.pdf"]
        (told, *_) = page.history("ada")["messages"][0]["parts"]
        assert told["data"]["filename"] == "a.pdf"
