"""Connections to the hosts of pictures that serve twice: only by the rules by which their addresses
were checked.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentkit import OpenRouter
from agentkit.errors import ImageError
from agentkit.images import Fetcher, FetchPolicy, MemoryImageStore
from agentkit.openrouter import Tls
from tests.certificates import authority
from tests.clock import GUARD, advance, turns, until
from tests.proxy import proxying
from tests.security.net import PNG
from tests.unit.openrouter.peer import Line, Peer, reply, serving

OPEN = FetchPolicy(private=True, attempts=1)
LOOPBACK, METADATA = ["127.0.0.1"], ["169.254.169.254"]
Say = Callable[[Line, str], Awaitable[None]]


def saying(say: Say) -> Callable[[Line], Awaitable[None]]:
    """A handler that answers each request of a line by its path."""

    async def answer(line: Line) -> None:
        while True:
            request = await line.head()
            await say(line, request.line.split()[1])

    return answer


async def picture(line: Line, path: str) -> None:
    del path
    await line.send(reply(PNG))


@asynccontextmanager
async def client() -> AsyncIterator[OpenRouter]:
    async with OpenRouter(api_key="sk-or-test", base_url="http://127.0.0.1:9/api/v1") as opened:
        yield opened


async def fetched(opened: OpenRouter, url: str, policy: FetchPolicy = OPEN) -> None:
    stored = await opened.fetcher(policy, MemoryImageStore()).fetch(url)
    assert stored.size == len(PNG)


class Names:
    """A resolver whose answers a test changes."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.left = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        del host, port
        self.asked += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


def named(opened: OpenRouter, names: Names, **policy: Any) -> Fetcher:
    """A fetcher with a resolver of its own, over the connections of the client."""
    given = FetchPolicy(**{"private": True, "attempts": 1, **policy})
    shared: Any = opened.fetcher(given, MemoryImageStore())
    kept = shared._downloader._connections
    return Fetcher(given, MemoryImageStore(), resolve=names, connections=kept)


@pytest.mark.parametrize("tls", [False, True])
async def test_pictures_of_one_host_share_a_connection(tls: bool, tmp_path: Path) -> None:
    """Also those of different turns, which have a fetcher each."""
    context = authority().server("127.0.0.1") if tls else False
    own = Tls(ca=authority().file(tmp_path))
    policy = FetchPolicy(private=True, attempts=1, tls=own)
    async with serving(saying(picture), tls=context) as peer:
        async with client() as opened:
            for number in range(3):
                await fetched(opened, f"{peer.origin}/{number}.png", policy)
            assert (peer.lines, len(peer.requests)) == (1, 3)
            assert all(not each.values("authorization") for each in peer.requests)
            assert not peer.seen_closed.is_set()
        await fetched_after_close(opened, peer, policy)


async def fetched_after_close(opened: OpenRouter, peer: Peer, policy: FetchPolicy) -> None:
    await fetched(opened, f"{peer.origin}/again.png", policy)
    assert peer.lines == 2
    await opened.close()


async def test_closing_the_client_closes_them() -> None:
    gone = asyncio.Event()

    async def until_gone(line: Line) -> None:
        await line.head()
        await line.send(reply(PNG))
        await line.gone()
        gone.set()

    async with serving(until_gone) as peer, client() as opened:
        await fetched(opened, f"{peer.origin}/a.png")
        await opened.close()
        await asyncio.wait_for(gone.wait(), GUARD)


async def test_what_arrives_at_the_same_time_has_connections_of_its_own() -> None:
    both = asyncio.Event()
    asked = 0

    async def together(line: Line, path: str) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            both.set()
        await both.wait()
        await line.send(reply(PNG))

    async with serving(saying(together)) as peer, client() as opened:
        urls = [f"{peer.origin}/{number}.png" for number in range(2)]
        await asyncio.gather(*(fetched(opened, url) for url in urls))
        assert peer.lines == 2
        await asyncio.gather(*(fetched(opened, url) for url in urls))
        assert (peer.lines, len(peer.requests)) == (2, 4)


@pytest.mark.parametrize("later", [METADATA, [*LOOPBACK, *METADATA], ["10.1.2.3"]])
async def test_a_name_that_changes_its_answer_moves_no_connection(later: list[str]) -> None:
    """The one that was checked serves on; a new one is checked anew."""
    names = Names(LOOPBACK, later)
    async with serving(saying(picture)) as peer, client() as opened:
        fetcher = named(opened, names)
        url = f"http://rebind.example:{peer.port}/a.png"
        for _ in range(2):
            assert (await fetcher.fetch(url)).size == len(PNG)
        assert (peer.lines, names.asked) == (1, 1)
        await opened.close()
        if later == ["10.1.2.3"]:
            return  # a private address, which this policy allows
        with pytest.raises(ImageError, match="no public address"):
            await fetcher.fetch(url)
        assert (peer.lines, names.asked) == (1, 2)


