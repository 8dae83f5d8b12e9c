"""What the client and the emulator say to each other, gathered once: the scenario table in all four
ways, and some talks that use what the table does not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
from typing_extensions import TypedDict

from agentkit import (
    Agent,
    Datetime,
    Image,
    ImageGeneration,
    Limits,
    ModelSettings,
    OpenRouter,
    ServerTool,
    WebFetch,
    WebSearch,
)
from agentkit.emulator import CallTool, Draw, Emulator, Raw, RecordedRequest, Reply, Say, Think
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio
from agentkit.values import APIS, Api
from tests.clock import GUARD
from tests.conftest import WAYS, picture
from tests.recorded.recordings import recordings
from tests.unit.loop.test_scenarios import BIG, SCENARIOS, paint, weather

REQUEST = {
    "chat": "ChatRequest",
    "responses": "ResponsesRequest",
    "images": "ImageGenerationRequest",
}
RESULT = {
    "chat": "ChatResult",
    "responses": "OpenResponsesResult",
    "images": "ImageGenerationResponse",
}
EVENT = {
    "chat": "ChatStreamingResponse", "responses": "ResponsesStreamingResponse", "images": "ImageStreamingResponse",
}  # fmt: skip
API_OF = {"completions": "chat", "responses": "responses", "images": "images"}
CATALOGUE = {
    "/models": "ModelsListResponse",
    "/images/models": "ImageModelsListResponse",
    "/images/models/openai/gpt-5-image/endpoints": "ImageModelEndpointsResponse",
    "/images/models/recraft/recraft-v4-vector/endpoints": "ImageModelEndpointsResponse",
}


class Place(TypedDict):
    city: str


@dataclass(frozen=True)
class Said:
    """One JSON value that went over the wire: `value` is to be as `component` says."""

    speaker: str
    """"client", "emulator" or "openrouter"."""
    component: str
    value: Any
    about: str


def events_in(body: bytes) -> list[Any]:
    """The JSON of each event of a stream."""
    lines = (
        line.removeprefix(b"data:").strip()
        for line in body.split(b"\n")
        if line.startswith(b"data:")
    )
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def recorded() -> list[Said]:
    """OpenRouter's own successful replies; those that were only quoted somewhere are not whole."""
    said: list[Said] = []
    for each in recordings():
        if (
            each.from_openrouter
            and each.status == 200
            and not each.name.startswith("quoted-errors/")
        ):
            for document in each.documents:
                component, value = (
                    (EVENT[each.api], {"data": document})
                    if each.is_stream
                    else (RESULT[each.api], document)
                )
                said.append(Said("openrouter", component, value, each.name))
    return said


async def gathered() -> list[Said]:
    with Emulator() as emulator:
        async with (
            OpenRouter(api_key="sk-or-test", base_url=emulator.base_url) as client,
            httpx2.AsyncClient(
                headers={"authorization": "Bearer sk-or-test"}, trust_env=False, timeout=GUARD
            ) as http,
        ):
            listener = _Listener(emulator, client, http)
            return [said async for said in listener.everything()]


