"""Prompts and decisions as JSON: what `start` and `approve` hand to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from agentkit._check import check_json, check_json_value, check_kind, check_word
from agentkit.errors import UsageError
from agentkit.images.ingest import as_stored
from agentkit.images.ingest_file import store_file
from agentkit.images.inspect import store_bytes
from agentkit.images.store import ImageStore
from agentkit.loop.decisions import AnswerToCall, Decisions
from agentkit.loop.prompt import Prompt, parts_of
from agentkit.openrouter.stored_call import Verdict
from agentkit.tools import Denied, Edited
from agentkit.values import Blobs, File, Image, Message, Text
from agentkit.values.codec import dumped

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def prompt_data(prompt: Prompt, store: ImageStore) -> str:
    """A prompt as JSON. Its pictures and files are put into the store; those that are URLs stay so.
    Blocks. Raises `UsageError`, `ImageError`, `FileError` and `StoreError`.
    """
    parts = tuple(
        part if isinstance(part, Text) else _stored(part, store) for part in parts_of(prompt)
    )
    return dumped(_parts(), parts).decode()


def prompt_of(data: str, blobs: Blobs) -> list[str | Image | File]:
    """The prompt again."""
    parts = _parts().validate_json(data, context={"blobs": blobs})
    return [part.text if isinstance(part, Text) else part for part in parts]


def message_of(data: str, blobs: Blobs) -> Message:
    """The prompt as the message that it is in its conversation."""
    return Message("user", _parts().validate_json(data, context={"blobs": blobs}))


def decisions_data(decisions: Decisions) -> dict[str, Any]:
    """What a person decided, as JSON values. Raises `UsageError` for results that are none."""
    results = {
        call: check_json_value(f"approve(results={{{call!r}: {{!r}}}})", value)
        for call, value in decisions.results.items()
    }
    approve = {call: _said(call, each) for call, each in decisions.approve.items()}
    answers: dict[str, Any] = {}
    for call, value in decisions.answers.items():
        try:
            answers[call] = check_json_value("{!r}", value)
        except UsageError:  # which would tell what was given, and that may be secret
            raise UsageError(
                f"approve(answers={{{call!r}: …}}): accepted are JSON values"
            ) from None
    outcomes = {
        call: check_word(f"approve(outcomes={{{call!r}: {{!r}}}})", each, get_args(Verdict))
        for call, each in decisions.outcomes.items()
    }
    return {"approve": approve, "results": results, "outcomes": outcomes, "answers": answers}


def decisions_of(data: Mapping[str, Any]) -> Decisions:
    """What a person decided, from its JSON."""
    approve = {call: _heard(each) for call, each in data.get("approve", {}).items()}
    results, outcomes = data.get("results", {}), data.get("outcomes", {})
    return Decisions(approve, results, outcomes, data.get("answers", {}))


def _said(call: str, given: object) -> bool | dict[str, Any]:
    match given:
        case bool():
            return given
        case Denied(reason=reason):
            where = f"approve({{{call!r:.80}: Denied({{!r}})}})"
            return {"denied": check_kind(where, reason, str, "a reason, as text")}
        case Edited(arguments=arguments):
            where = f"approve({{{call!r:.80}: Edited({{!r}})}})"
            return {"edited": check_json(where, arguments)}
        case _:
            raise UsageError(
                f"approve({{{call!r}: {given!r:.80}}}): accepted is True, False, Denied('why') or "
                "Edited({…})"
            )


def _heard(data: bool | Mapping[str, Any]) -> AnswerToCall:
    if isinstance(data, bool):
        return data
    return Edited(data["edited"]) if "edited" in data else Denied(str(data["denied"]))


def _stored(image: Image | File, store: ImageStore) -> Image | File:
    if not image.sha256 or image.blobs == store:
        return image
    if isinstance(image, File):
        return store_file(image, store)
    return as_stored(image, store_bytes(store, image.bytes()), store)


@cache
def _parts() -> TypeAdapter[tuple[Text | Image | File, ...]]:
    from pydantic import TypeAdapter

    return TypeAdapter(tuple[Text | Image | File, ...])
