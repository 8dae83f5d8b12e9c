"""What one user of a chat server tries in order to reach what is another's: each by its kind.

Text in braces is filled in with what the other one has: `{chat}` is a conversation, `{live}` one
whose turn goes on, `{held}` one that waits for an approval, `{picture}` and `{unsent}` are digests,
`{preview}` is the key of a preview, `{message}` an id, `{approval}` and `{call}` name the question;
`{mine}` is a conversation of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Try:
    """One request with the attacker's login, unless the headers have a cookie."""

    kind: str
    what: str
    method: str
    path: str
    body: Json | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.what}"


def _said(chat: str, *parts: Json, **more: Any) -> Json:
    message = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "Repeat all"}, *parts]}
    return {"id": chat, "trigger": "submit-message", "messages": [message], **more}


def _file(url: str) -> Json:
    return {"type": "file", "mediaType": "image/png", "url": url}


def _answer(chat: str, *, approved: bool) -> Json:
    part = {
        "type": "dynamic-tool",
        "toolName": "order_print",
        "toolCallId": "{call}",
        "state": "approval-responded",
        "input": {},
        "approval": {"id": "{approval}", "approved": approved},
    }
    message = {"id": "{message}", "role": "assistant", "parts": [part]}
    return {"id": chat, "trigger": "submit-message", "messages": [message]}


def _conversations() -> list[Try]:
    named = ("X-User", "ada"), ("X-Forwarded-User", "ada"), ("Remote-User", "ada")
    return [
        Try("conversation", "read", "GET", "/api/chat/{chat}"),
        Try("conversation", "its head", "HEAD", "/api/chat/{chat}"),
        Try("conversation", "in code", "GET", "/api/chat/%74heirs"),
        Try("conversation", "by a longer path", "GET", "/api/chat/{mine}/../{chat}"),
        Try("conversation", "a slash at its end", "GET", "/api/chat/{chat}/"),
        Try("conversation", "capitals", "GET", "/api/chat/THEIRS"),
        Try("conversation", "a pattern", "GET", "/api/chat/%25"),
        Try("conversation", "as its user", "GET", "/api/chat/{chat}?user=ada"),
        Try("conversation", "headers of a proxy", "GET", "/api/chat/{chat}", None, named),
        Try("conversation", "the one that goes on", "GET", "/api/chat/{live}"),
        Try("conversation", "the one that waits", "GET", "/api/chat/{held}"),
        Try("message", "into it", "POST", "/api/chat", _said("{chat}")),
        Try(
            "message", "as its user", "POST", "/api/chat", _said("{chat}", user="ada", owner="ada")
        ),
        Try("message", "into the one that goes on", "POST", "/api/chat", _said("{live}")),
        Try("message", "into the one that waits", "POST", "/api/chat", _said("{held}")),
        Try(
            "retry",
            "its last turn",
            "POST",
            "/api/chat",
            {"id": "{chat}", "trigger": "regenerate-message"},
        ),
        Try(
            "retry",
            "its turn in a conversation of one's own",
            "POST",
            "/api/chat",
            {"id": "{mine}", "trigger": "regenerate-message", "messageId": "{message}"},
        ),
        Try("stream", "of the turn that goes on", "GET", "/api/chat/{live}/stream"),
        Try("stream", "of one that is over", "GET", "/api/chat/{chat}/stream"),
        Try("stop", "the turn that goes on", "POST", "/api/chat/{live}/stop", {}),
        Try("stop", "with a name", "POST", "/api/chat/{live}/stop", {"user": "ada"}),
        Try("go on", "with what is over", "POST", "/api/chat/{chat}/go-on", {}),
        Try("go on", "with what goes on", "POST", "/api/chat/{live}/go-on", {}),
        Try("drop", "what waits", "POST", "/api/chat/{held}/drop", {}),
        Try("drop", "what goes on", "POST", "/api/chat/{live}/drop", {}),
        Try("fork", "from its end", "POST", "/api/chat/{chat}/fork", {}),
        Try("fork", "from its first turn", "POST", "/api/chat/{chat}/fork", {"turns": 1}),
        Try("fork", "from a message", "POST", "/api/chat/{chat}/fork", {"messageId": "{message}"}),
        Try(
            "fork",
            "a message in one's own",
            "POST",
            "/api/chat/{mine}/fork",
            {"messageId": "{message}"},
        ),
        Try("fork", "what waits", "POST", "/api/chat/{held}/fork", {"turns": 0}),
        Try("rename", "it", "PATCH", "/api/chat/{chat}", {"title": "Mine"}),
        Try("rename", "the one that goes on", "PATCH", "/api/chat/{live}", {"title": "Mine"}),
        Try(
            "rename", "and its user", "PATCH", "/api/chat/{chat}", {"title": "Mine", "user": "bob"}
        ),
        Try("delete", "it", "DELETE", "/api/chat/{chat}"),
        Try("delete", "what waits", "DELETE", "/api/chat/{held}"),
        Try("approval", "yes", "POST", "/api/chat", _answer("{held}", approved=True)),
        Try("approval", "no", "POST", "/api/chat", _answer("{held}", approved=False)),
        Try(
            "approval",
            "in a conversation of one's own",
            "POST",
            "/api/chat",
            _answer("{mine}", approved=True),
        ),
        Try("list", "all", "GET", "/api/chats?limit=100"),
        Try("list", "of a user", "GET", "/api/chats?user=ada"),
        Try("list", "behind one of theirs", "GET", "/api/chats?after={chat}"),
        Try("search", "a word of theirs", "GET", "/api/chats?search=axolotl"),
        Try("search", "everything", "GET", "/api/chats?search=%25"),
        Try("search", "a piece of SQL", "GET", "/api/chats?search='%20OR%20'1'='1"),
        Try("about", "the server", "GET", "/api/about?user=ada"),
    ]


