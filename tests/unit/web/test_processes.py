"""A server that is killed, or ended, in the middle of an answer, and one that takes its place."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from agentkit.emulator import CallTool, Draw, Emulator, Fault, Reply, Say, Socket, When
from tests.processes import PATIENCE, command, forked, started
from tests.unit.web.talking import Talker, answered, kinds, message, text_of, told, wait_for
from tests.web_server import Served

AGENT = """
import asyncio
from pathlib import Path

from agentkit import Agent, ImageGeneration, tool

HERE = Path(__file__).parent

@tool
async def wait(city: str) -> str:
    \"\"\"The weather.

    Args:
        city: Where.
    \"\"\"
    with (HERE / "calls").open("a") as file:
        file.write(city)
    while not (HERE / "open").exists():
        await asyncio.sleep(0.02)
    return f"{city}: snow"

agent = Agent("openai/gpt-5.2", tools=[wait, ImageGeneration()], checks=False)
"""
DRAWS = Reply([Say("Look."), Draw("a fox", size=(64, 64)), CallTool("wait", {"city": "Oslo"})])


class Place:
    """Where servers are started, one after the other, with the same database and pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._count = folder, 0
        (folder / "agents.py").write_text(AGENT)

    @contextmanager
    def server(self) -> Iterator[tuple[Talker, int]]:
        """`agentkit serve` in a process of its own: somebody who has its link, and its id."""
        self._count += 1
        outputs = self.folder / str(self._count)
        outputs.mkdir()
        words = ("serve", "-A", f"{self.folder}/agents.py:agent", "--port", "0")
        child = started(
            command,
            (*words, "--sessions", f"sqlite:///{self.folder}/chats.db"),
            folder=outputs,
        )
        try:
            link = wait_for(lambda: _line(outputs / "stdout"))
            found = urlsplit(link)
            (token,) = parse_qs(found.query)["token"]
            page = Talker(Served(found.port or 0), {"authorization": f"Bearer {token}"})
            assert child.pid is not None
            yield page, child.pid
            for stream in page.streams:
                stream.leave()
            if child.is_alive():
                os.kill(child.pid, signal.SIGTERM)
            child.join(PATIENCE)
            ended = (0, -signal.SIGKILL)
            assert child.exitcode in ended, (outputs / "stderr").read_text()
        finally:
            child.kill()
            child.join()


def _line(file: Path) -> str:
    text = file.read_text() if file.exists() else ""
    return text.split("\n", 1)[0] if "\n" in text else ""


