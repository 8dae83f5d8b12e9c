"""vcrpy's cassette, with agentkit's own rules of what is the same request, and what is kept."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import httpx2
import vcr.cassette
import vcr.request
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.record_mode import RecordMode

from agentkit.errors import NotRecorded, UsageError
from agentkit.testing import scrub, trimming
from agentkit.testing.matching import Compared, compared, differences, lenient, nearest
from agentkit.testing.placeholders import in_text, loose_summary, summary
from agentkit.testing.scrub import REDACTED
from agentkit.testing.tape_file import Interaction
from agentkit.testing.trimming import Asked

# vcrpy has no types.
_Cassette: Any = vcr.cassette.Cassette
_new_request: Any = vcr.request.Request
RECORD_MODES = {
    "none": RecordMode.NONE,
    "once": RecordMode.ONCE,
    "new_episodes": RecordMode.NEW_EPISODES,
    "all": RecordMode.ALL,
    "rewrite": RecordMode.ALL,
}
Pictures = Literal["exact", "size"]
_SHORTEST_KEY = 20
"""A shorter one, made up for a test, may stand in any text."""
ORIGIN = "https://openrouter.test"
"""In a cassette: the address of an OpenRouter on the user's own machine, whose port is another one
each time. Played, it is the address of the client."""


class Shelf:
    """Where vcrpy takes what was recorded before, and leaves what is to be kept."""

    def __init__(self, before: Sequence[Interaction] | None) -> None:
        self._before = before
        self.kept: list[tuple[Asked, dict[str, Any]]] | None = None
        """Requests and replies, if there is anything to be written."""

    def load_cassette(self, _path: Path, serializer: object) -> tuple[list[Asked], list[Any]]:
        del serializer
        if self._before is None:
            raise CassetteNotFoundError
        return [_request(each) for each in self._before], [_reply(each) for each in self._before]

    def save_cassette(self, _path: Path, found: dict[str, Any], serializer: object) -> None:
        # Written once vcrpy has gone: what fails here would leave its functions in place.
        del serializer
        self.kept = list(zip(found["requests"], found["responses"], strict=True))


class Tape(_Cassette):
    """Plays what was there before, each reply once, and records the rest where the mode lets it."""

    def __init__(self, *, pictures: Pictures, label: str, **options: Any) -> None:
        _Cassette.__init__(self, match_on=(same,), **options)
        self._label = label
        self._pictures: scrub.PictureText = loose_summary if pictures == "size" else summary
        self.data: list[tuple[Asked, dict[str, Any]]]
        self._loaded = 0
        self._origin = ""
        self._stored: dict[tuple[int, str], Compared] = {}
        self._known_pictures: frozenset[str] | None = None
        self.refused: list[NotRecorded] = []
        self.sent = 0
        self.recorded = 0

    @property
    def is_broken_off(self) -> bool:
        """Whether a request went out whose reply did not come whole."""
        return self.sent > self.recorded

    @property
    def unplayed(self) -> list[str]:
        """The requests of the cassette that were not asked again."""
        return [self._of(at).name for at in range(self._loaded) if not self.play_counts[at]]

    def _load(self) -> None:
        _Cassette._load(self)  # noqa: SLF001 - its own
        self._loaded, self.recorded = len(self.data), 0

    def append(self, request: Asked, response: dict[str, Any]) -> None:
        """Keep a reply, unless its connection broke before its end, which vcrpy takes for one
        without a body.
        """
        if "string" in response["body"]:
            self.recorded += 1
            _Cassette.append(self, request, response)

    def can_play_response_for(self, request: Asked) -> bool:
        if _accepts(request) != "image/*":
            self._origin = _origin(request.uri)
        if self.record_mode != RecordMode.ALL and self._find(request) is not None:
            return True
        if self.write_protected:
            self.refused.append(self._refusal(request))
            raise self.refused[-1]
        self.sent += 1
        return False

    def play_response(self, request: Asked) -> dict[str, Any]:
        at = self._find(request)
        if at is None:
            raise self._refusal(request)
        self.play_counts[at] += 1
        return self._at_home(self.data[at][1])

    def _find(self, request: Asked) -> int | None:
        """Which of the replies that are left answers it. A picture that was made of a placeholder
        counts only where nothing else fits.
        """
        left = [at for at in range(self._loaded) if not self.play_counts[at]]
        given = self._compared(request, self._pictures)
        for at in left:
            if self._of(at) == given:
                return at
        given = self._compared(request, lenient(self._pictures_of_replies()))
        for at in left:
            if not any(differences(self._of(at), given)):
                return at
        return None

    def _refusal(self, request: Asked) -> NotRecorded:
        left = [self._of(at) for at in range(self._loaded) if not self.play_counts[at]]
        given = self._compared(request, self._pictures)
        there = nearest(left, given) if self._loaded else "It holds nothing"
        return NotRecorded(
            f"{given.name} is not in this cassette, {self._label}. {there}. Nothing was sent or "
            'billed. To record it: mode="new_episodes", or pytest --record-mode=new_episodes'
        )

    def _of(self, at: int) -> Compared:
        key = (at, self._origin)
        if key not in self._stored:
            self._stored[key] = self._compared(self.data[at][0], self._pictures)
        return self._stored[key]

    def _compared(self, request: Asked, picture: scrub.PictureText) -> Compared:
        known = {self._origin: ORIGIN} if self._origin else {}
        parts = urlsplit(scrub.text(request.uri, known))
        query = sorted(parse_qsl(parts.query, keep_blank_values=True))
        body = scrub.body(_bytes(request.body), known, picture=picture)
        return compared(request.method, parts.path, query, body)

    def _pictures_of_replies(self) -> frozenset[str]:
        if self._known_pictures is None:
            found: set[str] = set()
            for at in range(self._loaded):
                found |= _pictures_in(self.data[at][1]["body"]["string"])
            self._known_pictures = frozenset(found)
        return self._known_pictures

    def _at_home(self, response: dict[str, Any]) -> dict[str, Any]:
        """The reply with the client's own address in it."""
        if not self._origin or self._origin == ORIGIN:
            return response
        body = response["body"]["string"].replace(ORIGIN.encode(), self._origin.encode())
        headers = {
            name: [value.replace(ORIGIN, self._origin) for value in values]
            for name, values in response["headers"].items()
        }
        return {**response, "headers": headers, "body": {"string": body}}


