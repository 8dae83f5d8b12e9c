"""What is logged, to whom, and what never is: the table of `docs/logs.md` against the code, and the
three kinds of applications.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentkit
from agentkit import OpenRouter
from agentkit.emulator import Emulator, Fault, When
from agentkit.openrouter.catalogue import PATIENCE, Catalogue
from tests.clock import advance
from tests.processes import command, execute, forked

PACKAGE = Path(agentkit.__file__).parent
PAGE = PACKAGE.parent / "docs" / "logs.md"
LABELS = {"run", "generation"}
"""What `labels` of a reader has: the one for a run, the other for the Image API."""
NO_CATALOGUE = [Fault(status=500, when=When(api="models"))]


def calls() -> Iterator[tuple[str, str, set[str]]]:
    """(event, level, fields) of each line that the code logs."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            event, function = node.args[0], node.func
            is_ours = isinstance(function, ast.Attribute) and ast.unparse(function.value) == (
                "logger()"
            )
            if is_ours or (isinstance(function, ast.Name) and function.id == "write"):
                if not isinstance(event, ast.Constant):
                    continue
                level = function.attr if isinstance(function, ast.Attribute) else "warning"
                fields = {
                    name
                    for each in node.keywords
                    for name in ({each.arg} if each.arg else spread(each.value, tree))
                }
                yield str(event.value), level, fields


def spread(value: ast.expr, tree: ast.Module) -> set[str]:
    """The fields of `**value`: the labels of a reader, or a mapping that stands in the module."""
    if isinstance(value, ast.Attribute) and value.attr == "labels":
        return LABELS
    (found,) = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Dict)
        and ast.unparse(node.targets[0]) == ast.unparse(value)
    )
    return {str(key.value) for key in found.keys if isinstance(key, ast.Constant)}


def test_the_table_has_every_event_with_its_fields() -> None:
    logged: dict[str, set[str]] = defaultdict(set)
    levels: dict[str, set[str]] = defaultdict(set)
    for event, level, fields in calls():
        logged[event] |= fields
        levels[event].add(level)
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {event: set(re.findall(r"`(\w+)`", cell)) for event, _, cell in rows} == logged
    # Where one event has two levels, the table names the louder.
    assert {event: level for event, level, _ in rows} == {
        event: "warning" if "warning" in each else "info" for event, each in levels.items()
    }
    assert len(rows) == len(logged) > 15, "a row for each event"


def test_no_field_is_one_that_the_standard_library_refuses() -> None:
    """As `extra`, which `structlog.stdlib.render_to_log_kwargs` makes of them."""
    taken = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "event", "level"}
    assert not {name for _, _, fields in calls() for name in fields} & taken


ASKS = """
from agentkit import Agent, tool

@tool
def weather(city: str) -> str:
    '''The weather in a city.'''
    return "snow"

async def ask(text="What is the weather in Oslo?"):
    return await Agent("openai/gpt-5.2", tools=[weather], name="greeter").run(text)
"""
SILENT = ASKS + "print(asyncio.run(ask()).status)"
STANDARD = """
import logging
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
print(asyncio.run(ask()).status)
"""
STRUCTLOG = """
import structlog
structlog.configure(processors=[
    structlog.contextvars.merge_contextvars, structlog.processors.add_log_level,
    structlog.processors.JSONRenderer()])
structlog.contextvars.bind_contextvars(customer="ada")
print(Agent("openai/gpt-5.2", tools=[weather]).run_sync("What is the weather in Oslo?").status)
"""
ASYNC_STRUCTLOG = """
import structlog
structlog.configure(processors=[structlog.processors.JSONRenderer()],
    wrapper_class=structlog.stdlib.AsyncBoundLogger)
print(asyncio.run(ask()).status)
"""
EXTRA = """
import logging, structlog
class Fields(logging.Formatter):
    def format(self, record):
        return f"{record.getMessage()} {getattr(record, 'tool', '-')}"
handler = logging.StreamHandler()
handler.setFormatter(Fields())
logging.basicConfig(level=logging.INFO, handlers=[handler])
structlog.configure(processors=[structlog.stdlib.render_to_log_kwargs],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger)
print(asyncio.run(ask()).status)
"""
BROKEN = """
import logging, structlog
logging.basicConfig(level=logging.ERROR, format="%(message)s")
def breaks(logger, method, fields):
    raise KeyError("a field that I need")
structlog.configure(processors=[breaks])
print(asyncio.run(ask()).status)
"""


