"""All that is done with pictures, with an object store: agents, conversations, saved runs, the chat
server, and the commands.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from pathlib import Path

import pytest

from agentkit import Agent, Image, ImageGeneration, OpenRouter
from agentkit.emulator import Emulator
from agentkit.errors import UsageError
from agentkit.images import ObjectImageStore
from agentkit.run import Run
from agentkit.sessions import Sessions
from agentkit.sessions.database import Database
from agentkit.sessions.removal import DAY, sweep
from agentkit.web import app
from tests.buckets import KEY, SECRET, Service
from tests.conftest import Bench, picture
from tests.unit.cli.commands import asks, run
from tests.web_server import serving_app


@pytest.fixture
def url(service: Service) -> str:
    return f"s3://{service.bucket(f'pictures-{uuid.uuid4().hex}')}/team"


async def test_a_turn_that_draws_goes_on_from_another_machine(
    bench: Bench, service: Service, url: str, tmp_path: Path
) -> None:
    """Pictures of a prompt, of the model and of the history, in each of the four ways."""
    database = f"sqlite:///{tmp_path}/chats.db"
    tools = [ImageGeneration()]
    here = service.store(url, tmp_path / "here")
    async with Sessions(database, store=here) as sessions:
        agent = bench.agent(store=here, tools=tools)
        chat = await asyncio.to_thread(agent.conversation, "ada", sessions=sessions)
        brought = Image.from_bytes(picture(size=(200, 150), noise=3))
        answer = await bench.ask(chat, ["Draw a fox like this", brought])
    assert [image.sha256 for image in answer.images]
    saved = answer.run.to_json()

    there = service.store(url, tmp_path / "there")
    async with Sessions(database, store=there) as sessions:
        agent = bench.agent(store=there, tools=tools)
        chat = await asyncio.to_thread(agent.conversation, "ada", sessions=sessions)
        assert list(chat.images) == ["img_1", "img_2"]
        assert chat.images["img_1"].bytes() == brought.bytes()
        again = await bench.ask(chat, "Now draw it at night")
        assert again.status == "completed"
        kept = await asyncio.to_thread(there.size)
        assert kept == sum(image.size for image in chat.images.values())
    loaded = Run.from_json(saved, blobs=service.store(url, tmp_path / "third"))
    assert [each.bytes() for each in loaded.images] == [each.bytes() for each in answer.run.images]


async def test_what_no_conversation_names_is_swept(
    emulator: Emulator, client: OpenRouter, service: Service, url: str, tmp_path: Path
) -> None:
    store = service.store(url, tmp_path / "spool")
    address = f"sqlite:///{tmp_path}/chats.db"
    async with Sessions(address, store=store) as sessions:
        agent = Agent("openai/gpt-5.2", client=client, store=store, tools=[ImageGeneration()])
        async with sessions.conversation("ada", agent) as chat:
            await chat.send("Draw a fox")
        assert await asyncio.to_thread(store.size) > 0
        await sessions.delete("ada")
    database = Database(address)
    assert await asyncio.to_thread(sweep, database, store, time.time() + 2 * DAY) == 1
    assert await asyncio.to_thread(store.size) == 0
    database.close()


def test_the_chat_server_shows_them(
    emulator: Emulator, service: Service, url: str, tmp_path: Path
) -> None:
    store = service.store(url, tmp_path / "spool")
    client = OpenRouter(api_key="sk-or-test-key", base_url=emulator.base_url)
    agent = Agent("openai/gpt-5.2", client=client, store=store)
    other = service.store(url + "x", tmp_path / "spool")
    with pytest.raises(UsageError, match="the agent keeps its pictures in ObjectImageStore"):
        app(agent, sessions=Sessions(f"sqlite:///{tmp_path}/chats.db", store=other), token="t" * 20)
    web = app(
        agent, sessions=Sessions(f"sqlite:///{tmp_path}/chats.db", store=store), token="t" * 20
    )
    data = picture(size=(200, 150), noise=3)
    with serving_app(web) as server:
        signed = [("authorization", f"Bearer {'t' * 20}"), ("content-type", "image/png")]
        told = server.ask("POST", "/api/images", signed, data)
        assert told.status == 201, told
        shown = server.ask("GET", f"/{told.json()['url']}", signed[:1])
        assert (shown.status, shown.body) == (200, data)


def test_commands(emulator: Emulator, service: Service, url: str, tmp_path: Path) -> None:
    keys = {
        **asks(emulator, tmp_path),
        "AWS_ENDPOINT_URL": service.origin,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }
    checked = run("store", "check", "--store", url, **keys)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, f"{url}\n", "")
    missing = run("store", "check", "--store", "s3://nowhere-at-all", **keys)
    assert missing.returncode == 1
    assert missing.stderr == (
        "agentkit: cannot write to the image store s3://nowhere-at-all: there is no such bucket: "
        "make it, or name another one (404 NoSuchBucket)\n"
    )
    keys["AGENTKIT_STORE"] = url
    drawn = run("Draw a fox", "--draw", "-q", **keys)
    assert drawn.returncode == 0, drawn.stderr
    place = drawn.stdout.splitlines()[-1]
    assert place.startswith(f"{url}/")
    store = service.store(url, tmp_path / "spool")
    sha256 = place.rpartition("/")[2]
    with store.open(sha256) as file:
        size = len(file.read())
    told = run("store", "size", "--json", **keys)
    assert json.loads(told.stdout) == {"path": url, "bytes": size}
    assert run("store", "sweep", **keys).stdout == "0\n"
    assert isinstance(store, ObjectImageStore)
