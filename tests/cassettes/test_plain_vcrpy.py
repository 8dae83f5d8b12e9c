"""vcrpy as a user has it, without anything of agentkit's: it records and plays on both transports,
in all four ways.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import vcr
import yaml

from agentkit import Agent, FetchPolicy, OpenRouter
from agentkit.emulator import Emulator, Fault, Socket
from agentkit.errors import (
    ConnectionFailed,
    ImageError,
    NotRecorded,
    OutcomeUnknown,
    RunError,
    StreamInterrupted,
)
from agentkit.images import Fetcher, MemoryImageStore
from agentkit.openrouter import Retry, Timeouts
from agentkit.openrouter.transport import Transport
from agentkit.values import Api
from tests.cassettes.conftest import cut_off
from tests.cassettes.talk import KEY, SCRIPT, TRANSPORTS, each_way, said, talk
from tests.conftest import picture


def recording(path: Path, **options: Any) -> Any:
    """vcrpy, as the page on testing sets it up; every part of a request has to be the recorded."""
    parts = ["method", "scheme", "host", "port", "path", "query", "body"]
    return vcr.VCR(filter_headers=["authorization"], match_on=parts).use_cassette(path, **options)


@each_way
async def test_a_conversation_is_recorded_and_played(
    tmp_path: Path, transport: Transport, api: Api, streamed: bool
) -> None:
    tape = tmp_path / "talk.yaml"
    with Emulator() as emulator:
        emulator.play(SCRIPT)
        with recording(tape):
            recorded = await talk(emulator.base_url, transport, api, streamed=streamed)
        assert len(emulator.ledger) == 3
        assert not emulator.repeats
        base_url = emulator.base_url
    with cut_off(), recording(tape, record_mode="none") as played_tape:
        played = await talk(base_url, transport, api, streamed=streamed)
        assert played_tape.all_played

    assert KEY not in tape.read_text()
    assert [each.text for each in played] == [each.text for each in recorded]
    assert [each.usage for each in played] == [each.usage for each in recorded]
    drawn = [[image.sha256 for image in each.images] for each in recorded]
    assert [len(each) for each in drawn] == [1, 1, 0]
    assert [[image.sha256 for image in each.images] for each in played] == drawn


HUNG_UP = (Socket("cut", at="response"), Socket("reset", at="response"), Socket("cut", at="body"))


@each_way
@pytest.mark.parametrize("fault", HUNG_UP, ids=lambda fault: f"{fault.action}-{fault.at}")
async def test_a_server_that_hangs_up_while_recording_was_asked_once(
    tmp_path: Path, transport: Transport, api: Api, streamed: bool, fault: Socket
) -> None:
    with Emulator(faults=[Fault(socket=fault)]) as emulator:
        client = OpenRouter(
            api_key=KEY,
            base_url=emulator.base_url,
            transport=transport,
            timeouts=Timeouts(lookup=0),
        )
        async with client:
            agent = Agent("openai/gpt-5.2", api=api, client=client)
            with recording(tmp_path / "cut.yaml"), pytest.raises(RunError) as caught:
                await said(agent.conversation(), "Hello", streamed=streamed)
        assert len(emulator.posts) == 1
    assert isinstance(caught.value, OutcomeUnknown | StreamInterrupted)
    assert caught.value.billed is not False
    assert "nothing was" not in str(caught.value)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_server_that_is_not_there_is_asked_again(
    tmp_path: Path, transport: Transport
) -> None:
    """Here it is sure that nothing was sent, recorder or not."""
    with Emulator() as emulator:
        base_url = emulator.base_url
    client = OpenRouter(api_key=KEY, base_url=base_url, transport=transport, retry=Retry(1))
    async with client:
        agent = Agent("openai/gpt-5.2", client=client)
        with recording(tmp_path / "none.yaml"), pytest.raises(ConnectionFailed) as caught:
            await agent.run("Hello")
    assert caught.value.billed is False


@each_way
async def test_a_request_that_was_not_recorded_is_told_as_such(
    tmp_path: Path, transport: Transport, api: Api, streamed: bool
) -> None:
    tape = tmp_path / "hello.yaml"
    with Emulator() as emulator:
        async with OpenRouter(
            api_key=KEY, base_url=emulator.base_url, transport=transport
        ) as client:
            agent = Agent("openai/gpt-5.2", api=api, client=client)
            with recording(tape):
                await said(agent.conversation(), "Hello", streamed=streamed)
            with recording(tape, record_mode="none"), pytest.raises(NotRecorded) as caught:
                await said(agent.conversation(), "Good bye", streamed=streamed)
        assert len(emulator.posts) == 1
    assert caught.value.billed is False
    assert "Nothing was sent or billed" in str(caught.value)
    assert "Good bye" in str(caught.value)
    assert "may have been" not in str(caught.value)


async def test_a_picture_is_recorded_under_the_name_of_its_host(tmp_path: Path) -> None:
    data = picture(noise=7)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(data)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + data)
        writer.close()

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    asked: list[str] = []
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://images.example:{server.sockets[0].getsockname()[1]}/fox.png"
        policy = FetchPolicy(private=True)
        fetcher = Fetcher(policy, MemoryImageStore(), resolve=resolve)
        with recording(tmp_path / "fox.yaml"):
            assert (await fetcher.fetch(url)).size == len(data)
    assert asked == ["images.example"]
    [kept] = yaml.safe_load((tmp_path / "fox.yaml").read_text())["interactions"]
    assert kept["request"]["uri"] == url

    with cut_off(), recording(tmp_path / "fox.yaml", record_mode="none"):
        fetcher = Fetcher(FetchPolicy(), MemoryImageStore(), resolve=resolve)
        assert (await fetcher.fetch(url)).size == len(data)
        with pytest.raises(ImageError, match="fox.yaml"):
            await fetcher.fetch(url)  # each is played once
    assert asked == ["images.example"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_each_cassette_has_the_catalogue_that_its_test_needs(
    tmp_path: Path, transport: Transport
) -> None:
    """Also if the client has it already, from another test or another cassette."""
    with Emulator() as emulator:
        async with OpenRouter(
            api_key=KEY, base_url=emulator.base_url, transport=transport
        ) as client:
            agent = Agent("openai/gpt-5.2", client=client)
            await agent.run("Hello")
            for name in ("one", "two"):
                with recording(tmp_path / f"{name}.yaml") as tape:
                    await agent.run("Hello")
                assert [request.path for request in tape.requests] == [
                    "/api/v1/models",
                    "/api/v1/chat/completions",
                ]
            before = len(emulator.requests)
            await agent.run("Hello")
            assert [each.path.partition("?")[0] for each in emulator.requests[before:]] == [
                "/api/v1/models",
                "/api/v1/chat/completions",
            ]


def test_a_session_is_named_at_random_outside_of_a_recording(tmp_path: Path) -> None:
    agent = Agent("openai/gpt-5.2")
    with recording(tmp_path / "none.yaml"):
        recorded = {agent.conversation().session_id for _ in range(2)}
    assert len(recorded) == 1
    assert len(recorded | {agent.conversation().session_id for _ in range(2)}) == 3
