"""vcrpy, set up for agentkit: `record` keeps the traffic of a block in `cassettes/`, `play` answers
from there alone.

A request is answered if method, path, query and body are those of a recorded one, pictures compared
by size, format and placeholder. vcrpy hands out each reply as a whole: how a stream may be cut is
tested over real sockets elsewhere.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import vcr.serialize
import yaml
from vcr.cassette import Cassette
from vcr.filters import decode_response
from vcr.matchers import method, path, query
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.record_mode import RecordMode
from vcr.request import Request

from agentkit import AgentkitError, OpenRouter
from tests.cassettes import trimming, washing
from tests.cassettes.placeholders import summary
from tests.cassettes.washing import ORIGIN

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cassettes"
EXAMPLES = (
    "weather_picture",
    "conversation",
    "image_model",
    "studio",
    "edit_a_picture",
    "approve",
    "budget",
)
EMULATOR = "agentkit's emulator, not OpenRouter"
MAX_BYTES = 100_000


class NotRecorded(AgentkitError):
    """A request that the cassette does not hold. Being an error of agentkit's, it passes through
    the client as it is.
    """


def example(name: str) -> ModuleType:
    """One of `examples/`, imported anew."""
    spec = importlib.util.spec_from_file_location(
        f"examples_{name}", ROOT / "examples" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def file_of(name: str, folder: Path = FOLDER) -> Path:
    return folder / f"{name}.yaml"


@contextmanager
def record(
    name: str, *, source: str, folder: Path = FOLDER, said: StringIO | None = None
) -> Iterator[Cassette]:
    """Keep the traffic of the block, washed, in place of what the cassette held. A block that fails
    leaves it alone.

    Of the catalogue only the models stay that its requests name, or what the block has `said`.
    """
    with Tape.use(
        path=file_of(name, folder),
        persister=Shelf(source, said),
        serializer=SafeYaml,
        record_mode=RecordMode.ALL,
        match_on=(method, path, query, same_body),
        record_on_exception=False,
    ) as tape:
        yield tape


@contextmanager
def play(name: str, folder: Path = FOLDER) -> Iterator[Cassette]:
    """Answer every request of the block from the cassette, each recorded reply once. Raises
    `NotRecorded` for others.
    """
    with Tape.use(
        path=file_of(name, folder),
        persister=Shelf(),
        serializer=SafeYaml,
        record_mode=RecordMode.NONE,
        match_on=(method, path, query, same_body),
    ) as tape:
        yield tape


def player() -> OpenRouter:
    """A client for cassettes: they hold one address only, and vcrpy sees a body that streams on
    httpx2 alone.
    """
    return OpenRouter(api_key="any", base_url=f"{ORIGIN}/api/v1", transport="httpx2")


class Tape(Cassette):
    """A cassette that says at once, and in which way, a request differs from what it holds."""

    def can_play_response_for(self, request: Request) -> bool:
        can_play = super().can_play_response_for(request)
        if not can_play and self.record_mode == RecordMode.NONE:
            left = [stored for at, stored in enumerate(self.requests) if not self.play_counts[at]]
            reasons = [
                f"{stored.method} {stored.path}: {_difference_of(stored, request)}"
                for stored in left
            ]
            raise NotRecorded(
                f"{request.method} {request.path} is not in {Path(self.path).name}. "
                f"Left there: {'; '.join(reasons) or 'nothing'}. If it is right as it is, run `make record`"
            )
        return can_play


def same_body(one: Request, other: Request) -> None:
    difference = _difference(_compared(one), _compared(other))
    assert not difference, difference


def _difference_of(stored: Request, request: Request) -> str:
    if (stored.method, stored.path, stored.query) != (request.method, request.path, request.query):
        return "another request"
    return _difference(_compared(stored), _compared(request)) or "the same, but played before"


def _compared(request: Request) -> Any:
    """What of a body counts: all but what washing takes out, and how far server tools may go: of
    runs that share a budget, it is chance which takes its share first."""
    data = washing.body(request.body or b"", {}, picture=summary)
    value = json.loads(data) if data[:1] in {b"{", b"["} else data
    if isinstance(value, dict):
        value.pop("stop_server_tools_when", None)
    return value


def _difference(recorded: Any, given: Any, at: str = "body") -> str:
    """Where two JSON values differ first, in words; empty if nowhere."""
    if isinstance(recorded, dict) and isinstance(given, dict):
        pairs = [
            (f"{at}.{key}", recorded.get(key), given.get(key))
            for key in sorted({*recorded, *given})
        ]
    elif isinstance(recorded, list) and isinstance(given, list) and len(recorded) == len(given):
        pairs = [
            (f"{at}[{number}]", *pair)
            for number, pair in enumerate(zip(recorded, given, strict=True))
        ]
    else:
        return (
            "" if recorded == given else f"{at} is {_short(given)}, recorded is {_short(recorded)}"
        )
    return next(
        (found for place, one, other in pairs if (found := _difference(one, other, place))), ""
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:119]}…"


class Shelf:
    """Where cassettes lie. What goes in is washed as a whole, since what an address becomes is
    known at the end only.
    """

    def __init__(self, source: str = "", said: StringIO | None = None) -> None:
        self._source, self._said = source, said

    def load_cassette(
        self, path: Path, serializer: type[SafeYaml]
    ) -> tuple[list[Request], list[Any]]:
        if self._source:
            raise CassetteNotFoundError  # what was recorded before is of no interest to a new recording
        return vcr.serialize.deserialize(path.read_text(encoding="utf-8"), serializer)

    def save_cassette(
        self, path: Path, cassette_dict: dict[str, Any], serializer: type[SafeYaml]
    ) -> None:
        slugs = trimming.named(
            cassette_dict["requests"], "" if self._said is None else self._said.getvalue()
        )
        requests, addresses = _addressed(cassette_dict["requests"])
        for request in requests:
            request.headers = washing.headers(request.headers)
            request.body = washing.body(request.body, addresses) if request.body else None
        pairs = zip(requests, cassette_dict["responses"], strict=True)
        responses = [_washed(request, response, addresses, slugs) for request, response in pairs]
        text = vcr.serialize.serialize({"requests": requests, "responses": responses}, serializer)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_NOTE.format(self._source) + text, encoding="utf-8")


_NOTE = """\
# Recorded by `make record` from {}, and played by tests/cassettes.
# Pictures are flat placeholders of the same size; addresses, accounts and dates are replaced.
"""


def _addressed(requests: list[Request]) -> tuple[list[Request], dict[str, str]]:
    """The requests at their new addresses, and which address became which."""
    addresses: dict[str, str] = {}
    moved: list[Request] = []
    for request in requests:
        parts = urlsplit(request.uri)
        # a picture is asked for at a checked address, and the name of its host is in the header
        origin = f"{parts.scheme}://{request.headers['host']}"
        where = f"{parts.path}?{parts.query}" if parts.query else parts.path
        if request.headers.get("accept") == "image/*":
            number = sum("/pictures/" in new for new in addresses.values()) + 1
            new = addresses.setdefault(
                origin + where, f"{ORIGIN}/pictures/{number}{Path(parts.path).suffix or '.png'}"
            )
        else:
            addresses[origin] = ORIGIN
            new = ORIGIN + where
        moved.append(Request(request.method, new, request.body, dict(request.headers)))
    return moved, addresses


def _washed(
    request: Request, response: dict[str, Any], addresses: dict[str, str], slugs: set[str]
) -> dict[str, Any]:
    response = decode_response(response)
    encoding = {name.lower(): value for name, value in response["headers"].items()}.get(
        "content-encoding"
    )
    if encoding:
        raise ValueError(
            f"a reply in the content encoding {encoding} cannot be washed, so it is not kept"
        )
    kept = washing.headers(response["headers"])
    if "location" in kept:
        kept["location"] = [addresses.get(each, ORIGIN) for each in kept["location"]]
    body = {
        "string": washing.body(
            trimming.trimmed(request, response["body"]["string"], slugs), addresses
        )
    }
    return {"status": response["status"], "headers": kept, "body": body}


class SafeYaml:
    """YAML without objects, the lines of a stream below each other."""

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        return yaml.dump(cassette, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**9)

    @staticmethod
    def deserialize(text: str) -> Any:
        return yaml.safe_load(text)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, *_: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _string)
