"""What a notebook shows: with words, handle and price, and never more than 300 KB a picture."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import BytesIO
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image as Pillow

from agentkit import (
    Agent,
    File,
    Image,
    ImageFailed,
    ImageFailure,
    ImageReady,
    OpenRouter,
    TextDelta,
    tool,
)
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.events import ImagePreview, InvocationFinished, InvocationStarted
from agentkit.images.store import MemoryImageStore
from agentkit.notebook import LiveView
from agentkit.values import Invocation, Source
from agentkit.values.image_display import MAX_CHARACTERS, data_url


def noise(width: int, height: int, kind: str = "PNG") -> Image:
    buffer = BytesIO()
    Pillow.effect_noise((width, height), 100).convert("RGB").save(buffer, kind)
    return Image.from_bytes(buffer.getvalue())


def test_a_large_picture_becomes_small_and_a_small_one_stays() -> None:
    large, small = noise(1600, 1200), noise(64, 64)
    assert large.size > 3_000_000
    assert len(data_url(large)) <= MAX_CHARACTERS
    assert data_url(large).startswith("data:image/webp;base64,")
    assert data_url(small) == small.data_url()


def test_a_picture_has_its_words_handle_and_price() -> None:
    image = replace(noise(8, 8), name="img_1", alt='a <fox> "\u202e', cost_usd=0.04)
    image = replace(image, width=8, height=8)
    shown = image._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html"}
    page = str(shown["text/html"])
    assert 'alt="a &lt;fox&gt; &quot;\\u202e"' in page
    assert "img_1 · 8×8 · $0.0400" in page
    gone = replace(image, blobs=None)
    assert set(gone._repr_mimebundle_()) == {"text/plain"}


async def test_files_are_named_in_a_notebook(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    """Nothing of what is in them is shown."""

    @tool
    def export() -> File:
        """A file."""
        return File.from_bytes(b"<script>alert(2)</script>", name="<i>.txt")

    agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False, tools=[export])
    chat = agent.conversation()
    emulator.play(CallTool("export", {}), "Done.")
    answer = await chat.send(["Read", File.from_bytes(b"words in it", name="given.txt")])
    assert [each.file_name for each in answer.files] == ["<i>.txt"]
    shown: list[Any] = [answer, chat]
    for each in shown:
        page = str(each._repr_mimebundle_()["text/html"])
        assert "file_2 (&lt;i&gt;.txt, 25 bytes)" in page
        assert "<i>" not in page
        assert "alert(2)" not in page
        assert "words in it" not in page
    assert "file_1 (given.txt, 11 bytes)" in str(chat._repr_mimebundle_()["text/html"])


async def test_all_of_a_conversation_is_shown(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    agent = Agent("google/gemini-2.5-flash-image", client=client, store=store)
    chat = agent.conversation()
    emulator.play(Reply([Say("<b>Here</b>:"), Draw("a fox", size=(900, 900))]), "Done.")
    answer = await chat.send("Draw & paint")
    await chat.send("Thanks")
    shown: list[Any] = [answer, answer.images, answer.images[0], chat.images, answer.run, chat]
    for each in shown:
        page = str(each._repr_mimebundle_()["text/html"])
        assert page.count("<img ") == 1
        assert "img_1" in page
        assert len(page) < MAX_CHARACTERS + 5000
        assert "<b>Here" not in page
        assert len(str(each._repr_mimebundle_()["text/plain"])) < 300
    page = str(chat._repr_mimebundle_()["text/html"])
    assert page.index("Draw &amp; paint") < page.index("<img ") < page.index("Done.")
    assert answer.images == (answer.images[0],)
    assert dict(chat.images) == chat.images == {"img_1": answer.images[0]}
    assert list(reversed(chat.images)) == ["img_1"]
    assert chat.images | {"x": answer.images[0]} == {**chat.images, "x": answer.images[0]}
    assert 'src="pictures/img_1.' in answer.to_html(single_file=False, folder="pictures")
    assert "](images/img_1." in answer.to_markdown()


def test_the_view_of_a_turn_that_runs() -> None:
    view = LiveView()
    draw = Invocation("c", "draw<", {}, status="running")
    view.take(TextDelta("*Let"))
    view.take(TextDelta(" me*."))
    view.take(InvocationStarted(draw))
    view.take(ImagePreview(item="a", index=0, data=b"RIFFxxxx", media_type="image/webp"))
    assert all(each in view.html() for each in ("<em>Let me</em>", "draw&lt; …", "a preview"))
    assert "draw" not in view.html(is_over=True)
    view.take(InvocationFinished(replace(draw, status="completed")))
    view.take(ImageReady(replace(noise(8, 8), name="img_1"), item="a"))
    view.take(ImageFailed(ImageFailure(Source("text"), None, "404 <x>"), item="b"))
    page = view.html()
    assert page.count("<img ") == 1
    assert "img_1" in page
    assert "No picture: 404 &lt;x&gt;" in page
    assert "draw" not in page


class Display:
    """IPython's display functions, which keep what they were given."""

    def __init__(self) -> None:
        self.updates: list[str] = []

    def HTML(self, text: str) -> str:  # noqa: N802 - IPython's name
        return text

    def display(self, shown: str, *, display_id: bool) -> Display:
        assert display_id
        self.updates.append(shown)
        return self

    def update(self, shown: str) -> None:
        self.updates.append(shown)


async def test_a_turn_is_shown_while_it_runs(
    emulator: Emulator,
    client: OpenRouter,
    store: MemoryImageStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = Agent("google/gemini-2.5-flash-image", client=client, store=store)
    chat = agent.conversation()
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(UsageError, match="this is no notebook"):
        await chat.show("Draw a fox")
    assert [each for each in emulator.requests if each.method == "POST"] == []
    display, core = Display(), ModuleType("IPython")
    core.get_ipython = lambda: SimpleNamespace()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", core)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    emulator.play(Reply([Say("Here:"), Draw("a fox", size=(64, 64))]))
    answer = await chat.show("Draw a fox")
    assert answer.text == "Here:"
    assert len(display.updates) >= 3
    assert display.updates[-1].count("<img ") == 1
    assert set(answer._repr_mimebundle_()) == {"text/plain"}
    assert repr(answer).startswith("<Answer completed")
