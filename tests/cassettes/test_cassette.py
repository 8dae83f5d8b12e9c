"""`agentkit.testing.cassette`: recorded on one transport, played on the other, in all four ways; its
modes; and what it says of a request that it does not have.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
import vcr

from agentkit import Agent, FetchPolicy, Image, OpenRouter
from agentkit.emulator import Draw, Emulator, Failure, Fault, Reply, Say, Socket, Status, When
from agentkit.errors import (
    AgentkitError,
    ImageError,
    InsufficientCredits,
    NotRecorded,
    RunError,
    UsageError,
)
from agentkit.images import Fetcher, MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.openrouter.transport import Transport
from agentkit.testing import cassette
from agentkit.testing.tape_file import read
from agentkit.values import Api
from tests.cassettes.conftest import cut_off
from tests.cassettes.talk import KEY, SCRIPT, TRANSPORTS, each_way, said, talk
from tests.conftest import picture

ELSEWHERE = "https://openrouter.ai/api/v1"


@each_way
async def test_a_conversation_is_recorded_and_played(
    tmp_path: Path, transport: Transport, api: Api, streamed: bool
) -> None:
    path = tmp_path / "talk.yaml"
    with Emulator() as emulator:
        emulator.play(SCRIPT)
        async with cassette(path) as tape:
            recorded = await talk(emulator.base_url, transport, api, streamed=streamed)
        assert (tape.recorded, tape.played) == (6, 0)
        assert len(emulator.ledger) == 3
        origin = emulator.origin
    (other,) = {*TRANSPORTS} - {transport}
    with cut_off():
        async with cassette(path, "none") as tape:
            played = await talk(ELSEWHERE, other, api, streamed=streamed)
        assert (tape.recorded, tape.played, tape.unplayed) == (0, 6, ())

    assert path.stat().st_size <= 60_000
    for secret in (KEY, origin, "Bearer", "ookie", "uthorization"):
        assert secret not in path.read_text()
    assert [each.text for each in played] == [each.text for each in recorded]
    assert [each.usage for each in played] == [each.usage for each in recorded]
    shapes = [
        [(image.media_type, image.width, image.height) for each in answers for image in each.images]
        for answers in (recorded, played)
    ]
    assert len(shapes[0]) == 2
    assert shapes[0] == shapes[1]


async def hello(base_url: str, *prompts: Any, **options: Any) -> list[str]:
    async with OpenRouter(api_key=KEY, base_url=base_url, **options) as client:
        agent = Agent("openai/gpt-5.2", client=client)
        return [(await agent.run(prompt)).text for prompt in prompts]


def prompts_in(path: Path) -> list[str]:
    bodies = [each.request_body or b"" for each in read(path) or ()]
    return [word for body in bodies for word in ("One", "Two", "Three") if word.encode() in body]


@pytest.mark.parametrize(
    ("mode", "posts", "kept", "answers"),
    [
        ("new_episodes", 1, ["One", "Two", "Three"], ["a", "x"]),
        ("all", 2, ["Two", "One", "Three"], ["x", "y"]),
        ("rewrite", 2, ["One", "Three"], ["x", "y"]),
    ],
)
async def test_what_each_mode_sends_and_keeps(
    tmp_path: Path, mode: Any, posts: int, kept: list[str], answers: list[str]
) -> None:
    path = tmp_path / "modes.yaml"
    with Emulator() as emulator:
        emulator.play([Reply([Say(each)]) for each in ("a", "b", "x", "y")])
        with cassette(path):  # once
            assert await hello(emulator.base_url, "One", "Two") == ["a", "b"]
        assert len(emulator.posts) == 2
        for again in ("once", "none"):
            with cassette(path, again) as tape:
                assert await hello(emulator.base_url, "One", "Two") == ["a", "b"]
            assert (tape.played, tape.recorded) == (3, 0)
        with cassette(path, mode) as tape:
            assert await hello(emulator.base_url, "One", "Three") == answers
        assert len(emulator.posts) == 2 + posts
        if mode == "new_episodes":
            assert tape.unplayed == ("POST /api/v1/chat/completions",)
    assert prompts_in(path) == kept


@each_way
async def test_a_request_that_is_not_there_is_told_with_the_nearest(
    tmp_path: Path, transport: Transport, api: Api, streamed: bool
) -> None:
    path = tmp_path / "hello.yaml"
    with Emulator() as emulator:
        async with OpenRouter(
            api_key=KEY, base_url=emulator.base_url, transport=transport
        ) as client:
            agent = Agent("openai/gpt-5.2", api=api, client=client)
            with cassette(path):
                await said(agent.conversation(), "What is the weather in Oslo?", streamed=streamed)
            with pytest.raises(NotRecorded) as caught, cassette(path):
                prompt = "What is the weather in Bergen?"
                await said(agent.conversation(), prompt, streamed=streamed)
        assert len(emulator.posts) == 1
    error = caught.value
    assert isinstance(error, AssertionError)
    assert (error.billed, error.run is not None) == (False, True)
    assert f"is not in this cassette, {path}. The nearest there differs: body." in str(error)
    assert "is 'What is the weather in Bergen?', recorded is 'What is the weather in Oslo?'" in str(
        error
    )
    assert "may have been" not in str(error)


async def test_a_request_that_a_program_swallows_is_told_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(NotRecorded, match="It holds nothing"), cassette(tmp_path / "a", "none"):
        try:
            await hello(ELSEWHERE, "One")
        except AgentkitError:
            swallowed = True
    assert swallowed


async def test_a_picture_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    fetcher = Fetcher(FetchPolicy(attempts=3), MemoryImageStore())
    with cut_off(), pytest.raises(NotRecorded, match=r"GET /a\.png") as caught:  # noqa: SIM117
        with cassette(tmp_path / "a.yaml", "none"):
            try:
                await fetcher.fetch("https://images.example/a.png")
            except ImageError as error:
                found = str(error)
    assert "GET /a.png is not in this cassette" in found
    assert str(caught.value).count("is not in this cassette") == 1


BROKEN = (
    Socket("cut", at="response"),
    Socket("reset", at="body", byte=20),
    Socket("cut", at="end"),
)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: f"{fault.action}-{fault.at}")
async def test_a_recording_that_breaks_off_keeps_what_is_whole(
    tmp_path: Path, transport: Transport, fault: Socket
) -> None:
    path = tmp_path / "broken.yaml"
    options: dict[str, Any] = {"transport": transport, "timeouts": Timeouts(lookup=0)}
    second = Fault(socket=fault, when=When(nth=2))
    with Emulator(faults=[second]) as emulator:
        with pytest.raises(RunError) as caught, cassette(path):
            await hello(emulator.base_url, "One", "Two", **options)
        assert not isinstance(caught.value, NotRecorded)
        assert len(emulator.posts) == 2
        assert prompts_in(path) == ["One"]
        with cassette(path, "new_episodes"):  # pays for the second only
            await hello(emulator.base_url, "One", "Two", **options)
        assert len(emulator.posts) == 3
        assert prompts_in(path) == ["One", "Two"]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("mode", ["rewrite", "all"])
async def test_a_recording_that_breaks_off_replaces_no_whole_one(
    tmp_path: Path, transport: Transport, mode: Any
) -> None:
    path, partial = tmp_path / "whole.yaml", tmp_path / "whole.partial.yaml"
    options: dict[str, Any] = {"transport": transport, "timeouts": Timeouts(lookup=0)}
    fault = Fault(socket=Socket("cut", at="body", byte=20), when=When(nth=3))
    with Emulator(faults=[fault]) as emulator:
        with cassette(path):
            await hello(emulator.base_url, "One", **options)
        before = path.read_bytes()
        with pytest.raises(RunError) as caught, cassette(path, mode):
            await hello(emulator.base_url, "Three", "Two", **options)
    assert path.read_bytes() == before
    [note] = caught.value.__notes__
    assert note == f"{path} is as it was; what had been recorded is in {partial}"
    assert prompts_in(partial) == (["Three"] if mode == "rewrite" else ["One", "Three"])


async def test_what_was_paid_for_is_kept_where_the_test_fails(tmp_path: Path) -> None:
    path = tmp_path / "failed.yaml"
    with Emulator() as emulator:
        for mode in ("once", "rewrite"):
            with pytest.raises(ZeroDivisionError), cassette(path, mode):
                await hello(emulator.base_url, "One")
                raise ZeroDivisionError
            assert prompts_in(path) == ["One"]
        with cassette(path, "none"):
            await hello(ELSEWHERE, "One")


async def test_nothing_is_written_where_nothing_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with Emulator() as emulator:
        gone = emulator.base_url
    options: dict[str, Any] = {"timeouts": Timeouts(lookup=0)}
    for mode in ("once", "rewrite", "all"):
        path.write_text("version: 1\ninteractions: []\n" if mode != "once" else "")
        before = path.read_text()
        with pytest.raises(RunError), cassette(path, mode):
            await hello(gone, "One", **options)
        assert path.read_text() == before


async def test_a_recording_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Emulator() as emulator:
        for path in (tmp_path / "file" / "below.yaml", tmp_path / "file" / "new" / "a.yaml"):
            with (
                pytest.raises(UsageError, match="Not a directory|File exists"),
                cassette(path, "rewrite"),
            ):
                await hello(emulator.base_url, "One")
        assert not emulator.posts
        path = tmp_path / "gone" / "a.yaml"
        with pytest.raises(UsageError, match="cannot be kept"), cassette(path):
            await hello(emulator.base_url, "One")
            path.parent.rmdir()
            path.parent.write_text("")
        path.parent.unlink()
        with pytest.raises(ZeroDivisionError) as caught, cassette(path):
            await hello(emulator.base_url, "One")
            path.parent.rmdir()
            path.parent.write_text("")
            raise ZeroDivisionError
    assert "cannot be kept" in "".join(caught.value.__notes__)


def packed(data: bytes, name: str) -> list[httpx2.Response]:
    body = {"gzip": gzip.compress, "deflate": zlib.compress}.get(name, lambda each: each)(data)
    headers = {"Content-Encoding": name, "Content-Type": "application/json"}
    return [httpx2.Response(200, headers=headers, content=Raw(body))]


class Raw:
    """A body that goes out as it is."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


