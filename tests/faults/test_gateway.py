"""Never twice behind a gateway: a proxy that answers with a page of its own, as nginx does, while
the service behind it carries out the request, and bills it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import fsum
from typing import Any, Literal

import httpx2
import pytest

from agentkit import Agent, Budget, ImageGeneration, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.errors import OutcomeUnknown, ProviderFailed
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio
from tests.conftest import WAYS, Way, picture
from tests.unit.openrouter.peer import PEM, Line, reply, serving

FOX = picture(size=(60, 50), noise=3)
PAGE = "<html><head><title>{0}</title></head><body><center>nginx</center></body></html>"
PHASES: dict[str, tuple[str, bool]] = {
    "busy": ("503 Service Temporarily Unavailable", False),
    "no service": ("502 Bad Gateway", False),
    "time-out": ("504 Gateway Time-out", True),
    "the service hung up": ("502 Bad Gateway", True),
    "Cloudflare, for no reason": ("520 Web Server Returned an Unknown Error", True),
}
"""What a gateway answers, and whether the service has the request all the same."""
Moment = Literal["first", "after a tool", "follow-up"]
MOMENTS: tuple[Moment, ...] = ("first", "after a tool", "follow-up")
What = Literal["words", "server tool", "model"]
WHAT: tuple[What, ...] = ("words", "server tool", "model")


@pytest.fixture(autouse=True)
def few_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))


@dataclass
class Gateway:
    """Passes requests on, and answers for the service from POST number `strikes` on."""

    emulator: Emulator
    status: str
    forwards: bool
    strikes: int = 1
    posts: int = 0
    before: int = 0
    """What the service had of earlier scenes."""
    http: httpx2.AsyncClient = field(default_factory=httpx2.AsyncClient)

    def begin(self, passed_on: list[Reply], withheld: Reply, *, times: int = 1) -> None:
        """Begin another scene: what is passed on, and what the service says that is withheld."""
        self.strikes, self.posts, self.before = 1 + len(passed_on), 0, len(self.emulator.posts)
        self.emulator.play([*passed_on, *([withheld] * times if self.forwards else [])])

    @property
    def lost(self) -> float:
        """USD that the service billed for replies that the gateway withheld."""
        passed = self.before + self.strikes - 1
        return fsum(post.cost_usd for post in self.emulator.posts[passed:])

    async def answer(self, line: Line) -> None:
        while True:
            request = await line.request()
            method, path, _ = request.line.split()
            self.posts += method == "POST"
            struck = method == "POST" and self.posts >= self.strikes
            if struck and not self.forwards:
                await line.send(self._page())
                continue
            url, kind = self.emulator.origin + path, {"Content-Type": "application/json"}
            headers = {"Authorization": "Bearer sk-or-1", **kind}
            came = await self.http.request(method, url, headers=headers, content=request.body)
            if struck and not self.status:
                return  # hangs up without a word
            told = [
                f"{name}: {value}"
                for name, value in came.headers.items()
                if name in {"content-type", "x-generation-id"}
            ]
            status = f"{came.status_code} {came.reason_phrase}"
            await line.send(self._page() if struck else reply(came.content, *told, status=status))

    def _page(self) -> bytes:
        return reply(PAGE.format(self.status).encode(), "Server: nginx", status=self.status)


@asynccontextmanager
async def gateway(phase: str) -> AsyncIterator[tuple[Gateway, OpenRouter]]:
    with Emulator() as emulator:
        gate = Gateway(emulator, *PHASES.get(phase, ("", True)))
        async with (
            gate.http,
            serving(gate.answer) as peer,
            OpenRouter(api_key="sk-or-1", base_url=peer.url) as client,
        ):
            yield gate, client


def checked(gate: Gateway, budget: Budget, error: ProviderFailed, *, repeated: bool) -> None:
    assert gate.posts - gate.strikes == int(repeated), "second posts"
    assert (error.billed, error.from_service) == (None, False)
    assert (gate.lost > 0) == gate.forwards
    assert budget.uncertain_usd >= gate.lost
    assert budget.uncertain_requests == 1 + repeated
    assert budget.reserved_usd == 0


def agent_of(what: What, way: Way, client: OpenRouter, budget: Budget) -> Agent[Any]:
    @tool
    def look() -> str:
        """Looks."""
        return "seen"

    model = "openai/gpt-5-image" if what == "model" else "openai/gpt-5.2"
    tools = [look, ImageGeneration()] if what == "server tool" else [look]
    api: Any = way.api
    return Agent(
        model, api=api, client=client, tools=tools, store=MemoryImageStore(), budget=budget
    )


async def ask(chat: Any, way: Way) -> Any:
    if not way.stream:
        return await chat.send("A fox")
    async with chat.stream("A fox") as stream:
        return await stream.finish()


BEFORE: dict[Moment, list[Reply]] = {
    "first": [],
    "after a tool": [Reply([CallTool("look")])],
    "follow-up": [Reply([Say("Good morning.")])],
}
"""What the gateway passes on before it answers for the service."""


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_an_agent_behind_it(phase: str, way: Way) -> None:
    is_final = phase == "Cloudflare, for no reason"
    async with gateway(phase) as (gate, client):
        for what in WHAT:
            drawing = [] if what == "words" else [Draw("a fox", data=FOX)]
            for moment, before in BEFORE.items():
                again = what == "words" and not is_final
                gate.begin(before, Reply([Say("Here."), *drawing]), times=1 + again)
                budget = Budget(1)
                chat = agent_of(what, way, client, budget).conversation()
                if moment == "follow-up":
                    await ask(chat, way)
                with pytest.raises(ProviderFailed) as caught:
                    await ask(chat, way)
                checked(gate, budget, caught.value, repeated=again)


@pytest.mark.parametrize("phase", PHASES)
async def test_a_studio_behind_it(phase: str) -> None:
    async with gateway(phase) as (gate, client):
        for stream in (False, True):
            for number in (1, 2):
                reply_ = Reply([Draw("a fox", data=FOX)])
                gate.begin([reply_] * (number - 1), reply_)
                budget = Budget(1)
                studio = Studio(client=client, store=MemoryImageStore(), budget=budget)
                if number == 2:
                    await drawn(studio, stream=stream)
                with pytest.raises(ProviderFailed) as caught:
                    await drawn(studio, stream=stream)
                checked(gate, budget, caught.value, repeated=False)


async def drawn(studio: Studio, *, stream: bool) -> Any:
    if not stream:
        return await studio.draw("a fox")
    async with studio.stream("a fox") as watched:
        return await watched.finish()


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_one_that_hangs_up_without_a_word(way: Way) -> None:
    """As HAProxy does on a kept connection whose service has hung up: nothing tells it from a kept
    connection that was closed before the request came, but that the request had arrived.
    """
    async with gateway("silence") as (gate, client):
        for what in WHAT:
            drawing = [] if what == "words" else [Draw("a fox", data=FOX)]
            gate.begin(BEFORE["follow-up"], Reply([Say("Here."), *drawing]))
            budget = Budget(1)
            chat = agent_of(what, way, client, budget).conversation()
            await ask(chat, way)
            with pytest.raises(OutcomeUnknown):
                await ask(chat, way)
            assert gate.posts == gate.strikes, "second posts"
            assert budget.uncertain_usd >= gate.lost > 0


async def test_a_second_post_that_the_budget_does_not_cover_is_not_sent() -> None:
    """Words alone go again only where both fit."""
    async with gateway("time-out") as (gate, client):
        budget = Budget(0.01)
        chat = agent_of("words", WAYS[0], client, budget).conversation()
        with pytest.raises(ProviderFailed) as caught:
            await ask(chat, WAYS[0])
        checked(gate, budget, caught.value, repeated=False)


async def test_where_the_catalogue_is_not_asked_it_is_when_a_request_was_lost() -> None:
    """`checks=False` saves a look before each run, not the knowledge of what may draw."""
    for model, posts in (("openai/gpt-5.2", 2), ("openai/gpt-5-image", 1), ("who/knows", 1)):
        async with gateway("no service") as (gate, client):
            with pytest.raises(ProviderFailed):
                await Agent(model, client=client, checks=False).run("A fox")
            assert (model, gate.posts) == (model, posts)
