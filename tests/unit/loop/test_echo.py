"""What goes back of earlier replies, to whom: each body is held against what providers document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import History, ModelSettings, Run, Text, tool, wire
from agentkit.emulator import Emulator
from agentkit.emulator.catalogue import MODELS
from agentkit.emulator.listed_model import Model
from agentkit.run.audience import Audience
from agentkit.run.planner import plan
from agentkit.values import APIS, Api, Message, ToolResult
from agentkit.wire.body import Encoded
from agentkit.wire.types import ImageRef, Request
from tests.conftest import WAYS, Bench, Way
from tests.unit.loop.judge import RULES, SKIP, chat, judge, responses
from tests.unit.loop.spoken import CLAUDE, DEEPSEEK, GEMINI, GPT, Spoken

FAMILY = {CLAUDE: "anthropic", GPT: "openai", GEMINI: "google"}
ALL = tuple(RULES)


@tool
def look(place: str) -> str:
    """Looks."""
    return f"saw {place}"


@tool
def nothing(place: str) -> str:
    """Says nothing."""
    return " \n"


@tool(external=True)
def fetch(place: str) -> str:
    """Fetches, elsewhere."""
    raise AssertionError


def signed(model: str, number: int, *calls: tuple[str, str], words: str | None = None) -> Spoken:
    """A reply with a seal of its own and a thought that can be read."""
    return Spoken(model, words, calls, f"thought {number}", f"SEAL-{number}", number=number)


SERVED = [
    *MODELS,
    *[
        Model(name, name, "Some provider", "Thinks and calls tools.", inputs=("text", "image"))
        for name in (CLAUDE, GEMINI, DEEPSEEK, "anthropic/claude-opus-4.5")
    ],
]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(models=SERVED) as running:
        yield running


class Scene:
    """Plays replies, and judges what is sent."""

    def __init__(self, bench: Bench, *replies: Spoken) -> None:
        self.bench, self.replies = bench, replies
        bench.emulator.play([each.reply(bench.way) for each in replies])
        self.seals = {each.seal: FAMILY[each.model] for each in replies if each.seal}
        self.needs = {item: by for each in replies for item, by in each.needs.items()}

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [each.body for each in self.bench.emulator.requests if each.method == "POST"]

    def refused(self, number: int, *readers: str) -> list[str]:
        return judge(self.bodies[number], readers, self.seals, self.needs)

    def said(self, number: int = -1) -> list[Any]:
        body = self.bodies[number]
        return list(chat(body["messages"]) if "messages" in body else responses(body["input"]))

    def sealed(self, number: int = -1) -> list[str]:
        return [seal for each in self.said(number) for seal in each.seals]

    def readable(self, number: int = -1) -> list[str]:
        return [words for each in self.said(number) for words in each.plain]


@pytest.mark.parametrize("model", FAMILY, ids=FAMILY.values())
async def test_a_model_gets_its_own_reasoning_back_within_a_loop_and_after_it(
    bench: Bench, model: str
) -> None:
    scene = Scene(
        bench,
        signed(model, 1, ("c1", "look")),
        signed(model, 2, ("c2", "look"), ("c3", "look")),
        signed(model, 3, words="Done."),
        Spoken(model, "Yes.", number=4),
    )
    chat = bench.agent(model=model, tools=[look]).conversation()
    await bench.ask(chat, "Go")
    await bench.ask(chat, "And?")
    assert scene.sealed() == ["SEAL-1", "SEAL-2", "SEAL-3"]
    for number in range(4):
        assert scene.refused(number, FAMILY[model]) == []


@pytest.mark.parametrize("first", FAMILY, ids=FAMILY.values())
@pytest.mark.parametrize("second", [*FAMILY, DEEPSEEK], ids=[*FAMILY.values(), "deepseek"])
async def test_another_family_gets_the_words_and_the_calls_alone(
    bench: Bench, first: str, second: str
) -> None:
    if first == second:
        return
    scene = Scene(
        bench,
        signed(first, 1, ("c1", "look"), words="I am Ada."),
        signed(first, 2, words="Done."),
        Spoken(second, "Yes.", number=3),
    )
    chat = bench.agent(model=first, tools=[look]).conversation()
    await bench.ask(chat, "Who?")
    chat.model = second
    await bench.ask(chat, "Again")
    assert scene.refused(2, FAMILY.get(second, "openai")) == []
    assert set(scene.sealed()) <= {SKIP}
    assert scene.readable() == []
    texts = [text for each in scene.said() for text in each.texts]
    assert {"I am Ada.", "saw Oslo", "Done."} <= {
        *texts,
        *(w for e in scene.said() for _, w in e.results),
    }


@pytest.mark.parametrize("first", [CLAUDE, GPT, DEEPSEEK])
async def test_gemini_takes_over_inside_a_loop(bench: Bench, first: str) -> None:
    """It refuses unsigned calls of the turn in progress."""
    calls = [("c1", "fetch"), ("look:0", "look")]
    scene = Scene(bench, Spoken(first, None, calls), Spoken(GEMINI, "Done.", number=1))
    agent = bench.agent(model=first, tools=[look, fetch])
    paused = await bench.ask(agent, "Go")
    run: Run = paused.run.replace(model=GEMINI)
    answer = await agent.resume(run, results={"c1": "a letter"})
    assert answer.text == "Done."
    assert scene.refused(1, "google") == []
    assert scene.sealed() == [SKIP]


async def test_calls_that_gemini_did_not_sign_itself_go_back_to_it(bench: Bench) -> None:
    scene = Scene(bench, Spoken(GEMINI, None, [("c1", "look")]), Spoken(GEMINI, "Done.", number=1))
    await bench.ask(bench.agent(model=GEMINI, tools=[look]), "Go")
    assert scene.refused(1, "google") == []


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("openrouter/auto", ModelSettings()),
        ("@preset/mine", ModelSettings()),
        (f"{CLAUDE}@preset/mine", ModelSettings()),
        (CLAUDE, ModelSettings(preset="mine")),
        (CLAUDE, ModelSettings(models=(GPT,))),
        (CLAUDE, ModelSettings(models=(GEMINI,))),
        (CLAUDE, ModelSettings(extra={"models": [GEMINI]})),
    ],
)
@pytest.mark.parametrize("speaker", [CLAUDE, GEMINI])
async def test_where_anybody_may_answer_only_what_can_be_read_goes(
    bench: Bench, model: str, settings: ModelSettings, speaker: str
) -> None:
    scene = Scene(
        bench,
        signed(speaker, 1, ("look:0", "look")),
        signed(GPT, 2, ("look:0", "look"), words="Once more."),
        Spoken(GPT, "Done.", number=3),
    )
    answer = await bench.ask(bench.agent(model=model, settings=settings, tools=[look]), "Go")
    assert answer.text == "Once more.\n\nDone."
    named = (model, *(settings.models or ()), *settings.extra.get("models", ()))
    readers = ALL if GEMINI in named else ("openai", "anthropic")
    for number in range(3):
        assert scene.refused(number, *readers) == []
    assert scene.sealed() == []
    body = json.dumps(scene.bodies[-1])
    assert body.count("saw Oslo") == 2
    if bench.way.api == "chat" or not any(map(bool, (GEMINI in named, speaker == GEMINI))):
        assert scene.readable() == ["thought 1", "thought 2"]


async def test_models_of_one_family_take_what_one_of_them_signed(bench: Bench) -> None:
    scene = Scene(bench, signed(CLAUDE, 1, ("c1", "look")), Spoken(CLAUDE, "Done.", number=2))
    settings = ModelSettings(models=("anthropic/claude-opus-4.5",))
    await bench.ask(bench.agent(model=CLAUDE, settings=settings, tools=[look]), "Go")
    assert scene.sealed() == ["SEAL-1"]
    assert scene.refused(1, "anthropic") == []


@pytest.mark.parametrize("plain", ["reasoning", "reasoning_content"])
async def test_plain_reasoning_beside_a_call_goes_back_to_its_own_model(
    bench: Bench, plain: str
) -> None:
    scene = Scene(
        bench,
        Spoken(DEEPSEEK, None, [("c1", "look")], "I look at Oslo.", plain=plain),
        Spoken(DEEPSEEK, "Done.", thought="So.", plain=plain, number=1),
        Spoken(DEEPSEEK, "Yes.", number=2),
        Spoken(GPT, "No.", number=3),
    )
    chat = bench.agent(model=DEEPSEEK, tools=[look]).conversation()
    await bench.ask(chat, "Go")
    assert scene.readable(1) == ["I look at Oslo."]
    if bench.way.api == "chat":
        assert scene.bodies[1]["messages"][1][plain] == "I look at Oslo."
    await bench.ask(chat, "And?")
    assert "I look at Oslo." in scene.readable(2)
    chat.model = GPT
    await bench.ask(chat, "Really?")
    assert scene.readable(3) == []
    assert scene.refused(3, "openai") == []


async def test_reasoning_of_which_only_the_id_came_is_not_sent(bench: Bench) -> None:
    if bench.way.api == "chat":
        return
    replies = [
        Spoken(GPT, "Hm.", [("c1", "look")], seal="x", number=1),
        Spoken(GPT, "Done.", number=2),
    ]
    scene = Scene(bench)
    scene.needs = replies[0].needs
    first, last = [each.reply(bench.way) for each in replies]
    bare = first.body.replace(b', "encrypted_content": "x"', b"")
    bench.emulator.play([replace(first, body=bare), last])
    await bench.ask(bench.agent(model=GPT, tools=[look]), "Go")
    assert scene.refused(1, "openai") == []
    assert [item for item in scene.bodies[1]["input"] if item.get("type") == "reasoning"] == []


ODD = ["look:0", "call 1", "x" * 41, "é", "a.b", "", "toolu_1|fc_2"]


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI])
async def test_ids_and_names_go_as_everybody_takes_them(bench: Bench, model: str) -> None:
    names = [
        "look",
        "functions.look",
        "default_api:look",
        " look",
        "look<|channel|>commentary",
        "é",
        "x" * 70,
    ]
    scene = Scene(
        bench,
        *[
            signed(model, number, (call_id, names[number]), ("c", "nothing"))
            for number, call_id in enumerate(ODD)
        ],
        Spoken(model, "Done.", number=9),
    )
    answer = await bench.ask(bench.agent(model=model, tools=[look, nothing]), "Go")
    for number in range(len(scene.bodies)):
        assert judge(scene.bodies[number], [FAMILY[model]], scene.seals, scene.needs) == []
        if model != GEMINI:
            assert scene.refused(number, FAMILY[model]) == []
    calls = [call for each in scene.said() for call in each.calls]
    assert len({name for _, name in calls}) == len(names) + 1
    assert calls[0][1] == "look"
    assert calls[1][0] == "c"
    assert scene.said(-1)[1].calls == scene.said(1)[1].calls, (
        "an id changed from one turn to the next"
    )
    errors = [
        each.error or "" for each in answer.invocations if each.name not in {"look", "nothing"}
    ]
    assert all("there is: look, nothing" in each for each in errors)


async def test_what_says_nothing_is_not_sent(bench: Bench) -> None:
    scene = Scene(
        bench,
        Spoken(CLAUDE, " \n", [("c1", "nothing")]),
        Spoken(CLAUDE, " \n", number=1),
        Spoken(CLAUDE, "Yes.", number=2),
    )
    chat = bench.agent(model=CLAUDE, tools=[nothing], instructions="  ").conversation()
    await bench.ask(chat, "Go")
    await bench.ask(chat, ["And", " ", "\n"])
    assert scene.refused(1, "anthropic") == []
    assert scene.refused(2, "anthropic") == []


turns = st.tuples(
    st.sampled_from([CLAUDE, GPT, GEMINI]),
    st.lists(st.sampled_from([*ODD, "c", "d"]), max_size=3, unique=True),
    st.sampled_from([None, "", " ", "So."]),
    st.booleans(),
)


def as_message(spoken: Spoken, way: Way) -> Message:
    decoder = wire.decoder("chat" if way.api == "chat" else "responses", ())
    if way.stream:
        for event in spoken.events(way.api):
            decoder.feed(event)
    else:
        decoder.whole(spoken.body(way.api))
    reply = decoder.reply()
    parts = [part for part in reply.parts if not isinstance(part, ImageRef)]
    raw = tuple((item,) for item in reply.raw)
    api: Api = "chat" if way.api == "chat" else "responses"
    return Message("assistant", tuple(parts), raw, api, reply.model, spoken.model)


@given(
    st.lists(st.tuples(st.sampled_from(WAYS), turns), min_size=1, max_size=6), st.sampled_from(APIS)
)
def test_no_conversation_is_refused(
    told: Sequence[tuple[Way, tuple[str, list[str], str | None, bool]]], api: Api
) -> None:
    """Models take turns in any order and through any API, each with calls under any ids; then each
    of them is asked, and all of them together."""
    messages: list[Message] = []
    seals: dict[str, str] = {}
    needs: dict[str, str] = {}
    for number, (way, (model, ids, words, thinks)) in enumerate(told):
        thought, seal = ("hm", f"SEAL-{number}") if thinks else ("", "")
        calls = [(call_id, "look") for call_id in ids]
        spoken = Spoken(model, words, calls, thought, seal, number=number)
        seals[seal], needs = FAMILY[model], {**needs, **spoken.needs}
        reply = as_message(spoken, way)
        results = [ToolResult(call.id, call.name, (Text("saw"),)) for call in reply.calls]
        messages += [Message("user", (Text("Go on"),)), reply]
        messages += [Message("tool", tuple(results))] if results else []
    if messages[-1].role == "assistant":
        messages.append(Message("user", (Text("And?"),)))
    every = ModelSettings(models=(GPT, GEMINI))
    for model, settings in ((CLAUDE, every), *((each, ModelSettings()) for each in FAMILY)):
        audience = Audience.of(model, settings)
        sent = plan(tuple(messages), 0, History(), api=api, images=(), audience=audience)
        request = Request(model, sent.messages, settings, shown=sent.shown)
        pieces = wire.encode(api, request, Encoded())[1]
        body = json.loads(b"".join(each for each in pieces if isinstance(each, bytes)))
        readers = [FAMILY[each] for each in audience.models]
        assert judge(body, readers, seals, needs) == [], audience
