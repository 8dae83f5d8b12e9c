"""A run as rows, and rows as a run. What a conversation shares (its history, its pictures) is no
part of a run's row. No secret that this process knows is in a row.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from agentkit._redact import masked, without_secrets
from agentkit.errors import SessionError, UsageError
from agentkit.run import Run
from agentkit.run.unreadable_calls import without_calls
from agentkit.sessions.names import one_line
from agentkit.sessions.secret_arguments import with_secrets
from agentkit.values import Blobs, File, Image, ImageFailure, Message, Usage
from agentkit.values.codec import dumped

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
_NOTHING = Message("user", ())
"""Stands in a row for the messages, which have rows of their own."""
_HIDDEN = '"hidden":'
"""In a row: the calls whose arguments or answers are not there as they were."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message that a run added."""

    number: int
    """From 0, its prompt, on."""
    data: bytes
    """JSON."""
    checksum: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run without its messages and pictures."""

    id: str
    status: str
    state: str
    spent: str
    failures: str
    started_at: float


def rows_of(run: Run, written: Sequence[Message]) -> tuple[RunRow, list[MessageRow]]:
    """The row of a run, of a size that does not depend on what was before it; and those of its
    messages that are not `written` as they are now.
    """
    bare = run.replace(messages=(_NOTHING,), start=0, images=(), files=(), spent=(), failures=())
    added = run.added
    changed = [
        number
        for number, message in enumerate(added)
        if number >= len(written) or written[number] is not message
    ]
    state, spent, failures, *messages = _without_secrets(
        [
            _state(run, bare),
            dumped(_adapter(tuple[Usage, ...]), run.spent) if run.spent else b"[]",
            dumped(_adapter(tuple[ImageFailure, ...]), run.failures) if run.failures else b"[]",
            *[dumped(_adapter(Message), added[number]) for number in changed],
        ]
    )
    return (
        RunRow(
            run.id, run.status, state.decode(), spent.decode(), failures.decode(), run.started_at
        ),
        [
            MessageRow(number, data, zlib.crc32(data))
            for number, data in zip(changed, messages, strict=True)
        ],
    )


def _without_secrets(pieces: Sequence[bytes]) -> list[bytes]:
    """These pieces of JSON, none of which has a zero byte, with every known secret masked."""
    return masked(b"\0".join(pieces), cut=True).split(b"\0")


def _state(run: Run, bare: Run) -> bytes:
    state = bare.to_json()
    if hidden := with_secrets(run):
        state = f"{state[:-1]},{_HIDDEN}{json.dumps(hidden)}}}"
    return state.encode()


def run_of(
    row: RunRow,
    history: tuple[Message, ...],
    added: tuple[Message, ...],
    things: tuple[Image | File, ...],
    blobs: Blobs | None,
) -> Run:
    """The run that `rows_of` has made a row of. `history` is what was said before it. Raises
    `SessionError`.
    """
    if not added:
        raise SessionError(f"run {row.id} has no message: its rows are not whole")
    try:
        bare = Run.from_json(row.state, blobs=blobs)
    except UsageError as error:
        raise SessionError(f"run {row.id} cannot be read: {error}") from None
    run = bare.replace(
        messages=(*history, *added),
        start=len(history),
        images=pictures_among(things),
        files=files_among(things),
        spent=usages_of([row.spent])[0],
        failures=failures_of([row.failures])[0],
    )
    hidden: list[str] = json.loads(row.state).get("hidden", []) if _HIDDEN in row.state else []
    return without_calls(run, hidden)


def messages_of(rows: Sequence[MessageRow], blobs: Blobs | None) -> tuple[Message, ...]:
    """These messages, read at once. Raises `ValueError` where one of them is damaged."""
    for row in rows:
        if zlib.crc32(row.data) != row.checksum:
            raise ValueError(f"message {row.number} is damaged: its checksum does not match")
    text = b"[%b]" % b",".join([row.data for row in rows])
    return _adapter(tuple[Message, ...]).validate_json(text, context={"blobs": blobs})


def picture_data(thing: Image | File) -> str:
    """A picture or file as JSON, without its bytes."""
    return _json(type(thing), thing).decode()


def pictures_among(things: Iterable[Image | File]) -> tuple[Image, ...]:
    """The pictures, in their order."""
    return tuple([each for each in things if isinstance(each, Image)])


def files_among(things: Iterable[Image | File]) -> tuple[File, ...]:
    """The files, in their order."""
    return tuple([each for each in things if isinstance(each, File)])


def failures_data(failures: tuple[ImageFailure, ...]) -> str:
    """Pictures that could not be had, as JSON."""
    return _json(tuple[ImageFailure, ...], failures).decode() if failures else "[]"


def things_of(rows: Iterable[str], blobs: Blobs | None) -> tuple[Image | File, ...]:
    """Pictures and files from their JSON. Raises `ValueError` where it is damaged."""
    return _adapter(tuple[Image | File, ...]).validate_json(
        f"[{','.join(rows)}]", context={"blobs": blobs}
    )


def usages_of(rows: Iterable[str]) -> tuple[tuple[Usage, ...], ...]:
    """The usage of each request of these runs. Raises `ValueError` where it is damaged."""
    return _adapter(tuple[tuple[Usage, ...], ...]).validate_json(f"[{','.join(rows)}]")


def failures_of(rows: Iterable[str]) -> tuple[tuple[ImageFailure, ...], ...]:
    """The pictures that did not come, of these runs. Raises `ValueError` where it is damaged."""
    return _adapter(tuple[tuple[ImageFailure, ...], ...]).validate_json(f"[{','.join(rows)}]")


def title_of(run: Run) -> str:
    """The first words of the prompt, for a list."""
    return one_line(without_secrets(run.added[0].text), _LONGEST_TITLE)


_LONGEST_TITLE = 80


def run_row(row: Mapping[str, Any]) -> RunRow:
    """The row as the database has it."""
    return RunRow(*(row[name] for name in RunRow.__dataclass_fields__))


def _json(kind: type[T], value: T) -> bytes:
    return masked(dumped(_adapter(kind), value), cut=True)


@cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    """Reads and writes values of a type, made when it is first used."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
