"""Whether a request reached the server that hung up on it: a kept connection may be closed by the
server at the moment at which the next request is sent.

A server that hangs up in good order sends a FIN, and the FIN acknowledges all that its system had
received until then. If it acknowledges nothing of the request, the server had closed the connection
before the request came, so it was not carried out, nor passed on by a proxy. A reset proves
nothing: it may come from a server that has read the request, and acknowledges nothing.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Protocol

_ACKNOWLEDGED = struct.Struct("=Q")
_OFFSET = 120
"""Of `tcpi_bytes_acked` in `struct tcp_info`, since Linux 4.1."""
_HANDSHAKE = 1
"""A connection over which nothing was sent has acknowledged so much."""


class Connection(Protocol):
    """A socket, as asyncio hands it out."""

    def fileno(self) -> int: ...


class Delivery:
    """What the server's system has acknowledged of all that is sent on a connection from now on.
    Of a connection that has carried something before, it keeps the socket until it is closed.
    """

    def __init__(self, connection: Connection) -> None:
        self._socket: socket.socket | None = None
        self._before = 0
        if sys.platform != "linux" or connection.fileno() < 0:
            return
        try:
            kept = socket.socket(fileno=os.dup(connection.fileno()))
        except OSError:  # no descriptor is left: the request goes out all the same
            return
        self._before = _acknowledged(kept)
        if self._before > _HANDSHAKE:
            self._socket = kept
        else:
            kept.close()

    def nothing_arrived(self) -> bool:
        """Whether surely nothing of it has arrived. To be asked after the server has hung up in
        good order; False where the system does not tell.
        """
        return self._socket is not None and _acknowledged(self._socket) == self._before

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _acknowledged(connection: socket.socket) -> int:
    """Bytes that were sent on the connection and acknowledged; 0 where the system does not tell."""
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return int(_ACKNOWLEDGED.unpack_from(told, _OFFSET)[0])
    except (OSError, struct.error):  # no TCP, or an older system
        return 0
