"""What pages of other sites, names that lead here, and those who guess send to a chat server: each
by its kind. Text in braces is filled in: `{port}`, `{token}`, and `{cookie}`, which is what the
browser of the person who is logged in adds by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]
COOKIE = ("Cookie", "{cookie}")
BEARER = ("Authorization", "Bearer {token}")
OWN = ("Origin", "http://127.0.0.1:{port}")
JSON = ("Content-Type", "application/json")
HOST = ("Host", "127.0.0.1:{port}")
SEND = b'{"id": "stolen", "messages": []}'


@dataclass(frozen=True)
class Try:
    """One request. `Host` is ours unless it has one."""

    kind: str
    what: str
    headers: Headers
    method: str = "POST"
    path: str = "/api/chat"
    version: str = "1.1"
    body: bytes = SEND

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.what}"

    @property
    def all_headers(self) -> Headers:
        has_host = self.kind == "rebinding" or any(name == "Host" for name, _ in self.headers)
        return self.headers if has_host else (HOST, *self.headers)


def _names() -> list[Try]:
    """A name that leads to this machine, with all else as it should be."""
    hosts = {
        "another name": "evil.example:{port}",
        "without the port": "evil.example",
        "ours at its beginning": "127.0.0.1.evil.example:{port}",
        "localhost at its beginning": "localhost.evil.example:{port}",
        "localhost at its end": "evil.localhost:{port}",
        "ours as a user": "127.0.0.1:{port}@evil.example",
        "ours as a fragment": "evil.example#127.0.0.1:{port}",
        "ours as a path": "evil.example/127.0.0.1:{port}",
        "no port": "127.0.0.1",
        "another port": "127.0.0.1:1",
        "no number for a port": "127.0.0.1:{port}x",
        "a port with zeros": "127.0.0.1:0{port}",
        "a dot at the end": "localhost.:{port}",
        "short": "127.1:{port}",
        "one number": "2130706433:{port}",
        "hexadecimal": "0x7f.0.0.1:{port}",
        "octal": "0177.0.0.1:{port}",
        "another loopback address": "127.0.0.2:{port}",
        "any address": "0.0.0.0:{port}",
        "mapped": "[::ffff:127.0.0.1]:{port}",
        "loopback written out": "[0:0:0:0:0:0:0:1]:{port}",
        "two in one": "127.0.0.1:{port}, evil.example",
        "empty": "",
    }
    own = (COOKIE, BEARER, JSON)
    found = [
        Try("rebinding", what, (("Host", host), ("Origin", f"http://{host}"), *own))
        for what, host in hosts.items()
    ]
    evil = ("Host", "evil.example:{port}")
    return [
        *found,
        Try("rebinding", "two, ours first", (HOST, evil, OWN, *own)),
        Try("rebinding", "two, ours last", (evil, HOST, OWN, *own)),
        Try("rebinding", "none at all", (OWN, *own), version="1.0"),
        Try("rebinding", "ours as forwarded", (evil, ("X-Forwarded-Host", HOST[1]), OWN, *own)),
        Try("rebinding", "ours as Forwarded", (evil, ("Forwarded", "host=127.0.0.1"), OWN, *own)),
        Try("rebinding", "ours in the target", (evil, OWN, *own), path="http://127.0.0.1/api/chat"),
        Try("rebinding", "a page that reads", (evil, COOKIE, BEARER), "GET", "/api/chats"),
        Try("rebinding", "the page", (evil, COOKIE), "GET", "/"),
        Try("rebinding", "the link", (evil,), "GET", "/?token={token}"),
        Try("rebinding", "a file of the page", (evil,), "GET", "/page/app.js"),
    ]


def _origins() -> list[Try]:
    """A page of another site, in the browser of the person who is logged in."""
    origins = {
        "another site": "https://evil.example",
        "a sandboxed frame": "null",
        "another server of this machine": "http://127.0.0.1:1",
        "another name of this machine": "http://localhost:{port}",
        "another scheme": "https://127.0.0.1:{port}",
        "ours at its beginning": "http://127.0.0.1:{port}.evil.example",
        "ours as a user": "http://127.0.0.1:{port}@evil.example",
        "a slash at its end": "http://127.0.0.1:{port}/",
        "no port": "http://127.0.0.1",
        "two in one": "http://127.0.0.1:{port} https://evil.example",
        "an extension": "chrome-extension://abcdefghijklmnop",
        "a file": "file://",
        "empty": "",
    }
    found = [
        Try("origin", what, (COOKIE, ("Origin", each), JSON)) for what, each in origins.items()
    ]
    evil = ("Origin", "https://evil.example")
    return [
        *found,
        Try("origin", "two, ours first", (COOKIE, OWN, evil, JSON)),
        Try("origin", "two, ours last", (COOKIE, evil, OWN, JSON)),
        Try("origin", "with the token itself", (BEARER, evil, JSON)),
        Try("origin", "no word of it", (COOKIE, JSON)),
        Try("origin", "a referer alone", (COOKIE, ("Referer", "http://127.0.0.1:{port}/"), JSON)),
        Try("origin", "a deletion", (COOKIE, evil), "DELETE", "/api/chat/x"),
        Try("origin", "a new title", (COOKIE, evil, JSON), "PATCH", "/api/chat/x"),
        Try(
            "origin", "a picture", (COOKIE, evil, ("Content-Type", "image/png")), path="/api/images"
        ),
        Try("origin", "a read", (COOKIE, evil), "GET", "/api/chats"),
        Try(
            "origin",
            "a question before it",
            (evil, ("Access-Control-Request-Method", "POST")),
            "OPTIONS",
        ),
    ]


def _sites() -> list[Try]:
    """The same, as `Sec-Fetch-Site` tells it."""

    def fetch(site: str, mode: str = "no-cors", dest: str = "empty") -> Headers:
        return (
            COOKIE,
            ("Sec-Fetch-Site", site),
            ("Sec-Fetch-Mode", mode),
            ("Sec-Fetch-Dest", dest),
        )

    return [
        Try("fetch", "another site", (*fetch("cross-site"), JSON)),
        Try("fetch", "another port", (*fetch("same-site"), JSON)),
        Try("fetch", "typed by a person", (*fetch("none"), JSON)),
        Try("fetch", "another site, our origin", (*fetch("cross-site"), OWN, JSON)),
        Try("fetch", "two words", (*fetch("same-origin"), *fetch("cross-site"), OWN, JSON)),
        Try("fetch", "a word that is none", (*fetch("Same-Origin"), JSON)),
        Try("fetch", "a picture shown", fetch("cross-site", dest="image"), "GET", "/images/x"),
        Try(
            "fetch", "a picture of a sibling", fetch("same-site", dest="image"), "GET", "/images/x"
        ),
        Try("fetch", "a script", fetch("cross-site", dest="script"), "GET", "/api/chats"),
        Try("fetch", "a stream", fetch("same-site", "cors"), "GET", "/api/chat/x/stream"),
        Try("fetch", "a frame", fetch("cross-site", "navigate", "iframe"), "GET", "/"),
        Try(
            "fetch",
            "a link to data",
            fetch("cross-site", "navigate", "document"),
            "GET",
            "/api/chats",
        ),
        Try(
            "fetch",
            "a link to a picture",
            fetch("cross-site", "navigate", "document"),
            "GET",
            "/images/x",
        ),
        Try("fetch", "a form that navigates", (*fetch("cross-site", "navigate", "document"), JSON)),
    ]


def _forms() -> list[Try]:
    """Bodies that a page can send without asking first; and methods in disguise."""
    kinds = {
        "plain text": "text/plain",
        "a form": "application/x-www-form-urlencoded",
        "parts": "multipart/form-data; boundary=x",
        "JSON as a parameter": "text/plain; application/json",
        "two kinds in one": "text/plain, application/json",
        "nearly JSON": "application/jsonx",
        "empty": "",
    }
    found = [
        Try("form", what, (COOKIE, OWN, ("Content-Type", kind))) for what, kind in kinds.items()
    ]
    plain = ("Content-Type", "text/plain")
    override = ("X-HTTP-Method-Override", "DELETE")
    return [
        *found,
        Try("form", "no kind", (COOKIE, OWN)),
        Try("form", "two kinds", (COOKIE, OWN, JSON, plain)),
        Try("form", "a picture of text", (COOKIE, OWN, plain), path="/api/images"),
        Try("form", "a picture of JSON", (COOKIE, OWN, JSON), path="/api/images"),
        Try("form", "a deletion with words", (COOKIE, OWN, plain), "DELETE", "/api/chat/x"),
        Try("form", "stop without a kind", (COOKIE, OWN), path="/api/chat/x/stop", body=b""),
        Try("method", "TRACE", (COOKIE, OWN), "TRACE"),
        Try("method", "PUT", (COOKIE, OWN, JSON), "PUT"),
        Try("method", "in disguise", (COOKIE, ("Origin", "null"), JSON, override)),
        Try("method", "lower case", (COOKIE, ("Origin", "null"), JSON), "post"),
    ]


def _tokens() -> list[Try]:
    """Guesses at the token, and places where it is not looked for."""

    def bearer(value: str) -> Headers:
        return (("Authorization", value), JSON)

    values = {
        "none": "Bearer",
        "another": "Bearer 0123456789abcdef0123456789abcdef",
        "its beginning": "Bearer {token:.10}",
        "more than it": "Bearer {token}x",
        "capitals": "Bearer {TOKEN}",
        "in quotes": 'Bearer "{token}"',
        "twice": "Bearer {token} {token}",
        "a list": "Bearer {token},{token}",
        "another scheme": "Token {token}",
        "a name and a password": "Basic OnRva2Vu",
        "nothing before it": "{token}",
        "the cookie": "Bearer {cookie_value}",
        "everything": "Bearer *",
        "long": "Bearer " + "a" * 5_000,
    }
    found = [Try("token", what, bearer(each), "GET", "/api/chats") for what, each in values.items()]
    return [
        *found,
        Try("token", "two headers", (*bearer("Bearer x"), BEARER), "GET", "/api/chats"),
        Try("token", "in the address of data", (), "GET", "/api/chats?token={token}"),
        Try("token", "in the address of a picture", (), "GET", "/images/x?token={token}"),
        Try("token", "in a header of its own", (("X-Token", "{token}"),), "GET", "/api/chats"),
        Try("token", "in the body", (OWN, JSON), body=b'{"token": "guess"}'),
        Try("token", "in the link, its beginning", (), "GET", "/?token={token:.20}"),
        Try("token", "in the link, empty", (), "GET", "/?token="),
        Try("token", "in the link, second", (), "GET", "/?token=x&token={token}"),
        Try("token", "in the link, as a list", (), "GET", "/?token[]={token}"),
        Try("token", "in a fragment", (), "GET", "/#token={token}"),
        Try("token", "in the link, sent", (OWN, JSON), "POST", "/?token={token}"),
        Try("token", "on another page", (), "GET", "//evil.example/?token={token}"),
        Try("token", "on a page above", (), "GET", "/page/../?token={token}"),
        Try("token", "a page above in code", (), "GET", "/page/%2e%2e/api/chats"),
        Try("token", "another page in code", (), "GET", "/%2e/api/chats"),
    ]


def _cookies() -> list[Try]:
    """Cookies of one who has not been let in."""
    values = {
        "the token": "agentkit_{port}={token}",
        "no port in its name": "agentkit={cookie_value}",
        "another port in its name": "agentkit_1={cookie_value}",
        "its beginning": "agentkit_{port}={cookie_value:.30}",
        "more than it": "agentkit_{port}={cookie_value}0",
        "capitals": "agentkit_{port}={COOKIE_VALUE}",
        "in quotes": 'agentkit_{port}="{cookie_value}"',
        "empty": "agentkit_{port}=",
        "a name alone": "agentkit_{port}",
        "another name": "AGENTKIT_{port}={cookie_value}",
        "a value alone": "={cookie_value}",
        "a name before the name": "x=agentkit_{port}={cookie_value}",
        "a comma for a semicolon": "x=1, agentkit_{port}={cookie_value}",
        "true": "agentkit_{port}=true",
        "zeros": "agentkit_{port}=" + "0" * 64,
        "many of them": "; ".join(f"agentkit_{{port}}={each:064x}" for each in range(80)),
        "of another server": "agentkit_{port}={other_cookie_value}",
    }
    found = [
        Try("cookie", what, (("Cookie", each),), "GET", "/api/chats")
        for what, each in values.items()
    ]
    stream = (("Cookie", "agentkit_{port}=guess"),)
    return [
        *found,
        Try("cookie", "a stream", stream, "GET", "/api/chat/x/stream"),
        Try("cookie", "a message", (*stream, OWN, JSON)),
        Try("cookie", "the page", stream, "GET", "/"),
        Try("cookie", "in another header", (("Cookie2", "{cookie}"),), "GET", "/api/chats"),
    ]


TRIES = [*_names(), *_origins(), *_sites(), *_forms(), *_tokens(), *_cookies()]
