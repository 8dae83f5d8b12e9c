"""The events of a turn as rows: each once, in order, whatever the pieces."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from agentkit import Image, ImageFailure, Invocation, Message, Usage
from agentkit.cli.terminal.transcript import ShownImage, Transcript, image_row, short_path
from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    RunFinished,
    TextDelta,
    TurnFinished,
)
from agentkit.values import Source

FOX = Image("ab" * 32, "image/png", 34_000, 64, 48, name="img_1", alt="a fox", cost_usd=0.04)
LINKED = Image(
    "cd" * 32, "image/png", 9, name="img_2", sources=(Source("text", "https://x.org/f.png"),)
)
WEATHER = Invocation("call_1", "weather", {"city": "Oslo"}, status="running")
TURN = TurnFinished(Message("assistant", ()), Usage())


def rows(*events: Event, columns: int = 1000) -> list[str]:
    """What is printed, pictures as `<name>`."""
    transcript = Transcript(columns=lambda: columns)
    console = Console(file=io.StringIO(), width=70, color_system=None, highlight=False)
    for items in [*(transcript.show(event) for event in events), transcript.end()]:
        for item in items:
            console.print(f"<{item.image.name}>" if isinstance(item, ShownImage) else item)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_words_are_printed_line_by_line() -> None:
    transcript = Transcript()
    assert transcript.show(TextDelta("One, ")) == []
    assert transcript.moving().words == ("One, ",)
    assert len(transcript.show(TextDelta("two.\nThr"))) == 1
    assert transcript.moving().words == ("Thr",)
    assert len(transcript.end()) == 1
    assert transcript.end() == []
    assert transcript.moving().words == ()


@pytest.mark.parametrize("seed", range(20))
def test_the_pieces_make_no_difference(seed: int) -> None:
    text = (
        "# Title\r\n\r\nSome **words**.\n\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "```\ncode\n\n\n| no table |\n```\nend ![a fox](https://x.org/f.png)\n"
        "![alone](https://x.org/g.png)\nlast"
    )
    random = Random(seed)
    cuts = sorted(random.randrange(len(text)) for _ in range(random.randrange(40)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = rows(TextDelta(text), TURN)
    assert rows(*(TextDelta(piece) for piece in pieces), TURN) == whole, (seed, cuts)
    assert whole[:5] == ["Title", "", "Some words.", "", "• one"]
    assert whole[-2:] == ["last", "[alone: https://x.org/g.png]"]
    assert "code" in whole
    assert whole[whole.index("code") + 1 : whole.index("code") + 4] == ["", "", "| no table |"]


PARAGRAPHS = (
    "One **bold word** and `some code` and a [link](https://example.org/with/a/long/path) in it, "
    "which goes on for quite a while, 2 * 3 being 6.\n"
    "- an item that is longer than one row, and so it hangs below its mark, *row after row*\n"
    "> quoted words that are longer than one row as well, said by somebody else\n"
    "1. short\n\n"
    + "x"
    * 90
    + "\n**never closed, so it is shown as it is, at some length, however "
    "long that may be: it goes on and on and on and on and on and on and on and on\nend"
)


@pytest.mark.parametrize("seed", range(20))
def test_a_long_line_is_given_row_by_row_whatever_the_pieces(seed: int) -> None:
    random = Random(seed)
    cuts = sorted(random.randrange(len(PARAGRAPHS)) for _ in range(random.randrange(60)))
    pieces = [PARAGRAPHS[a:b] for a, b in zip([0, *cuts], [*cuts, len(PARAGRAPHS)], strict=True)]
    whole = rows(TextDelta(PARAGRAPHS), TURN, columns=40)
    assert rows(*(TextDelta(piece) for piece in pieces), TURN, columns=40) == whole, (seed, cuts)
    assert max(map(len, whole)) <= 70  # a mark that is never closed counts as nothing
    hanging = whole.index(next(line for line in whole if line.startswith("• an item")))
    assert whole[hanging + 1].startswith("  ")
    assert len([line for line in whole if line.startswith("│ ")]) >= 2
    words = "".join("".join(whole).replace("│ ", "").replace("• ", "").split())
    plain = PARAGRAPHS.replace("**bold word**", "bold word").replace("`", "").replace("*row", "row")
    for mark in ("- an", "> quoted"):
        plain = plain.replace(mark, mark[2:])
    plain = plain.replace("after row*", "after row").replace("[link](", "link (")
    assert words == "".join(plain.split())


def test_only_the_last_row_of_a_paragraph_is_still_moving() -> None:
    transcript = Transcript(columns=lambda: 40)
    for number in range(200):
        transcript.show(TextDelta(f"word{number} "))
        assert sum(map(len, transcript.moving().words)) <= 48


def test_a_row_waits_for_the_end_of_its_line() -> None:
    call = Invocation("call_1", "weather", {"city": "Oslo"}, status="completed", result="rain")
    assert rows(
        TextDelta("Before. In the mid"),
        InvocationFinished(call),
        TextDelta("dle.\nAf"),
        ImageReady(FOX),
        TextDelta("ter."),
        TURN,
    ) == ["Before. In the middle.", '✓ weather(city: "Oslo") → rain', "After.", "<img_1>"]


def test_a_row_waits_for_the_end_of_its_table() -> None:
    shown = rows(
        TextDelta("| a |\n|---|\n"),
        ImageReady(FOX),
        TextDelta("| 1 |\n\nEnd.\n"),
        TURN,
    )
    assert shown.index("<img_1>") > shown.index("│ 1 │")
    assert shown.count("<img_1>") == 1


def test_a_link_to_a_picture_gives_way_to_its_row() -> None:
    link = "![a fox](https://x.org/f.png)"
    assert rows(TextDelta(f"Here:\n{link}\n"), ImageReady(LINKED), TURN) == ["Here:", "<img_2>"]
    assert rows(TextDelta(f"Here:\n{link}\n"), TURN) == ["Here:", "[a fox: https://x.org/f.png]"]


def test_what_runs_is_told_with_its_beginning_and_its_progress() -> None:
    transcript = Transcript()
    transcript.show(InvocationStarted(WEATHER), now=5.0)
    transcript.show(InvocationProgress(WEATHER, "half\x1b[31m"), now=7.0)
    (running,) = transcript.moving().running
    assert running.since == 5.0
    assert running.words == 'weather(city: "Oslo"): half␛[31m'
    transcript.show(InvocationFinished(WEATHER))
    assert transcript.moving().running == ()


def test_a_call_that_waits_for_a_person_does_not_run() -> None:
    transcript = Transcript()
    waiting = Invocation("call_1", "pay", {}, status="pending")
    transcript.show(InvocationStarted(waiting))
    assert transcript.moving().running == ()


def test_a_preview_ends_with_its_picture_alone() -> None:
    transcript = Transcript()
    transcript.show(ImagePreview("a", 0, b"one", "image/png"))
    transcript.show(ImagePreview("b", 0, b"two", "image/png"))
    assert transcript.moving().preview == b"two"
    transcript.show(ImageReady(FOX, "b"))
    assert transcript.moving().preview == b"one"
    transcript.show(ImageFailed(ImageFailure(Source("images"), None, "404"), "a"))
    assert transcript.moving().preview is None


def test_thinking_is_noted_and_not_printed() -> None:
    transcript = Transcript()
    assert transcript.show(ReasoningDelta("hm")) == []
    assert transcript.moving().note == "thinking"
    transcript.show(TextDelta("x"))
    assert transcript.moving().note == ""


def test_nothing_of_the_model_reaches_the_terminal_raw() -> None:
    hostile = "\x1b]0;owned\x07 \x1b[2J \x9b31m \u202eevil\u202c \x00 a\rb \x1b]8;;http://x\x1b\\"
    call = Invocation("c", hostile, {hostile: hostile}, status="failed", error=hostile)
    failure = ImageFailure(Source("images"), None, hostile)
    image = Image("ab" * 32, "image/png", 9, name="img_1", alt=hostile)
    shown = rows(
        TextDelta(f"{hostile}\n`{hostile}`\n# {hostile}\n| {hostile} |\n|---|\n| {hostile} |\n"),
        TextDelta(f"```{hostile}\n{hostile}\n```\n![{hostile}]({hostile})\n"),
        InvocationFinished(call),
        ImageFailed(failure),
        TURN,
        RunFinished("completed", Usage()),
    )
    console = Console(file=io.StringIO(), width=400, color_system=None)
    console.print(image_row(image))
    text = "\n".join([*shown, console.file.getvalue()])
    assert "owned" in text
    assert not [
        char for char in text if (ord(char) < 32 and char != "\n") or ord(char) in range(127, 160)
    ]
    assert "\u202e" not in text


def test_the_row_of_a_picture_has_its_facts_and_a_link(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(image_row(FOX))
    assert console.file.getvalue() == "▣ img_1 · 64×48 · 34 kB · $0.0400 · a fox\n"
    path = tmp_path / "a b.png"
    linked = Console(file=io.StringIO(), width=300, force_terminal=True, color_system="truecolor")
    linked.print(image_row(FOX, path))
    assert path.as_uri() in linked.file.getvalue()
    assert "%20" in path.as_uri()


def test_a_long_path_loses_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert short_path(Path("/home/ada/cat.png")) == "~/cat.png"
    long = short_path(Path("/srv") / ("x" * 90) / "cat.png")
    assert len(long) <= 70
    assert long.endswith("cat.png")