@pytest.mark.parametrize("name", ["gzip", "deflate", "identity"])
async def test_a_packed_reply_is_kept_unpacked(tmp_path: Path, name: str) -> None:
    (reply,) = packed(f'{{"words":"the key is {KEY}"}}'.encode(), name)
    with cassette(tmp_path / "a.yaml"):
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: reply)) as client:
            await client.get("https://a.test/")
    with cut_off(), cassette(tmp_path / "a.yaml"):
        async with httpx2.AsyncClient() as client:
            played = await client.get("https://a.test/")
    assert played.json() == {"words": "the key is redacted"}


async def test_a_reply_that_cannot_be_read_is_not_kept(tmp_path: Path) -> None:
    (reply,) = packed(KEY.encode(), "unheard-of")
    with (
        pytest.raises(UsageError, match="packed as unheard-of"),
        cassette(tmp_path / "a.yaml"),
    ):
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: reply)) as client:
            await client.get("https://a.test/")
    assert read(tmp_path / "a.yaml") is None
    with cassette(tmp_path / "b.yaml"):  # nothing of the recorder was left behind
        pass


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_errors_are_recorded_and_played(tmp_path: Path, transport: Transport) -> None:
    path = tmp_path / "errors.yaml"
    options: dict[str, Any] = {"transport": transport}
    busy = Fault(status=Status(429, retry_after=0), when=When(nth=1))
    with Emulator(faults=[busy]) as emulator, cassette(path):
        emulator.play([Reply([Say("a")]), Reply(error=Failure("no credits", 402))])
        assert await hello(emulator.base_url, "One", **options) == ["a"]
        with pytest.raises(InsufficientCredits) as recorded:
            await hello(emulator.base_url, "Two", **options)
    with cut_off(), cassette(path) as tape:
        assert await hello(ELSEWHERE, "One", **options) == ["a"]
        with pytest.raises(InsufficientCredits) as played:
            await hello(ELSEWHERE, "Two", **options)
    assert str(played.value) == str(recorded.value)
    assert not tape.unplayed


