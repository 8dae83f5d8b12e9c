"""A message as the AI SDK's clients hold it, made of the chunks of its stream as they make it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from agentkit.web.chunks import ANSWERED, Chunk

UIMessage = dict[str, Any]
"""`id`, `role`, `metadata` and `parts`, as JSON values."""
Part = dict[str, Any]


def reduced(chunks: Iterable[Chunk], before: UIMessage | None = None) -> UIMessage:
    """The assistant's message that a client has after these chunks. `before` is the message that
    goes on, which is not changed.
    """
    reducer = _Reducer(before)
    for chunk in chunks:
        reducer.take(chunk)
    return reducer.message


class _Reducer:
    """A message that grows by chunks."""

    def __init__(self, before: UIMessage | None) -> None:
        self.message: UIMessage = {"id": "", "role": "assistant", "parts": []}
        if before is not None:
            parts = [dict(part) for part in before["parts"]]
            self.message = {**before, "parts": parts}
        self._parts: list[Part] = self.message["parts"]
        self._open: dict[tuple[str, str], Part] = {}
        self._data = {(part["type"], part["id"]): part for part in self._parts if _is_data(part)}
        self._calls: dict[str, Part] = {}
        """The latest part of each call."""
        self._step = 0
        """Where the parts of the present step begin."""
        for at, part in enumerate(self._parts):
            if part["type"] == "dynamic-tool":
                self._calls[part["toolCallId"]] = part
            elif part["type"] == "step-start":
                self._step = at + 1

    def take(self, chunk: Chunk) -> None:
        """Change the message as the chunk says."""
        kind = str(chunk["type"])
        if kind.startswith("tool-"):
            self._take_call(kind, chunk)
        elif kind.startswith("data-"):
            self._take_data(kind, chunk)
        elif kind.startswith(("text-", "reasoning-")):
            self._take_words(kind, chunk)
        else:
            self._take_other(kind, chunk)

    def _take_words(self, kind: str, chunk: Chunk) -> None:
        what, step = kind.split("-")
        key = (what, str(chunk["id"]))
        if step == "start":
            named = {"id": chunk["id"]} if what == "reasoning" else {}
            part: Part = {"type": what, **named, "text": "", "state": "streaming"}
            self._open[key] = part
            self._parts.append(part)
        elif step == "delta":
            self._open[key]["text"] += chunk["delta"]
        else:
            self._open.pop(key)["state"] = "done"

    def _take_call(self, kind: str, chunk: Chunk) -> None:
        if kind == ANSWERED:
            self._answer(chunk)
            return
        call_id = str(chunk["toolCallId"])
        if kind == "tool-input-available":
            self._call(call_id, chunk)
            return
        part = self._calls[call_id]
        if kind == "tool-approval-request":
            part.update(state="approval-requested", approval={"id": chunk["approvalId"]})
        elif kind == "tool-output-denied":
            part["state"] = "output-denied"
        else:
            for name in ("output", "errorText"):
                part.pop(name, None)
            if kind == "tool-output-available":
                part.update(state="output-available", output=chunk["output"])
            else:
                part.update(state="output-error", errorText=chunk["errorText"])

    def _call(self, call_id: str, chunk: Chunk) -> None:
        """A call with its arguments: of one that is in this step, new ones."""
        facts: Part = {
            "toolName": chunk["toolName"],
            "state": "input-available",
            "input": chunk["input"],
        }
        if chunk.get("providerExecuted"):
            facts["providerExecuted"] = True
        known = self._calls.get(call_id)
        if known is not None and any(part is known for part in self._parts[self._step :]):
            for name in ("output", "errorText"):
                known.pop(name, None)
            known.update(facts)
            return
        part = {"type": "dynamic-tool", "toolCallId": call_id, **facts}
        self._calls[call_id] = part
        self._parts.append(part)

    def _answer(self, chunk: Chunk) -> None:
        """What the person said, as the client that asked has it."""
        for part in self._calls.values():
            approval = cast("Mapping[str, Any]", part.get("approval") or {})
            if approval.get("id") == chunk["approvalId"]:
                answer = {key: chunk[key] for key in ("approved", "reason") if key in chunk}
                part.update(
                    state="approval-responded", approval={"id": chunk["approvalId"], **answer}
                )

    def _take_data(self, kind: str, chunk: Chunk) -> None:
        if chunk.get("transient"):
            return
        key = (kind, chunk["id"])
        if key in self._data:
            self._data[key]["data"] = chunk["data"]
        else:
            self._data[key] = part = {"type": kind, "id": chunk["id"], "data": chunk["data"]}
            self._parts.append(part)

    def _take_other(self, kind: str, chunk: Chunk) -> None:
        match kind:
            case "start":
                self.message["id"] = chunk["messageId"]
                self._tell(chunk.get("messageMetadata"))
            case "finish" | "message-metadata":
                self._tell(chunk.get("messageMetadata"))
            case "start-step":
                self._parts.append({"type": "step-start"})
                self._step = len(self._parts)
            case "finish-step":
                self._open.clear()
            case "file":
                url, media_type = chunk["url"], chunk["mediaType"]
                self._parts.append({"type": "file", "mediaType": media_type, "url": url})
            case "source-url":
                self._parts.append(dict(chunk))
            case _:
                pass  # `error` and `abort` change no message

    def _tell(self, metadata: object) -> None:
        if metadata is not None:
            self.message["metadata"] = merged(self.message.get("metadata"), metadata)


def _is_data(part: Part) -> bool:
    return str(part["type"]).startswith("data-")


def merged(base: object, over: object) -> object:
    """Both objects as one, the second's values in the place of the first's."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    known = cast("Mapping[str, object]", base)
    new = cast("Mapping[str, object]", over)
    return {**known, **{name: merged(known.get(name), value) for name, value in new.items()}}
