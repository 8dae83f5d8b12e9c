"""A cassette on the disk: vcrpy's format, version 1, as YAML without objects.

It is read whole, with a limit, and every field is checked, since people edit cassettes by hand. It
is written whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from agentkit.errors import UsageError

VERSION = 1
MAX_BYTES = 20_000_000
"""A cassette of agentkit's has some ten thousand. More is something else, or holds pictures."""
_DEEPEST = 32
_BREAKS = frozenset("\r\x85\u2028\u2029\ufeff")
_yaml: Any = yaml
"""Which has types only in part."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BaseDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, slots=True)
class Interaction:
    """A request and its reply. Each header has a list of values."""

    method: str
    uri: str
    request_headers: Mapping[str, Sequence[str]]
    request_body: bytes | None
    status: int
    reason: str
    headers: Mapping[str, Sequence[str]]
    body: bytes


def read(path: Path) -> list[Interaction] | None:
    """What the cassette holds; None where there is none, or an empty file. Raises `UsageError` for
    what is no cassette, with the place of the fault.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _unusable(path, f"it has {size} bytes, accepted are {MAX_BYTES}")
        text = path.read_text(encoding="utf-8")
        if not text.strip():
            return None
        _check_depth(text)
        document: object = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise _unusable(path, " ".join(str(error).split())) from None
    return _Reader(path).interactions(document)


def write(path: Path, interactions: Sequence[Interaction], note: str) -> int:
    """Put these in the place of what the file held, and return its size in bytes. `note` is lines
    for the head of the file. Raises `OSError`, and leaves the file as it was then.
    """
    document = {"version": VERSION, "interactions": [*map(_as_mapping, interactions)]}
    text = yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**9)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        head = "".join(f"# {line}\n" for line in note.splitlines())
        size = draft.write_bytes((head + text).encode())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return size


def _unusable(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} is no cassette that can be played: {why[:500]}")


def _check_depth(text: str) -> None:
    depth = 0
    for event in _yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"it is deeper than {_DEEPEST} levels")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the document of one file, and says in which field something else was found."""

    path: Path

    def interactions(self, document: object) -> list[Interaction]:
        root = self._mapping(document, "it")
        if (version := root.get("version")) != VERSION:
            raise _unusable(self.path, f"version is {version!r}, accepted is {VERSION}")
        found = root.get("interactions")
        if not isinstance(found, list):
            raise self._wrong("interactions", "a list", found)
        each = enumerate(cast("list[object]", found))
        return [self._interaction(one, f"interactions[{number}]") for number, one in each]

    def _interaction(self, found: object, at: str) -> Interaction:
        both = self._mapping(found, at)
        request = self._mapping(both.get("request"), f"{at}.request")
        response = self._mapping(both.get("response"), f"{at}.response")
        status = self._mapping(response.get("status"), f"{at}.response.status")
        code = status.get("code")
        if not isinstance(code, int) or not 100 <= code <= 599:
            raise self._wrong(f"{at}.response.status.code", "a status from 100 to 599", code)
        body = self._mapping(response.get("body"), f"{at}.response.body")
        return Interaction(
            self._text(request.get("method"), f"{at}.request.method"),
            self._text(request.get("uri"), f"{at}.request.uri"),
            self._headers(request.get("headers"), f"{at}.request.headers"),
            self._bytes(request.get("body"), f"{at}.request.body"),
            code,
            str(status.get("message") or ""),
            self._headers(response.get("headers"), f"{at}.response.headers"),
            self._bytes(body.get("string"), f"{at}.response.body.string") or b"",
        )

    def _wrong(self, at: str, accepted: str, found: object) -> UsageError:
        return _unusable(self.path, f"{at} is {found!r:.80}, accepted is {accepted}")

    def _mapping(self, found: object, at: str) -> dict[Any, Any]:
        if not isinstance(found, dict):
            raise self._wrong(at, "a mapping", found)
        return cast("dict[Any, Any]", found)

    def _text(self, found: object, at: str) -> str:
        if not isinstance(found, str) or not found:
            raise self._wrong(at, "a text", found)
        return found

    def _bytes(self, found: object, at: str) -> bytes | None:
        match found:
            case None | bytes():
                return found
            case str():
                return found.encode("utf-8", "surrogatepass")
            case _:
                raise self._wrong(at, "a text or !!binary", found)

    def _headers(self, found: object, at: str) -> dict[str, list[str]]:
        headers: dict[str, list[str]] = {}
        for name, values in self._mapping({} if found is None else found, at).items():
            several = isinstance(values, list)
            each = cast("list[object]", values) if several else [cast("object", values)]
            if not isinstance(name, str) or not all(isinstance(one, str) for one in each):
                raise self._wrong(f"{at}.{name}", "a text, or a list of texts", each)
            headers[name] = [str(one) for one in each]
        return headers


def _as_mapping(each: Interaction) -> dict[str, object]:
    return {
        "request": {
            "method": each.method,
            "uri": each.uri,
            "body": None if each.request_body is None else _readable(each.request_body),
            "headers": {name: [*values] for name, values in each.request_headers.items()},
        },
        "response": {
            "status": {"code": each.status, "message": each.reason},
            "headers": {name: [*values] for name, values in each.headers.items()},
            "body": {"string": _readable(each.body)},
        },
    }


def _readable(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


class _Dumper(_BaseDumper):
    """The lines of a stream below each other; no anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the name is the base class's
        return True


def _string(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text and not _BREAKS & {*text} else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)
