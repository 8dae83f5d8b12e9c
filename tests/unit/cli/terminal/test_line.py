"""The line of input: what Tab offers, and what Up finds in the next chat."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterable
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from agentkit.cli.terminal.completion import ChatCompleter
from agentkit.cli.terminal.history import LineHistory

COMMANDS = {"save": "save pictures", "sessions": "list conversations", "api": "the API"}


def offered(text: str, *, by_tab: bool = True) -> list[str]:
    """The lines that this one may become."""
    completer = ChatCompleter(
        COMMANDS,
        lambda: ["img_1", "img_12", "img_2"],
        ["save"],
        {"api": lambda: ["chat", "responses"]},
    )
    event = CompleteEvent(completion_requested=by_tab)
    found = completer.get_completions(Document(text), event)
    return [f"{text[: len(text) + each.start_position]}{each.text}" for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/s", ["/save ", "/sessions "]),
        ("/save", ["/save "]),
        ("/api r", ["/api responses"]),
        ("put a hat on img_1", ["put a hat on img_1", "put a hat on img_12"]),
        ("hello ", []),
        ("/nothing img", []),
        ("two\n/s", []),
    ],
)
def test_commands_and_handles_are_completed(text: str, expected: list[str]) -> None:
    assert offered(text) == expected


def test_only_commands_are_offered_unasked() -> None:
    assert offered("/s", by_tab=False) == ["/save ", "/sessions "]
    assert offered("see img_", by_tab=False) == []


def test_files_are_completed_escaped_and_hidden_ones_when_they_are_meant(tmp_path: Path) -> None:
    for name in ("my cat.png", "my dog.png", ".hidden", "bad\x1b[31m.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    start = f"/save {tmp_path}/"
    assert offered(start) == [
        f"{start}{each}" for each in ("folder/", "my\\ cat.png", "my\\ dog.png")
    ]
    assert offered(f"{start}my\\ c") == [f"{start}my\\ cat.png"]
    assert offered(f"{start}.h") == [f"{start}.hidden"]
    assert offered(f"look at {tmp_path}/fo") == [f"look at {tmp_path}/folder/"]
    assert offered(f"/save {tmp_path}/no/such/") == []


async def loaded(history: LineHistory) -> list[str]:
    return [each async for each in history.load()]


def test_lines_are_kept_for_the_next_chat_and_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "chat-history"
    first = LineHistory(path)
    lines: Iterable[str] = ("hello", "two\nlines", "grüße")
    for line in lines:
        first.append_string(line)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert asyncio.run(loaded(LineHistory(path))) == ["grüße", "two\nlines", "hello"]


def test_where_no_file_can_be_written_lines_last_as_long_as_the_chat(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = LineHistory(tmp_path / "file" / "chat-history")
    history.append_string("hello")
    assert history.get_strings() == ["hello"]
    assert asyncio.run(loaded(LineHistory(tmp_path / "file" / "chat-history"))) == []
