"""Conversations of a server: approvals, another try, forks, titles, the list, users apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentkit import Budget, Context, FileImageStore, tool
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.sessions import Sessions
from agentkit.web import app
from tests.unit.web.talking import (
    Gate,
    Talker,
    agent_for,
    answered,
    chat_server,
    closing,
    kinds,
    message,
    painting,
    text_of,
    told,
    web_for,
)
from tests.web_server import serving_app

DELETES = Reply([Say("I delete it."), CallTool("delete", {"name": "a.txt"})])


class Files:
    """A tool that needs an approval, and what it has deleted."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    def tool(self) -> Any:
        @tool(approve=True)
        def delete(name: str) -> str:
            """Deletes a file.

            Args:
                name: Which.
            """
            self.gone.append(name)
            return f"{name} is gone"

        return delete


def test_an_approval_goes_on_with_the_same_message(emulator: Emulator, tmp_path: Path) -> None:
    files = Files()
    emulator.play(DELETES, Reply([Say("Done.")]))
    with chat_server(emulator, tmp_path, tools=[files.tool()]) as page:
        first = page.say("ada", "Delete it")
        assert "tool-approval-request" in kinds(first)
        assert page.history("ada")["status"] == "waiting"
        assert page.ask("POST", "/api/chat", message("ada", "And?")).status == 409
        body = answered(page, "ada", approved=True)
        stream = page.open("POST", "/api/chat", body)
        rest = list(stream.chunks())
        assert files.gone == ["a.txt"]
        assert rest[0]["messageId"] == first[0]["messageId"]
        assert text_of(rest) == "Done."
        history = page.history("ada")
        assert (history["status"], len(history["messages"])) == ("idle", 2)
        assert told(history["messages"][-1]) == "I delete it.Done."
        again = page.ask("POST", "/api/chat", body)
        assert (again.status, "already" in again.json()["error"]) == (409, True)
        assert files.gone == ["a.txt"]


def test_a_call_that_is_denied_is_not_run(emulator: Emulator, tmp_path: Path) -> None:
    files = Files()
    emulator.play(DELETES, Reply([Say("As you like.")]))
    with chat_server(emulator, tmp_path, tools=[files.tool()]) as page:
        page.say("ada", "Delete it")
        body = answered(page, "ada", approved=False)
        rest = list(page.open("POST", "/api/chat", body).chunks())
        assert "tool-output-denied" in kinds(rest)
        assert files.gone == []
        assert text_of(rest) == "As you like."
        answer = page.history("ada")["messages"][-1]
        (part,) = [each for each in answer["parts"] if "approval" in each]
        assert (part["state"], part["approval"]["reason"]) == ("output-denied", "not now")


def test_other_arguments_come_beside_the_message(emulator: Emulator, tmp_path: Path) -> None:
    files = Files()
    emulator.play(DELETES, Reply([Say("Done.")]))
    with chat_server(emulator, tmp_path, tools=[files.tool()]) as page:
        chunks = page.say("ada", "Delete it")
        (call,) = [each["toolCallId"] for each in chunks if each["type"] == "tool-input-available"]
        body = answered(page, "ada", approved=True, edited={call: {"name": "b.txt"}})
        assert page.ask("POST", "/api/chat", body).status == 200
        assert files.gone == ["b.txt"]


@pytest.mark.parametrize("other", [{"name": 5}, {"nope": 1}, {}])
def test_other_arguments_must_fit(emulator: Emulator, tmp_path: Path, other: Any) -> None:
    files = Files()
    emulator.play(DELETES, Reply([Say("Done.")]))
    with chat_server(emulator, tmp_path, tools=[files.tool()]) as page:
        chunks = page.say("ada", "Delete it")
        (call,) = [each["toolCallId"] for each in chunks if each["type"] == "tool-input-available"]
        body = answered(page, "ada", approved=True, edited={call: other})
        reply = page.ask("POST", "/api/chat", body)
        assert (reply.status, "delete" in reply.json()["error"]) == (400, True)
        assert page.history("ada")["status"] == "waiting"
        assert page.ask("POST", "/api/chat", {**body, "edited": {}}).status == 200
        assert files.gone == ["a.txt"]


