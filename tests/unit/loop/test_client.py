"""What goes over the socket, and what does not; errors and their retries; logs; the sync forms."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Any

import pytest
import structlog

from agentkit import Agent, ImageGeneration, OpenRouter, Text
from agentkit.emulator import Draw, Emulator, Failure, RawReply, Reply, Say
from agentkit.errors import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    InsufficientCredits,
    OutcomeUnknown,
    PermissionRefused,
    ProviderFailed,
    RateLimited,
)
from agentkit.images.store import MemoryImageStore
from tests.conftest import Bench, picture

KEY = "sk-or-v1-0123456789abcdef0123456789"


async def test_the_headers(
    emulator: Emulator, store: MemoryImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "https://elsewhere.example" if name.endswith("URL") else "theirs")
    async with OpenRouter(
        api_key=KEY,
        base_url=emulator.base_url,
        app_name="Painter",
        app_url="https://painter.example",
    ) as client:
        await Agent("openai/gpt-5.2", client=client, store=store).run("Hello")
    headers = emulator.requests[0].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["x-openrouter-title"] == "Painter"
    assert headers["http-referer"] == "https://painter.example"
    assert headers["user-agent"].startswith("agentkit/")
    assert not [
        name for name in headers if name.startswith(("x-stainless", "openai")) or name == "cookie"
    ]
    assert "theirs" not in str(headers)


async def test_a_picture_goes_out_with_its_length(bench: Bench) -> None:
    from agentkit import Image

    bench.emulator.play([Reply([Say("Nice.")])])
    await bench.ask(bench.agent(), ["Look", Image.from_bytes(picture(size=(300, 200), noise=99))])
    headers = bench.emulator.requests[0].headers
    assert int(headers["content-length"]) == bench.emulator.requests[0].size
    assert "transfer-encoding" not in headers


STATUSES = [
    (400, BadRequest), (401, AuthenticationFailed), (402, InsufficientCredits), (403, PermissionRefused), (404, BadRequest),
    (409, BadRequest), (422, BadRequest), (429, RateLimited), (500, ProviderFailed), (503, ProviderFailed), (529, ProviderFailed),
]  # fmt: skip


@pytest.mark.parametrize(("status", "kind"), STATUSES)
async def test_a_typed_error_with_the_providers_words(
    status: int, kind: type[APIError], bench: Bench
) -> None:
    failure = Failure(
        "Provider returned error",
        code=status,
        metadata={"raw": "the kiln is cold", "provider_name": "Kiln"},
    )
    bench.emulator.play([Reply([], error=failure, headers={"Retry-After": "0"})] * 3)
    with pytest.raises(kind, match="the kiln is cold") as caught:
        await bench.ask(bench.agent(), "Go")
    assert caught.value.status == status
    assert caught.value.run is not None
    sent = len([request for request in bench.emulator.requests if request.method == "POST"])
    assert sent == {429: 3, 503: 3, 529: 3, 500: 2}.get(status, 1)


RETRIED = [(429, 3), (503, 3), (502, 3), (529, 3), (500, 2), (504, 2), (408, 2), (524, 2)]


@pytest.mark.parametrize(("status", "times"), RETRIED)
async def test_with_a_server_tool_a_request_is_sent_again_once_the_look_up_says_that_it_was_not_billed(
    status: int, times: int, bench: Bench
) -> None:
    failure = Reply([], error=Failure("no", code=status), headers={"Retry-After": "0"})
    bench.emulator.play([failure] * (times - 1) + [Reply([Say("Here.")])])
    assert (await bench.ask(bench.agent(tools=[ImageGeneration()]), "Draw a fox")).text == "Here."
    asked = [request.path for request in bench.emulator.requests]
    looked = [path.startswith("/api/v1/generation") for path in asked]
    assert looked == [False, True] * (times - 1) + [False]  # before each repetition


@pytest.mark.parametrize("status", [429, 503, 500, 502])
@pytest.mark.parametrize("header", [{"X-Generation-Id": "gen-nobody-knows"}, {}])
async def test_with_a_server_tool_nothing_is_sent_again_without_proof(
    status: int, header: dict[str, str], bench: Bench
) -> None:
    bench.emulator.play(
        [RawReply(status, b'{"error": {"message": "no"}}', headers={"Retry-After": "0", **header})]
    )
    with pytest.raises(APIError) as caught:
        await bench.ask(bench.agent(tools=[ImageGeneration()]), "Draw a fox")
    assert caught.value.generation is None
    assert len([request for request in bench.emulator.requests if request.method == "POST"]) == 1


async def test_a_retry_that_helps(bench: Bench) -> None:
    bench.emulator.play(
        [
            Reply([], error=Failure("busy", code=429), headers={"Retry-After": "0"}),
            Reply([Say("Here.")]),
        ]
    )
    assert (await bench.ask(bench.agent(), "Go")).text == "Here."


async def test_a_retry_that_would_take_too_long(bench: Bench) -> None:
    bench.emulator.play(
        [Reply([], error=Failure("busy", code=429), headers={"Retry-After": "121"})]
    )
    with pytest.raises(RateLimited) as caught:
        await bench.ask(bench.agent(), "Go")
    assert caught.value.retry_after == 121


@pytest.mark.parametrize("form", ["body", "choice", "stream", "silent"])
async def test_a_200_that_is_an_error(form: Any, bench: Bench) -> None:
    failure = Failure("it broke", code=502, form=form)
    bench.emulator.play([Reply([Say("So far ")], error=failure)])
    with pytest.raises(APIError) as caught:
        await bench.ask(bench.agent(), "Go")
    assert caught.value.answer_so_far is not None
    assert len(bench.emulator.requests) == 1


async def test_no_connection(store: MemoryImageStore) -> None:
    async with OpenRouter(api_key=KEY, base_url="http://127.0.0.1:9/api/v1") as client:
        with pytest.raises(ConnectionFailed, match="nothing was sent"):
            await Agent("openai/gpt-5.2", client=client, store=store).run("Hello")


async def test_a_hang_up_after_the_request_is_not_sent_again(bench: Bench) -> None:
    bench.emulator.play([RawReply(200, b"x" * 100, cut_after=0)])
    with pytest.raises(OutcomeUnknown):
        await bench.ask(bench.agent(), "Go")
    assert len([request for request in bench.emulator.requests if request.method == "POST"]) == 1


async def test_a_redirect_is_not_followed(bench: Bench, emulator: Emulator) -> None:
    emulator.play([RawReply(307, b"", headers={"Location": "https://elsewhere.example/x"})])
    with pytest.raises(APIError, match="elsewhere.example"):
        await bench.ask(bench.agent(), "Go")
    assert len(emulator.requests) == 1


async def test_what_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="agentkit")
    bench.emulator.play(
        [Reply([Say("Here."), Draw("a fox", data=picture(size=(160, 120), noise=90))])]
    )
    await bench.ask(bench.agent(tools=[ImageGeneration()], name="painter-of-owls"), "Go")
    said = caplog.text
    assert said.count("agent='painter-of-owls'") == 2, "the lines of the request and of the run"
    for event in ("event='request'", "event='image'", "event='run'"):
        assert event in said
    assert "iVBOR" not in said
    assert "sk-or-test-key" not in said


async def test_an_application_that_configured_structlog(bench: Bench) -> None:
    with structlog.testing.capture_logs() as logs:
        structlog.configure()
        structlog.configure(processors=structlog.get_config()["processors"])
        await bench.ask(bench.agent(), "Hello")
    structlog.reset_defaults()
    assert isinstance(logs, list)


def test_sync_inside_and_outside_a_running_loop(
    emulator: Emulator, store: MemoryImageStore
) -> None:
    agent = Agent(
        "openai/gpt-5.2", client=OpenRouter(api_key=KEY, base_url=emulator.base_url), store=store
    )
    assert agent.run_sync("Hello").status == "completed"
    chat = agent.conversation()
    chat.send_sync("My name is Ada.")
    assert "Ada" in chat.send_sync("What is my name?").text

    async def inside() -> str:
        return agent.run_sync("Hello").status

    assert asyncio.run(inside()) == "completed"


def test_without_a_client_the_shared_one_is_closed(emulator: Emulator) -> None:
    code = """
