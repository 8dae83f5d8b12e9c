"""Markdown as rows of a terminal: each is given once, when it is final."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from agentkit.cli.terminal.markdown import MarkdownLines


def shown(blocks: list[RenderableType], width: int = 60) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    for block in blocks:
        console.print(block, crop=False)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def rows(text: str, width: int = 60) -> list[str]:
    lines = MarkdownLines()
    blocks = [block for line in text.split("\n") for block in lines.take(line)]
    return shown([*blocks, *lines.end_table()], width)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words", ["plain words"]),
        ("# A title", ["A title"]),
        ("### Small ###", ["Small"]),
        ("- one\n* two\n  + three", ["• one", "• two", "  • three"]),
        ("1. one\n12) twelve", ["1. one", "12) twelve"]),
        ("> said\n> > and more", ["│ said", "│ │ and more"]),
        ("**bold** and *thin* and `a*b*c`", ["bold and thin and a*b*c"]),
        ("2 * 3 * 4 and snake_case_name", ["2 * 3 * 4 and snake_case_name"]),
        ("[here](https://example.org/x)", ["here (https://example.org/x)"]),
        ("![a fox](https://example.org/f.png) and words", ["[a fox] and words"]),
        ("---", ["─" * 24]),
        (
            "```py\n# no title\n- no item\n```\n# title",
            ["```py", "# no title", "- no item", "```", "title"],
        ),
        ("~~~\n```\n~~~", ["~~~", "```", "~~~"]),
        ("a | b", ["a | b"]),
        ("| not a table\nwords", ["| not a table", "words"]),
        ("[markup] is :fox: shown [/] as it is", ["[markup] is :fox: shown [/] as it is"]),
    ],
)
def test_a_line_is_shown_without_its_marks(text: str, expected: list[str]) -> None:
    assert rows(text) == expected


def test_words_are_wrapped_between_words_and_items_hang() -> None:
    assert rows("- one two three four", width=12) == ["• one two", "  three four"]
    assert rows("one two three", width=8) == ["one two", "three"]


def test_code_is_not_wrapped() -> None:
    code = "x" * 90
    assert rows(f"```\n{code}\n```", width=40)[1] == code


def test_a_table_is_given_when_it_has_ended_and_not_before() -> None:
    lines = MarkdownLines()
    for row in ("| name | legs |", "|---|--:|", "| fox | 4 |", "| owl \\| bat | 2 |"):
        assert lines.take(row) == []
    assert len(lines.table_rows) == 4
    drawn = shown(lines.take("after"))
    assert drawn[0].startswith("╭")
    assert [line for line in drawn if "fox" in line] == ["│ fox       │    4 │"]
    assert any("owl | bat" in line for line in drawn)
    assert drawn[-1] == "after"
    assert lines.table_rows == ()


def test_cells_that_are_missing_or_too_many_make_no_trouble() -> None:
    drawn = rows("| a | b |\n|---|---|\n| 1 |\n| 1 | 2 | 3 |")
    assert len(drawn) == 6


def test_without_a_terminal_the_lines_come_as_they_are() -> None:
    lines = MarkdownLines(formatted=False)
    assert shown(lines.take("**bold** `code`")) == ["**bold** `code`"]
    assert shown(lines.take("| a | b |")) == ["| a | b |"]
