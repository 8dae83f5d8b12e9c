"""The catalogue: fetched once, kept for a while, never in the way."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentkit import OpenRouter
from agentkit.emulator import Emulator
from agentkit.errors import BadRequest, MissingKey, ProviderFailed, UsageError
from agentkit.openrouter.catalogue import Catalogue

MODELS = {
    "data": [
        {"id": "a/b", "architecture": {"output_modalities": ["image"]}},
        {"id": "a/b:free"},
        {"id": "a/c"},
    ]
}


class Shelf:
    """A server of catalogues: each path has its answer, which may take its time."""

    def __init__(self) -> None:
        self.status, self.body, self.delay = 200, json.dumps(MODELS), 0.0
        self.seen: Counter[str] = Counter()
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.seen[head.split(b" ")[1].decode().removeprefix("/api/v1")] += 1
            await asyncio.sleep(self.delay)
            body = self.body.encode()
            writer.write(
                f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    shelf = Shelf()
    server = await asyncio.start_server(shelf.handle, "127.0.0.1", 0)
    shelf.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
    yield shelf
    server.close()


@pytest.fixture
async def lender(shelf: Shelf) -> AsyncIterator[OpenRouter]:
    async with OpenRouter(api_key="k", base_url=shelf.url) as client:
        yield client


async def test_what_the_emulator_offers(client: OpenRouter, emulator: Emulator) -> None:
    catalogue = Catalogue(client)
    general = await catalogue.chat_model("openai/gpt-5.2")
    assert general is not None
    assert (general.sees, general.draws, general.calls_tools, general.context_length) == (
        True,
        False,
        True,
        400_000,
    )
    assert general.prices["completion"] == pytest.approx(14e-6)
    painter = await catalogue.chat_model("google/gemini-2.5-flash-image")
    assert painter is not None
    assert (painter.draws, painter.calls_tools) == (True, False)
    model = await catalogue.image_model("openai/gpt-5-image")
    assert model is not None
    assert model.endpoints[0].parameters["n"].accepts(10)
    assert model.endpoints[0].prices[0].cost_usd == 0.042
    assert len(await catalogue.image_models()) == len(await catalogue.all_image_models()) > 4
    assert len(await catalogue.chat_models()) > 4
    assert len(emulator.requests) == 3


async def test_a_variant_is_its_model_unless_it_is_listed(lender: OpenRouter) -> None:
    catalogue = Catalogue(lender)
    for slug, found in {
        "a/b": "a/b",
        "a/b:free": "a/b:free",
        "a/c:nitro": "a/c",
        "a/d": None,
        "": None,
    }.items():
        model = await catalogue.chat_model(slug)
        assert (model.id if model else None) == found


async def test_it_is_fetched_once_while_it_is_fresh(shelf: Shelf, lender: OpenRouter) -> None:
    shelf.delay = 0.05
    found = await asyncio.gather(
        *(Catalogue(lender).chat_model("a/b") for _ in range(20)), Catalogue(lender).chat_models()
    )
    assert found[0] is not None
    await Catalogue(lender).chat_model("a/c")
    assert shelf.seen.total() == 1
    await Catalogue(lender, ttl=0).chat_model("a/c")
    assert shelf.seen.total() == 2


async def test_each_client_has_its_own(shelf: Shelf, lender: OpenRouter) -> None:
    await Catalogue(lender).chat_model("a/b")
    async with OpenRouter(api_key="other", base_url=shelf.url) as other:
        await Catalogue(other).chat_model("a/b")
    assert shelf.seen.total() == 2


def test_several_event_loops_share_it(emulator: Emulator) -> None:
    client = OpenRouter(api_key="k", base_url=emulator.base_url)

    async def ask() -> bool:
        try:
            return await Catalogue(client).image_model("openai/gpt-5-image") is not None
        finally:
            await client.close()

    assert [asyncio.run(ask()) for _ in range(3)] == [True] * 3
    assert len(emulator.requests) == 2


@pytest.mark.parametrize(
    ("status", "body"), [(500, "{}"), (404, "{}"), (200, "<html>"), (200, "[]"), (200, "")]
)
async def test_an_error_is_not_known_for_a_short_while(
    shelf: Shelf, lender: OpenRouter, status: int, body: str
) -> None:
    shelf.status, shelf.body = status, body
    catalogue = Catalogue(lender)
    assert await catalogue.chat_model("a/b") is None
    assert await catalogue.image_model("a/b") is None
    assert await catalogue.all_image_models() == ()
    assert shelf.seen.total() == 2
    shelf.status, shelf.body = 200, json.dumps(MODELS)
    assert await catalogue.chat_model("a/b") is None  # the error is kept
    assert len(await catalogue.chat_models()) == 3  # who asks is answered anew
    assert await catalogue.chat_model("a/b") is not None


async def test_who_asks_for_a_list_is_told_why_there_is_none(
    shelf: Shelf, lender: OpenRouter
) -> None:
    shelf.status = 500
    with pytest.raises(ProviderFailed):
        await Catalogue(lender).image_models()
    with pytest.raises(UsageError, match="slug"):
        await Catalogue(lender).image_endpoints("/")
    shelf.status = 404
    with pytest.raises(BadRequest):
        await Catalogue(lender).image_endpoints("a/b")


async def test_endpoints_that_cannot_be_had_are_none(shelf: Shelf, lender: OpenRouter) -> None:
    model = await Catalogue(lender).image_model("a/c:free")
    assert model is not None
    assert (model.id, model.endpoints) == ("a/c", ())
    assert list(shelf.seen) == ["/images/models", "/images/models/a/c/endpoints"]


async def test_a_key_that_is_missing_is_no_catalogues_business(shelf: Shelf) -> None:
    async with OpenRouter(api_key="", base_url=shelf.url) as client:
        assert await Catalogue(client).chat_model("a/b") is None
        with pytest.raises(MissingKey):
            await Catalogue(client).chat_models()


async def test_whoever_stops_waiting_stops_only_themselves(
    shelf: Shelf, lender: OpenRouter
) -> None:
    shelf.delay = 0.2
    catalogue = Catalogue(lender)
    impatient, patient = (asyncio.create_task(catalogue.chat_model("a/b")) for _ in range(2))
    await asyncio.sleep(0.05)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await patient is not None
    assert shelf.seen.total() == 1


async def test_when_nobody_waits_nothing_goes_on(shelf: Shelf, lender: OpenRouter) -> None:
    shelf.delay = 5
    task = asyncio.create_task(Catalogue(lender).chat_model("a/b"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [each for each in asyncio.all_tasks() if "_fetch" in repr(each.get_coro())]
    shelf.delay = 0
    assert await Catalogue(lender).chat_model("a/b") is not None


@pytest.mark.parametrize("ttl", [-1, True, "long", float("nan")])
def test_a_time_to_live_that_cannot_be(ttl: Any) -> None:
    with pytest.raises(UsageError, match="ttl"):
        Catalogue(OpenRouter(api_key="k"), ttl=ttl)
