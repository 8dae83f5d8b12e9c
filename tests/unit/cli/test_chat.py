"""The chat of the command line, in this process: what a turn, a command and Ctrl-C leave."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable
from io import StringIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from rich.console import Console, RenderableType
from rich.segment import Segments

from agentkit import Agent, Budget, Context, FileImageStore, Image, OpenRouter, tool
from agentkit.cli.terminal.face import PlainFace
from agentkit.cli.terminal.pictures import Room
from agentkit.cli.terminal.session import chat_with
from agentkit.cli.terminal.transcript import Moving
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from agentkit.errors import UsageError
from agentkit.sessions import Sessions

calls: list[str] = []


@tool
async def interrupt() -> str:
    """As a user does who presses Ctrl-C."""
    signal.raise_signal(signal.SIGINT)
    await asyncio.sleep(3600)
    return "never"


@tool(approve=True)
def pay(to: str, euros: int) -> str:
    """Pay somebody."""
    calls.append(f"{euros} to {to}")
    return f"paid {euros} to {to}"


@tool
def book(context: Context) -> str:
    """Book a table."""
    form = {"guests": {"type": "integer", "title": "Guests"}, "wine": {"enum": ["red", "white"]}}
    said = context.ask("For how\x1b[2J many?", {"properties": form, "required": ["guests"]})
    calls.append(str(said))
    return f"booked for {said}"


class Scripted:
    """A terminal whose person types these lines. `None` is Ctrl-C, within a question."""

    is_terminal = True

    def __init__(self, *typed: str | None) -> None:
        self._typed = list(typed)
        self.out = StringIO()
        self._console = Console(
            file=self.out, width=100, color_system=None, highlight=False, markup=False, emoji=False
        )
        self.questions: list[str] = []
        self.suggested: list[str] = []
        self.prefilled: list[str] = []

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.out.getvalue().splitlines()]

    def print(self, *items: RenderableType) -> None:
        for item in items:
            self._console.print(item, crop=False)

    def print_picture(self, _: Segments | str) -> None:
        self._console.print("<picture>")

    def columns(self) -> int:
        return 100

    def room(self) -> Room:
        return Room(20, 5)

    async def read(self) -> str | None:
        return self._typed.pop(0) if self._typed else None

    async def ask(self, question: str, /, *, text: str = "") -> str | None:
        self.questions.append(question)
        self.prefilled.append(text)
        return self._typed.pop(0) if self._typed else None

    def suggest(self, text: str) -> None:
        self.suggested.append(text)

    def watch(self, moving: Callable[[], tuple[Moving, str]] | None) -> None:
        if moving is not None:
            moving()

    def refresh(self) -> None:
        pass

    def on_stop(self, stop: Callable[[], None] | None) -> None:
        pass


def asked(emulator: Emulator) -> list[dict[str, Any]]:
    """The bodies of the requests to the model."""
    return [request.body for request in emulator.requests if request.method == "POST"]


Chatting = Callable[..., Awaitable[Scripted]]


@pytest.fixture
def chatting(emulator: Emulator, client: OpenRouter, tmp_path: Path) -> Chatting:
    calls.clear()

    async def run(
        *typed: str | None,
        tools: tuple[object, ...] = (),
        budget: Budget | None = None,
        checks: bool = False,
        **kept: Any,
    ) -> Scripted:
        face = Scripted(*typed)
        agent = Agent(
            "openai/gpt-5.2",
            tools=tools,
            client=client,
            store=FileImageStore(tmp_path / "store"),
            checks=checks,
        )
        await chat_with(agent, face=face, budget=budget, **kept)
        return face

    return run


async def test_an_interrupt_leaves_the_picture_and_its_cost(
    emulator: Emulator, tmp_path: Path
) -> None:
    emulator.play(
        [Reply([Draw("a fox"), CallTool("interrupt", {})]), Reply([Draw("a cat"), Say("Meow.")])]
    )
    typed = "Draw a fox\n/images\nDraw a cat\n/images\n/cost\n/quit\nnever read\n"
    source, shown = StringIO(typed), StringIO()
    client = OpenRouter(api_key="sk-or-test", base_url=emulator.base_url)
    agent = Agent(
        "openai/gpt-5.2",
        tools=[interrupt],
        client=client,
        store=FileImageStore(tmp_path),
        checks=False,
    )
    async with PlainFace(source, shown) as face:
        await chat_with(agent, face=face, budget=Budget(cost_usd=5.0))
    await client.close()
    lines = shown.getvalue().splitlines()
    stopped = next(line for line in lines if line.startswith("stopped"))
    assert "$0.0" in stopped
    assert "so far, of $5.00" in stopped
    assert sum(line.startswith("▣ img_1") for line in lines) == 3  # drawn, and listed twice
    assert sum(line.startswith("▣ img_2") for line in lines) == 2
    assert any(line.startswith("this chat: $0.0") for line in lines)
    assert source.read() == "never read\n"
    assert len(emulator.posts) == 2


async def test_a_call_runs_once_it_is_approved(emulator: Emulator, chatting: Chatting) -> None:
    emulator.play([Reply([CallTool("pay", {"to": "Ada", "euros": 3})]), Reply([Say("Done.")])])
    face = await chatting("Pay", "y", tools=(pay,))
    assert '? pay(to="Ada", euros=3)' in face.lines
    assert calls == ["3 to Ada"]
    assert "Done." in face.lines


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("y", "few", "2", ""), "{'guests': 2}"),
        (("y", "2", "blue", "2"), "{'guests': 2, 'wine': 'white'}"),
        (("n",), "None"),
        (("",), "None"),
    ],
)
async def test_a_tool_asks(
    emulator: Emulator, chatting: Chatting, typed: tuple[str, ...], said: str
) -> None:
    emulator.play([Reply([CallTool("book", {})]), Reply([Say("Done.")])])
    face = await chatting("Book", *typed, tools=(book,))
    assert any(line.startswith("  For how") for line in face.lines)
    assert "\x1b" not in face.out.getvalue()
    assert calls == [said]
    assert "Done." in face.lines


async def test_a_person_stops_in_the_middle_of_an_answer(
    emulator: Emulator, chatting: Chatting
) -> None:
    emulator.play([Reply([CallTool("book", {})]), Reply([Say("Hello.")])])
    await chatting("Book", "y", None, tools=(book,))
    assert calls == []
    assert len(asked(emulator)) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("too dear", "too dear"), ("", "denied by the user"), ("n", "denied by the user")],
)
async def test_a_no_has_a_reason(
    emulator: Emulator, chatting: Chatting, answer: str, reason: str
) -> None:
    emulator.play([Reply([CallTool("pay", {"to": "Ada", "euros": 3})]), Reply([Say("Ok.")])])
    face = await chatting("Pay", answer, tools=(pay,))
    assert calls == []
    assert any(reason in line for line in face.lines)
    assert reason in str(asked(emulator)[-1])


async def test_arguments_are_edited_checked_and_shown_again(
    emulator: Emulator, chatting: Chatting
) -> None:
    emulator.play([Reply([CallTool("pay", {"to": "Ada", "euros": 300})]), Reply([Say("Done.")])])
    edits = ("e", "no JSON", '{"to": "Ada"}', '{"to": "Ada", "euros": 4}', "y")
    face = await chatting("Pay", *edits, tools=(pay,))
    assert calls == ["4 to Ada"]
    assert '"euros": 300' in face.prefilled[1]
    assert any("this is no JSON" in line for line in face.lines)
    assert any("euros" in line and line.startswith("✗") for line in face.lines)
    assert '? pay(to="Ada", euros=4)' in face.lines


async def test_always_holds_for_this_tool_in_this_chat(
    emulator: Emulator, chatting: Chatting
) -> None:
    call = CallTool("pay", {"to": "Ada", "euros": 3})
    emulator.play(
        [Reply([call]), Reply([call]), Reply([Say("Done.")]), Reply([call]), Reply([Say("Done.")])]
    )
    face = await chatting("Pay", "a", "Pay", "/tools", tools=(pay,))
    assert calls == ["3 to Ada"] * 3
    assert len(face.questions) == 1
    assert any("always allowed in this chat" in line for line in face.lines)


async def test_an_interrupted_question_stops_the_turn_and_runs_nothing(
    emulator: Emulator, chatting: Chatting
) -> None:
    emulator.play([Reply([CallTool("pay", {"to": "Ada", "euros": 3})]), Reply([Say("Hi.")])])
    face = await chatting("Pay", None, "Hello", tools=(pay,))
    assert calls == []
    assert any(line.startswith("stopped") for line in face.lines)
    assert "Hi." in face.lines


async def test_long_arguments_are_shown_in_full(emulator: Emulator, chatting: Chatting) -> None:
    words = " ".join(f"word{number}" for number in range(400)) + "\n\x1b[2Jend"
    emulator.play([Reply([CallTool("pay", {"to": words, "euros": 3})]), Reply([Say("Done.")])])
    face = await chatting("Pay", "n", tools=(pay,))
    shown = " ".join("\n".join(face.lines).split())
    assert all(f"word{number}" in shown for number in range(400))
    assert "␛[2Jend" in shown
    assert "\x1b" not in face.out.getvalue()


async def test_a_turn_that_fails_ends_that_turn_alone(
    emulator: Emulator, chatting: Chatting, tmp_path: Path
) -> None:
    picture = tmp_path / "cat.png"
    Image.from_bytes(PNG).save(picture)
    emulator.play([Failure("no such thing", 400), Reply([Say("Better.")])])
    face = await chatting(f"/attach {picture}", "Hello", "/retry")
    assert any(line.startswith("✗") and "no such thing" in line for line in face.lines)
    assert face.suggested == ["Hello"]
    assert "Better." in face.lines
    assert "img_1 goes with the next message" in face.out.getvalue()


async def test_undo_and_retry_go_back_and_the_cost_stays(
    emulator: Emulator, chatting: Chatting
) -> None:
    emulator.play([Reply([Say(word)]) for word in ("One.", "Two.", "Three.")])
    face = await chatting("First", "Second", "/undo", "/retry", "/cost", "/undo", "/undo")
    assert [len(body["messages"]) for body in asked(emulator)] == [1, 3, 3]
    assert face.suggested == ["Second", "Second", "First"]
    assert any("3 requests" in line for line in face.lines)


async def test_a_full_disk_is_told_and_the_chat_goes_on(
    emulator: Emulator, chatting: Chatting, tmp_path: Path
) -> None:
    """A limit on the size of files stands for the disk: it holds the database, not the picture."""
    resource = pytest.importorskip("resource")
    emulator.play([Reply([Say("Here:"), Draw("a fox")]), Reply([Say("Better.")])])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        face = await chatting("Draw a fox", "Hello", "/images", "/cost")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    told = [line for line in face.lines if "cannot write to the image store" in line]
    assert len(told) == 2  # when it happened, and in the list
    assert "Better." in face.lines
    assert any(line.startswith("this chat: $0.0") and "2 requests" in line for line in face.lines)


@pytest.mark.parametrize(
    ("address", "key", "told"),
    [
        ("https://openrouter.ai/api/v1", None, "✗ there is no API key for https://openrouter.ai"),
        ("http://127.0.0.1:9/api/v1", "key", "✗ no connection to http://127.0.0.1:9/api/v1"),
    ],
)
async def test_no_key_and_no_network_are_told_and_what_was_typed_is_kept(
    address: str, key: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    face = Scripted(f"/attach {picture(tmp_path, 'red')}", "Hello", "/cost")
    async with OpenRouter(api_key=key, base_url=address, proxy=False) as client:
        store = FileImageStore(tmp_path / "store")
        await chat_with(Agent("openai/gpt-5.2", client=client, store=store), face=face)
    assert any(line.startswith(told) for line in face.lines), face.lines
    assert face.suggested == ["Hello"]
    assert "the attached pictures go with the next message" in face.lines
    assert any(line.startswith("this chat: $0.00") for line in face.lines)


async def test_an_undo_without_a_turn_says_so(chatting: Chatting) -> None:
    face = await chatting("/undo", "/retry", "/fork")
    assert "✗ there is no turn to undo" in face.lines
    assert "✗ there is no message to send again" in face.lines


async def test_a_chat_goes_on_where_it_was(emulator: Emulator, chatting: Chatting) -> None:
    emulator.play([Reply([Say("Hi **Ada**.")]), Reply([Draw("a fox")]), Reply([Say("Again.")])])
    await chatting("I am Ada.", "Draw a fox", name="ada")
    face = await chatting("And now?", "/images", "/sessions", name="ada")
    assert face.lines[:5] == [
        "openai/gpt-5.2 · ada · /help lists the commands",
        "› Draw a fox",
        next(line for line in face.lines if line.startswith("▣ img_1")),
        "",
        "› And now?",
    ]
    assert len(asked(emulator)[-1]["messages"]) == 5
    assert any(line.startswith("› ada · 3 turns · just now") for line in face.lines)


async def test_an_undone_turn_stays_in_the_conversation_before(
    emulator: Emulator, chatting: Chatting, chats: str
) -> None:
    emulator.play([Reply([Say(word)]) for word in ("One.", "Two.", "Three.")])
    await chatting("First", "Second", "/undo", "Third", name="ada")
    listed = {each.id: each for each in await Sessions(chats).list()}
    assert len(listed) == 2
    assert listed.pop("ada").turns == 2
    (fork,) = listed.values()
    assert (fork.turns, fork.forked_from, fork.forked_at) == (2, "ada", 1)


async def test_a_fork_goes_on_by_itself_and_the_other_one_is_gone_back_to(
    emulator: Emulator, chatting: Chatting
) -> None:
    emulator.play([Reply([Say(word)]) for word in ("One.", "Two.", "Three.")])
    typed = ("First", "/fork other", "Second", "/sessions ada", "Third", "/sessions", "/cost")
    face = await chatting(*typed, name="ada")
    assert [len(body["messages"]) for body in asked(emulator)] == [1, 3, 3]
    assert "this is now a second future of the conversation: other" in face.lines
    at = face.lines.index("this is now ada")
    assert face.lines[at + 1 : at + 3] == ["› First", "One."]
    assert any(line.startswith("› ada · 2 turns") for line in face.lines)
    assert any(line.startswith("  other · 2 turns") for line in face.lines)
    assert any("3 requests" in line for line in face.lines)


async def test_a_call_that_waited_is_asked_about_when_the_chat_is_opened_again(
    emulator: Emulator, chatting: Chatting, client: OpenRouter, tmp_path: Path, chats: str
) -> None:
    emulator.play([Reply([CallTool("pay", {"to": "Ada", "euros": 3})]), Reply([Say("Done.")])])
    store = FileImageStore(tmp_path / "store")
    agent = Agent("openai/gpt-5.2", tools=[pay], client=client, store=store, checks=False)
    sessions = Sessions(chats, store=store)
    paused = await agent.conversation("ada", sessions=sessions).send("Pay")
    assert paused.status == "paused"
    face = await chatting("y", tools=(pay,), name="ada")
    assert face.lines[1:3] == ["› Pay", '? pay(to="Ada", euros=3)']
    assert calls == ["3 to Ada"]
    assert "Done." in face.lines


async def test_two_chats_in_one_conversation_are_told_apart_by_name(
    emulator: Emulator, chatting: Chatting, chats: str, client: OpenRouter, tmp_path: Path
) -> None:
    store = FileImageStore(tmp_path / "store")
    agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False)
    async with Sessions(chats, store=store).conversation("ada", agent):
        face = await chatting("Hello", name="ada")
    assert any(line.startswith("✗") and "'ada'" in line for line in face.lines), face.lines
    assert face.suggested == ["Hello"]
    assert emulator.posts == []


async def test_save_never_overwrites(
    emulator: Emulator, chatting: Chatting, tmp_path: Path
) -> None:
    emulator.play([Reply([Draw("a fox")]), Reply([Draw("a cat")])])
    folder = tmp_path / "my pictures"
    folder.mkdir()
    (folder / "img_1.png").write_bytes(b"mine")
    escaped = str(folder).replace(" ", "\\ ")
    face = await chatting(
        "Draw a fox", f"/save {escaped}", f"/save {escaped}", f"/save img_1 '{folder}'"
    )
    assert (folder / "img_1.png").read_bytes() == b"mine"
    assert sorted(each.name for each in folder.iterdir()) == ["img_1-2.png", "img_1.png"]
    assert any("img_1-2.png" in line for line in face.lines)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/imagse", "✗ there is no command /imagse; did you mean /images? (/help lists them)"),
        ("/xyzzy", "✗ there is no command /xyzzy (/help lists them)"),
        ("/attach", "✗ /attach: accepted is a file or a URL: /attach cat.png"),
        (
            "/attach /no/such.png",
            "✗ cannot read the picture '/no/such.png': No such file or directory",
        ),
        ("/open img_9", "✗ there is no picture 'img_9'; there is: none yet"),
        ("/budget much", "✗ /budget much: accepted is an amount in USD: /budget 0.50"),
        ("/api soap", "✗ /api soap: accepted is one of chat, responses"),
        ("/api responses", "API: responses"),
        ("/model no model", "✗ /model no model: accepted is"),
        ("/model openai/gpt-5", "model: openai/gpt-5"),
        ("/tools", "no tools"),
        ("/images", "no pictures yet"),
        ("/save", "no pictures yet"),
        ("/sessions", "no conversations yet"),
        ("/sessions xyz", "no conversation has 'xyz' in it"),
        ("/continue", "✗ there is no turn that was interrupted"),
        ("/cost", "no budget: /budget USD sets one"),
    ],
)
async def test_a_command_says_what_it_did_or_what_it_accepts(
    chatting: Chatting, typed: str, said: str
) -> None:
    face = await chatting(typed)
    assert any(line.startswith(said) for line in face.lines), face.lines


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            "/model openai/gpt-5.22",
            "✗ /model openai/gpt-5.22: there is no such model, so it stays openai/gpt-5.2; did you mean",
        ),
        (
            "/model xyzzy/none",
            "✗ /model xyzzy/none: there is no such model, so it stays openai/gpt-5.2; the catalogue",
        ),
        ("/model openai/gpt-5.2:nitro", "model: openai/gpt-5.2:nitro"),
        ("/model openrouter/auto", "model: openrouter/auto"),
    ],
)
async def test_a_model_is_looked_up_before_it_is_taken(
    emulator: Emulator, chatting: Chatting, typed: str, said: str
) -> None:
    face = await chatting(typed, "/model", checks=True)
    assert any(line.startswith(said) for line in face.lines), face.lines
    if said.startswith("✗"):
        assert face.lines[-1] == "model: openai/gpt-5.2"
    assert emulator.posts == []


async def test_a_model_is_taken_as_it_is_where_no_catalogue_can_be_had(
    chatting: Chatting, emulator: Emulator
) -> None:
    emulator.stop()
    face = await chatting("/model any/thing", checks=True)
    assert face.lines[-1] == "model: any/thing"


def picture(folder: Path, colour: str) -> Path:
    path = folder / f"{colour}.png"
    PIL.Image.new("RGB", (8, 6), colour).save(path)
    return path


async def test_the_handle_that_is_told_is_the_one_that_a_picture_gets(
    emulator: Emulator, chatting: Chatting, tmp_path: Path
) -> None:
    emulator.play([Reply([Draw("a fox")]), Reply([Say("Nice.")]), Reply([Say("Again.")])])
    red, blue = picture(tmp_path, "red"), picture(tmp_path, "blue")
    folder = tmp_path / "saved"
    face = await chatting(
        "Draw a fox",
        f"/save {folder}",
        *(f"/attach {path}" for path in (red, blue, red, folder / "img_1.png")),
        "Compare them",
        "/images",
        f"/attach {blue}",
        "And this one?",
    )
    told = re.findall(r"(img_\d) goes with the next message", face.out.getvalue())
    assert told == ["img_2", "img_3", "img_2", "img_1", "img_3"]
    sent = face.lines[face.lines.index("› Compare them") : face.lines.index("Nice.")]
    assert [line[:7] for line in sent if line.startswith("▣")] == ["▣ img_2", "▣ img_3"]
    after = face.lines[face.lines.index("Nice.") :]
    assert [line[:7] for line in after if line.startswith("▣")] == ["▣ img_1", "▣ img_2", "▣ img_3"]


async def test_a_picture_of_a_turn_that_failed_is_not_shown_as_one_that_came(
    emulator: Emulator, chatting: Chatting, tmp_path: Path
) -> None:
    emulator.play([Failure("no such thing", 400), Reply([Say("Better.")])])
    later = picture(tmp_path, "blue")
    face = await chatting(
        f"/attach {picture(tmp_path, 'red')}", "Hello", f"/attach {later}", "/retry", "/images"
    )
    assert "<picture>" not in face.lines
    assert "img_2 goes with the next message" in face.out.getvalue()
    assert str(asked(emulator)[-1]).count("data:image/png") == 2


async def test_undo_attaches_the_pictures_of_the_message_again(
    emulator: Emulator, chatting: Chatting, tmp_path: Path
) -> None:
    emulator.play([Reply([Say("One.")]), Reply([Say("Two.")])])
    face = await chatting(f"/attach {picture(tmp_path, 'red')}", "Look", "/undo", "Look again")
    assert str(asked(emulator)[-1]).count("data:image/png") == 1
    told = re.findall(r"(img_\d) goes with the next message", face.out.getvalue())
    shown = [line[2:7] for line in face.lines if line.startswith("▣")]
    assert (told, face.suggested) == (shown, ["Look"])


async def test_an_attachment_of_100_mb_is_refused(chatting: Chatting, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(100 << 20)
    face = await chatting(f"/attach {large}")
    assert any("105.0" in line or "104.9 MB" in line for line in face.lines), face.lines


async def test_a_budget_that_is_set_in_the_chat_holds(
    emulator: Emulator, chatting: Chatting
) -> None:
    face = await chatting("/budget 0", "Hello", "/budget")
    assert any(line.startswith("■ limited") for line in face.lines), face.lines
    assert emulator.posts == []


async def test_open_chat_is_for_agents_and_for_code_that_is_not_async() -> None:
    from agentkit.cli import open_chat, open_chat_async

    with pytest.raises(UsageError, match="accepted is await open_chat_async"):
        open_chat(Agent("openai/gpt-5.2"))
    with pytest.raises(UsageError, match=r"open_chat\('agent'\): accepted is an Agent"):
        await open_chat_async("agent")


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f"
    "0005000201a5f645400000000049454e44ae426082"
)
