"""The transport to a server that runs as a process: messages of a bounded length, and no process
left when its block ends, or when this program dies.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import StdioServerParameters
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from agentkit._sync import finish
from agentkit.integrations.mcp.limits import MOST_BYTES, TooLong

_GUARD = Path(__file__).with_name("guard.py")
_CHUNK = 1 << 16
_END_SECONDS = 10.0
"""How long the end of a process may take: the guard takes six at most."""

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Outgoing = MemoryObjectReceiveStream[SessionMessage]


@asynccontextmanager
async def process_transport(parameters: StdioServerParameters) -> AsyncGenerator[Any]:
    """The streams to a server that this command starts. Raises `OSError` if it cannot start."""
    process, lifeline = await _started(parameters)
    to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    reading = asyncio.create_task(_read(process, to_session))
    writing = asyncio.create_task(_write(process, from_session, to_session))
    try:
        yield incoming, outgoing
    finally:
        for stream in (incoming, outgoing, to_session, from_session):
            stream.close()
        await _ended(process, lifeline, reading, writing)


async def _started(
    parameters: StdioServerParameters,
) -> tuple[asyncio.subprocess.Process, int | None]:
    """The process, and the writing end of the pipe that keeps it alive."""
    command = [parameters.command, *parameters.args]
    environment = get_default_environment() | (parameters.env or {})
    reading, writing = None, None
    if sys.platform != "win32":
        reading, writing = os.pipe()
        command = [sys.executable, "-I", "-S", str(_GUARD), str(reading), *command]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            cwd=parameters.cwd,
            pass_fds=() if reading is None else (reading,),
            limit=_CHUNK,
        )
    except BaseException:
        if writing is not None:
            os.close(writing)
        raise
    finally:
        if reading is not None:
            os.close(reading)
    return process, writing


async def _ended(
    process: asyncio.subprocess.Process, lifeline: int | None, *tasks: asyncio.Task[None]
) -> None:
    """The end of the process, however often whoever waits for it is cancelled."""
    if process.stdin is not None:
        process.stdin.close()
    if lifeline is not None:
        os.close(lifeline)
    else:
        with suppress(ProcessLookupError):
            process.terminate()
    with anyio.CancelScope(shield=True):
        await finish(asyncio.ensure_future(_waited(process)), _END_SECONDS + 1)
        for task in tasks:
            task.cancel()
        await finish(asyncio.gather(*tasks, return_exceptions=True), 1)
    transport: Any = getattr(process, "_transport", None)
    if transport is not None:  # a grandchild may hold the pipe open
        transport.close()


async def _waited(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()


async def _read(process: asyncio.subprocess.Process, to_session: Incoming) -> None:
    """Hand on each message. What is none is passed over: servers print all kinds of things."""
    async with to_session:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            try:
                async for line in _lines(process):
                    try:
                        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                    except ValueError:
                        continue
                    await to_session.send(SessionMessage(message))
            except TooLong as error:
                await to_session.send(error)


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    """The lines of the server. Raises `TooLong` for one that has no end."""
    parts: list[bytes] = []
    size = 0
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    while chunk := await process.stdout.read(_CHUNK):
        first, *others = chunk.split(b"\n")
        for rest in others:
            yield b"".join([*parts, first])
            parts, size, first = [], 0, rest
        parts.append(first)
        size += len(first)
        if size > MOST_BYTES:
            raise TooLong


async def _write(
    process: asyncio.subprocess.Process, from_session: Outgoing, to_session: Incoming
) -> None:
    """Send each message. Where the server reads no more, the session is told so."""
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    try:
        async with from_session:
            async for each in from_session:
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode("utf-8", "replace") + b"\n")
                await process.stdin.drain()
    except (OSError, anyio.ClosedResourceError, anyio.BrokenResourceError):
        await to_session.aclose()
