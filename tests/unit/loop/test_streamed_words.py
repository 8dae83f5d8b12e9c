"""What a stream says, delta by delta, is what its answer says: links to pictures are out of
both.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agentkit import AnswerStream, FetchPolicy, TextDelta, tool
from agentkit.emulator import CallTool, Fault, Reply, Say, Socket
from agentkit.errors import RunError
from tests.clock import GUARD
from tests.conftest import Bench, Way, picture

BIG = picture(size=(160, 120), noise=90)
WAYS = [Way("chat", True), Way("responses", True)]


@contextmanager
def gallery(gate: threading.Event | None = None) -> Iterator[str]:
    """An image host on loopback: `/fox.png` is a picture, which waits for the gate, all else is
    missing.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if gate is not None:
                gate.wait(GUARD)
            found = self.path.startswith("/fox")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(BIG) if found else 0))
            self.end_headers()
            self.wfile.write(BIG if found else b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


LOCAL = FetchPolicy(hosts=("127.0.0.1",), private=True)


async def said(stream: AnswerStream[object]) -> str:
    async with stream:
        return "".join([event.text async for event in stream if isinstance(event, TextDelta)])


TEXTS = [
    ("Here:\n\n![a fox](@/fox.png)\n\nDone.", "Here:\n\nDone."),
    ("See @/fox.png, and more", "See , and more"),
    ("Here ![gone](@/gone.png) it is", "Here [gone](@/gone.png) it is"),
    ("![a](@/fox.png) ![b](@/gone.png) ![c](@/fox2.png) end [1]", "[b](@/gone.png) end [1]"),
    ("`![a](@/fox.png)` is code, ![a](https://example.com/x.png) elsewhere!", None),
    ("![fox][1] and [0, 1) words\n\n[1]: @/fox.png\n", "and [0, 1) words"),
    ("[see](@/fox.png)", ""),
    ("![cut](@/fox.png", None),
]


@pytest.mark.parametrize("way", WAYS, ids=str, indirect=True)
@pytest.mark.parametrize(("text", "kept"), TEXTS)
@pytest.mark.parametrize("chunk", [1, 7])
async def test_deltas_are_the_answer(bench: Bench, text: str, kept: str | None, chunk: int) -> None:
    with gallery() as origin:
        text = text.replace("@", origin)
        bench.emulator.play([Reply([Say(text)], chunk=chunk)])
        stream = bench.agent(fetch=LOCAL).stream("Go on")
        assert await said(stream) == stream.answer.text
        if kept is not None:
            assert stream.answer.text.strip() == kept.replace("@", origin)


@pytest.mark.parametrize("way", WAYS, ids=str, indirect=True)
async def test_turns_are_apart_as_in_the_answer(bench: Bench) -> None:
    @tool
    def weather() -> str:
        """The weather."""
        return "rain"

    bench.emulator.play(
        [Reply([Say("Let me see."), CallTool("weather")]), Reply([Say("It rains.")])]
    )
    stream = bench.agent(tools=[weather]).stream("Go on")
    assert await said(stream) == stream.answer.text == "Let me see.\n\nIt rains."


@pytest.mark.parametrize("way", WAYS, ids=str, indirect=True)
async def test_only_the_words_after_a_picture_wait_for_it(bench: Bench) -> None:
    gate = threading.Event()
    with gallery(gate) as origin:
        bench.emulator.play([Reply([Say(f"One ![a]({origin}/fox.png) two.")], chunk=4)])
        heard = ""
        async with bench.agent(fetch=LOCAL).stream("Go on") as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    heard += event.text
                    if heard == "One":
                        await asyncio.sleep(0.05)
                        gate.set()
                    assert gate.is_set() or heard == "One"
        assert heard == stream.answer.text == "One two."


@pytest.mark.parametrize("way", WAYS, ids=str, indirect=True)
async def test_what_had_arrived_of_a_broken_stream_is_said(bench: Bench) -> None:
    with gallery() as origin:
        bench.emulator.play(
            [
                Reply(
                    [Say(f"One ![a]({origin}/fox.png) two [b and more and more and more and more")],
                    chunk=4,
                )
            ]
        )
        bench.emulator.faults.add(Fault(socket=Socket("cut", at="event", event=16)))
        heard: list[str] = []
        with pytest.raises(RunError) as caught:
            async with bench.agent(fetch=LOCAL).stream("Go on") as stream:
                async for event in stream:
                    heard += [event.text] if isinstance(event, TextDelta) else []
        assert caught.value.answer_so_far is not None
        assert "".join(heard) == caught.value.answer_so_far.text
        assert "One" in heard


@pytest.mark.parametrize("way", WAYS, ids=str, indirect=True)
@pytest.mark.parametrize("text", ["See @ then ![a fox](@) end.", "See ![a fox](@) then @ end."])
@pytest.mark.parametrize("name", ["fox", "gone"])
async def test_markdown_says_more_of_a_picture_than_a_bare_link_wherever_that_stands(
    bench: Bench, text: str, name: str
) -> None:
    with gallery() as origin:
        url = f"{origin}/{name}"
        bench.emulator.play([Reply([Say(text.replace("@", url))])])
        answer = await bench.agent(fetch=LOCAL).run("Go on")
    assert [image.alt for image in answer.images] == ["a fox"] * (name == "fox")
    assert [failure.url for failure in answer.failures] == [url] * (name == "gone")
