"""uvicorn that stops at once: when a test ends, no client waits for the rest of a reply."""

import asyncio
import concurrent.futures
import contextlib
import socket

import uvicorn

from agentkit.emulator.server.connection import Connection

TURNS = 10  # of the loop, in which a response that broke off is cleared up


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask the server to end; may be called from any thread."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)

    def catch_up(self) -> None:
        """Wait until the server has noted what it has done so far; called from another thread."""
        if self._loop is None or self._loop.is_closed():
            return
        noted = asyncio.run_coroutine_threadsafe(self._note(), self._loop)
        with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
            noted.result(timeout=1.0)

    async def _note(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for protocol in list(self.server_state.connections):
            connection = protocol.transport
            if isinstance(connection, Connection):
                connection.look()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=0.1)
            ticks += 1

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        running = list(self.server_state.tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # An aborted transport tells its protocol in the next turn of the loop.
        await asyncio.sleep(0)
