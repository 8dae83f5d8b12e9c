"""Web servers: FastAPI under uvicorn with uvloop, and gunicorn, which forks what it has loaded."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentkit.emulator import Emulator
from tests.embedding.programs import WATCHED, serving

FASTAPI = """
import asyncio
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from agentkit import Agent, OpenRouter, TextDelta

client = OpenRouter()
agent = Agent("openai/gpt-5.2", client=client)

@asynccontextmanager
async def lifespan(app: FastAPI):
    await client.prepare()
    async with client:
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/async")
async def ask(text: str) -> dict[str, str]:
    loop = type(asyncio.get_running_loop()).__module__
    return {"text": (await agent.run(text)).text, "loop": loop}

@app.get("/sync")
def ask_sync(text: str) -> dict[str, str]:
    return {"text": agent.run_sync(text).text}

@app.get("/stream")
async def stream(text: str) -> StreamingResponse:
    async def words():
        async with agent.stream(text) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    yield event.text
    return StreamingResponse(words(), media_type="text/plain")
"""
UVICORN = """
import socket, sys
import uvicorn
config = uvicorn.Config("app:app", loop="uvloop", log_level="warning")
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""
WSGI = """
import os
from urllib.parse import parse_qs

from agentkit import Agent

agent = Agent("openai/gpt-5.2")
loaded = agent.run_sync("What is 1 + 1?").text  # before the fork
parent = os.getpid()

def app(environ, start_response):
    (text,) = parse_qs(environ["QUERY_STRING"])["text"]
    said = agent.run_sync(text).text
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{loaded}|{said}|{os.getpid() != parent}".encode()]
"""


def test_fastapi_under_uvicorn_with_uvloop(emulator: Emulator, tmp_path: Path) -> None:
    for name in ("fastapi", "uvloop"):
        pytest.importorskip(name)
    command = [sys.executable, *WATCHED, "-c", UVICORN, "{fd}"]
    with (
        serving(command, emulator, tmp_path, app=FASTAPI) as server,
        ThreadPoolExecutor(6) as several,
    ):
        paths = ["/async", "/sync", "/stream"] * 2
        asked = [several.submit(server.get, path, "What is 2 + 2?") for path in paths]
        for path, reply in zip(paths, asked, strict=True):
            said = reply.result() if path == "/stream" else json.loads(reply.result())
            assert (said if isinstance(said, str) else said["text"]) == "2 + 2 = 4"
        assert json.loads(server.get("/async", "Hello"))["loop"].startswith("uvloop")
    assert len(emulator.posts) == 7


def test_gunicorn_that_forks_an_agent_which_was_used(emulator: Emulator, tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    # Without the warnings of open files: gunicorn leaves one open itself.
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2"]
    command += ["--threads", "2", "--bind", "fd://{fd}", "--log-level", "warning", "wsgi:app"]
    with (
        serving(command, emulator, tmp_path, wsgi=WSGI) as server,
        ThreadPoolExecutor(4) as several,
    ):
        asked = [several.submit(server.get, "/", f"What is 2 + {each}?") for each in range(6)]
        said = [reply.result() for reply in asked]
    assert said == [f"1 + 1 = 2|2 + {each} = {2 + each}|True" for each in range(6)]
    assert len(emulator.posts) == 7, "one before the fork, and one for each request"