@tool
def book(context: Context) -> str:
    """Books a table."""
    form = {"properties": {"guests": {"type": "integer"}}, "required": ["guests"]}
    said = context.ask("For how many?", form)
    return "for nobody" if said is None else f"for {said['guests']}"


BOOKS = Reply([CallTool("book", {}, id="b")])


def test_a_tool_that_asks(emulator: Emulator, tmp_path: Path) -> None:
    emulator.play(BOOKS, Reply([Say("Done.")]))
    with chat_server(emulator, tmp_path, tools=[book]) as page:
        told = [each["data"] for each in page.say("ada", "Book") if each["type"] == "data-call"]
        (loaded,) = [
            each["data"]
            for each in page.history("ada")["messages"][-1]["parts"]
            if each["type"] == "data-call"
        ]
        for data in (told[-1], loaded):
            assert data["why"] == "answer"
            assert data["question"]["message"] == "For how many?"
            assert data["question"]["schema"]["required"] == ["guests"]
        body = answered(page, "ada", approved=True)
        for wrong in ({}, {"b": {"guests": "hunter2"}}, {"b": {"guests": 1, "x": 1}}):
            reply = page.ask("POST", "/api/chat", {**body, "answers": wrong})
            assert reply.status == 400
            assert "The answer does not fit" in reply.json()["error"]
            assert "hunter2" not in reply.json()["error"]
        assert page.history("ada")["status"] == "waiting"
        stream = page.open("POST", "/api/chat", {**body, "answers": {"b": {"guests": 3}}})
        assert text_of(list(stream.chunks())) == "Done."
        parts = page.history("ada")["messages"][-1]["parts"]
        assert [each["output"] for each in parts if "output" in each] == ["for 3"]
        assert "question" not in json.dumps(parts)


def test_a_no_to_what_a_tool_asks(emulator: Emulator, tmp_path: Path) -> None:
    emulator.play(BOOKS, Reply([Say("Done.")]))
    with chat_server(emulator, tmp_path, tools=[book]) as page:
        page.say("ada", "Book")
        body = answered(page, "ada", approved=False)
        assert text_of(list(page.open("POST", "/api/chat", body).chunks())) == "Done."
        parts = page.history("ada")["messages"][-1]["parts"]
        assert [each["output"] for each in parts if "output" in each] == ["for nobody"]


def test_a_budget_that_cannot_be_read_takes_nothing_out(emulator: Emulator, tmp_path: Path) -> None:
    budgets = [None]

    def budget(_: str | None) -> Budget | None:
        return budgets.pop()

    emulator.play(Reply([Say("One.")]))
    with chat_server(emulator, tmp_path, web={"budget": budget}) as page:
        page.say("ada", "Count")
        retry = {"id": "ada", "trigger": "regenerate-message"}
        assert page.ask("POST", "/api/chat", retry).status == 500
        assert [told(each) for each in page.history("ada")["messages"]] == ["Count", "One."]


def test_a_turn_that_waits_can_be_given_up(emulator: Emulator, tmp_path: Path) -> None:
    files = Files()
    emulator.play(DELETES, Reply([Say("Hello.")]))
    with chat_server(emulator, tmp_path, tools=[files.tool()]) as page:
        page.say("ada", "Delete it")
        assert page.ask("POST", "/api/chat/ada/drop", {}).json() == {"dropped": True}
        assert page.ask("POST", "/api/chat/ada/drop", {}).json() == {"dropped": False}
        history = page.history("ada")
        answer = history["messages"][-1]
        assert (history["status"], answer["metadata"]["status"]) == ("idle", "stopped")
        (call,) = [each for each in answer["parts"] if each["type"] == "dynamic-tool"]
        assert call["state"] == "output-error", "nobody is asked any more"
        assert page.ask("POST", "/api/chat/ada/go-on", {}).status == 409
        assert text_of(page.say("ada", "Hello")) == "Hello."
        assert files.gone == []


