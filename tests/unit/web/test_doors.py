"""Who is let in, over real sockets: by the link, by the cookie, as a program, as a user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from agentkit._access import Site, read_hosts
from agentkit.errors import UsageError
from agentkit.web.access import check_address
from agentkit.web.doors import Doors
from tests.web_server import Served, serving_app

TOKEN = "a-token-that-a-test-has-chosen"
BEARER = ("authorization", f"Bearer {TOKEN}")


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """Says who came in, and where."""
    if scope["type"] == "http":
        user = scope["state"].get("user", "nobody was asked for")
        await JSONResponse({"user": user, "root": scope["root_path"]})(scope, receive, send)


@contextmanager
def served(**options: Any) -> Generator[Served]:
    with serving_app(Doors(inner, **options), lifespan="off") as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Generator[Served]:
    with served(token=TOKEN, hosts=["chat.example.org", "http://box.local:8080"]) as running:
        yield running


def test_the_link_becomes_a_cookie_and_an_address_without_a_token(server: Served) -> None:
    welcome = server.ask("GET", f"/?token={TOKEN}")
    assert (welcome.status, welcome.header("location")) == (303, "/")
    set_cookie = welcome.header("set-cookie") or ""
    cookie, *attributes = set_cookie.split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert cookie.startswith(f"agentkit_{server.port}=")
    assert TOKEN not in set_cookie, "the cookie is not the token"
    assert welcome.header("cache-control") == "no-store"
    assert server.ask("GET", "/", [("cookie", f"theme=dark; {cookie}")]).json()["user"] is None
    origin = ("origin", server.url)
    posted = server.ask("POST", "/api/chat", [("cookie", cookie), origin], {})
    assert posted.status == 200


def test_without_a_token_the_page_says_what_to_open(server: Served) -> None:
    page = server.ask("GET", "/")
    assert (page.status, page.header("content-type")) == (401, "text/plain; charset=utf-8")
    assert "the link with the token" in page.body.decode()
    api = server.ask("GET", "/api/chats")
    assert (api.status, sorted(api.json())) == (401, ["accepted", "error"])
    assert server.ask("GET", "/?token=another-token-of-some-length").status == 401
    again = server.ask("GET", f"/?token={TOKEN[:-1]}", [BEARER])
    assert (again.status, again.header("set-cookie")) == (303, None), "in already"


def test_a_link_on_another_site_is_followed_by_a_page_of_ours(server: Served) -> None:
    followed = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ]
    welcome = server.ask("GET", f"/?token={TOKEN}", followed)
    assert welcome.status == 303
    # The browser follows without the cookie, which is for our own pages alone.
    page = server.ask("GET", "/", followed)
    assert page.status == 401
    assert b'<meta http-equiv="refresh" content="0; url=./">' in page.body
    own = [("sec-fetch-site", "same-origin"), *followed[1:]]
    assert server.ask("GET", "/", own).header("content-type") == "text/plain; charset=utf-8"


def test_a_program_has_the_token_in_a_header(server: Served) -> None:
    assert server.ask("POST", "/api/chat", [BEARER], {}).status == 200
    assert server.ask("DELETE", "/api/chat/x", [BEARER]).status == 200
    wrong = [("authorization", "Bearer another-token-of-some-length")]
    assert server.ask("POST", "/api/chat", wrong, {}).status == 403
    assert server.ask("GET", "/api/chats", wrong).status == 401


def test_the_files_of_the_page_are_open_to_those_who_know_our_name(server: Served) -> None:
    assert server.ask("GET", "/page/manifest.json").json()["user"] == "nobody was asked for"
    assert server.ask("GET", "/page/manifest.json", [("host", "elsewhere.example")]).status == 421
    assert server.ask("POST", "/page/x", [], {}).status == 403


def test_names_are_taken_with_their_scheme_and_port(server: Served) -> None:
    def ask(host: str, origin: str) -> int:
        return server.ask(
            "POST", "/api/chat", [("host", host), ("origin", origin), BEARER], {}
        ).status

    assert ask("chat.example.org", "https://chat.example.org") == 200
    assert ask("CHAT.example.org", "https://chat.example.org") == 200
    assert ask("chat.example.org", "http://chat.example.org") == 403
    assert ask("chat.example.org:443", "https://chat.example.org") == 421
    assert ask("box.local:8080", "http://box.local:8080") == 200
    assert ask("box.local", "http://box.local") == 421
    local = f"localhost:{server.port}"
    assert ask(local, f"http://{local}") == 200
    assert ask(local, server.url) == 403, "127.0.0.1 and localhost are two sites"
    assert ask(local, "https://chat.example.org") == 200, "a proxy of ours that calls us so"
    assert ask("chat.example.org", f"http://{local}") == 403
    assert ask(f"localhost:{server.port + 1}", f"http://localhost:{server.port + 1}") == 421


def test_the_cookie_is_for_https_alone_where_we_are(server: Served) -> None:
    welcome = server.ask("GET", f"/?token={TOKEN}", [("host", "chat.example.org")])
    set_cookie = welcome.header("set-cookie") or ""
    assert set_cookie.startswith("agentkit_443=")
    assert set_cookie.endswith("; HttpOnly; SameSite=Strict; Secure")


@pytest.mark.parametrize(
    ("method", "path", "kind", "status"),
    [
        ("POST", "/api/chat", "application/json", 200),
        ("POST", "/api/chat", "Application/JSON; charset=utf-8", 200),
        ("POST", "/api/chat", "text/plain", 415),
        ("POST", "/api/chat", "application/x-www-form-urlencoded", 415),
        ("POST", "/api/chat", "multipart/form-data; boundary=x", 415),
        ("POST", "/api/chat", "application/json, text/plain", 415),
        ("POST", "/api/chat", None, 415),
        ("POST", "/api/chat", "image/png", 415),
        ("PATCH", "/api/chat/x", "text/plain", 415),
        ("DELETE", "/api/chat/x", "text/plain", 415),
        ("DELETE", "/api/chat/x", "application/json", 200),
        ("POST", "/api/images", "image/png", 200),
        ("POST", "/api/images", "IMAGE/*", 200),
        ("POST", "/api/images", "application/json", 415),
        ("POST", "/api/images", "text/plain", 415),
        ("PATCH", "/api/images", "image/png", 415),
        ("POST", "/api/files", "application/octet-stream", 200),
        ("POST", "/api/files", "text/plain", 415),
        ("POST", "/api/files", "multipart/form-data; boundary=x", 415),
        ("POST", "/api/files", None, 415),
        ("PATCH", "/api/files", "application/octet-stream", 415),
        ("POST", "/api/images/x", "image/png", 415),
    ],
)
def test_kinds_of_bodies(
    server: Served, method: str, path: str, kind: str | None, status: int
) -> None:
    headers = [BEARER] if kind is None else [BEARER, ("content-type", kind)]
    reply = server.ask(method, path, headers, b"{}")
    assert reply.status == status
    if status == 415:
        assert "accepted" in reply.json()


def test_every_answer_keeps_itself_from_others(server: Served) -> None:
    asked = [
        server.ask("GET", "/api/chats", [BEARER]),
        server.ask("GET", "/api/chats"),
        server.ask("GET", f"/?token={TOKEN}"),
        server.ask("OPTIONS", "/api/chats"),
        server.ask("GET", "/", [("host", "elsewhere.example")]),
    ]
    for reply in asked:
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("referrer-policy") == "no-referrer"
        assert reply.header("cross-origin-resource-policy") == "same-origin"
        assert reply.header("x-frame-options") == "DENY"
        assert "frame-ancestors 'none'" in (reply.header("content-security-policy") or "")
        assert reply.header("cache-control") == "no-store"
        assert not [name for name, _ in reply.headers if name.startswith("access-control")]


def by_header(request: Request) -> str | None:
    """A login as an application may have it."""
    name = request.headers.get("x-login")
    if name == "banned":
        raise HTTPException(403, "Not you.")
    if name == "broken":
        raise RuntimeError("the login has no database at /srv/secret")
    return name


async def by_header_async(request: Request) -> str | None:
    return by_header(request)


class ByHeader:
    async def __call__(self, request: Request) -> str | None:
        return by_header(request)


def by_header_later(request: Request) -> Awaitable[str | None]:
    return by_header_async(request)


@pytest.mark.parametrize(
    "login",
    [
        pytest.param(by_header, id="function"),
        pytest.param(by_header_async, id="coroutine"),
        pytest.param(ByHeader(), id="object"),
        pytest.param(by_header_later, id="awaitable"),
    ],
)
def test_the_login_of_an_application(login: Callable[[Request], Any]) -> None:
    with served(user=login) as server:

        def ask(name: str) -> Any:
            return server.ask("GET", "/api/chats", [("x-login", name)])

        assert ask("ada").json()["user"] == "ada"
        assert server.ask("POST", "/api/chat", [("x-login", "bob")], {}).json()["user"] == "bob"
        nobody = server.ask("GET", "/api/chats")
        assert (nobody.status, nobody.json()["error"]) == (401, "You are not logged in.")
        assert (ask("banned").status, ask("banned").json()) == (403, {"error": "Not you."})
        broken = ask("broken")
        assert broken.status == 500
        assert b"secret" not in broken.body
        assert ask("a" * 201).status == 500, "no name of a user"
        assert server.ask("GET", "/?token=x", [("x-login", "ada")]).status == 200
        assert server.ask("GET", "/page/x").json()["user"] == "nobody was asked for"


def test_a_login_sees_what_a_page_of_another_site_sends() -> None:
    with served(user=by_header) as server:
        ada = ("x-login", "ada")
        foreign = [ada, ("origin", "https://elsewhere.example")]
        assert server.ask("POST", "/api/chat", foreign, {}).status == 403
        assert server.ask("POST", "/api/chat", [ada, ("origin", "null")], {}).status == 403
        assert server.ask("POST", "/api/chat", [ada], b"{}").status == 415


def test_mounted_under_a_path() -> None:
    doors = Doors(inner, token=TOKEN)
    mounted = Starlette(routes=[Mount("/our/chat", doors)])
    with (
        serving_app(mounted, lifespan="off") as inside,
        serving_app(doors, lifespan="off", root_path="/our/chat") as behind_a_proxy,
    ):
        for server, before in ((inside, "/our/chat"), (behind_a_proxy, "")):
            welcome = server.ask("GET", f"{before}/?token={TOKEN}")
            assert welcome.header("location") == "/our/chat/"
            assert "Path=/our/chat;" in (welcome.header("set-cookie") or "")
            found = server.ask("GET", f"{before}/api/chats", [BEARER])
            assert found.json() == {"user": None, "root": "/our/chat"}


def test_the_page_is_below_its_slash() -> None:
    """Where an application calls us by the path alone."""
    doors = Doors(inner, token=TOKEN)

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        await doors({**scope, "root_path": "/our/chat"}, receive, send)

    with serving_app(site, lifespan="off") as server:
        bare = server.ask("GET", "/our/chat", [BEARER])
        assert (bare.status, bare.header("location")) == (307, "/our/chat/")
        assert server.ask("GET", "/our/chat/", [BEARER]).json()["root"] == "/our/chat"
        assert server.ask("GET", f"/our/chat?token={TOKEN}").header("location") == "/our/chat/"
        assert server.ask("GET", "/our/chat").status == 401


async def test_what_else_a_server_sends() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await Doors(inner)({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
    await Doors(inner)({"type": "lifespan"}, receive, send)


def test_wrong_arguments() -> None:
    assert Doors(inner).token != Doors(inner).token
    assert Doors(inner).link("http://127.0.0.1:1").startswith("http://127.0.0.1:1/?token=")
    assert Doors(inner, user=by_header).link("http://x/chat/") == "http://x/chat/"
    for options, words in (
        ({"token": "short"}, "app(token=…): accepted are 16 to 200"),
        ({"token": "with spaces in it, and more"}, "accepted are 16 to 200"),
        ({"token": TOKEN, "user": by_header}, "one of them, not both"),
        ({"user": "ada"}, "app(user='ada'): accepted is a function"),
        ({"hosts": "chat.example.org"}, "app(hosts='chat.example.org'): accepted is a list"),
        ({"hosts": ["*"]}, "app(hosts='*')"),
        ({"hosts": ["https://chat.example.org/path"]}, "accepted is a list"),
        ({"hosts": ["chat.example.org:99999"]}, "accepted is a list"),
        ({"hosts": [3]}, "app(hosts=3)"),
    ):
        with pytest.raises(UsageError) as caught:
            Doors(inner, **options)
        assert words in str(caught.value)
        assert "with spaces" not in str(caught.value)


def test_addresses_that_other_machines_reach() -> None:
    where, sites = "serve(host={!r})", read_hosts("", ["chat.example.org"])
    assert sites == (Site("https", "chat.example.org"),)
    for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"):
        check_address(where, host, (), has_login=True)
    for host in ("0.0.0.0", "::", "192.168.1.5", "chat.example.org", ""):
        check_address(where, host, sites, has_login=True)
        with pytest.raises(UsageError, match="under which names"):
            check_address(where, host, (), has_login=True)
        with pytest.raises(UsageError, match="unless there is a token"):
            check_address(where, host, sites, has_login=False)
