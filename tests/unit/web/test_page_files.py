"""The files of the chat page, as they are sent."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import agentkit.web
from agentkit.web import page_files
from agentkit.web.refusal import Refused, refused_response
from tests.web_server import Served, serving_app

STATIC = Path(agentkit.web.__file__).with_name("static")
ON_DISK = 200_000
AS_SENT = 75_000


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    app = Starlette(routes=page_files.routes(), exception_handlers={Refused: refused_response})
    with serving_app(app) as served:
        yield served


def asked_for(server: Served) -> list[str]:
    """What a browser loads: the page, and all that it names."""
    page = server.ask("GET", "/").body.decode()
    return ["/", *(f"/{path}" for path in re.findall(r'(?:href|src)="(page/[^"]+)"', page))]


def test_the_page_names_only_files_that_are_there(server: Served) -> None:
    found = {path: server.ask("GET", path) for path in asked_for(server)}
    assert {path: reply.status for path, reply in found.items()} == dict.fromkeys(found, 200)
    types = {path.partition("?")[0]: reply.header("content-type") for path, reply in found.items()}
    assert types == {
        "/": "text/html; charset=utf-8",
        "/page/icon.svg": "image/svg+xml",
        "/page/app.webmanifest": "application/manifest+json",
        "/page/page.css": "text/css; charset=utf-8",
        "/page/page.js": "text/javascript; charset=utf-8",
    }


def test_the_page_has_nothing_that_its_policy_would_refuse(server: Served) -> None:
    page = server.ask("GET", "/").body.decode()
    assert not re.search(r"<script(?![^>]+src=)|<style|\son\w+=|\sstyle=|https?:", page)


def test_the_page_is_small() -> None:
    """What is on the disk, and what goes over the wire before a chat can begin."""
    sizes = {path.name: path.stat().st_size for path in STATIC.iterdir()}
    assert sum(sizes.values()) <= ON_DISK, sizes
    sent = {
        name: len(gzip.compress((STATIC / name).read_bytes(), 9))
        for name in sizes
        if name != "licences.txt"
    }
    assert sum(sent.values()) <= AS_SENT, sent


def test_a_file_is_kept_for_good_under_the_address_of_its_version_alone(server: Served) -> None:
    script = next(path for path in asked_for(server) if "page.js" in path)
    digest = hashlib.sha256((STATIC / "page.js").read_bytes()).hexdigest()
    assert script.endswith(f"?v={digest[:10]}")
    assert "immutable" in (server.ask("GET", script).header("cache-control") or "")
    for other in ("/page/page.js", "/page/page.js?v=0123456789", "/"):
        assert server.ask("GET", other).header("cache-control") == "private, no-cache"


def test_a_file_is_sent_compressed_to_whoever_takes_it(server: Served) -> None:
    plain = server.ask("GET", "/page/page.js")
    zipped = server.ask("GET", "/page/page.js", [("accept-encoding", "br, gzip")])
    assert plain.header("content-encoding") is None
    assert zipped.header("content-encoding") == "gzip"
    assert gzip.decompress(zipped.body) == plain.body == (STATIC / "page.js").read_bytes()
    assert len(zipped.body) * 2 < len(plain.body)


def test_what_a_browser_has_is_not_sent_again(server: Served) -> None:
    tag = server.ask("GET", "/").header("etag")
    assert tag is not None
    again = server.ask("GET", "/", [("if-none-match", tag)])
    assert (again.status, again.body) == (304, b"")
    assert server.ask("GET", "/", [("if-none-match", '"another"')]).status == 200


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "nothing.js",
        "..%2fpage_files.py",
        "%2e%2e",
        "page.js%00",
        "PAGE.JS",
        "main.ts",
    ],
)
def test_no_other_file_is_reached(server: Served, name: str) -> None:
    reply = server.ask("GET", f"/page/{name}")
    assert reply.status == 404
    assert b"def " not in reply.body


def test_the_worker_may_serve_the_page_above_it(server: Served) -> None:
    assert server.ask("GET", "/page/worker.js").header("service-worker-allowed") == "/"


def test_the_page_works_below_a_path() -> None:
    inner = Starlette(routes=page_files.routes(), exception_handlers={Refused: refused_response})
    with serving_app(Starlette(routes=[Mount("/site/chat", inner)])) as served:
        page = served.ask("GET", "/site/chat/")
        assert page.status == 200
        for path in re.findall(r'(?:href|src)="([^"]+)"', page.body.decode()):
            assert served.ask("GET", f"/site/chat/{path}").status == 200, path
        worker = served.ask("GET", "/site/chat/page/worker.js")
        assert worker.header("service-worker-allowed") == "/site/chat/"