async def test_a_short_key_is_not_taken_for_a_part_of_words(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with Emulator(api_key="any") as emulator, cassette(path):
        emulator.play(Reply([Say("A company of many")]))
        async with OpenRouter(api_key="any", base_url=emulator.base_url) as client:
            await Agent("openai/gpt-5.2", client=client).run("One")
    assert b"A company of many" in (read(path) or [])[-1].body


def test_one_cassette_is_open_at_a_time(tmp_path: Path) -> None:
    one, other = cassette(tmp_path / "one.yaml"), cassette(tmp_path / "other.yaml")
    with one:
        for each in (one, other):
            with pytest.raises(UsageError, match="another cassette is open"), each:
                pytest.fail("it opened")
    with other, pytest.raises(UsageError, match="another cassette is open"), one:
        pytest.fail("it opened")
    with vcr.use_cassette(tmp_path / "plain.yaml"), pytest.raises(UsageError), one:
        pytest.fail("it opened")
    with one:  # again, once it is closed
        pass
    with pytest.raises(UsageError, match="is not open"):
        one.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cassette(7), "cassette(path=7)"),  # type: ignore[arg-type]
        (lambda: cassette(""), "cassette(path='')"),
        (lambda: cassette("a", "never"), "'never'"),  # type: ignore[arg-type]
        (lambda: cassette("a", models="x/y"), "is a list of models"),
        (lambda: cassette("a", pictures="all"), "'all'"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_argument_is_told_at_once(make: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert words in str(caught.value)


def test_the_sync_forms_and_several_loops(tmp_path: Path) -> None:
    path = tmp_path / "sync.yaml"
    with Emulator() as emulator, cassette(path):
        client = OpenRouter(api_key=KEY, base_url=emulator.base_url)
        first = Agent("openai/gpt-5.2", client=client).run_sync("One").text
        second = asyncio.run(hello(emulator.base_url, "Two"))
    with cut_off(), cassette(path, "none"):
        client = OpenRouter(api_key=KEY, base_url=ELSEWHERE)
        assert asyncio.run(hello(ELSEWHERE, "Two")) == second
        assert Agent("openai/gpt-5.2", client=client).run_sync("One").text == first


async def sent(base_url: str, *, crop: int, photo: bytes) -> None:
    """A picture is drawn, changed by the program, and sent with a picture of the user's."""
    async with OpenRouter(api_key=KEY, base_url=base_url) as client:
        agent = Agent("google/gemini-2.5-flash-image", client=client)
        drawn = (await agent.run("One")).images[0].to_pillow()
        drawn.crop((0, 0, crop, crop)).save(file := BytesIO(), "PNG")
        cut = Image.from_bytes(file.getvalue())
        await agent.run(["Two", cut, Image.from_bytes(photo)])


async def test_pictures_are_told_apart(tmp_path: Path) -> None:
    """What a program makes of a placeholder has not the colour of what it made of the picture."""
    path, photo, other = tmp_path / "a.yaml", picture(noise=1), picture(noise=2)
    with Emulator() as emulator, cassette(path):
        emulator.play([Reply([Draw("a fox")]), Reply([Say("b")])])
        await sent(emulator.base_url, crop=64, photo=photo)
    with cut_off():
        with cassette(path, "none"):
            await sent(ELSEWHERE, crop=64, photo=photo)
        with (
            pytest.raises(NotRecorded, match=r"is .*PNG 32×32 .*recorded is .*PNG 64×64"),
            cassette(path, "none"),
        ):
            await sent(ELSEWHERE, crop=32, photo=photo)
        with pytest.raises(NotRecorded, match=r"recorded is .*PNG 40×30 #"), cassette(path, "none"):
            await sent(ELSEWHERE, crop=64, photo=other)
        with cassette(path, "none", pictures="size"):
            await sent(ELSEWHERE, crop=64, photo=other)


async def test_a_cassette_that_was_edited_plays_the_edit(tmp_path: Path) -> None:
    """As if it had been recorded at OpenRouter's own address, and its words changed by hand."""
    path = tmp_path / "edited.yaml"
    with Emulator() as emulator:
        emulator.play(SCRIPT)
        with cassette(path):
            await talk(emulator.base_url, "aiohttp", "chat", streamed=False)
    text = path.read_text(encoding="utf-8")
    text = text.replace("https://openrouter.test", "https://openrouter.ai")
    path.write_text(text.replace("In the first it is day.", "It is night."), encoding="utf-8")
    with cut_off(), cassette(path, "none") as tape:
        *_, answer = await talk(ELSEWHERE, "aiohttp", "chat", streamed=False)
    assert answer.text == "It is night."
    assert len(answer.run.images) == 3
    assert not tape.unplayed