def test_another_try_takes_the_place_of_the_answer(emulator: Emulator, tmp_path: Path) -> None:
    paints = Reply([CallTool("paint", {"what": "a fox"})])
    emulator.play(
        *(Reply([Say("One.")]), paints, Reply([Say("Two.")])),
        *(paints, Reply([Say("Better.")]), Reply([Say("Worse.")])),
    )
    with chat_server(emulator, tmp_path, tools=[painting()]) as page:
        page.say("ada", "Count")
        page.say("ada", "Go on")
        retry = {"id": "ada", "trigger": "regenerate-message"}
        stream = page.open("POST", "/api/chat", retry)
        assert text_of(list(stream.chunks())) == "Better."
        history = page.history("ada")
        words = [told(each) for each in history["messages"]]
        assert words == ["Count", "One.", "Go on", "Better."]
        (branch,) = history["branches"]
        assert branch["at"] == 1
        other = page.history(branch["id"])
        assert other["forkedFrom"] == "ada"
        assert [told(each) for each in other["messages"]] == ["Count", "One.", "Go on", "Two."]
        names = [
            [
                each["data"]["name"]
                for each in chat["messages"][-1]["parts"]
                if each["type"] == "data-picture"
            ]
            for chat in (other, history)
        ]
        assert "img_1" in names[0]
        assert "img_2" in names[1], "a handle is never given twice"
        first = history["messages"][1]["id"]
        stream = page.open("POST", "/api/chat", {**retry, "messageId": first})
        assert text_of(list(stream.chunks())) == "Worse."
        assert [told(each) for each in page.history("ada")["messages"]] == ["Count", "Worse."]
        assert page.ask("POST", "/api/chat", {**retry, "messageId": "run_none"}).status == 404


def test_forks_titles_and_the_list(emulator: Emulator, tmp_path: Path) -> None:
    emulator.play(*(Reply([Say(each)]) for each in ("One.", "Two.", "Else.", "Bread.")))
    with chat_server(emulator, tmp_path) as page:
        page.say("ada", "Count")
        page.say("ada", "Go on")
        second = page.history("ada")["messages"][2]["id"]
        forked = page.ask("POST", "/api/chat/ada/fork", {"messageId": second})
        assert forked.status == 201
        other = forked.json()["id"]
        assert text_of(page.say(other, "Something else")) == "Else."
        assert [told(each) for each in page.history(other)["messages"]][1:] == [
            "One.",
            "Something else",
            "Else.",
        ]
        assert page.ask("POST", "/api/chat/ada/fork", {"turns": 7}).status == 400
        assert page.ask("POST", "/api/chat/ada/fork", {"messageId": 7}).status == 400
        assert page.ask("POST", "/api/chat/ada/fork", {"messageId": "x"}).status == 404
        assert page.ask("PATCH", f"/api/chat/{other}", {"title": "Sums"}).json()["title"] == "Sums"
        for title in ("", "a\nb", None, 7, "x" * 5000):
            assert page.ask("PATCH", f"/api/chat/{other}", {"title": title}).status == 400, title
        page.say("bea", "Bake a bread")
        found = page.get("/api/chats?search=bread")["chats"]
        assert [each["id"] for each in found] == ["bea"]
        first = page.get("/api/chats?limit=2")
        assert [each["id"] for each in first["chats"]] == ["bea", other]
        rest = page.get(f"/api/chats?limit=2&after={first['next']}")
        assert ([each["id"] for each in rest["chats"]], rest["next"]) == (["ada"], None)
        for query in ("limit=0", "limit=x", "limit=1000", "after=nobody"):
            assert page.ask("GET", f"/api/chats?{query}").status in {400, 404}, query
        assert page.ask("DELETE", "/api/chat/ada").json() == {"deleted": True}
        assert page.ask("GET", "/api/chat/ada").status == 404
        assert told(page.history(other)["messages"][1]) == "One."


