"""The tables of the documents name every field, option and key that there is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

import pytest

from agentkit import (
    Agent,
    Answer,
    FetchPolicy,
    Limits,
    ModelSettings,
    OpenRouter,
    Usage,
    testing,
)
from agentkit.demo.script import Expect, Script, Turn
from agentkit.emulator import Emulator, Fault
from agentkit.errors import __all__ as errors
from agentkit.events import __all__ as events
from agentkit.hooks import Hooks
from agentkit.openrouter import Price, Retry, Timeouts, Tls
from agentkit.studio import Options
from agentkit.wire.usage import BYOK, COSTS, COUNTS
from tests.architecture.documents import ROOT


def names_of(kind: Any) -> set[str]:
    """The fields of a dataclass."""
    return {each.name for each in fields(kind)}


def arguments_of(function: Callable[..., Any]) -> set[str]:
    return {*inspect.signature(function).parameters}


def first_cells(page: str, heading: str = "") -> set[str]:
    """The code in the first cells of the tables of a page, or of one of its sections."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    if heading:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \|.*\n(?!\|---)", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)[`(]", cell)}


TABLES: list[tuple[str, str, Iterable[str]]] = [
    ("configuration.md", "The agent", arguments_of(Agent)),
    ("configuration.md", "Model settings", names_of(ModelSettings)),
    (
        "configuration.md",
        "The client",
        arguments_of(OpenRouter) | names_of(Timeouts) | names_of(Retry),
    ),
    ("other-services.md", "What it costs", names_of(Price)),
    ("configuration.md", "Downloads", names_of(FetchPolicy)),
    ("networks.md", "Certificates of your own", names_of(Tls)),
    ("money.md", "The limits of a run", names_of(Limits)),
    ("image-api.md", "Options", Options.__annotations__),
    ("hooks.md", "", names_of(Hooks)),
    ("demo-scripts.md", "The script", names_of(Script) - {"document", "folder"}),
    ("demo-scripts.md", "A turn", Turn.model_fields),
    ("demo-scripts.md", "What is expected", Expect.model_fields),
    ("testing.md", "The emulator without pytest", arguments_of(Emulator)),
    (
        "testing.md",
        "Assertions",
        [name for name in testing.__all__ if name.startswith("assert_")],
    ),
    ("testing.md", "Faults", names_of(Fault) - {"billed", "when", "name"}),
    ("conversations.md", "Watch a turn", set(events) - {"Event"}),
    ("errors.md", "", set(errors) - {"AgentkitError", "RunError", "APIError"}),
]


@pytest.mark.parametrize(
    ("page", "heading", "names"), TABLES, ids=[f"{page} {heading}" for page, heading, _ in TABLES]
)
def test_a_table_is_complete(page: str, heading: str, names: Iterable[str]) -> None:
    assert first_cells(page, heading) == set(names)


def test_the_table_of_an_answer_is_complete() -> None:
    fields_of_answer = {name for name in dir(Answer) if not name.startswith("_")}
    methods = {"of", "save", "to_html", "to_markdown"}
    assert first_cells("conversations.md", "One prompt") == fields_of_answer - methods


def test_the_table_of_the_bill_is_complete() -> None:
    text = (ROOT / "docs" / "money.md").read_text("utf-8")
    table = text.partition("\n## The bill of a reply\n")[2].partition("\n## ")[0]
    told = set(
        re.findall(r"`([\w.]+)`", "".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)))
    )
    read = {BYOK, *COSTS, *(path for paths in COUNTS.values() for path in paths)}
    assert told - {"usage", "total_tokens"} == read
    ours = {"requests", "priced_requests", "unmetered_requests", "images"}
    ours.add("cache_saved_usd")  # counted by prices, not told
    assert names_of(Usage) - ours <= set(re.findall(r"`(\w+)`", table))