@pytest.fixture
def place(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("OPENROUTER_BASE_URL", emulator.base_url)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-any")
    monkeypatch.setenv("AGENTKIT_STORE", str(tmp_path / "pictures"))
    return Place(tmp_path)


def test_killed_in_the_middle(place: Place, emulator: Emulator) -> None:
    """What was received is shown by the next server, which goes on and buys nothing twice."""
    emulator.play(DRAWS, Reply([Say("It snows.")]))
    with place.server() as (page, process):
        seen = page.begin("ada", "Draw a fox").until("tool-input-available")
        wait_for((place.folder / "calls").exists)
        os.kill(process, signal.SIGKILL)
    assert len(emulator.posts) == 1
    with place.server() as (page, _):
        history = page.history("ada")
        assert history["status"] == "interrupted"
        (listed,) = page.get("/api/chats")["chats"]
        assert (listed["status"], listed["title"]) == ("interrupted", "Draw a fox")
        assert history["interrupted"]["images"] == 1
        prompt, answer = history["messages"]
        assert told(prompt) == "Draw a fox"
        assert (answer["id"], told(answer)) == (seen[0]["messageId"], "Look.")
        (file,) = [each["url"] for each in answer["parts"] if each["type"] == "file"]
        assert page.ask("GET", f"/{file}").status == 200
        assert page.ask("POST", "/api/chat/ada/fork", {}).status == 201
        (place.folder / "open").touch()
        rest = list(page.open("POST", "/api/chat/ada/go-on", {}).chunks())
        assert rest[0]["messageId"] == answer["id"]
        assert text_of(rest) == "It snows."
        history = page.history("ada")
        assert (history["status"], history["imagesCount"]) == ("idle", 1)
        assert told(history["messages"][1]) == "Look.It snows."
        assert page.ask("POST", "/api/chat/ada/go-on", {}).status == 409
    assert len(emulator.posts) == 2
    assert sum(len(post.images) for post in emulator.posts) == 1


@pytest.mark.slow
def test_a_new_message_keeps_what_was_interrupted(place: Place, emulator: Emulator) -> None:
    emulator.play(DRAWS, Reply([Say("Good morning.")]))
    with place.server() as (page, process):
        page.begin("ada", "Draw a fox").until("tool-input-available")
        wait_for((place.folder / "calls").exists)
        os.kill(process, signal.SIGKILL)
    with place.server() as (page, _):
        assert text_of(page.say("ada", "Hello")) == "Good morning."
        words = [told(each) for each in page.history("ada")["messages"]]
        assert words == ["Draw a fox", "Look.", "Hello", "Good morning."]


def test_ended_with_a_stream_that_is_read(place: Place, emulator: Emulator) -> None:
    """SIGTERM: the stream ends as a stopped one does, and what came of the turn is kept."""
    emulator.play(DRAWS)
    with place.server() as (page, process):
        stream = page.begin("ada", "Draw a fox")
        stream.until("tool-input-available")
        left = page.begin("bea", "What is 2 + 2?")
        assert text_of(list(left.chunks()))
        wait_for((place.folder / "calls").exists)
        os.kill(process, signal.SIGTERM)
        assert kinds(list(stream.chunks()))[-3:] == ["abort", "finish-step", "finish"]
    with place.server() as (page, _):
        history = page.history("ada")
        assert history["status"] == "idle"
        assert history["messages"][-1]["metadata"]["status"] == "stopped"
        assert told(history["messages"][-1]) == "Look."


@pytest.mark.slow
def test_two_servers_of_one_database(place: Place, emulator: Emulator) -> None:
    emulator.play(DRAWS, Reply([Say("It snows.")]))
    with place.server() as (page, _), place.server() as (other, _):
        stream = page.begin("ada", "Draw a fox")
        stream.until("tool-input-available")
        wait_for((place.folder / "calls").exists)
        assert other.history("ada")["status"] == "running"
        assert [told(each) for each in other.history("ada")["messages"]] == ["Draw a fox"]
        (listed,) = other.get("/api/chats")["chats"]
        assert (listed["status"], listed["title"]) == ("running", "Draw a fox")
        assert other.ask("POST", "/api/chat", message("ada", "And?")).status == 409
        assert other.ask("DELETE", "/api/chat/ada").status == 409
        (place.folder / "open").touch()
        assert text_of(list(stream.chunks())) == "It snows."
        assert told(other.history("ada")["messages"][-1]) == "Look.It snows."


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.7.7", "::"])
def test_a_public_address_needs_a_name(host: str) -> None:
    done = forked(command, ("serve", "--offline", "--port", "0", "--host", host))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert host in done.stderr


def test_a_port_that_is_taken(emulator: Emulator) -> None:
    port = urlsplit(emulator.base_url).port
    done = forked(command, ("serve", "--offline", "--port", str(port)))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "in use" in done.stderr


def test_killed_in_the_middle_of_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what became of the request: it is not sent again before a person says so."""
    stall = Fault(socket=Socket("stall", at="body", byte=9_000), when=When(nth=(1,), times=1))
    with Emulator(faults=[stall], image_places=["message_images"]) as emulator:
        monkeypatch.setenv("OPENROUTER_BASE_URL", emulator.base_url)
        monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-any")
        monkeypatch.setenv("AGENTKIT_STORE", str(tmp_path / "pictures"))
        place = Place(tmp_path)
        with place.server() as (page, process):
            page.begin("ada", "Draw a fox").until("start")
            wait_for(lambda: emulator.posts)
            os.kill(process, signal.SIGKILL)
        with place.server() as (page, _):
            history = page.history("ada")
            assert history["status"] == "interrupted"
            assert history["interrupted"]["inFlight"] == 1
            rest = list(page.open("POST", "/api/chat/ada/go-on", {}).chunks())
            assert "tool-approval-request" in kinds(rest), "a person says what becomes of it"
            assert len(emulator.posts) == 1
            assert page.history("ada")["status"] == "waiting"
            again = answered(page, "ada", approved=True)
            rest = list(page.open("POST", "/api/chat", again).chunks())
            assert "file" in kinds(rest)
            assert len(emulator.posts) == 2
            history = page.history("ada")
            assert history["imagesCount"] == 1
            parts = history["messages"][-1]["parts"]
            (asked,) = [each for each in parts if each.get("approval")]
            assert (asked["state"], asked["output"]) == (
                "output-available",
                "the request was sent again",
            )
            pictures = [each["data"]["status"] for each in parts if each["type"] == "data-picture"]
            # That which broke off is there, too, if it was written down before the kill.
            assert pictures in (["ready"], ["failed", "ready"])