async def test_a_kept_connection_that_broke_is_replaced_by_a_checked_one() -> None:
    """A server that hangs up has no say on where the next connection goes."""

    async def once(line: Line) -> None:
        await line.head()
        await line.send(reply(PNG))
        await line.head()  # and hangs up

    async with serving(once) as peer, client() as opened:
        fetcher = named(opened, Names(LOOPBACK, METADATA))
        url = f"http://rebind.example:{peer.port}/a.png"
        assert (await fetcher.fetch(url)).size == len(PNG)
        with pytest.raises(ImageError, match="no public address"):
            await fetcher.fetch(url)
        assert (peer.lines, len(peer.requests)) == (1, 2)


@pytest.mark.parametrize(
    "other",
    [
        FetchPolicy(attempts=1),
        FetchPolicy(private=True, attempts=1, proxy="http://127.0.0.1:9"),
        FetchPolicy(
            private=True,
            attempts=1,
            tls=Tls(ca=Path(__file__).parents[1] / "unit/openrouter/loopback.pem"),
        ),
    ],
    ids=["public addresses alone", "another proxy", "other certificates"],
)
async def test_it_serves_nobody_with_other_rules(other: FetchPolicy, tmp_path: Path) -> None:
    """Neither a policy that would not have opened it, nor one that trusts others."""
    own = Tls(ca=authority().file(tmp_path))
    policy = FetchPolicy(private=True, attempts=1, tls=own)
    context = authority().server("127.0.0.1")
    async with serving(saying(picture), tls=context) as peer, client() as opened:
        await fetched(opened, f"{peer.origin}/a.png", policy)
        with pytest.raises(ImageError, match="no public address|no connection"):
            await fetched(opened, f"{peer.origin}/b.png", other)
        assert [each.line.split()[1] for each in peer.requests] == ["/a.png"]
        await fetched(opened, f"{peer.origin}/c.png", policy)
        assert len(peer.requests) == 2


async def test_certificates_that_were_renewed_are_believed_alone(tmp_path: Path) -> None:
    file = authority().file(tmp_path)
    policy = FetchPolicy(private=True, attempts=1, tls=Tls(ca=file))
    context = authority().server("127.0.0.1")
    async with serving(saying(picture), tls=context) as peer, client() as opened:
        await fetched(opened, f"{peer.origin}/a.png", policy)
        shutil.copy(Path(__file__).parents[1] / "unit/openrouter/loopback.pem", file)
        with pytest.raises(ImageError, match="certificate"):
            await fetched(opened, f"{peer.origin}/b.png", policy)
        assert len(peer.requests) == 1


async def test_the_own_origin_opens_no_door_for_others() -> None:
    """Pictures of `base_url` may lie on this machine; those of no other client may."""
    async with serving(saying(picture)) as peer, client() as opened:
        policy = FetchPolicy(attempts=1)
        trusting: Any = opened.fetcher(policy, MemoryImageStore())
        kept = trusting._downloader._connections
        ours = Fetcher(policy, MemoryImageStore(), origin=peer.origin, connections=kept)
        assert (await ours.fetch(f"{peer.origin}/a.png")).size == len(PNG)
        with pytest.raises(ImageError, match="no public address"):
            await fetched(opened, f"{peer.origin}/b.png", policy)
        assert len(peer.requests) == 1


@pytest.mark.parametrize("how", ["after the reply", "at the next request", "by a reset"])
async def test_one_that_went_stale_is_tried_once_anew(how: str) -> None:
    ended = asyncio.Event()

    async def once(line: Line) -> None:
        await line.head()
        await line.send(reply(PNG))
        if how != "after the reply":
            await line.head()
        if how == "by a reset":
            line.reset()
        line.writer.transport.abort()
        ended.set()

    async with serving(once) as peer, client() as opened:
        await fetched(opened, f"{peer.origin}/a.png")
        if how == "after the reply":
            await asyncio.wait_for(ended.wait(), GUARD)
            await turns()
        await fetched(opened, f"{peer.origin}/b.png")
        assert peer.lines == 2


async def test_but_only_once() -> None:
    """Where the new one breaks too, the picture is missing, as with any other server."""

    async def worse(line: Line) -> None:
        await line.head()
        if peer.lines == 1:
            await line.send(reply(PNG))
            await line.head()

    async with serving(worse) as peer, client() as opened:
        await fetched(opened, f"{peer.origin}/a.png")
        with pytest.raises(ImageError, match="connection"):
            await fetched(opened, f"{peer.origin}/b.png")
        assert (peer.lines, len(peer.requests)) == (2, 3)


def cut(*headers: str, body: bytes = b"x" * 500, status: str) -> bytes:
    return reply(body, *headers, status=status)


