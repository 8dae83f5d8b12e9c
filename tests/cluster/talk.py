"""Clients of the cluster's web processes: one thread for each conversation, which posts a message,
reads its stream to the end as a page does, and goes to another process where one has gone away.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cluster.running import Cluster

PATIENCE = 300.0
TOKEN = "a-token-of-the-cluster"


@dataclass
class Told:
    """What one client has read of one turn."""

    kinds: list[str] = field(default_factory=list[str])
    """Types of the chunks, of the stream that was read last."""
    pictures: list[str] = field(default_factory=list[str])
    """Their digests."""
    moved: int = 0
    """How often its web process went away."""
    is_over: bool = False


class Client:
    def __init__(self, cluster: Cluster, words: str = "Draw the fox of") -> None:
        self._cluster = cluster
        self._words = words
        self.told: dict[str, Told] = {}
        """By the id of the conversation."""
        self._threads: list[threading.Thread] = []

    def begin(self, runs: int) -> None:
        for number in range(runs):
            name = f"chat-{number:03}"
            self.told[name] = Told()
            part = {"type": "text", "text": self.prompt_of(name)}
            said = {"id": "mine", "role": "user", "parts": [part]}
            reply = self._ask(number, "POST", "/api/chat", {"id": name, "messages": [said]})
            thread = threading.Thread(target=self._read, args=(number, name, reply), daemon=True)
            thread.start()
            self._threads.append(thread)

    def prompt_of(self, name: str) -> str:
        return f"{self._words} {name}"

    def until_drawn(self, pictures: int) -> None:
        self._until(lambda: sum(len(each.pictures) for each in self.told.values()) >= pictures)

    def until_over(self) -> None:
        self._until(lambda: all(each.is_over for each in self.told.values()))

    def _until(self, look: object) -> None:
        end = time.monotonic() + PATIENCE
        assert callable(look)
        while not look():
            if time.monotonic() > end:
                raise TimeoutError(f"after {PATIENCE:.0f} s: {self.told}")
            time.sleep(0.05)

    def _read(self, number: int, name: str, first: http.client.HTTPResponse) -> None:
        told, reply = self.told[name], first
        while True:
            with suppress(OSError, http.client.HTTPException, ValueError):  # it has gone away
                if reply.status == 204:  # nothing goes on any more: what came is in the history
                    self._take_history(number + told.moved, name)
                else:
                    self._take_stream(told, reply)
            if told.is_over:
                return
            told.moved += 1
            while True:
                time.sleep(0.1)
                with suppress(OSError, http.client.HTTPException):
                    reply = self._ask(number + told.moved, "GET", f"/api/chat/{name}/stream")
                    break

    def _take_stream(self, told: Told, reply: http.client.HTTPResponse) -> None:
        """Each chunk of a stream, which begins with the first of its message."""
        told.kinds.clear()
        told.pictures.clear()
        for line in reply:
            data = line.decode().strip().removeprefix("data: ")
            if data == "[DONE]":
                told.is_over = True
                return
            if data and not data.startswith(":"):
                _take(told, json.loads(data))

    def _take_history(self, number: int, name: str) -> None:
        told = self.told[name]
        history = json.loads(self._ask(number, "GET", f"/api/chat/{name}").read())
        told.kinds.clear()
        told.pictures.clear()
        for part in history["messages"][-1]["parts"]:
            _take(told, part)
        told.kinds.append("finish")
        told.is_over = history["status"] in {"idle", "waiting"}

    def _ask(
        self, number: int, method: str, path: str, body: object = None
    ) -> http.client.HTTPResponse:
        ports = self._cluster.ports
        connection = http.client.HTTPConnection(
            "127.0.0.1", ports[number % len(ports)], timeout=PATIENCE
        )
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        reply = connection.getresponse()
        if reply.status >= 300:
            raise http.client.HTTPException(f"{reply.status} {reply.read()[:300]!r}")
        return reply


def _take(told: Told, chunk: dict[str, Any]) -> None:
    told.kinds.append(chunk["type"])
    if chunk["type"] == "file":
        told.pictures.append(chunk["url"].partition("?")[0].rpartition("/")[2])