@dataclass
class _Listener:
    emulator: Emulator
    client: OpenRouter
    http: httpx2.AsyncClient
    played: list[Reply] = field(default_factory=list)

    def play(self, *replies: Reply) -> None:
        self.played += replies
        self.emulator.play(replies)

    async def everything(self) -> AsyncIterator[Said]:
        for scenario in SCENARIOS:
            for way in WAYS:
                about = f"{scenario.name}, {way}"
                before = len(self.emulator.requests)
                self.play(*scenario.replies)
                agent = self.agent(way.api, tools=scenario.tools, **scenario.options)
                if way.stream:
                    async with agent.stream(scenario.prompt) as stream:  # type: ignore[arg-type]
                        await stream.finish()
                else:
                    await agent.run(scenario.prompt)  # type: ignore[arg-type]
                async for said in self.again(before, about):
                    yield said
        for talk in (self.all_settings, self.all_server_tools, self.pictures_and_another_api):
            for api in APIS:
                before = len(self.emulator.requests)
                await talk(api)
                async for said in self.again(before, f"{talk.__name__}, {api}"):
                    yield said

        before = len(self.emulator.requests)
        await self.pictures_by_the_image_api()
        async for said in self.again(before, "pictures_by_the_image_api"):
            yield said
        for path, component in CATALOGUE.items():
            answer = await self.http.get(f"{self.emulator.base_url}{path}")
            yield Said("emulator", component, answer.json(), path)

    def agent(self, api: Api, **options: Any) -> Agent[Any]:
        options.setdefault("model", "openai/gpt-5.2")
        return Agent(
            options.pop("model"), api=api, client=self.client, store=MemoryImageStore(), **options
        )

    async def again(self, before: int, about: str) -> AsyncIterator[Said]:
        """The requests since then, and what is answered when they are sent once more, read as
        bytes.
        """
        sent: list[RecordedRequest] = [
            each for each in self.emulator.requests[before:] if each.method == "POST"
        ]
        assert sent
        replies, self.played = self.played, []
        self.emulator.play(replies)
        invented = any(isinstance(item, Raw) for reply in replies for item in reply.content)
        for request in sent:
            api = API_OF[request.path.rpartition("/")[2]]
            yield Said("client", REQUEST[api], request.body, about)
            answer = await self.http.post(self.emulator.origin + request.path, json=request.body)
            assert answer.status_code == 200, answer.text
            if invented:
                continue  # such a script makes the emulator say what no spec has
            if answer.headers["content-type"].startswith("text/event-stream"):
                for event in events_in(answer.content):
                    yield Said("emulator", EVENT[api], {"data": event}, about)
            else:
                yield Said("emulator", RESULT[api], answer.json(), about)

    async def all_settings(self, api: Api) -> None:
        settings = ModelSettings(
            temperature=0.5, top_p=0.9, max_tokens=500, seed=7, stop=("END",), reasoning="low", tool_choice="weather",
            parallel_tool_calls=False, provider={"order": ["openai"], "allow_fallbacks": False},
            models=("anthropic/claude-sonnet-4.6",), plugins=({"id": "web", "max_results": 3},),
            image_config={"aspect_ratio": "16:9"}, session_id="s-1", extra={"metadata": {"purpose": "test"}},
        )  # fmt: skip
        agent = self.agent(
            api, instructions="Be brief.", tools=[weather], settings=settings, output=Place
        )
        self.play(Reply([CallTool("weather", {"city": "Oslo"})]), Reply([Say('{"city": "Oslo"}')]))
        await agent.run("The weather in Oslo?")
        painter = self.agent(
            api,
            model="google/gemini-2.5-flash-image",
            settings=ModelSettings(modalities=("image", "text")),
        )
        self.play(Reply([Say("Look:"), Draw("a fox", data=BIG)]))
        await painter.run("Draw a fox")

    async def all_server_tools(self, api: Api) -> None:
        tools = [
            ImageGeneration(
                model="openai/gpt-5-image", quality="high", aspect_ratio="16:9", background="transparent",
                output_format="webp", output_compression=80, moderation="low",
            ),
            WebSearch(), WebFetch(), Datetime("Europe/Oslo"), ServerTool("openrouter:advisor", {"model": "openai/gpt-5.2"}), weather,
        ]  # fmt: skip
        limits = Limits(turns=1, tool_calls=3, cost_usd=0.5, output_tokens=900, seconds=60)
        self.play(Reply([CallTool("weather", {"city": "Oslo"})]), Reply([Say("Rain.")]))
        await self.agent(api, tools=tools, limits=limits).run("Go on")
        forced = ModelSettings(tool_choice="openrouter:image_generation")
        self.play(Reply([Draw("a fox", data=BIG), Say("A fox.")]))
        await self.agent(api, tools=[ImageGeneration()], settings=forced).run("a fox in the snow")

    async def pictures_and_another_api(self, api: Api) -> None:
        """All that a history can hold, echoed to the API it came from, then sent to the other and
        back.
        """
        chat = self.agent(
            api, tools=[paint, weather, ImageGeneration(), WebSearch()]
        ).conversation()
        self.play(
                Reply([Think("Hm.", encrypted="QUJD" * 40, signature="c2ln"), CallTool("paint", {"colour": "green"})]),
                Reply([Say("Here:", [{"url": "https://example.org", "title": "E", "start_index": 0, "end_index": 3}]),
                       Draw("a fox", data=BIG)]),
                Reply([Draw("a hare", places=("message_images",), data=picture("blue", (9, 9))), Say("And a hare.")]),
        )  # fmt: skip
        await chat.send(
            ["Like this", Image.from_bytes(BIG), "and this", Image.from_bytes(picture("red"))]
        )
        await chat.send("More")
        other: Api = "responses" if api == "chat" else "chat"
        for chat.api in (other, api):
            self.play(
                Reply([Think("So."), CallTool("weather", {"city": "Rome"})]), Reply([Say("Well.")])
            )
            await chat.send("And now?")
        self.play(Reply([Say("Once upon")], finish_reason="length"))
        await chat.send("Tell")

    async def pictures_by_the_image_api(self) -> None:
        """All that a request for pictures can hold; a model that streams, one that does not, and
        one that writes SVG.
        """
        studio = Studio(client=self.client, store=MemoryImageStore())
        await studio.draw(
            "a fox", n=2, size="1024x1024", aspect_ratio="1:1", quality="low", output_format="webp", background="opaque",
            output_compression=70, moderation="low", seed=7,
            provider={"order": ["openai"], "allow_fallbacks": False, "sort": "price",
                      "options": {"openai": {"input_fidelity": "high"}}},
        )  # fmt: skip
        pictures = [Image.from_bytes(BIG), Image.from_bytes(picture("red"))]
        await studio.edit(
            pictures, "both", provider={"only": ["openai"], "ignore": ["azure"]}, resolution="1K"
        )
        for model in (
            "openai/gpt-5-image",
            "black-forest-labs/flux.2-pro",
            "recraft/recraft-v4-vector",
        ):
            async with studio.stream("a fox", model=model) as stream:
                await stream.finish()
