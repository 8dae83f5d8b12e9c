"""`agentkit worker` and `agentkit runs`: runs that a process of its own goes on with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from agentkit import FileImageStore
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.integrations.dbos import Durable
from tests.buckets import KEY, SECRET, Faults, faulty
from tests.processes import PATIENCE, Child, command, started
from tests.unit.cli.commands import asks, run

AGENTS = '''
from agentkit import Agent, ImageGeneration, tool

@tool(approve=True)
def buy(what: str) -> str:
    """Buys.

    Args:
        what: What.
    """
    return f"{what}: bought"

fox = Agent("openai/gpt-5.2", name="fox", tools=[buy, ImageGeneration()], checks=False)
'''


class Place:
    """A database, a file with an agent, and the commands that are run there."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.folder, self.emulator = folder, emulator
        self.url = f"sqlite:///{folder / 'runs.db'}"
        self.agents = folder / "agents.py"
        self.agents.write_text(AGENTS)
        self.environment = asks(emulator, folder)

    def run(self, *arguments: str) -> CompletedProcess[str]:
        return run("runs", *arguments, "--db", self.url, **self.environment)

    def start(self, prompt: str, name: str) -> None:
        """Begin a run, as an application does."""

        async def begin() -> None:
            durable = Durable(self.url, store=FileImageStore(self.folder / "store"))
            await durable.start(prompt, agent="fox", id=name)
            await durable.close()

        asyncio.run(begin())

    def state(self, name: str) -> dict[str, Any]:
        shown = self.run("show", name, "--json")
        assert shown.returncode == 0, shown.stderr
        return json.loads(shown.stdout)

    def until(self, name: str, status: str) -> dict[str, Any]:
        return waited(lambda: found if (found := self.state(name))["status"] == status else None)

    @contextmanager
    def worker(self) -> Iterator[Child]:
        """A worker in a process of its own, from when it says its name."""
        given = ("worker", "-A", f"{self.agents}:fox", "-n", "2", "--db", self.url)
        with pytest.MonkeyPatch.context() as patched:
            for name, value in self.environment.items():
                patched.setenv(name, value)
            child = started(command, given, folder=self.folder)
        try:
            told = self.folder / "stdout"
            waited(lambda: (told.exists() and told.read_text()) or not child.is_alive())
            yield child
        finally:
            child.kill()
            child.join(PATIENCE)


def waited(look: Callable[[], Any]) -> Any:
    """What another process does: the first value that is not false."""
    until = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


@pytest.fixture
def place(tmp_path: Path, emulator: Emulator) -> Place:
    return Place(tmp_path, emulator)


def test_a_worker_draws_waits_for_a_person_and_ends_by_a_signal(place: Place) -> None:
    place.emulator.play(
        [
            Reply([Say("A fox."), Draw("a fox", size=(64, 64))]),
            Reply([CallTool("buy", {"what": "a hat"})]),
            "Bought.",
        ]
    )
    place.start("Draw a fox", "one")
    assert place.state("one")["waits_for"] == "a worker with the agent 'fox'"
    with place.worker() as worker:
        place.until("one", "completed")
        shown = place.run("show", "one")
        assert shown.stdout.splitlines()[1] == "A fox."
        assert Path(shown.stdout.splitlines()[-1]).read_bytes()[1:4] == b"PNG"

        place.start("Buy a hat", "two")
        (call,) = place.until("two", "waiting")["pending"]
        told = place.run("show", "two").stderr.splitlines()
        assert told[0] == f"agentkit runs approve two --db {place.url} --approve {call}"
        wrong = place.run("approve", "two", "--approve", "another")
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert "the run waits for" in wrong.stderr
        assert place.run("approve", "two", "--approve", call).returncode == 0
        place.until("two", "completed")
        os.kill(worker.pid, signal.SIGTERM)
        worker.join(PATIENCE)
        assert worker.exitcode == 0, (place.folder / "stderr").read_text()
    listed = [line.split("\t") for line in place.run("list").stdout.splitlines()]
    assert [(row[0], *row[2:]) for row in listed] == [
        ("two", "completed", "fox", ""),
        ("one", "completed", "fox", ""),
    ]
    assert place.run("list", "--status", "waiting").stderr == "agentkit: no run\n"


@pytest.mark.slow
def test_a_signal_waits_for_the_step_under_way_whose_reply_is_not_asked_for_again(
    place: Place,
) -> None:
    place.emulator.play([Reply([Say("Slow."), Draw("a fox", size=(64, 64))], delay=4.0)])
    place.start("Draw a fox", "one")
    with place.worker() as worker:
        waited(lambda: place.emulator.posts)
        os.kill(worker.pid, signal.SIGTERM)
        worker.join(PATIENCE)
        assert worker.exitcode == 0, (place.folder / "stderr").read_text()
    (place.folder / "stdout").unlink()
    with place.worker():
        place.until("one", "completed")
    assert len(place.emulator.posts) == 1


@pytest.mark.slow
def test_a_second_signal_does_not_wait(place: Place) -> None:
    place.emulator.play([Reply([Say("Never.")], delay=600.0)])
    place.start("Draw a fox", "one")
    with place.worker() as worker:
        waited(lambda: place.emulator.requests)
        for _ in range(2):
            os.kill(worker.pid, signal.SIGTERM)
            time.sleep(0.5)
        worker.join(PATIENCE)
        assert worker.exitcode == 0, (place.folder / "stderr").read_text()
    assert place.state("one")["status"] != "completed"


def test_what_is_wrong_is_said_in_one_line(place: Place, tmp_path: Path) -> None:
    missing = place.run("list")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "there is no such file; a worker, or Durable(…), makes it" in missing.stderr
    place.start("Draw a fox", "one")
    for arguments, words in {
        ("show", "two"): "no run has the id 'two'",
        ("resume", "one"): "the run is queued; accepted is one that failed",
        ("approve", "one"): "prints what it waits for",
        ("list", "--status", "lost"): "accepted",
    }.items():
        done = place.run(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert place.run("cancel", "one").stdout.split("\t")[2] == "cancelled"
    no_agent = run("worker", "--db", place.url, **place.environment)
    assert (no_agent.returncode, no_agent.stdout) == (2, "")
    other = run("worker", "-A", f"{place.agents}:wolf", "--db", place.url, **place.environment)
    assert other.returncode == 2
    assert "wolf" in other.stderr


def test_a_bucket_without_rights_is_told_before_a_run_is_taken(place: Place) -> None:
    place.start("Draw a fox", "one")
    denied = b"<Error><Code>AccessDenied</Code></Error>"
    with faulty(Faults(0, answer=(403, denied))) as faults:
        keys = {
            "AWS_ENDPOINT_URL": faults.service.origin,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }
        given = ("worker", "-A", f"{place.agents}:fox", "--db", place.url)
        told = run(*given, "--store", "s3://pictures", **place.environment, **keys)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == (
        "agentkit: cannot write to the image store s3://pictures: this key may not do that: it "
        "needs the rights to get, put, list and delete objects there (403 AccessDenied)\n"
    )
    assert place.state("one")["status"] == "queued"
    assert not place.emulator.requests
