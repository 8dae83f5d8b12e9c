"""Turns that belong to the server: begun, read from their start, left, stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from agentkit import FetchPolicy
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Raw, Reply, Say
from agentkit.sessions import Sessions
from agentkit.web import app
from tests.clock import GUARD
from tests.conftest import picture
from tests.unit.web.talking import (
    TOKEN,
    Gate,
    Talker,
    agent_for,
    chat_server,
    closing,
    kinds,
    message,
    painting,
    text_of,
    told,
    wait_for,
    web_for,
)
from tests.web_server import serving_app

FOX = Reply([Say("Here: "), Draw("a fox", size=(64, 64)), Say("a fox.")])
CALL = Reply([CallTool("wait", {"city": "Oslo"})])


def test_a_message_is_answered_and_kept(emulator: Emulator, tmp_path: Path) -> None:
    emulator.play(FOX)
    with chat_server(emulator, tmp_path) as page:
        stream = page.begin("ada", "Draw a fox")
        assert stream.response.getheader("x-vercel-ai-ui-message-stream") == "v1"
        assert stream.response.getheader("cache-control") == "no-store"
        chunks = list(stream.chunks())
        assert chunks[0]["type"] == "start"
        assert kinds(chunks)[-2:] == ["finish-step", "finish"]
        assert text_of(chunks).startswith("Here: ")
        (file,) = [each for each in chunks if each["type"] == "file"]
        history = page.history("ada")
        assert [each["role"] for each in history["messages"]] == ["user", "assistant"]
        prompt, answer = history["messages"]
        assert told(prompt) == "Draw a fox"
        assert answer["id"] == chunks[0]["messageId"]
        assert prompt["id"] == f"{answer['id']}-prompt"
        assert file["url"] in [each.get("url") for each in answer["parts"]]
        assert history["title"] == "Draw a fox"
        assert (history["status"], history["imagesCount"]) == ("idle", 1)
        assert page.ask("GET", "/api/chat/ada/stream").status == 204
        (listed,) = page.get("/api/chats")["chats"]
        assert (listed["id"], listed["turns"], listed["status"]) == ("ada", 1, "idle")


def test_a_turn_goes_on_when_its_reader_has_gone(emulator: Emulator, tmp_path: Path) -> None:
    gate = Gate()
    emulator.play(CALL, Reply([Say("It snows.")]))
    with chat_server(emulator, tmp_path, tools=[gate.tool()]) as page:
        first = page.begin("ada", "How is the weather?")
        first.until("tool-input-available")
        assert gate.reached.wait(GUARD)
        first.leave()
        history = page.history("ada")
        assert (history["status"], history["title"]) == ("running", "How is the weather?")
        assert page.get("/api/chats")["chats"][0]["title"] == "How is the weather?"
        assert [each["role"] for each in history["messages"]] == ["user"]
        again, third = (page.open("GET", "/api/chat/ada/stream") for _ in range(2))
        seen = again.until("tool-input-available")
        assert seen[0]["type"] == "start"
        gate.opened.set()
        rest = list(again.chunks())
        assert text_of(rest) == "It snows."
        assert kinds(list(third.chunks())) == kinds([*seen, *rest])
        assert [told(each) for each in page.history("ada")["messages"]] == [
            "How is the weather?",
            "It snows.",
        ]


def test_a_history_fits_its_status(emulator: Emulator, tmp_path: Path) -> None:
    """It is asked for while turns begin and end: where none goes on, each prompt has its answer."""
    turns = 12
    emulator.play(*(Reply([Say("Yes.")]) for _ in range(turns)))
    wrong: list[object] = []
    with chat_server(emulator, tmp_path) as page, ThreadPoolExecutor(2) as pool:
        is_over = threading.Event()

        def look() -> None:
            while not is_over.is_set():
                found = page.ask("GET", "/api/chat/ada").json()
                roles = [each["role"] for each in found.get("messages", ())]
                if found.get("status") == "idle" and roles.count("user") != len(roles) / 2:
                    wrong.append(found)

        looking = [pool.submit(look) for _ in range(2)]
        for number in range(turns):
            page.say("ada", f"Is it {number}?")
        is_over.set()
        for each in looking:
            each.result()
    assert wrong == []


def test_one_turn_at_a_time(emulator: Emulator, tmp_path: Path) -> None:
    gate = Gate()
    emulator.play(CALL, Reply([Say("It snows.")]), Reply([Say("Yes.")]))
    with chat_server(emulator, tmp_path, tools=[gate.tool()]) as page:
        first = page.begin("ada", "How is the weather?")
        first.until("tool-input-available")
        second = page.ask("POST", "/api/chat", message("ada", "And now?"))
        assert second.status == 409
        assert "going on" in second.json()["error"]
        retry = {"id": "ada", "trigger": "regenerate-message"}
        assert page.ask("POST", "/api/chat", retry).status == 409
        assert page.ask("DELETE", "/api/chat/ada").status == 409
        gate.opened.set()
        assert text_of(list(first.chunks())) == "It snows."
        assert text_of(page.say("ada", "And now?")) == "Yes."
        assert page.history("ada")["turns"] == 2


def test_a_turn_that_is_stopped_keeps_what_came(emulator: Emulator, tmp_path: Path) -> None:
    gate = Gate()
    emulator.play(Reply([Say("Let me see."), CallTool("wait", {"city": "Oslo"})]))
    with chat_server(emulator, tmp_path, tools=[gate.tool()]) as page:
        stream = page.begin("ada", "How is the weather?")
        seen = stream.until("tool-input-available")
        assert page.ask("POST", "/api/chat/ada/stop", {}).json() == {"stopped": True}
        seen += stream.chunks()
        assert kinds(seen)[-3:] == ["abort", "finish-step", "finish"]
        answer = page.history("ada")["messages"][-1]
        assert told(answer) == "Let me see."
        assert answer["metadata"]["status"] == "stopped"
        assert page.ask("POST", "/api/chat/ada/stop", {}).json() == {"stopped": False}
        gate.opened.set()


@contextmanager
def slow_picture() -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """The address of a picture; whether it was asked for, and whether it may come."""
    asked, released = threading.Event(), threading.Event()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            assert released.wait(GUARD)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(picture(size=(60, 50), noise=1))

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as host:
        serving = threading.Thread(target=host.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{host.server_port}/fox", asked, released
        finally:
            released.set()
            host.shutdown()
            serving.join()


def test_a_picture_that_comes_after_the_stop_is_waited_for(
    emulator: Emulator, tmp_path: Path
) -> None:
    fetch = FetchPolicy(private=True, grace=GUARD)
    with slow_picture() as (url, asked, released), ExitStack() as stack:
        image = {"type": "image_url", "image_url": {"url": url}}
        emulator.play(Reply([Say("Here: "), Raw(chat={"images": [image]})]))
        page = stack.enter_context(chat_server(emulator, tmp_path, fetch=fetch))
        stream = page.begin("ada", "Draw a fox")
        assert asked.wait(GUARD)
        assert page.ask("POST", "/api/chat/ada/stop", {}).json() == {"stopped": True}
        again = message("ada", "And?")

        def refused() -> str:
            words = str(page.ask("POST", "/api/chat", again).json()["error"])
            return words if words.startswith("Pictures") else ""

        assert "on their way" in wait_for(refused)
        released.set()
        assert [each["type"] for each in stream.chunks()].count("file") == 1
        history = page.history("ada")
        assert (history["status"], history["imagesCount"]) == ("idle", 1)


def test_a_turn_that_is_stopped_before_it_begins_says_so(
    emulator: Emulator, tmp_path: Path
) -> None:
    """It waits for the conversation, which somebody else has."""
    agent = agent_for(emulator, tmp_path)
    sessions = Sessions(f"sqlite:///{tmp_path}/chats.db", store=agent.store, wait=GUARD)
    free = sessions.record("ada", agent).lock(0.0)
    with serving_app(closing(app(agent, sessions=sessions, token=TOKEN))) as served:
        page = Talker(served, {"authorization": f"Bearer {TOKEN}"})
        with ThreadPoolExecutor(1) as pool:
            begun = pool.submit(page.ask, "POST", "/api/chat", message("ada", "What is 2 + 2?"))
            wait_for(lambda: page.ask("POST", "/api/chat/ada/stop", {}).status == 200)
            reply = begun.result()
        assert (reply.status, "stopped" in reply.json()["error"]) == (409, True)
        free()
        assert page.ask("POST", "/api/chat", message("ada", "What is 2 + 2?")).status == 200
    assert len(emulator.posts) == 1


def test_what_failed_is_said_and_the_next_turn_works(emulator: Emulator, tmp_path: Path) -> None:
    emulator.play(Reply(error=Failure(code=402)), Reply([Say("Hello.")]))
    with chat_server(emulator, tmp_path) as page:
        chunks = page.say("ada", "Hello?")
        (error,) = [each["errorText"] for each in chunks if each["type"] == "error"]
        assert error == "The account of this server has no credit left."
        assert kinds(chunks)[-2:] == ["finish-step", "finish"]
        assert text_of(page.say("ada", "Hello?")) == "Hello."


def test_an_unknown_conversation_is_not_there(emulator: Emulator, tmp_path: Path) -> None:
    with chat_server(emulator, tmp_path) as page:
        asked = [
            ("GET", "", None),
            ("POST", "/stop", {}),
            ("POST", "/go-on", {}),
            ("POST", "/drop", {}),
            ("POST", "/fork", {}),
            ("PATCH", "", {"title": "Mine"}),
            ("DELETE", "", None),
        ]
        for method, path, body in asked:
            reply = page.ask(method, f"/api/chat/nobody{path}", body)
            assert (reply.status, "error" in reply.json()) == (404, True), (method, path)
        assert page.ask("GET", "/api/nothing").status == 404
        assert page.ask("GET", "/api/chat/nobody/stream").status == 204, "a new one asks for it"
        assert page.ask("PUT", "/api/about").status in {404, 405}


def test_what_failed_stays_to_be_seen(emulator: Emulator, tmp_path: Path) -> None:
    emulator.play(
        Reply([CallTool("paint", {"what": "a fox"})]), Reply(error=Failure(code=402)), FOX
    )
    with chat_server(emulator, tmp_path, tools=[painting()]) as page:
        chunks = page.say("ada", "Draw a fox")
        (words,) = [each["errorText"] for each in chunks if each["type"] == "error"]
        (file,) = [each["url"] for each in chunks if each["type"] == "file"]
        prompt, answer = page.history("ada")["messages"]
        assert told(prompt) == "Draw a fox"
        assert answer["metadata"]["status"] == "failed"
        assert page.get("/api/chats")["chats"][0]["title"] == "Draw a fox"
        assert answer["metadata"]["error"] == words
        assert file in [each.get("url") for each in answer["parts"]]
        assert page.ask("GET", f"/{file}").status == 200


def test_a_slow_reader_holds_up_nobody(emulator: Emulator, tmp_path: Path) -> None:
    """It reads nothing until the turn is over, and has all of it then."""
    words = "A long story. " * 20_000
    emulator.play(Reply([Say(words)], chunk=200), Reply([Say("Two.")]))
    with chat_server(emulator, tmp_path) as page:
        slow = page.begin("ada", "Tell me a story")
        quick = page.open("GET", "/api/chat/ada/stream")
        assert text_of(list(quick.chunks())).strip() == words.strip()
        assert text_of(page.say("bea", "Count")) == "Two."
        assert page.history("ada")["status"] == "idle"
        assert text_of(list(slow.chunks())).strip() == words.strip()


def test_the_end_of_a_server_waits_as_long_as_downloads_may_take(
    emulator: Emulator, tmp_path: Path
) -> None:
    for grace in (0.0, 30.0, 120.0):
        web = web_for(agent_for(emulator, tmp_path, fetch=FetchPolicy(grace=grace)), tmp_path)
        assert web.close_seconds > grace
