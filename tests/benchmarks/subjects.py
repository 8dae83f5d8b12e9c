"""The same work done by each: raw httpx2 with the shortest correct code, the openai SDK's own
resources, agentkit.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import httpx2
import openai

from agentkit import Agent, FileImageStore, Limits, OpenRouter, TextDelta, tool
from agentkit.openrouter.transport import Transport
from tests.benchmarks.replies import MODEL

PROMPT = "How is the weather in the north today?"
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
TIMEOUT = httpx2.Timeout(120)


async def weather(city: str, days: int = 1) -> str:
    """Today's weather in a city.

    Args:
        city: Its name in English.
        days: How many days to look ahead.
    """
    return f"{city}: 7 degrees and rain for {days} days"


SCHEMA = tool(weather).schema
DESCRIPTION = tool(weather).description
FUNCTION: dict[str, Any] = {"name": "weather", "description": DESCRIPTION, "parameters": SCHEMA}
CHAT_TOOLS: list[Any] = [{"type": "function", "function": FUNCTION}]
RESPONSES_TOOLS: list[Any] = [{"type": "function", **FUNCTION, "strict": None}]


class Subject(Protocol):
    """One way to do the work. Each method gives what a test can check: the words, or the picture's
    file.
    """

    name: str

    async def plain(self, base: str) -> str: ...
    async def tools(self, base: str, api: str) -> str: ...
    async def deltas(self, base: str, api: str) -> str: ...
    async def image(self, base: str, folder: Path, *, stream: bool) -> Path: ...
    async def conversation(self, base: str, turns: int) -> str: ...
    async def close(self) -> None: ...


class Raw:
    name = "raw httpx2"

    def __init__(self) -> None:
        self.http = httpx2.AsyncClient(
            limits=LIMITS, timeout=TIMEOUT, headers={"Authorization": "Bearer sk-or-bench"}
        )

    async def _post(self, url: str, body: dict[str, Any]) -> Any:
        response = await self.http.post(url, json=body)
        return response.raise_for_status().json()

    async def _events(self, url: str, body: dict[str, Any]) -> AsyncIterator[Any]:
        async with self.http.stream("POST", url, json={**body, "stream": True}) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    yield json.loads(line[6:])

    async def plain(self, base: str) -> str:
        body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
        return (await self._post(f"{base}/chat/completions", body))["choices"][0]["message"][
            "content"
        ]

    async def tools(self, base: str, api: str) -> str:
        return await (self._chat_tools(base) if api == "chat" else self._responses_tools(base))

    async def _chat_tools(self, base: str) -> str:
        messages: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
        while True:
            body = {"model": MODEL, "messages": messages, "tools": CHAT_TOOLS}
            message = (await self._post(f"{base}/chat/completions", body))["choices"][0]["message"]
            messages.append(message)
            if not (calls := message.get("tool_calls")):
                return message["content"]
            results = await asyncio.gather(
                *(weather(**json.loads(call["function"]["arguments"])) for call in calls)
            )
            for call, result in zip(calls, results, strict=True):
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    async def _responses_tools(self, base: str) -> str:
        items: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
        while True:
            body = {"model": MODEL, "input": items, "tools": RESPONSES_TOOLS}
            output = (await self._post(f"{base}/responses", body))["output"]
            items += output
            calls = [item for item in output if item["type"] == "function_call"]
            if not calls:
                return output[-1]["content"][0]["text"]
            results = await asyncio.gather(
                *(weather(**json.loads(call["arguments"])) for call in calls)
            )
            for call, result in zip(calls, results, strict=True):
                items.append(
                    {"type": "function_call_output", "call_id": call["call_id"], "output": result}
                )

    async def deltas(self, base: str, api: str) -> str:
        text = ""
        if api == "chat":
            body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
            async for event in self._events(f"{base}/chat/completions", body):
                text += event["choices"][0]["delta"].get("content") or ""
            return text
        async for event in self._events(f"{base}/responses", {"model": MODEL, "input": PROMPT}):
            if event["type"] == "response.output_text.delta":
                text += event["delta"]
        return text

    async def image(self, base: str, folder: Path, *, stream: bool) -> Path:
        url, images = f"{base}/chat/completions", []
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": PROMPT}],
            "modalities": ["image", "text"],
        }
        if stream:
            async for event in self._events(url, body):
                images += event["choices"][0]["delta"].get("images") or []
        else:
            images = (await self._post(url, body))["choices"][0]["message"]["images"]
        path = folder / "raw.png"
        path.write_bytes(base64.b64decode(images[0]["image_url"]["url"].partition(",")[2]))
        return path

    async def conversation(self, base: str, turns: int) -> str:
        messages: list[dict[str, Any]] = []
        for _ in range(turns):
            messages.append({"role": "user", "content": PROMPT})
            body = {"model": MODEL, "messages": messages}
            messages.append(
                (await self._post(f"{base}/chat/completions", body))["choices"][0]["message"]
            )
        return messages[-1]["content"]

    async def close(self) -> None:
        await self.http.aclose()


class Sdk:
    name = "openai SDK"

    def __init__(self) -> None:
        self._clients: dict[str, openai.AsyncOpenAI] = {}

    def http_client(self) -> httpx2.AsyncClient:
        return openai.DefaultAsyncHttpxClient(limits=LIMITS, timeout=TIMEOUT)

    def client(self, base: str) -> openai.AsyncOpenAI:
        if base not in self._clients:
            self._clients[base] = openai.AsyncOpenAI(
                api_key="sk-or-bench", base_url=base, http_client=self.http_client(), max_retries=0
            )
        return self._clients[base]

    async def plain(self, base: str) -> str:
        reply = await self.client(base).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": PROMPT}]
        )
        return reply.choices[0].message.content or ""

    async def tools(self, base: str, api: str) -> str:
        return await (self._chat_tools(base) if api == "chat" else self._responses_tools(base))

    async def _chat_tools(self, base: str) -> str:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        while True:
            reply = await self.client(base).chat.completions.create(
                model=MODEL, messages=messages, tools=CHAT_TOOLS
            )
            message: Any = reply.choices[0].message
            messages.append(message)
            if not message.tool_calls:
                return message.content
            results = await asyncio.gather(
                *(weather(**json.loads(call.function.arguments)) for call in message.tool_calls)
            )
            for call, result in zip(message.tool_calls, results, strict=True):
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

    async def _responses_tools(self, base: str) -> str:
        items: list[Any] = [{"role": "user", "content": PROMPT}]
        while True:
            reply = await self.client(base).responses.create(
                model=MODEL, input=items, tools=RESPONSES_TOOLS
            )
            items += reply.output
            calls: list[Any] = [item for item in reply.output if item.type == "function_call"]
            if not calls:
                return reply.output_text
            results = await asyncio.gather(
                *(weather(**json.loads(call.arguments)) for call in calls)
            )
            for call, result in zip(calls, results, strict=True):
                items.append(
                    {"type": "function_call_output", "call_id": call.call_id, "output": result}
                )

    async def deltas(self, base: str, api: str) -> str:
        text = ""
        if api == "chat":
            chunks = await self.client(base).chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": PROMPT}], stream=True
            )
            async for chunk in chunks:
                text += chunk.choices[0].delta.content or ""
            return text
        async for event in await self.client(base).responses.create(
            model=MODEL, input=PROMPT, stream=True
        ):
            if event.type == "response.output_text.delta":
                text += event.delta
        return text

    async def image(self, base: str, folder: Path, *, stream: bool) -> Path:
        create: Any = self.client(base).chat.completions.create
        asked: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
        asked["extra_body"] = {"modalities": ["image", "text"]}
        images: list[Any] = []
        if stream:
            async for chunk in await create(**asked, stream=True):
                images += (chunk.choices[0].delta.model_extra or {}).get("images", [])
        else:
            images = (await create(**asked)).choices[0].message.model_extra["images"]
        path = folder / "sdk.png"
        path.write_bytes(base64.b64decode(images[0]["image_url"]["url"].partition(",")[2]))
        return path

    async def conversation(self, base: str, turns: int) -> str:
        messages: list[Any] = []
        for _ in range(turns):
            messages.append({"role": "user", "content": PROMPT})
            reply = await self.client(base).chat.completions.create(model=MODEL, messages=messages)
            messages.append(reply.choices[0].message)
        return messages[-1].content

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


class SdkOnAiohttp(Sdk):
    name = "SDK on aiohttp"

    def http_client(self) -> httpx2.AsyncClient:
        return openai.DefaultAioHttpClient(limits=LIMITS, timeout=TIMEOUT)


class RunContext:
    name = "agentkit"

    def __init__(self, folder: Path, transport: Transport | None = None) -> None:
        self._folder, self._transport = folder, transport
        self._clients: dict[str, OpenRouter] = {}
        self._agents: dict[tuple[str, str], Agent[Any]] = {}

    async def client(self, base: str) -> OpenRouter:
        if base not in self._clients:
            self._clients[base] = OpenRouter(
                api_key="sk-or-bench", base_url=base, transport=self._transport
            )
        return self._clients[base]

    async def agent(self, base: str, api: str = "chat") -> Agent[Any]:
        if (base, api) not in self._agents:
            options: dict[str, Any] = {"api": api, "limits": Limits(turns=100, tool_calls=1000)}
            if "tools" in base:
                options["tools"] = [weather]
            store = FileImageStore(self._folder / "store")
            self._agents[base, api] = Agent(
                MODEL, client=await self.client(base), store=store, **options
            )
        return self._agents[base, api]

    async def plain(self, base: str) -> str:
        return (await (await self.agent(base)).run(PROMPT)).text

    async def tools(self, base: str, api: str) -> str:
        answer = await (await self.agent(base, api)).run(PROMPT)
        return answer.messages[-1].text

    async def deltas(self, base: str, api: str) -> str:
        text = ""
        async with (await self.agent(base, api)).stream(PROMPT) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    text += event.text
        return text

    async def image(self, base: str, folder: Path, *, stream: bool) -> Path:  # noqa: ARG002 - the store has its own
        agent = await self.agent(base)
        if stream:
            async with agent.stream(PROMPT) as watched:
                answer = await watched.finish()
        else:
            answer = await agent.run(PROMPT)
        (image,) = answer.images
        return next((self._folder / "store").glob(f"*/{image.sha256}.*"))

    async def conversation(self, base: str, turns: int) -> str:
        chat = (await self.agent(base)).conversation()
        for _ in range(turns):
            answer = await chat.send(PROMPT)
        return answer.text

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


HAS_AIOHTTP = find_spec("aiohttp") is not None


def subjects(folder: Path, transport: Transport | None = None) -> list[Subject]:
    """Raw httpx2 first, agentkit on the transport that is asked for, and the SDK on aiohttp where
    that is installed.
    """
    several: list[Subject] = [Raw(), Sdk(), RunContext(folder, transport)]
    return [*several, SdkOnAiohttp()] if HAS_AIOHTTP else several
