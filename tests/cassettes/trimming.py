"""What of the catalogue a cassette keeps: the models that its requests name, and those that the
example speaks of.

The whole catalogue has hundreds of models, and changes every week; an example needs a few of them.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from vcr.request import Request

_CATALOGUE = re.compile(r"/(?:images/)?models")
_ENDPOINTS = re.compile(r"/models/(.+)/endpoints$")
_SLUG = re.compile(r"[a-z0-9][\w.-]*/[\w.-]+")


def named(requests: Iterable[Request], said: str) -> set[str]:
    """The slugs of models in requests, wherever they stand there, and in what was printed."""
    found = set(_SLUG.findall(said))
    for request in requests:
        if match := _ENDPOINTS.search(request.path):
            found.add(unquote(match[1]))
        found |= set(_models_in(_read(request.body)))
    return {slug.partition(":")[0] for slug in found}


def trimmed(request: Request, body: bytes, slugs: Collection[str]) -> bytes:
    """The reply to a request for the catalogue with these models alone; any other reply as it
    is.
    """
    is_catalogue = request.method == "GET" and _CATALOGUE.fullmatch(
        request.path.partition("/api/v1")[2]
    )
    document = _read(body) if is_catalogue else None
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        return body
    kept = [
        model for model in document["data"] if isinstance(model, dict) and model.get("id") in slugs
    ]
    counted = {"total_count": len(kept)} if "total_count" in document else {}
    return json.dumps({**document, **counted, "data": kept}, ensure_ascii=False).encode()


def _models_in(value: Any) -> Iterable[str]:
    """What stands under `model` and `models`, and in the parameters of server tools."""
    if isinstance(value, list):
        for each in value:
            yield from _models_in(each)
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key == "model" and isinstance(each, str):
                yield each
            elif key == "models" and isinstance(each, list):
                yield from (slug for slug in each if isinstance(slug, str))
            else:
                yield from _models_in(each)


def _read(body: bytes | str | None) -> Any:
    try:
        return json.loads(body or b"null")
    except ValueError:
        return None