def test_models_that_are_offered(emulator: Emulator, tmp_path: Path) -> None:
    emulator.play(Reply([Say("Hello.")]))
    web = {"models": ["google/gemini-3-pro-image"], "emulator": True}
    with chat_server(emulator, tmp_path, web=web) as page:
        about = page.get("/api/about")
        assert about["models"] == ["openai/gpt-5.2", "google/gemini-3-pro-image"]
        assert about["emulator"] is True
        more = {"model": "google/gemini-3-pro-image", "api": "responses"}
        start = page.say("ada", "Hello", **more)[0]
        assert start["messageMetadata"]["model"] == more["model"]
        assert start["messageMetadata"]["api"] == "responses"
        for wrong in ({"model": "openai/gpt-9"}, {"api": "smoke"}, {"model": 7}):
            reply = page.ask("POST", "/api/chat", message("ada", "Hello", **wrong))
            assert (reply.status, "error" in reply.json()) == (400, True), wrong


def test_users_have_their_own(emulator: Emulator, tmp_path: Path) -> None:
    gate = Gate()
    emulator.play(
        *(Reply([Say("Hello Ada.")]), Reply([CallTool("wait", {"city": "Oslo"})])),
        Reply([Say("It snows.")]),
    )
    budgets = {"ada": Budget(5.0), "bea": Budget(0.000001)}
    web = web_for(
        agent_for(emulator, tmp_path, tools=[gate.tool()]),
        tmp_path,
        user=lambda request: request.headers.get("x-user"),
        budget=lambda user: budgets[user],
    )
    with serving_app(closing(web)) as served:
        ada, bea = (Talker(served, {"x-user": name}) for name in ("ada", "bea"))
        assert Talker(served).ask("GET", "/api/chats").status == 401
        assert text_of(ada.say("one", "Hello")) == "Hello Ada."
        assert ada.get("/api/about")["budget"]["costUsd"] == 5.0
        assert bea.get("/api/chats") == {"chats": [], "next": None}
        assert bea.ask("GET", "/api/chat/one").status == 404
        assert bea.ask("POST", "/api/chat", message("one", "Hello")).status == 404
        live = ada.begin("two", "Weather?")
        live.until("tool-input-available")
        assert bea.ask("GET", "/api/chat/two/stream").status == 204, "as for no conversation"
        assert bea.ask("POST", "/api/chat/two/stop", {}).status == 404
        assert bea.ask("POST", "/api/chat", message("two", "Hello")).status == 404
        gate.opened.set()
        assert text_of(list(live.chunks())) == "It snows."
        bea.say("three", "Hello")
        assert bea.get("/api/about")["budget"]["leftUsd"] < 0
        assert text_of(bea.say("three", "Hello")) == "", "it is used up"
        for each in (*ada.streams, *bea.streams):
            each.leave()


@pytest.mark.parametrize("name", ["", "a" * 201, "a%0Ab", "%ED%A0%80"])
def test_what_is_no_id(emulator: Emulator, tmp_path: Path, name: str) -> None:
    with chat_server(emulator, tmp_path) as page:
        assert page.ask("GET", f"/api/chat/{name}").status in {400, 404, 405}
        said = message(name.replace("%0A", "\n"), "Hello")
        if name != "%ED%A0%80":
            assert page.ask("POST", "/api/chat", said).status == 400


def test_the_agent_and_the_sessions_have_one_store(emulator: Emulator, tmp_path: Path) -> None:
    """Else each message would fail, and not the server's start."""
    other = Sessions(f"sqlite:///{tmp_path}/chats.db", store=FileImageStore(tmp_path / "other"))
    with pytest.raises(UsageError, match="the same for both"):
        app(agent_for(emulator, tmp_path), sessions=other)


@pytest.mark.parametrize("models", ["openai/gpt-5.2", 3])
def test_models_are_a_list(emulator: Emulator, tmp_path: Path, models: Any) -> None:
    """One name would be taken for a list of its letters."""
    with pytest.raises(UsageError, match=r"web.app\(models=.*: accepted is a list"):
        app(agent_for(emulator, tmp_path), models=models)
