"""What a typed or pasted line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.cli.terminal.typed import Command, Message, as_path, dropped_files, understood


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("hello", Message("hello")),
        ("  hello \r\n there \n", Message("hello \n there")),
        ("/help", Command("help")),
        ("/HELP  ", Command("help")),
        ("/save img_1 my folder", Command("save", "img_1 my folder")),
        ("/what ever", Command("what", "ever")),
        ("/home/ada/notes.txt says hello", Message("/home/ada/notes.txt says hello")),
        ("/", Message("/")),
        ("//help is a command", Message("/help is a command")),
        ("words\n/help", Message("words\n/help")),
        ("", Message("")),
    ],
)
def test_commands_and_messages(text: str, meaning: Command | Message) -> None:
    assert understood(text, exists=lambda _: False) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "'{}'",
        '"{}"',
        "{escaped}",
        "file://{url}",
        "  {escaped}  ",
    ],
)
def test_a_file_that_is_dropped_on_the_terminal_is_attached(text: str, tmp_path: Path) -> None:
    path = tmp_path / "my cat (1).png"
    path.write_bytes(b"")
    typed = text.format(
        path,
        escaped=str(path).replace(" ", "\\ ").replace("(", "\\(").replace(")", "\\)"),
        url=str(path).replace(" ", "%20"),
    )
    assert understood(typed) == Message("", (path,))


def test_several_files_are_attached_and_words_are_not_files(tmp_path: Path) -> None:
    cat, dog = tmp_path / "cat.png", tmp_path / "a dog.JPG"
    for path in (cat, dog):
        path.touch()
    assert dropped_files(f"{cat} '{dog}'") == (cat, dog)
    assert dropped_files(f"look at {cat}") == ()
    assert dropped_files(f"{cat} {tmp_path / 'none.png'}") == ()
    assert understood(f"what is in {cat}") == Message(f"what is in {cat}")


def test_home_and_variables_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PICTURES", "/srv/pictures")
    assert as_path("~/cat.png") == tmp_path / "cat.png"
    assert as_path("$PICTURES/cat.png") == Path("/srv/pictures/cat.png")
    assert as_path("'~/cat.png'") == Path("~/cat.png")  # quoted: as in a shell
    assert as_path("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")
