"""Clients of the cluster's web processes: one thread for each run, which reads its events to their
end, and goes to another process where one has gone away.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.running import Cluster

PATIENCE = 300.0


@dataclass
class Told:
    """What one client has read of one run."""

    kinds: list[str] = field(default_factory=list[str])
    pictures: list[str] = field(default_factory=list[str])
    moved: int = 0
    """How often its web process went away."""
    is_over: bool = False


class Client:
    def __init__(self, cluster: Cluster, words: str = "Draw the fox of") -> None:
        self._cluster = cluster
        self._words = words
        self.told: dict[str, Told] = {}
        self._threads: list[threading.Thread] = []

    def begin(self, runs: int) -> None:
        for number in range(runs):
            name = f"run-{number:03}"
            self.told[name] = Told()
            self._ask(number, "POST", "/runs", {"id": name, "prompt": self.prompt_of(name)}).read()
            thread = threading.Thread(target=self._read, args=(number, name), daemon=True)
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

    def _read(self, number: int, name: str) -> None:
        told = self.told[name]
        while not told.is_over:
            with suppress(OSError, http.client.HTTPException, ValueError):  # it has gone away
                path = f"/runs/{name}/events?after={len(told.kinds)}"
                for line in self._ask(number + told.moved, "GET", path):
                    event = json.loads(line)
                    if event["kind"] == "end":
                        told.is_over = True
                        break
                    told.kinds.append(event["kind"])
                    if event["kind"] == "image_ready":
                        told.pictures.append(event["sha256"])
            if not told.is_over:
                told.moved += 1
                time.sleep(0.1)

    def _ask(
        self, number: int, method: str, path: str, body: object = None
    ) -> http.client.HTTPResponse:
        ports = self._cluster.ports
        connection = http.client.HTTPConnection(
            "127.0.0.1", ports[number % len(ports)], timeout=PATIENCE
        )
        connection.request(method, path, None if body is None else json.dumps(body))
        reply = connection.getresponse()
        if reply.status >= 300:
            raise http.client.HTTPException(f"{reply.status} {reply.read()[:300]!r}")
        return reply
