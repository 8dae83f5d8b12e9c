"""A catalogue that is not OpenRouter's, where OpenRouter was meant: one line, and the run goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentkit import tool
from tests.conftest import Way
from tests.unit.openrouter.peer import Line, Request, chunk, reply
from tests.unit.services.asking import asked
from tests.unit.services.stubs import MODELS, Local, running

PLAIN = Way("chat", stream=False)
LLAMA = {
    "models": [{"name": "gemma.gguf", "model": "gemma.gguf", "capabilities": ["completion"]}],
    "object": "list",
    "data": [{"id": "gpt-5.2", "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx": 2048}}],
}
VLLM = {"object": "list", "data": [{"id": "gpt-5.2", "max_model_len": 2048, "permission": []}]}
MISTRAL = {"object": "list", "data": [{"id": "gpt-5.2", "capabilities": {"vision": False}}]}
PAGE = b"<!doctype html><title>Sign in</title><p>Please log in"


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"snow in {city}"


class Odd(Local):
    """A server whose catalogue is whatever a test says."""

    catalogue: bytes = b""

    async def answer(self, line: Line, request: Request) -> None:
        if not request.line.startswith("GET"):
            await super().answer(line, request)
        elif self.catalogue:
            await line.send(reply(self.catalogue))
        else:  # 100 MB of it
            await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            some = b'{"data":[' + b'{"id":"a"},' * 100_000
            for _ in range(100):
                await line.send(chunk(some))


@pytest.mark.parametrize(
    "body",
    [json.dumps(MODELS).encode(), json.dumps(LLAMA).encode(), json.dumps(VLLM).encode(), json.dumps(MISTRAL).encode(),
     json.dumps(LLAMA["data"]).encode(), b'{"models":[]}', PAGE, b"", b"[]", b'{"data":[{"id":7}]}'],
    ids=["OpenAI", "llama.cpp", "vLLM", "Mistral", "a list", "Ollama", "HTML", "100 MB", "an empty list", "no names"],
)  # fmt: skip
async def test_a_foreign_catalogue_is_told_once_and_the_run_goes_on(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stub = Odd()
    stub.catalogue = body
    async with running(stub):
        answers = await asked(
            stub, PLAIN, "The weather?", "Again?", service="openrouter", tools=[weather]
        )
    assert [call.result for answer in answers for call in answer.invocations] == ["snow in Oslo"]
    lines = [each.message for each in caplog.records if "catalogue" in each.message]
    if body == b'{"data":[{"id":7}]}':  # names nothing, and so says nothing wrong
        assert lines == []
        return
    assert len(lines) == 1, lines
    assert "service='openai'" in lines[0]
    assert "compatible" in lines[0]


@pytest.mark.parametrize("service", ["openai", "compatible"])
async def test_who_said_which_service_it_is_hears_nothing(
    service: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(Local()) as stub:
        await asked(stub, PLAIN, "The weather?", service=service, tools=[weather])
    assert [each.message for each in caplog.records if each.levelname == "WARNING"] == []
