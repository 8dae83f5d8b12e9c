"""What the terminal shows, and what it never gets."""

import io

import pytest
from rich.console import Console

from agentkit import (
    Image,
    ImageFailed,
    ImagePreview,
    ImageReady,
    Invocation,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    TextDelta,
)
from agentkit.demo.live import EventView
from agentkit.values import Source
from tests.unit.demo.hand_made import drawn, failed_picture

URL = "https://images.example/a.png?token=x"


def shown(*events: object, terminal: bool = False) -> str:
    to = io.StringIO()
    view = EventView(
        Console(
            file=to, force_terminal=terminal, width=100, highlight=False, markup=False, emoji=False
        )
    )
    view.start()
    for event in events:
        view.show(event)  # type: ignore[arg-type]
    view.stop()
    return to.getvalue()


def ready(name: str = "img_1") -> ImageReady:
    image: Image = drawn(name, sources=(Source("text", URL),))
    return ImageReady(image)


def call(status: str = "pending", **fields: object) -> Invocation:
    return Invocation("call_1", "weather", {"city": "Oslo"}, status=status, **fields)  # type: ignore[arg-type]


def test_words_tools_and_pictures_in_order() -> None:
    finished = InvocationFinished(
        call("completed", result="-4 °C\nsnow", seconds=0.5, cost_usd=0.01)
    )
    told = shown(
        TextDelta("Let me "),
        TextDelta("look.\n"),
        InvocationStarted(call()),
        InvocationProgress(call(), "asking"),
        finished,
        TextDelta("It snows."),
        ready(),
        ImageFailed(failed_picture("404")),
    )
    assert told.splitlines() == [
        "  Let me look.",
        '  ✓ weather(city: "Oslo") → -4 °C snow · 500 ms · $0.0100',
        "  It snows.",
        f"  ▣ img_1 · 16×9 · {ready().image.size} B · a fox called img_1",
        "  ✗ no picture: 404",
    ]


def test_a_picture_never_breaks_a_line() -> None:
    told = shown(TextDelta("one "), ready(), TextDelta("line\nnext"))
    assert [line.split()[0] for line in told.splitlines()] == ["one", "▣", "next"]
    assert told.startswith("  one line\n")


def test_a_link_to_a_picture_that_came_is_left_out() -> None:
    told = shown(TextDelta(f"Here:\n\n![a fox]({URL})\n\nand there."), ready())
    assert URL not in told
    assert "a fox]" not in told
    assert shown(TextDelta(f"![a fox]({URL})")) == f"  [a fox: {URL}]\n"
    assert shown(TextDelta(f"see ![a fox]({URL}) here")) == "  see [a fox] here\n"


def test_a_failed_call_says_why() -> None:
    assert (
        shown(InvocationFinished(call("failed", error="no such city")))
        == '  ✗ weather(city: "Oslo") → no such city\n'
    )
    unknown = Invocation("s", "openrouter:web_search", None, "server", "completed", count=3)
    assert shown(InvocationFinished(unknown)) == "  ✓ openrouter:web_search ×3\n"


@pytest.mark.parametrize(
    "event",
    [
        TextDelta("\x1b[2J\x1b]0;owned\x07 \x9b31m \u202e [bold]x[/bold] :fox:\r"),
        InvocationFinished(
            Invocation("c", "\x1b[2J", {"\x1b[2J": "\u202e"}, status="completed", result="\x1b[2J")
        ),
        ImageReady(drawn("img_1", alt="\x1b[2J\u202e")),
        ImageFailed(failed_picture("\x1b[2J\u202e")),
    ],
)
def test_control_characters_are_shown_not_obeyed(event: object) -> None:
    told = shown(event)
    assert not any(
        (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0 or char == "\u202e"
        for char in told
    )
    assert "\x1b[2J\x1b]0" not in shown(event, terminal=True)
    assert "\u202e" not in shown(event, terminal=True)


def test_without_a_terminal_nothing_moves() -> None:
    told = shown(
        ReasoningDelta("hm"), InvocationStarted(call()), ImagePreview("i", 0, b"x", "image/png")
    )
    assert told == ""


def test_a_terminal_sees_what_is_going_on() -> None:
    told = shown(TextDelta("half a li"), InvocationStarted(call()), TextDelta("ne"), terminal=True)
    assert 'weather(city: "Oslo")' in told
    assert "half a line" in told
