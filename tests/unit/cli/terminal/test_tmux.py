"""The chat in a real terminal: what stands in the scrollback in the end, and what the keys do."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.cli.terminal.tmux import TMUX, Tmux

pytestmark = [
    pytest.mark.slow,  # the core cases run on a pty in `test_pty.py`
    pytest.mark.skipif(TMUX is None, reason="tmux is not installed"),
]
Open = Callable[..., Tmux]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    windows: list[Tmux] = []

    def open_window(scenario: str, **how: object) -> Tmux:
        windows.append(Tmux(tmp_path, scenario, **how))
        return windows[-1]

    yield open_window
    for window in windows:
        window.close()


def found(pattern: str, lines: list[str]) -> list[str]:
    return re.findall(pattern, "\n".join(lines))


NUMBERS = [f"{number:03}" for number in range(60)]


def test_a_streamed_answer_is_in_the_scrollback_once(opened: Open) -> None:
    window = opened("lines", delay=0.002)
    window.type("go")
    lines = window.until("tokens · ")
    assert found(r"line (\d+) of the answer", lines) == NUMBERS
    assert found("Ctrl-C stops", lines) == []
    assert found("› go", lines) == ["› go"]


@pytest.mark.parametrize("sizes", [[(50, 20), (33, 16), (90, 30)], [(120, 40), (60, 24), (80, 12)]])
def test_a_terminal_that_changes_its_size_shows_no_line_twice(
    opened: Open, sizes: list[tuple[int, int]]
) -> None:
    window = opened("wide", delay=0.01)
    window.type("go")
    for number, size in enumerate(sizes):
        window.until(f"word{40 + 90 * number:04}")
        window.resize(*size)
    words = found(r"word(\d{4})", window.until("tokens · "))
    assert words == [f"{number:04}" for number in range(600)]


def test_a_table_taller_than_the_screen_is_printed_once(opened: Open) -> None:
    window = opened("table", size=(60, 15))
    window.type("go")
    window.until("After.")
    lines = window.until("tokens · ")
    assert found(r"│ r(\d{3}) │", lines) == NUMBERS
    assert found(r"r(\d{3})", lines) == NUMBERS
    assert lines.index("Before.") < lines.index("After.")


def test_a_paste_of_40_lines_is_one_message(opened: Open) -> None:
    window = opened("turns")
    pasted = [f"pasted {number:02}" for number in range(40)]
    window.paste("\n".join(pasted) + "\n/help is no command here")
    window.until("/help is no command here")
    assert found("answer", window.lines()) == []
    window.keys("Enter")
    lines = window.until("answer 00 ends")
    assert found(r"pasted (\d\d)", lines) == [f"{number:02}" for number in range(40)]
    assert found(r"answer \d\d begins", lines) == ["answer 00 begins"]


def test_an_approval_is_asked_for_edited_and_given(opened: Open) -> None:
    window = opened("pay")
    window.type("go")
    window.until('? pay(to="Ada", euros=300)')
    window.until("run it? [y]es, [n]o, [e]dit, [a]lways, or why not:")
    window.type("e")
    window.until('"euros": 300')
    window.keys(*["BSpace"] * 5)
    window.type("4}")
    window.until('? pay(to="Ada", euros=4)')
    window.until("run it?")
    window.type("y")
    lines = window.until("tokens · ")
    assert found(r"paid .* to Ada", lines) == ["paid 4 to Ada"]
    assert "It is done." in lines


def test_what_is_half_typed_outlives_a_question_and_waits_for_the_turn(opened: Open) -> None:
    window = opened("pay")
    window.type("go")
    window.until("run it?")
    window.type("too dear")
    lines = window.until("tokens · ")
    assert found("too dear", lines)
    assert found("paid", lines) == []


def test_ctrl_c_in_mid_picture_keeps_the_picture_and_its_cost(opened: Open) -> None:
    window = opened("picture")
    window.type("draw")
    window.until("wait()")
    window.until("▣ img_1")
    window.keys("C-c")
    lines = window.until("stopped")
    assert found(r"stopped · (\$0\.\d+) ", lines) != ["$0.0000"]
    window.type("/images")
    window.until("▣ img_1", count=2)
    window.type("/cost")
    (total,) = found(r"this chat: \$(0\.\d+)", window.until("this chat: $0."))
    assert float(total) > 0
    window.type("hello")
    lines = window.until("Hello again.")
    assert len([line for line in lines if line.startswith("▀")]) == 20


def test_ctrl_c_clears_a_half_typed_line_and_twice_leaves(opened: Open) -> None:
    window = opened("turns")
    window.keys("h", "a", "l", "f")
    window.until("› half")
    window.keys("C-c")
    window.type("whole")
    lines = window.until("answer 00 ends")
    assert found("half", lines) == []
    assert not window.is_over()
    window.until("tokens · ")
    window.keys("C-c", "C-c")
    window.until_over()


def test_what_a_tool_prints_stands_above_the_line(opened: Open) -> None:
    window = opened("noisy")
    window.type("go")
    lines = window.until("It was noisy.")
    assert found("printed by ␛\\[31ma tool", lines) == ["printed by ␛[31ma tool"]
    assert "and to stderr" in lines


def test_a_chat_that_was_killed_goes_on(opened: Open) -> None:
    window = opened("picture")
    window.type("draw")
    window.until("wait()")
    window.until("▣ img_1")
    os.kill(window.pid(), signal.SIGKILL)
    window.until_over()
    window.restart("turns")
    lines = window.until("the last turn was interrupted")
    assert found(r"interrupted \((\d) pictures? came, \$0\.\d+", lines) == ["1"]
    assert found("› draw", lines) == ["› draw"]
    window.type("hello")
    window.until("answer 00 ends")
    window.until("tokens · ")
    window.type("/images")
    lines = window.until("▣ img_2", count=2)
    assert found(r"▣ (img_\d)", lines)[-2:] == ["img_1", "img_2"]


def test_fifty_turns_typed_ahead_stand_in_the_scrollback_once_and_in_order(opened: Open) -> None:
    window = opened("turns")
    for number in range(50):
        window.type(f"question {number:02}")
    lines = window.until("tokens · ", count=50)
    numbers = [f"{number:02}" for number in range(50)]
    assert found(r"answer (\d\d) begins", lines) == numbers
    assert found(r"answer (\d\d) ends", lines) == numbers
    assert found(r"(?m)^› question (\d\d)", lines) == numbers
    assert found(r"(?m)^▣ (img_\d+)", lines) == [f"img_{number}" for number in range(1, 6)]
    assert len([line for line in lines if line.startswith("▀")]) == 5 * 20


def test_a_terminal_of_20_columns_shows_everything(opened: Open) -> None:
    window = opened("turns", size=(20, 10))
    window.type("/help")
    window.until("/quit")
    window.type("hello")
    lines = window.until("tokens · ")
    assert "answer 00 begins" in lines
    assert all(len(line) <= 20 for line in window.screen())
