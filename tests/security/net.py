"""A net in which every name has an address, with a resolver and a transport that write down what
they are asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from io import BytesIO

import httpx2
import PIL.Image

from agentkit.images import Fetcher, FetchPolicy, MemoryImageStore
from tests.security.urls import NAMES, PUBLIC


def noise(size: int = 90_000) -> bytes:
    """A PNG whose pixels do not compress: 100 wide, of about `size` bytes."""
    file = BytesIO()
    PIL.Image.frombytes("RGB", (100, size // 300), random.Random(1).randbytes(size)).save(
        file, "PNG"
    )
    return file.getvalue()


PNG = noise()
ORIGIN = "http://localhost:9/api/v1"


class Net:
    """`names` says which addresses a name has, one that is not in it is public; `answer` is what
    every host answers.
    """

    def __init__(
        self,
        names: dict[str, Sequence[str]] | None = None,
        answer: Callable[[httpx2.Request], httpx2.Response] | None = None,
    ) -> None:
        self.names = NAMES if names is None else names
        self.asked: list[str] = []
        self.requests: list[httpx2.Request] = []
        self._answer = answer or (lambda _: httpx2.Response(200, content=PNG))

    async def resolve(self, host: str, _: int) -> Sequence[str]:
        self.asked.append(host)
        return self.names.get(host, [PUBLIC])

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self._answer(request)

    @property
    def connected(self) -> list[str]:
        """The addresses that were connected to, in order."""
        return [request.url.host for request in self.requests]

    def fetcher(self, origin: str | None = ORIGIN, **policy: object) -> Fetcher:
        transport = httpx2.MockTransport(self.handle)
        made = FetchPolicy(**policy)  # type: ignore[arg-type]
        return Fetcher(
            made, MemoryImageStore(), origin=origin, resolve=self.resolve, transport=transport
        )
