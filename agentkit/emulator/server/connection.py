"""The transport under HTTP, which faults can cut, reset, stall and slow down at an exact byte."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from agentkit.emulator.faults.active_faults import Faults, RequestFacts
from agentkit.emulator.faults.values import Socket

HIGH_WATER = 65_536
ARRIVAL = 0.002  # seconds between two looks at whether bytes have arrived
PATIENCE = 0.5  # seconds that a reset waits for the bytes before it


class Connection(asyncio.Transport):
    """The transport of one connection. Without a fault it hands everything on at once."""

    def __init__(
        self, transport: asyncio.Transport, protocol: asyncio.Protocol, faults: Faults
    ) -> None:
        super().__init__()
        self._faults = faults
        self._transport = transport
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._queue = bytearray()
        self._passed = 0
        self._strike: tuple[int, Socket] | None = None
        self._pace: tuple[int, float] | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._stalled = False
        self._paused = False
        self._closing = False
        self._marks: list[tuple[int, Callable[[], None]]] = []
        self.dead = False
        self.deaf = False

    # What a fault does

    def arm(self, fault: Socket, *, after: int = 0) -> None:
        """Let a fault strike when `after` more bytes have passed."""
        self._strike = (self._passed + len(self._queue) + after, fault)
        self._pump()

    def calm(self) -> None:
        """A new request: what slowed the last response is over."""
        self._strike = self._pace = None

    def mark(self, arrived: Callable[[], None], *, back: int = 0) -> None:
        """Call `arrived` once all that was written so far, but for the last `back` bytes, is in the
        socket.
        """
        self._marks.append((self._passed + len(self._queue) - back, arrived))
        self.look()

    def hang_up(self, action: str) -> None:
        """End the connection now: after this nothing is written any more."""
        self._queue.clear()
        self.dead = True
        if self._transport.is_closing():
            return
        if action == "reset":
            self._reset(self._loop.time() + PATIENCE)
        elif self.deaf:
            self._half_close()
        else:
            self._transport.close()

    def _half_close(self) -> None:
        """A FIN while the client still sends: closing outright would make it a RST."""
        self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(PATIENCE, self._transport.close)

    def _reset(self, until: float) -> None:
        if self._transport.is_closing():  # the client was faster
            return
        if self._unsent() and self._loop.time() < until:
            self._loop.call_later(ARRIVAL, self._reset, until)
            return
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _unsent(self) -> int:
        """Bytes that the other side does not have yet, as far as the system tells."""
        waiting = self._transport.get_write_buffer_size()
        try:
            import fcntl
            import termios

            answer = fcntl.ioctl(
                self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0" * 4
            )
        except (ImportError, OSError):
            return waiting
        return waiting + int(struct.unpack("i", answer)[0])

    def _act(self, fault: Socket) -> None:
        match fault.action:
            case "cut" | "reset":
                self.hang_up(fault.action)
            case "stall":
                self._stalled = True
                self._faults.stalled()
                if fault.seconds is not None:
                    self._loop.call_later(fault.seconds, self._go_on)
            case "slice":
                self._pace = (fault.size, fault.pause)
            case "drip":
                whole = max(1, int(fault.rate / 20))  # at most twenty writes a second
                self._pace = (whole, whole / fault.rate)
            case "end":
                raise AssertionError("a response is ended by the one who writes it")

    def _go_on(self) -> None:
        self._stalled = False
        self._pump()

    # Bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.dead or not data:
            return
        if (
            not self._queue
            and self._strike is None
            and self._pace is None
            and not self._stalled
            and not self._waiting
        ):
            self._pass(data)
            return
        self._queue += data
        self._pump()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def _pass(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)
        # The client has gone, and what is written is thrown away.
        if self._transport.is_closing() and not self._closing:
            self.lost(BrokenPipeError())
            return
        self._passed += len(data)
        if self._marks:
            self.look()

    def _pump(self) -> None:
        while not (self._stalled or self._waiting or self.dead):
            if self._strike is not None and self._strike[0] == self._passed:
                fault, self._strike = self._strike[1], None
                self._act(fault)
                continue
            if not self._queue:
                break
            size, pause = self._pace or (len(self._queue), None)
            if self._strike is not None:
                size = min(size, self._strike[0] - self._passed)
            piece = bytes(self._queue[:size])
            del self._queue[:size]
            self._pass(piece)
            if pause is not None and self._queue:
                self._waiting = self._loop.call_later(pause, self._tick)
        self._press()
        if self._closing and not self._queue and not self.dead:
            self._transport.close()

    def _tick(self) -> None:
        self._waiting = None
        if not self._transport.is_closing():
            self._pump()

    def _press(self) -> None:
        """Hold the writer back while a fault holds its bytes."""
        if len(self._queue) > HIGH_WATER and not self._paused:
            self._paused = True
            self._protocol.pause_writing()
        elif self._paused and len(self._queue) <= HIGH_WATER // 4:
            self._paused = False
            self._protocol.resume_writing()

    def look(self) -> None:
        """Tell of the marks that are in the socket, and look again for the others."""
        if not self._marks:
            return
        handed = self._passed - self._transport.get_write_buffer_size()
        due = [arrived for position, arrived in self._marks if position <= handed]
        self._marks = [mark for mark in self._marks if mark[0] > handed]
        for arrived in due:
            arrived()
        if self._marks and self._marks[0][0] <= self._passed:
            self._loop.call_later(ARRIVAL, self.look)

    def lost(self, error: Exception | None) -> None:
        """The connection is gone. Closed in order, it took along what had been handed to it."""
        if error is None:
            self.look()
        self._marks.clear()
        self._queue.clear()
        self.dead = True

    # The rest of a transport

    def close(self) -> None:
        self._closing = True
        if not self._queue or self.dead:
            self._transport.close()

    def abort(self) -> None:
        self.dead = True
        self._marks.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def get_write_buffer_size(self) -> int:
        return len(self._queue) + self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        self._transport.write_eof()


def protocol_with(faults: Faults) -> type[asyncio.Protocol]:
    """uvicorn's protocol over a `Connection`.

    The application finds that connection in `scope["state"]["connection"]`.
    """

    class Protocol(H11Protocol):
        connection: Connection

        def connection_made(self, transport: asyncio.Transport) -> None:
            self.connection = Connection(transport, self, faults)
            self.app_state = {**self.app_state, "connection": self.connection}
            super().connection_made(self.connection)
            strike = faults.choose(RequestFacts("any"), at="accept")
            if strike is not None and strike.fault.socket is not None:
                self.connection.deaf = strike.fault.socket.seconds is None
                self.connection.arm(strike.fault.socket)

        def connection_lost(self, exc: Exception | None) -> None:
            self.connection.lost(exc)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not self.connection.deaf:
                super().data_received(data)

    return Protocol