LEFT_OVERS = {
    "a redirect": cut("Location: /b.png", status="302 Found"),
    "an error": cut(status="404 Not Found"),
    "too large": reply(PNG, length=1 << 40),
    "no picture": reply(b"<html>" * 20_000),
    "more than was announced": reply(PNG) + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
    "a farewell": reply(PNG, "Connection: close"),
}


@pytest.mark.parametrize("name", LEFT_OVERS)
async def test_what_was_not_read_to_its_end_is_not_kept(name: str) -> None:
    """What is left of one reply is never taken for the next."""

    async def answer(line: Line, path: str) -> None:
        await line.send(LEFT_OVERS[name] if path == "/a.png" else reply(PNG))
        if name == "a farewell" and path == "/a.png":
            line.writer.transport.abort()

    async with serving(saying(answer)) as peer, client() as opened:
        try:
            await fetched(opened, f"{peer.origin}/a.png")
        except ImageError:
            assert name in {"an error", "too large", "no picture"}
        await turns()
        await fetched(opened, f"{peer.origin}/b.png")
        assert peer.lines == 2


async def test_a_download_that_is_cancelled_leaves_no_connection() -> None:
    begun = asyncio.Event()

    async def half(line: Line, path: str) -> None:
        await line.send(reply(PNG)[: 1000 if path == "/a.png" else None])
        begun.set()

    async with serving(saying(half)) as peer, client() as opened:
        task = asyncio.create_task(fetched(opened, f"{peer.origin}/a.png"))
        await asyncio.wait_for(begun.wait(), GUARD)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await fetched(opened, f"{peer.origin}/b.png")
        assert peer.lines == 2


async def test_idle_ones_are_closed_after_a_while() -> None:
    gone = asyncio.Event()

    async def until_gone(line: Line) -> None:
        await line.head()
        await line.send(reply(PNG))
        await line.gone()
        gone.set()

    async with serving(until_gone) as peer, client() as opened:
        await fetched(opened, f"{peer.origin}/a.png")
        advance(14)
        await turns()
        assert not gone.is_set()
        advance(2)
        await asyncio.wait_for(gone.wait(), GUARD)


async def test_their_number_is_bounded() -> None:
    open_lines = 0

    async def counted(line: Line) -> None:
        nonlocal open_lines
        open_lines += 1
        try:
            await line.head()
            await line.send(reply(PNG))
            await line.gone()
        finally:
            open_lines -= 1

    async with serving(counted) as peer, client() as opened:
        fetcher = named(opened, Names(LOOPBACK))
        for number in range(20):
            assert await fetcher.fetch(f"http://host{number}.example:{peer.port}/a.png")
        await until(lambda: open_lines == 16)
        assert peer.lines == 20


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_is_not_asked_for_a_name_that_became_private(
    scheme: str, tmp_path: Path
) -> None:
    """It would resolve the name anew, over a connection that was kept too."""
    context = authority().server("outside.example") if scheme == "https" else False
    own = Tls(ca=authority().file(tmp_path))
    port = 443 if scheme == "https" else 80
    async with (
        serving(saying(picture), tls=context) as server,
        proxying({f"outside.example:{port}": server.port}) as proxy,
        client() as opened,
    ):
        names = Names(["93.184.216.34"], ["93.184.216.34"], ["10.1.2.3"])
        fetcher = named(opened, names, private=False, proxy=proxy.url(), tls=own)
        url = f"{scheme}://outside.example/a.png"
        for _ in range(2):
            assert (await fetcher.fetch(url)).size == len(PNG)
        with pytest.raises(ImageError, match="no public address"):
            await fetcher.fetch(url)
    assert (server.lines, len(server.requests)) == (1, 2)


def test_a_loop_that_ends_closes_them() -> None:
    """Whoever forgets `close` is told nothing of open sockets: a warning would fail this test."""
    answered: list[int] = []

    async def main() -> None:
        async with serving(saying(picture)) as peer:
            opened = OpenRouter(api_key="sk-or-test", base_url="http://127.0.0.1:9/api/v1")
            await fetched(opened, f"{peer.origin}/a.png")
            answered.append(peer.lines)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
    gc.collect()
    assert answered == [1]


async def test_a_client_that_was_dropped_closes_them() -> None:
    gone = asyncio.Event()

    async def until_gone(line: Line) -> None:
        await line.head()
        await line.send(reply(PNG))
        await line.gone()
        gone.set()

    async with serving(until_gone) as peer:
        opened: OpenRouter | None = OpenRouter(
            api_key="sk-or-test", base_url="http://127.0.0.1:9/api/v1"
        )
        await fetched(opened, f"{peer.origin}/a.png")
        opened = None
        gc.collect()
        await asyncio.wait_for(gone.wait(), GUARD)
