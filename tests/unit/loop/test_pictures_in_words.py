"""Gateways write pictures into the words of a reply. They become pictures, and no base64 is left."""

from __future__ import annotations

import base64
import json
import textwrap
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit import TextDelta, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.images.spool import Spool
from agentkit.images.store import MemoryImageStore
from agentkit.images.words import WordSpool
from tests.conftest import Bench, picture
from tests.unit.loop import orphans

PICTURE = picture(size=(48, 36), noise=50)
TINY = picture("red", (2, 2))
B64 = base64.b64encode(PICTURE).decode()
URL = f"data:image/png;base64,{B64}"
WRAPPED = "\n".join(textwrap.wrap(B64, 76))
WRITTEN = {
    "markdown": (f"Here:\n\n![a fox]({URL})\n\nbye", "Here:\n\nbye"),
    "markdown alone": (f"![image]({URL})", ""),
    "a link": (f"See [the fox]({URL}).", "See ."),
    "a reference": (f"Here: ![fox][1]\n\nbye\n\n[1]: {URL}\n", "Here: \n\nbye"),
    "a definition alone": (f"Here.\n\n[1]: {URL}\n", "Here."),
    "in angle brackets": (f'![a fox](<{URL}> "a title") bye', " bye"),
    "html": (f"A fox: <img alt='a fox' src=\"{URL}\" width=9/>!", "A fox: !"),
    "a tag": (f"<image>{B64}</image>\nbye", "bye"),
    "a data URL alone": (URL, ""),
    "base64 alone": (B64, ""),
    "wrapped": (f"Here:\ndata:image/png;base64,\n{WRAPPED}\n\nbye now", "Here:\n\nbye now"),
    "json": (json.dumps({"b64_json": B64, "n": 1}), '{"b64_json": "", "n": 1}'),
    "json with escapes": (json.dumps({"image": URL}).replace("/", "\\/"), '{"image": ""}'),
    "code": (f"```\n{URL}\n```", "```\n```"),
}


@pytest.mark.parametrize("name", WRITTEN)
async def test_a_picture_that_was_written_into_words(bench: Bench, name: str) -> None:
    written, left = WRITTEN[name]
    if name == "code":
        data = picture(size=(80, 60), noise=90)  # long enough to be no example
        written = written.replace(B64, base64.b64encode(data).decode())
    else:
        data = PICTURE
    bench.emulator.play([Reply([Say(written)]), Reply([Say("Yes.")])])
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Draw a fox")
    assert [image.bytes() for image in answer.images] == [data]
    assert answer.text.strip() == left.strip()
    assert answer.failures == ()
    assert [source.place for source in answer.images[0].sources] == ["content"]
    assert "base64" not in answer.run.to_json().replace('"form":"base64"', "")
    await bench.ask(chat, "Do you see it?")
    items = orphans.items_of(bench.emulator.requests[-1].body)
    words = json.dumps([item for item in items if item.get("role") == "assistant"])
    assert "base64" not in words
    assert "agentkit-blob" not in words
    assert "img_1" in words


async def test_the_deltas_are_the_text(bench: Bench) -> None:
    for written, _ in WRITTEN.values():
        bench.emulator.play([Reply([Say(f"A {written} and {written}.")])])
        async with bench.agent().stream("Draw") as stream:
            said = [event.text async for event in stream if isinstance(event, TextDelta)]
        assert "".join(said) == stream.answer.text
        assert [image.bytes() for image in stream.answer.images] == [PICTURE]


async def test_what_is_no_picture_stays_text(bench: Bench) -> None:
    for written in (
        "Begin with data:image/png;base64,iVBORw0KGgo... and go on.",
        "![a](data:image/png;base64,aGVsbG8gd29ybGQgdGhpcyBpcyBubyBpbWFnZQ==)",
        f"```html\n<img src='data:image/png;base64,{base64.b64encode(TINY).decode()}'>\n```",
        "agentkit-blob:0123:1 and ![x](agentkit-blob:0123:2)",
    ):
        bench.emulator.play([Reply([Say(written)])])
        answer = await bench.ask(bench.agent(), "Explain")
        assert answer.text.replace("[x]", "![x]") == written
        assert (answer.images, answer.failures) == ((), ())


async def test_a_picture_that_is_cut_off_is_a_failure(bench: Bench) -> None:
    bench.emulator.play([Reply([Say(f"Here: ![a fox]({URL[:4000]})")])])
    answer = await bench.ask(bench.agent(), "Draw")
    assert (answer.text, answer.images) == ("Here:", ())
    (failure,) = answer.failures
    assert "cut off" in failure.reason


async def test_hundreds_of_pictures_in_words(bench: Bench) -> None:
    one = base64.b64encode(TINY).decode()
    bench.emulator.play([Reply([Say(f"![a](data:image/png;base64,{one}) " * 500)])])
    answer = await bench.ask(bench.agent(), "Draw")
    assert [image.bytes() for image in answer.images] == [TINY]
    assert answer.text.strip() == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(list(WRITTEN)),
    st.lists(st.integers(0, 9000), max_size=8),
)
def test_slices_change_nothing(name: str, cuts: list[int]) -> None:
    text = f"A {WRITTEN[name][0]} d"
    edges = sorted({0, len(text), *[min(cut, len(text)) for cut in cuts]})
    whole, sliced = (WordSpool(Spool(MemoryImageStore(), token="0")) for _ in range(2))
    given_on = [sliced.more(text[a:b]) for a, b in pairwise(edges)]
    assert "".join(given_on) + sliced.rest() == whole.more(text) + whole.rest()


async def test_a_picture_in_the_arguments_of_a_call_is_the_tools(bench: Bench) -> None:
    """It is an argument, not a picture of the reply; the next request has it as it came."""
    data = base64.b64encode(picture(size=(80, 60), noise=90)).decode()
    page = f"<p><img src='data:image/png;base64,{data}'></p>"
    got: list[str] = []

    @tool
    def publish(page: str) -> str:
        """Puts a page on the web."""
        got.append(page)
        return "done"

    call = CallTool("publish", {"page": page}, id="call_1")
    bench.emulator.play([Reply([call]), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[publish]), "Publish")
    assert got == [page]
    assert (answer.images, answer.failures) == ((), ())
    body = json.dumps(bench.emulator.requests[-1].body)
    assert data in body
    assert "agentkit-blob" not in body