import asyncio
from agentkit import Agent
async def main():
    print((await Agent("openai/gpt-5.2").run("Hello")).status)
asyncio.run(main())
print(Agent("openai/gpt-5.2").run_sync("Hello").status)
"""
    environment = {
        "OPENROUTER_API_KEY": KEY,
        "OPENROUTER_BASE_URL": emulator.base_url,
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["completed", "completed"], "")


async def test_many_conversations_share_one_client(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    agent = Agent("openai/gpt-5.2", client=client, store=store)

    async def one(number: int) -> str:
        chat = agent.conversation()
        await chat.send(f"My name is Person{number}.")
        return (await chat.send("What is my name?")).text

    said = await asyncio.gather(*(one(number) for number in range(20)))
    assert all(f"Person{number}" in text for number, text in enumerate(said))


async def test_a_key_never_shows(bench: Bench) -> None:
    bench.emulator.play(
        [RawReply(401, b'{"error":{"message":"bad key sk-or-test-key","code":401}}')]
    )
    with pytest.raises(AuthenticationFailed) as caught:
        await bench.ask(bench.agent(), "Go")
    assert "sk-or-test-key" not in repr(caught.value) + repr(bench.client) + str(
        vars(bench.client)["_key"]
    )


def test_text_is_a_value() -> None:
    assert Text("a") == Text("a")
