"""What of the catalogue a cassette keeps: the models and server tools that its requests name.

The whole catalogue has hundreds of models and changes every week; a test needs a few of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast
from urllib.parse import unquote

from agentkit.wire.json import as_object, as_objects, as_text
from agentkit.wire.types import JsonObject

_CATALOGUE = re.compile(r"/(?:models|images/models|tools)\Z")
_ENDPOINTS = re.compile(r"/models/(.+)/endpoints\Z")
_NAMES = {"model", "models", "type"}


class Asked(Protocol):
    """A request, as vcrpy hands it out."""

    @property
    def method(self) -> str: ...
    @property
    def uri(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> Any: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> Sequence[tuple[str, str]]: ...


def named(requests: Iterable[Asked]) -> set[str]:
    """The slugs of models and the types of tools in requests, wherever they stand there."""
    found: set[str] = set()
    for request in requests:
        if match := _ENDPOINTS.search(request.path):
            found.add(unquote(match[1]))
        found |= set(_names_in(_read(request.body)))
    return found


def trimmed(request: Asked, body: bytes, names: Collection[str]) -> bytes:
    """The reply to a request for the catalogue with what is named alone; any other reply as it
    is.
    """
    is_catalogue = request.method == "GET" and _CATALOGUE.search(request.path)
    document: JsonObject = as_object(_read(body)) if is_catalogue else {}
    if not isinstance(document.get("data"), list):
        return body
    plain = {_plain(name) for name in names}
    kept = [entry for entry in as_objects(document["data"]) if _ids(entry) & plain]
    counted = {"total_count": len(kept)} if "total_count" in document else {}
    return json.dumps({**document, **counted, "data": kept}, ensure_ascii=False).encode()


def _ids(entry: JsonObject) -> set[str]:
    """The id of a model or tool, and the other types by which a tool is asked for."""
    aliases = [as_text(each.get("type")) for each in as_objects(entry.get("aliases"))]
    return {_plain(each) for each in (as_text(entry.get("id")), *aliases) if each}


def _plain(name: str) -> str:
    """A variant (`:free`) that is not listed is its model; the colon of a tool is part of it."""
    return name.partition(":")[0] if "/" in name else name


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _names_in(each)
    if isinstance(value, dict):
        for key, each in cast("dict[str, Any]", value).items():
            if key in _NAMES and isinstance(each, str):
                yield each
            elif key in _NAMES and isinstance(each, list):
                yield from (one for one in cast("list[Any]", each) if isinstance(one, str))
            else:
                yield from _names_in(each)


def _read(body: Any) -> Any:
    try:
        return json.loads(body or b"null")
    except (ValueError, TypeError, RecursionError):
        return None