def same(one: Asked, other: Asked) -> None:
    """For vcrpy, which asks where a new recording takes the place of an older one."""
    first, second = (
        compared(
            each.method, each.path, each.query, scrub.body(_bytes(each.body), {}, picture=summary)
        )
        for each in (one, other)
    )
    found = next(differences(first, second), "")
    assert not found, found  # noqa: S101 - how matchers of vcrpy say no


def scrubbed(
    pairs: Sequence[tuple[Asked, dict[str, Any]]], models: Iterable[str]
) -> list[Interaction]:
    """What is kept of requests and their replies. Of the catalogue, `models` stay beside those that
    requests name. Raises `UsageError` for a reply that cannot be read.
    """
    requests = [request for request, _ in pairs]
    known = _known(requests)
    names = trimming.named(requests) | {*models}
    return [_scrubbed(request, response, known, names) for request, response in pairs]


def _scrubbed(
    request: Asked, response: dict[str, Any], known: scrub.Known, names: set[str]
) -> Interaction:
    body = trimming.trimmed(request, _unpacked(request, response), names)
    status = response["status"]
    return Interaction(
        request.method,
        scrub.text(request.uri, known),
        _lists(scrub.headers(request.headers, known)),
        scrub.body(_bytes(request.body), known) if request.body else None,
        int(status["code"]),
        str(status["message"] or ""),
        _lists(scrub.headers(response["headers"], known)),
        scrub.body(body, known),
    )


def _unpacked(request: Asked, response: dict[str, Any]) -> bytes:
    body: bytes = response["body"]["string"]
    headers = [(name, value) for name, values in response["headers"].items() for value in values]
    packed = httpx2.Headers(headers).get("content-encoding", "identity").lower()
    if packed == "identity" or not body:
        return body
    try:
        found = httpx2.Response(200, headers={"content-encoding": packed}, content=body).content
    except httpx2.DecodingError:
        found = body
    if found == body:  # broken, or of a kind that nobody here can read
        raise UsageError(
            f"the reply to {request.method} {request.path} is packed as {packed}, so secrets "
            "cannot be taken out of it: nothing was kept"
        )
    return found


def _known(requests: Iterable[Asked]) -> dict[str, str]:
    """The keys that were sent, and addresses of the user's own machine."""
    known: dict[str, str] = {}
    for request in requests:
        key = str(request.headers.get("authorization", "")).partition(" ")[2].strip()
        if len(key) >= _SHORTEST_KEY:
            known[key] = REDACTED
        origin = _origin(request.uri)
        if _accepts(request) != "image/*" and _is_local(urlsplit(origin).hostname or ""):
            known[origin] = ORIGIN
    return known


def _is_local(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _accepts(request: Asked) -> str:
    return str(request.headers.get("accept", ""))


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def _lists(headers: dict[str, Any]) -> dict[str, list[str]]:
    return {name: [value] if isinstance(value, str) else value for name, value in headers.items()}


def _pictures_in(body: bytes) -> set[str]:
    """The summaries of the pictures in a reply, which may be one itself."""
    found: set[str] = set()

    def note(data: bytes) -> None:
        if (told := summary(data)) is not None:
            found.add(told)

    note(body)
    in_text(body.decode("utf-8", "replace"), note)
    return found


def _request(each: Interaction) -> Asked:
    headers = {name: values[0] for name, values in each.request_headers.items() if values}
    return _new_request(each.method, each.uri, each.request_body, headers)


def _reply(each: Interaction) -> dict[str, Any]:
    return {
        "status": {"code": each.status, "message": each.reason},
        "headers": {name: [*values] for name, values in each.headers.items()},
        "body": {"string": each.body},
    }
