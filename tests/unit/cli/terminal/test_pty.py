"""The core of the chat on a pseudo-terminal, which needs no other program."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.cli.terminal.pty import Pty

Open = Callable[..., Pty]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    chats: list[Pty] = []

    def open_chat(scenario: str, **how: object) -> Pty:
        chats.append(Pty(tmp_path, scenario, **how))
        return chats[-1]

    yield open_chat
    for chat in chats:
        chat.close()


def test_an_answer_is_streamed_and_the_chat_left(opened: Open) -> None:
    chat = opened("lines")
    chat.keys("go\r")
    text = chat.until("tokens · ")
    assert re.findall(r"line (\d{3}) of the answer, which is rather long as lines go\r", text) == [
        f"{number:03}" for number in range(60)
    ]
    chat.keys("\x04")
    assert chat.wait() == 0


def test_an_approval_is_given_at_the_terminal(opened: Open) -> None:
    chat = opened("pay")
    chat.keys("go\r")
    chat.until("why not:")
    chat.keys("y\r")
    chat.until("paid 300 to Ada")
    chat.until("tokens · ")


def test_ctrl_c_keeps_the_picture_and_twice_leaves(opened: Open) -> None:
    chat = opened("picture")
    chat.keys("go\r")
    chat.until("wait()")
    chat.keys("\x03")
    assert "▣ img_1" in chat.until("stopped · $0.0")
    chat.keys("\x03\x03")
    assert chat.wait() == 0


@pytest.mark.slow
def test_ctrl_c_while_a_picture_is_downloaded_keeps_it(opened: Open) -> None:
    chat = opened("slow")
    chat.keys("go\r")
    chat.until("image_generation(")
    chat.keys("\x03")
    chat.until("pictures that are paid for still come")
    chat.until("▣ img_1 · 128×128")
    # The cost comes with the last chunk of the reply, which may not have been there yet.
    told, not_told = "stopped · $0.04", "stopped · cost not told"
    chat.until_true(lambda: told in chat.text or not_told in chat.text)
    chat.keys("/images\r/cost\r")
    chat.until("this chat: $0.04" if told in chat.text else "this chat: ")
    assert len(re.findall(r"▣ img_1 · 128×128", chat.text)) == 2


def test_ctrl_c_while_the_bytes_of_a_picture_come_says_what_is_lost(
    opened: Open, tmp_path: Path
) -> None:
    chat = opened("half")
    chat.keys("go\r")
    chat.until("Here it comes:")
    store = tmp_path / "store"
    chat.until_true(lambda: any(each.is_file() for each in store.rglob("*")))
    chat.keys("\x03")
    chat.until("stopped · cost not told")
    chat.keys("/images\r")
    chat.until("no picture: cut off: the reply ended inside it")
    chat.keys("hello\r")
    chat.until("Hello again.")


def test_a_bracketed_paste_is_one_message(opened: Open) -> None:
    chat = opened("turns")
    chat.keys("\x1b[200~one\rtwo\rthree\x1b[201~")
    chat.until("three")
    chat.keys("\r")
    text = chat.until("answer 00 ends")
    assert "answer 01" not in text
    assert re.search(r"› one\r+\n  two\r+\n  three", text)
    chat.keys("first row\x1b\rsecond row\r")  # Alt-Enter
    text = chat.until("answer 01 ends")
    assert re.search(r"› first row\r+\n  second row", text)


def test_lines_typed_before_the_chat_began_are_a_message_each(opened: Open) -> None:
    chat = opened("turns", typed="first\nsecond\nhalf of the third", until="answer 01 ends")
    chat.keys(" line\r")
    text = chat.until("answer 02 ends")
    for words in ("first", "second", "half of the third line"):
        assert re.search(f"› {words}\r", text), text


def test_a_terminal_that_knows_sixels_gets_them_and_no_key_is_lost(opened: Open) -> None:
    answers = "\x1b[6;20;10ta key\x1b[?62;4;22c"
    chat = opened("picture", typed="draw\n", answers=answers, until="wait()")
    chat.until("▣ img_1")
    pictures = re.findall(rb"\x1bP[\d;]*q(.*?)\x1b\\", chat.seen, re.DOTALL)
    assert [re.match(rb'"1;1;(\d+);(\d+)', each).groups() for each in pictures] == [
        (b"396", b"396")
    ]
    assert "▀" not in chat.text
    chat.keys("\x03")
    chat.until("stopped")
    chat.keys(" more\r")
    chat.until("› a key more")


@pytest.mark.slow
def test_a_terminal_that_knows_no_sixels_gets_half_blocks(opened: Open) -> None:
    chat = opened("picture", typed="draw\n", answers="\x1b[?62;22c", until="▣ img_1")
    assert b"\x1bP" not in chat.seen
    assert "▀▀▀▀" in chat.text
