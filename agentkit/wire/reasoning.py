"""Which reasoning of an earlier reply goes to whom.

What is signed or encrypted goes to the family that made it, and to nobody else: providers refuse
what they cannot verify (Anthropic: "Invalid `signature` in `thinking` block"). Where nobody can say
who will answer, what can be read goes. The table stands in `docs/conversations.md`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from agentkit.run.audience import Audience, speaker_family
from agentkit.values import Message, Reasoning
from agentkit.wire.common import reasoning_of
from agentkit.wire.json import as_objects, as_text
from agentkit.wire.types import JsonObject

RECORD = "reasoning.server_tool_call"
"""A detail that is no reasoning: OpenRouter's record of a server tool's call, for any model."""
GEMINI = "google-gemini-v1"
_ANTHROPIC = "anthropic-claude-v1"
_FAMILIES = {
    _ANTHROPIC: "anthropic",
    GEMINI: "google",
    "openai-responses-v1": "openai",
    "azure-openai-responses-v1": "openai",
    "bedrock-openai-responses-v1": "openai",
    "xai-responses-v1": "x-ai",
    "bedrock-xai-responses-v1": "x-ai",
    "meta-responses-v1": "meta",
}
"""Families by the `format` of their reasoning (`ReasoningFormat` in OpenRouter's specification)."""
UNSIGNED = "skip_thought_signature_validator"
"""In place of a signature, for calls that Gemini did not make itself
(https://ai.google.dev/gemini-api/docs/thought-signatures). Through OpenRouter it is one
`reasoning.encrypted` for each message, with the id of its first call.
"""
_SEALS = ("signature", "data", "encrypted_content")


@dataclass(frozen=True, slots=True)
class Recipient:
    """What the audience of a request can take of one earlier reply."""

    audience: Audience
    is_own: bool
    """Whether the reply goes back to the model that gave it."""
    speaker: str | None
    """The family of the model that gave it."""

    @classmethod
    def of(cls, message: Message, audience: Audience) -> Recipient:
        return cls(audience, audience.is_own(message), speaker_family(message))

    def takes(self, reasoning: JsonObject) -> bool:
        """Whether a piece of reasoning goes as it came. Anthropic refuses text of its own that is
        not signed, as where a stream broke off before the signature."""
        kind = as_text(reasoning.get("format"))
        family = _FAMILIES.get(kind or "", self.speaker)
        if kind == _ANTHROPIC and not is_sealed(reasoning):
            return False
        return self.is_own or (family is not None and family == self.audience.family)

    @property
    def is_anybody(self) -> bool:
        """Whether nobody can say who will answer: then what can be read goes."""
        return self.audience.sole is None

    @property
    def wants_signed_calls(self) -> bool:
        return self.audience.family == "google" and self.audience.wants_signed_calls


def is_sealed(reasoning: JsonObject) -> bool:
    """Whether there is a signature, or something encrypted."""
    return any(reasoning.get(name) for name in _SEALS)


def readable(message: Message) -> str:
    """What can be read of the reasoning of a reply."""
    return "\n\n".join([part.text for part in message.parts if isinstance(part, Reasoning)])


def with_reasoning(item: dict[str, Any], message: Message, recipient: Recipient) -> bool:
    """Leave in a message of Chat Completions what of its reasoning goes. Returns whether it
    changed.
    """
    before = {name: item.get(name) for name in ("reasoning", "reasoning_content")}
    details = as_objects(item.get("reasoning_details"))
    kept = [each for each in details if each.get("type") == RECORD or recipient.takes(each)]
    lost = len(kept) < len(details)
    if not recipient.is_own and not recipient.is_anybody:
        item.pop("reasoning", None)
        item.pop("reasoning_content", None)
    elif lost and recipient.is_anybody and not any(before.values()):
        item["reasoning"] = readable(message) or None
    calls = as_objects(item.get("tool_calls"))
    if calls and recipient.wants_signed_calls and not any(map(is_sealed, kept)):
        kept.append({"type": "reasoning.encrypted", "data": UNSIGNED, "format": GEMINI,
                     "id": calls[0].get("id"), "index": 0})  # fmt: skip
        lost = True
    if lost:
        item["reasoning_details"] = kept
        if not kept:
            del item["reasoning_details"]
    return lost or before != {name: item.get(name) for name in before}


def reasoning_item(item: JsonObject, recipient: Recipient) -> JsonObject | None:
    """A reasoning item of Responses as it goes; None where nothing of it does. One with nothing in
    it but its id would be looked up, and nothing is stored."""
    words = reasoning_of(item).strip()
    if not words and not is_sealed(item):
        return None
    if recipient.takes(item):
        return item
    if not words or not recipient.is_anybody:
        return None
    return {name: value for name, value in item.items() if name not in _SEALS}


def unsigned_item(call_id: str) -> JsonObject:
    """The reasoning item before calls that Gemini did not make itself."""
    digest = hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()
    return {"type": "reasoning", "id": f"rs_{digest[:24]}", "summary": [],
            "encrypted_content": UNSIGNED, "format": GEMINI}  # fmt: skip
