"""OpenRouter's own SDK as a judge of bodies.

Its types are generated from the newest specification, later than the document under `../shared`.
Each request that the emulator accepted, and each of its replies, is read with them: one that they
refuse, or in which they meet a variant or a word that they do not know, is a mistake of ours. Left
out is what a test dictated (`Exchange.dictated`), and the tests that are marked `unjudged`.

`KNOWN` has what is right although the types say otherwise, each with its reason.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agentkit.emulator.server.exchange import LOGGER, Exchange


@dataclass(frozen=True)
class Known:
    """What is no mistake: where it stands (a pattern of the path), and why."""

    where: str
    reason: str


KNOWN: tuple[Known, ...] = (
    Known(
        r"unknown variant: \{'id': 'mcp\w*', 'type': 'mcp_",
        "items of OpenAI's own MCP tool; the types have them in requests, where they are echoed",
    ),
    Known(
        r"unknown variant: \{'type': 'response\.error'",
        "the documentation's name of an event that ends a stream; the types call it error",
    ),
    Known(
        r"ImageGenerationResponse\.data\.\d+: Field required \(b64_json\), in \{'url'"
        r"|unknown variant: \{'type': 'image_generation\.completed', 'url'",
        "a picture as a URL, as OpenAI's own Image API gives it",
    ),
)

REQUESTS = {
    "/chat/completions": "ChatRequest",
    "/responses": "ResponsesRequest",
    "/images": "ImageGenerationRequest",
}
REPLIES = {
    "/chat/completions": "ChatResult",
    "/responses": "OpenResponsesResult",
    "/images": "ImageGenerationResponse",
    "/models": "ModelsListResponse",
    "/images/models": "ImageModelsListResponse",
    "/tools": "ListToolsResponse",
    "/generation": "GenerationResponse",
}
EVENTS = {
    "/chat/completions": "ChatStreamChunk",
    "/responses": "StreamEvents",
    "/images": "ImageStreamingResponseData",
}
PATTERNS = {
    r"/images/models/[^/]+/[^/]+/endpoints": "ImageModelEndpointsResponse",
    r"/tools/[^/]+": "GetToolResponse",
    r"/containers/[^/]+/files": "ContainerFileListResponse",
    r"/containers/[^/]+/files/[^/]+": "ContainerFile",
}


@cache
def adapter(name: str) -> TypeAdapter[Any]:
    """The type of this name as a validator; the SDK loads and builds each when it is asked for."""
    from openrouter import components
    from openrouter.components import imagestreamingresponse

    found = getattr(
        imagestreamingresponse if name == "ImageStreamingResponseData" else components, name
    )
    return TypeAdapter(found)


def complaints(name: str, value: Any) -> list[str]:
    """What the type of this name has against a value: each as a place and a reason."""
    try:
        with warnings.catch_warnings():  # of fields that are deprecated, and still right
            warnings.simplefilter("ignore", DeprecationWarning)
            read = adapter(name).validate_python(value)
    except ValidationError as error:
        told = dict[str, str]()
        for each in error.errors():
            where, held = found(value, each["loc"])
            lacks = f" ({each['loc'][-1]})" if each["type"] == "missing" else ""
            told.setdefault(where, f"{name}{where}: {each['msg']}{lacks}, in {str(held)[:300]}")
        return list(told.values())[:5]
    return [f"{name}{where}" for where in unknown(read)]


def found(value: Any, steps: Iterable[str | int]) -> tuple[str, Any]:
    """Where in a value an error lies, without the names of union members, and what lies there."""
    where = ""
    for step in steps:
        is_key = isinstance(value, dict) and step in value
        if is_key or (isinstance(value, list) and isinstance(step, int) and step < len(value)):
            value = value[step]
            where += f".{step}"
    return where, value


def unknown(value: Any, where: str = "") -> Iterator[str]:
    """Where a value holds a variant or a word that the types do not know."""
    from openrouter.types import BaseModel, UnrecognizedInt, UnrecognizedStr

    if isinstance(value, BaseModel):
        if getattr(value, "is_unknown", False):
            yield f"{where}: an unknown variant: {str(getattr(value, 'raw', value))[:200]}"
            return
        for field, member in value.__dict__.items():
            if member is not None:
                yield from unknown(member, f"{where}.{field}")
        return
    if isinstance(value, list):
        for index, member in enumerate(value):
            yield from unknown(member, f"{where}.{index}")
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from unknown(member, f"{where}.{key}")
    elif isinstance(value, UnrecognizedStr | UnrecognizedInt):
        yield f"{where}: an unknown word: {value!r}"


def shape(value: object) -> Hashable:
    """What the types look at in a value: its keys, the types of its members, and words; not prose,
    names, ids or base64. Bodies of one shape are judged once.
    """
    if isinstance(value, dict):
        return tuple([(key, _member_shape(value, key, member)) for key, member in value.items()])
    if isinstance(value, list):
        return frozenset([shape(member) for member in value])
    if isinstance(value, str) and (len(value) > LONGEST_WORD or " " in value):
        return ""
    return value if isinstance(value, str | bool) else type(value)


def _member_shape(whole: Mapping[str, object], key: str, member: object) -> Hashable:
    if isinstance(member, str) and key in PLAIN:
        return ""
    if isinstance(member, str) and key == "id" and not whole.keys().isdisjoint(("type", "object")):
        return ""  # the id of a plugin, which has neither, is one of a few words
    if isinstance(member, dict) and key == "parameters" and "name" in whole:
        return dict  # of a function: any object; those of a server tool have a type of their own
    return shape(member)


LONGEST_WORD = 24
"""Characters of a word."""
PLAIN = {
    "arguments", "call_id", "content", "delta", "description", "instructions", "item_id", "model",
    "name", "output", "prompt", "prompt_cache_key", "result", "session_id", "text", "title",
    "tool_call_id", "url", "user",
}  # fmt: skip
"""Members in which every string is right: where their type is a string it is a plain one."""


def _reply_type(exchange: Exchange) -> str | None:
    if exchange.status >= 400:
        return None
    if exchange.streamed:
        return EVENTS.get(exchange.path)
    if exchange.path in REPLIES:
        return REPLIES[exchange.path]
    return next((name for at, name in PATTERNS.items() if re.fullmatch(at, exchange.path)), None)


def _is_error(reply: object) -> bool:
    """A body, or an event of chat, that is nothing but an error."""
    return isinstance(reply, Mapping) and set(reply) <= {"error", "user_id"}


def _bodies(exchange: Exchange) -> Iterator[tuple[str, str, Any]]:
    """The bodies of an exchange that are to be judged: what each is, its type, and its value."""
    request = REQUESTS.get(exchange.path)
    if request is not None and exchange.status < 400:
        yield "request", request, exchange.request
    if (reply := _reply_type(exchange)) is not None:
        yield from (("reply", reply, each) for each in exchange.replies if not _is_error(each))


def judged(exchange: Exchange, right: set[Hashable] | None = None) -> list[str]:
    """What the SDK has against an exchange. `right` learns the shapes that it has nothing against,
    which are not judged again.
    """
    if exchange.dictated:
        return []
    found: list[str] = []
    for what, name, value in _bodies(exchange):
        key = (name, shape(value))
        if right is None or key not in right:
            wrong = [f"{what} {each}" for each in complaints(name, value)]
            wrong = [each for each in wrong if not any(re.search(one.where, each) for one in KNOWN)]
            found += wrong
            if right is not None and not wrong:
                right.add(key)
    return found


class Judge(logging.Handler):
    """Collects exchanges as they are logged, from any thread; they are judged when asked."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._waiting: deque[Exchange] = deque()
        self._right: set[Hashable] = set()

    def emit(self, record: logging.LogRecord) -> None:
        exchange = getattr(record, "exchange", None)
        if isinstance(exchange, Exchange):
            self._waiting.append(exchange)

    def listen(self) -> None:
        logger = logging.getLogger(LOGGER)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(self)

    def leave(self) -> None:
        logger = logging.getLogger(LOGGER)
        logger.removeHandler(self)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True

    def taken(self) -> list[Exchange]:
        """What came since the last time."""
        found: list[Exchange] = []
        while self._waiting:
            found.append(self._waiting.popleft())
        return found

    def verdict(self) -> list[str]:
        """What there is against what came since the last time, each once."""
        return list(
            dict.fromkeys(each for one in self.taken() for each in judged(one, self._right))
        )


def told(found: Iterable[str]) -> str:
    return "OpenRouter's types refuse bodies of this test:\n" + "\n".join(list(found)[:20])
