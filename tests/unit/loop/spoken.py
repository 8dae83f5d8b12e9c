"""Replies of models of several families, as OpenRouter sends them in both APIs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agentkit.emulator import RawReply
from tests.conftest import Way

Json = dict[str, Any]
CLAUDE, GPT = "anthropic/claude-sonnet-4.5", "openai/gpt-5.2"
GEMINI, DEEPSEEK = "google/gemini-3-pro-preview", "deepseek/deepseek-v3.2"
FORMATS = {CLAUDE: "anthropic-claude-v1", GPT: "openai-responses-v1", GEMINI: "google-gemini-v1"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 5, "input_tokens": 5, "output_tokens": 5,
         "total_tokens": 10, "cost": 0.001}  # fmt: skip


@dataclass(frozen=True)
class Spoken:
    """One reply: what the model thought (`thought`, with a `seal` where it is signed), said and
    called. `plain` is the field in which a thought without a seal comes."""

    model: str
    words: str | None = None
    calls: Sequence[tuple[str, str]] = ()
    """Ids and names."""
    thought: str = ""
    seal: str = ""
    plain: str = "reasoning"
    number: int = 0

    def body(self, api: str) -> Json:
        """As it comes buffered."""
        return self._chat_body() if api == "chat" else self._response()

    def events(self, api: str) -> list[Json]:
        """As it comes streamed."""
        return list(self._chat_events() if api == "chat" else self._responses_events())

    def reply(self, way: Way) -> RawReply:
        """As it comes in this way."""
        if not way.stream:
            return RawReply(200, json.dumps(self.body(way.api)).encode())
        lines = [f"data: {json.dumps(event)}\n\n".encode() for event in self.events(way.api)]
        return RawReply(200, b"".join([*lines, b"data: [DONE]\n\n"]), "text/event-stream")

    @property
    def needs(self) -> dict[str, str]:
        """In Responses: the reasoning that came before each item."""
        output = self._response()["output"]
        if not output or output[0]["type"] != "reasoning":
            return {}
        return {item["id"]: output[0]["id"] for item in output[1:]}

    def _details(self) -> list[Json]:
        style = {"format": FORMATS.get(self.model, "unknown"), "index": 0}
        if not self.seal:
            return []
        if self.model == CLAUDE:
            signed = {"text": self.thought, "signature": self.seal}
            return [{"type": "reasoning.text", **signed, **style}]
        sealed: Json = {"type": "reasoning.encrypted", "data": self.seal, **style}
        if self.model == GEMINI and self.calls:
            sealed["id"] = self.calls[0][0]
        return [{"type": "reasoning.summary", "summary": self.thought, **style}, sealed]

    def _message(self) -> Json:
        message: Json = {"role": "assistant", "content": self.words}
        if self.thought:
            message[self.plain] = self.thought
        if details := self._details():
            message["reasoning_details"] = details
        if self.calls:
            message["tool_calls"] = [
                {
                    "index": index,
                    "id": call_id,
                    "type": "function",
                    "function": {"name": name, "arguments": '{"place": "Oslo"}'},
                }
                for index, (call_id, name) in enumerate(self.calls)
            ]
        return message

    def _frame(self, **choice: Any) -> Json:
        return {"id": f"gen-{self.number}", "model": self.model, "created": 1,
                "choices": [{"index": 0, **choice}]}  # fmt: skip

    @property
    def _finish(self) -> str:
        return "tool_calls" if self.calls else "stop"

    def _chat_body(self) -> Json:
        body = self._frame(message=self._message(), finish_reason=self._finish)
        return {**body, "object": "chat.completion", "usage": USAGE}

    def _chat_events(self) -> Iterator[Json]:
        for name, value in self._message().items():
            if name != "role" and value is not None:
                yield self._frame(delta={name: value}, finish_reason=None)
        yield {**self._frame(delta={}, finish_reason=self._finish), "usage": USAGE}

    def _response(self) -> Json:
        output: list[Json] = []
        if self.thought or self.seal:
            item: Json = {"type": "reasoning", "id": f"rs_{self.number}", "summary": []}
            style = {"format": FORMATS.get(self.model, "unknown")}
            if self.thought and self.seal:
                item["summary"] = [{"type": "summary_text", "text": self.thought}]
            elif self.thought:
                item["content"] = [{"type": "reasoning_text", "text": self.thought}]
            if self.seal:
                item["encrypted_content"] = self.seal
            output.append({**item, **style})
        if self.words is not None:
            text: Json = {"type": "output_text", "text": self.words, "annotations": []}
            output.append({"type": "message", "id": f"msg_{self.number}", "role": "assistant",
                           "status": "completed", "content": [text]})  # fmt: skip
        for index, (call_id, name) in enumerate(self.calls):
            output.append({"type": "function_call", "id": f"fc_{self.number}_{index}",
                           "call_id": call_id, "name": name, "status": "completed",
                           "arguments": '{"place": "Oslo"}'})  # fmt: skip
        return {"id": f"gen-{self.number}", "object": "response", "model": self.model,
                "status": "completed", "output": output, "usage": USAGE}  # fmt: skip

    def _responses_events(self) -> Iterator[Json]:
        response = self._response()
        for index, item in enumerate(response["output"]):
            yield {
                "type": "response.output_item.added",
                "output_index": index,
                "item": {**item, "content": []},
            }
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        yield {"type": "response.completed", "response": response}
