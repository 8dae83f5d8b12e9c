"""Starting, stopping, recording, the command line, and what the package may import."""

import ast
import asyncio
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

import agentkit.emulator
from agentkit.emulator import Emulator, Reply, Say
from tests.clock import GUARD

HERE = Path(agentkit.emulator.__file__).parent


def test_the_public_names() -> None:
    assert sorted(agentkit.emulator.__all__) == [
        "Body",
        "CallTool",
        "ChaosError",
        "Charge",
        "Draw",
        "Emulator",
        "Endless",
        "Failure",
        "Fault",
        "Faults",
        "Lookup",
        "Model",
        "Place",
        "Playable",
        "Post",
        "QUIRKS",
        "Raw",
        "RawReply",
        "RecordedRequest",
        "Reply",
        "ReplyError",
        "Rule",
        "Say",
        "Socket",
        "Status",
        "Strike",
        "Think",
        "UseServerTool",
        "When",
        "faults_from_file",
        "faults_from_text",
    ]


def test_it_imports_nothing_of_the_rest() -> None:
    for path in HERE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                assert not name.startswith("agentkit") or name.startswith("agentkit.emulator"), (
                    f"{path.name} imports {name}"
                )


def test_it_runs_until_it_is_stopped() -> None:
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.base_url
    emulator.start()
    url = f"{emulator.base_url}/models"
    assert url.startswith("http://127.0.0.1:")
    assert httpx2.get(url).status_code == 200
    with pytest.raises(RuntimeError, match="already running"):
        emulator.start()
    emulator.stop()
    emulator.stop()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url)
    assert not [thread for thread in threading.enumerate() if thread.name == "openrouter-emulator"]


async def test_it_serves_many_at_once_in_an_async_test() -> None:
    async with (
        Emulator() as emulator,
        httpx2.AsyncClient(headers={"authorization": "Bearer x"}) as client,
    ):
        emulator.play([Reply([Say("slow")], delay=0.3)] * 10)
        answers = await asyncio.gather(
            *(
                client.post(f"{emulator.base_url}/responses", json={"input": "hi"})
                for _ in range(10)
            )
        )
        assert {answer.json()["output_text"] for answer in answers} == {"slow"}
        assert len(emulator.ledger) == 10


def test_stopping_ends_what_hangs() -> None:
    with Emulator() as emulator:
        emulator.play(Reply([Say("x")], hang=True))
        failed: list[Exception] = []

        def ask() -> None:
            try:
                httpx2.post(
                    f"{emulator.base_url}/responses",
                    json={"input": "hi"},
                    headers={"authorization": "Bearer x"},
                    timeout=GUARD,
                )
            except httpx2.HTTPError as error:
                failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not emulator.ledger:
            time.sleep(0.005)
    thread.join(timeout=GUARD)
    assert len(failed) == 1


def test_requests_are_recorded(wire) -> None:
    body = {"model": "openai/gpt-5.2", "input": "naïve"}
    wire.post("/responses", body, headers={"X-OpenRouter-Title": "t"})
    wire.http.post(wire.emulator.base_url + "/responses", content=b"{")
    first, second = wire.emulator.requests
    assert (first.method, first.path, first.body, first.headers["x-openrouter-title"]) == (
        "POST",
        "/api/v1/responses",
        body,
        "t",
    )
    assert first.size == len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    assert (second.body, second.size) == (None, 1)


def test_one_key_can_be_demanded(wire_to) -> None:
    with Emulator(api_key="sk-right") as emulator:
        wire = wire_to(emulator)
        assert wire.error("/responses", {"input": "hi"}) == (
            401,
            {"message": "User not found.", "code": 401},
        )
        wire.http.headers["authorization"] = f"Bearer {emulator.api_key}"
        assert wire.responses("hi")["status"] == "completed"


def test_the_same_seed_gives_the_same_ids(wire_to) -> None:
    def ids(seed: int) -> str:
        with Emulator(seed=seed) as emulator:
            return wire_to(emulator).chat("hi")["id"].rpartition("-")[2]

    assert ids(1) == ids(1) != ids(2)


def test_the_command_line() -> None:
    command = [sys.executable, "-m", "agentkit.emulator"]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx2.get(f"{url}/models").status_code == 200
        process.terminate()
    wrong = subprocess.run(
        [*command, "--port", "70000"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "--port: 70000 was given" in wrong.stderr


async def test_where_others_can_reach_it_each_request_needs_its_key() -> None:
    paths = ["models", "images/models", "generation?id=gen-1", "key", "tools"]
    with Emulator(host="0.0.0.0") as emulator, Emulator(host="0.0.0.0") as other:
        assert len(emulator.api_key) > 30
        assert emulator.api_key != other.api_key
        base_url = emulator.base_url.replace("0.0.0.0", "127.0.0.1")
        async with httpx2.AsyncClient(trust_env=False) as client:
            for key in (None, other.api_key, "sk-or-v1-emulator"):
                headers = {} if key is None else {"authorization": f"Bearer {key}"}
                for path in paths:
                    reply = await client.get(f"{base_url}/{path}", headers=headers)
                    assert reply.status_code == 401, path
                reply = await client.post(f"{base_url}/images", headers=headers, json={})
                assert reply.status_code == 401
            headers = {"authorization": f"Bearer {emulator.api_key}"}
            for path in ("models", "images/models", "key"):
                assert (await client.get(f"{base_url}/{path}", headers=headers)).is_success
    with Emulator(host="0.0.0.0", api_key="mine") as given:
        assert given.api_key == "mine"


async def test_on_loopback_the_catalogue_needs_no_key() -> None:
    with Emulator() as emulator:
        async with httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{emulator.base_url}/models")).is_success