def _pictures() -> list[Try]:
    known = (("If-None-Match", '"{picture}"'),)
    some = (("Range", "bytes=0-100"),)
    return [
        Try("picture", "by its digest", "GET", "/images/{picture}"),
        Try("picture", "its head", "HEAD", "/images/{picture}"),
        Try("picture", "to save it", "GET", "/images/{picture}?download=1"),
        Try("picture", "known already", "GET", "/images/{picture}", None, known),
        Try(
            "picture",
            "known, whatever it is",
            "GET",
            "/images/{picture}",
            None,
            (("If-None-Match", "*"),),
        ),
        Try("picture", "a part of it", "GET", "/images/{picture}", None, some),
        Try("picture", "capitals", "GET", "/images/{PICTURE}"),
        Try("picture", "the start of its digest", "GET", "/images/{picture:.12}"),
        Try("picture", "a path to it", "GET", "/images/../images/{picture}"),
        Try("picture", "a path to it in code", "GET", "/images/%2e%2e%2fimages%2f{picture}"),
        Try("picture", "as its user", "GET", "/images/{picture}?user=ada"),
        Try("picture", "of the turn that goes on", "GET", "/images/{drawing}"),
        Try("thumbnail", "small", "GET", "/images/{picture}?w=16"),
        Try("thumbnail", "large", "GET", "/images/{picture}?w=4096"),
        Try(
            "thumbnail",
            "known already",
            "GET",
            "/images/{picture}?w=16",
            None,
            (("If-None-Match", '"{picture}-160"'),),
        ),
        Try("thumbnail", "of what was not sent", "GET", "/images/{unsent}?w=16"),
        Try("upload", "what was not sent", "GET", "/images/{unsent}"),
        Try("upload", "to save it", "GET", "/images/{unsent}?download=1"),
        Try(
            "upload",
            "in a message of one's own",
            "POST",
            "/api/chat",
            _said("{mine}", _file("images/{unsent}")),
        ),
        Try(
            "reference",
            "in a message of one's own",
            "POST",
            "/api/chat",
            _said("{mine}", _file("images/{picture}")),
        ),
        Try(
            "reference",
            "from the root",
            "POST",
            "/api/chat",
            _said("{mine}", _file("/images/{picture}")),
        ),
        Try(
            "reference",
            "a whole address",
            "POST",
            "/api/chat",
            _said("{mine}", _file("http://127.0.0.1/images/{picture}?w=16")),
        ),
        Try(
            "reference",
            "of the turn that goes on",
            "POST",
            "/api/chat",
            _said("{mine}", _file("images/{drawing}")),
        ),
        Try(
            "reference",
            "a file of the store",
            "POST",
            "/api/chat",
            _said("{mine}", _file("file:///{picture}.png")),
        ),
        Try("preview", "of the picture that is drawn", "GET", "/previews/{preview}/0"),
        Try("preview", "a later one", "GET", "/previews/{preview}/1"),
        Try("preview", "its head", "HEAD", "/previews/{preview}/0"),
        Try("preview", "as its user", "GET", "/previews/{preview}/0?user=ada"),
    ]


def _cookies() -> list[Try]:
    """Logins that are none, or somebody else's name."""
    cookies = {
        "none": "",
        "a name": "login=ada",
        "a guess": "login=00000000000000000000000000000000",
        "one's own and a name": "user=ada; {cookie}",
        "one's own twice, then a name": "{cookie}; login=ada",
        "the cookie of the link": "agentkit_{port}=ada",
        "the login of one who left": "login={left}",
        "its beginning": "login={key:.10}",
    }
    found = [
        Try("cookie", f"{what}, {where}", "GET", path, None, (("Cookie", each),))
        for what, each in cookies.items()
        for where, path in (
            ("a conversation", "/api/chat/{chat}"),
            ("a picture", "/images/{picture}"),
        )
    ]
    bearer = (("Authorization", "Bearer ada"), ("Cookie", ""))
    return [*found, Try("cookie", "a token", "GET", "/api/chat/{chat}", None, bearer)]


TRIES = [*_conversations(), *_pictures(), *_cookies()]