def printed(code: str, emulator: Emulator, folder: Path) -> tuple[str, str]:
    """What a program prints, to stdout and stderr, whose last line is the status of an answer."""
    environment = {
        **os.environ,
        "OPENROUTER_API_KEY": "sk-or-any",
        "OPENROUTER_BASE_URL": emulator.base_url,
        "AGENTKIT_STORE": str(folder),
    }
    whole = "import asyncio\n" + (code if code == SILENT else ASKS + code)
    done = forked(execute, whole, environment=environment)
    assert done.returncode == 0, done.stderr
    out = done.stdout.splitlines()
    assert out[-1] == "completed"
    return "\n".join(out[:-1]), done.stderr


def test_an_application_that_configures_nothing_sees_nothing(tmp_path: Path) -> None:
    """Not even the warning that there is no catalogue."""
    with Emulator(faults=NO_CATALOGUE) as emulator:
        assert printed(SILENT, emulator, tmp_path) == ("", "")


def test_an_application_with_the_standard_library(emulator: Emulator, tmp_path: Path) -> None:
    lines = printed(STANDARD, emulator, tmp_path)[1].splitlines()
    ours = [line for line in lines if line.startswith(("INFO event=", "WARNING event="))]
    events = [re.match(r"\w+ event='(\w+)'", line) for line in ours]
    assert [each[1] for each in events if each] == [
        "key_over_plain_http",
        "request",
        "invocation",
        "request",
        "run",
    ]
    assert "tool='weather'" in ours[2]
    assert "agent='greeter'" in ours[-1]


def test_an_application_with_structlog(emulator: Emulator, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in printed(STRUCTLOG, emulator, tmp_path)[0].splitlines()]
    assert {line["customer"] for line in lines} == {"ada"}, "what the caller of a sync form bound"
    assert [line["event"] for line in lines][-2:] == ["request", "run"]
    assert lines[-1]["status"] == "completed"
    assert lines[-1]["cost_usd"] > 0


@pytest.mark.parametrize("code", [ASYNC_STRUCTLOG, EXTRA], ids=["async", "extra"])
def test_other_kinds_of_structlog(code: str, emulator: Emulator, tmp_path: Path) -> None:
    out, err = printed(code, emulator, tmp_path)
    assert "invocation" in out + err
    assert "weather" in out + err
    assert "Error" not in out + err
    assert "never awaited" not in err


def test_a_logger_that_fails_ends_no_run(emulator: Emulator, tmp_path: Path) -> None:
    err = printed(BROKEN, emulator, tmp_path)[1]
    assert "the event 'run' could not be logged" in err
    assert "KeyError: 'a field that I need'" in err


def test_nothing_is_printed_between_the_words_of_a_chat(tmp_path: Path) -> None:
    with Emulator(faults=NO_CATALOGUE) as emulator:
        done = forked(
            command,
            ("chat", "--live"),
            stdin="Hello\n/quit\n",
            environment={
                **os.environ,
                "OPENROUTER_API_KEY": "sk-or-any",
                "OPENROUTER_BASE_URL": emulator.base_url,
                "AGENTKIT_STORE": str(tmp_path),
            },
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "catalogue" not in done.stdout


async def test_a_client_warns_once_that_there_is_no_catalogue(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="agentkit")
    with Emulator(faults=NO_CATALOGUE) as emulator:
        for _ in range(2):
            async with OpenRouter(api_key="k", base_url=emulator.base_url) as client:
                for _ in range(3):
                    assert await Catalogue(client, ttl=0).all_chat_models() == ()
                assert await Catalogue(client).image_model("a/b") is None
    told = [each.levelname for each in caplog.records if "catalogue_not_had" in each.message]
    assert told == ["WARNING", "INFO", "INFO", "INFO"] * 2


async def test_the_time_for_the_catalogue_begins_when_the_client_is_ready(
    emulator: Emulator,
) -> None:
    """On a busy machine, loading the libraries takes longer than the catalogue may."""

    prepared = 0

    class Slow(OpenRouter):
        async def prepare(self) -> None:
            nonlocal prepared
            prepared += 1
            await super().prepare()
            advance(PATIENCE * 2)

    async with Slow(api_key="k", base_url=emulator.base_url) as client:
        assert await Catalogue(client).chat_model("openai/gpt-5.2") is not None
    assert prepared == 1


async def test_a_client_that_is_prepared_has_sent_nothing(emulator: Emulator) -> None:
    async with OpenRouter(api_key="k", base_url=emulator.base_url) as client:
        await client.prepare()
        await client.prepare()
    assert emulator.requests == []
