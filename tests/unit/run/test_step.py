"""The rules of the loop, on runs made by hand; and that a run survives being written down."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import UsageError
from agentkit.run import Ask, Call, Finish, Run, Step, Wait, Waiting, next_step
from agentkit.run.step import NextCost
from agentkit.settings import Limits
from agentkit.values import (
    BlobRef,
    Image,
    ImageFailure,
    Invocation,
    MemoryBlobs,
    Message,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

GIF = b"GIF89a" + b"\0" * 20


def fresh(**changes: Any) -> Run:
    return replace(Run("r1", "some/model", "chat", (Message("user", (Text("hi"),)),), 0), **changes)


def reply(*parts: Any) -> Message:
    return Message("assistant", tuple(parts))


def asked(run: Run, *names: str, **usage: Any) -> Run:
    """The run after a reply that calls these tools."""
    calls = [
        ToolCall(f"c{len(run.invocations) + index}", name, "{}") for index, name in enumerate(names)
    ]
    return run.with_reply(reply(*calls), Usage(requests=1, **usage))


def answered(run: Run, invocation: Invocation) -> Run:
    done = replace(invocation, status="completed", result="ok")
    return run.with_result(done, ToolResult(invocation.id, invocation.name, (Text("ok"),)))


def all_answered(run: Run) -> Run:
    for invocation in run.pending:
        run = answered(run, invocation)
    return run


def test_a_prompt_is_asked_and_a_reply_without_calls_is_the_end() -> None:
    run = fresh()
    assert next_step(run) == Ask()
    assert next_step(run.with_reply(reply(Text("hello")), Usage())) == Finish("completed")


def test_calls_are_run_then_asked_again() -> None:
    run = asked(fresh(), "a", "b")
    assert next_step(run) == Call(run.invocations)
    run = answered(run, run.invocations[1])
    assert next_step(run) == Call(run.invocations[:1])
    assert run.messages[-1].role == "assistant"
    run = answered(run, run.invocations[0])
    assert next_step(run) == Ask()
    assert [part.call_id for part in run.messages[-1].parts if isinstance(part, ToolResult)] == [
        "c0",
        "c1",
    ]
    assert run.results == ()


def test_results_stand_in_the_order_of_the_calls() -> None:
    run = asked(fresh(), "a", "b", "c")
    for number in (2, 0, 1):
        run = answered(run, run.invocations[number])
    assert [part.name for part in run.messages[-1].parts if isinstance(part, ToolResult)] == [
        "a",
        "b",
        "c",
    ]


def test_calls_that_wait_for_a_person_hold_the_run_once_the_others_are_done() -> None:
    run = replace(asked(fresh(), "a", "b"), waiting=(Waiting("c0", "approval", "seal"),))
    assert next_step(run) == Call(run.invocations[1:])
    run = answered(run, run.invocations[1])
    assert next_step(run) == Wait(run.invocations[:1])
    run = answered(run, run.invocations[0])
    assert (run.waiting, next_step(run)) == ((), Ask())


def test_server_calls_are_never_run_here() -> None:
    server = Invocation("s", "openrouter:web_search", executor="server", status="running")
    run = fresh().with_reply(reply(Text("found")), Usage(), server_calls=(server,))
    assert next_step(run) == Finish("completed")
    assert run.tool_calls == 1


def test_a_refusal_ends_the_run() -> None:
    run = replace(fresh().with_reply(reply(), Usage()), refusal="no")
    assert next_step(run) == Finish("refused")


LIMITED: list[tuple[Limits, dict[str, Any], str]] = [
    (Limits(turns=1), {}, "turns"),
    (Limits(tool_calls=1), {}, "tool_calls"),
]


@pytest.mark.parametrize(("limits", "usage", "name"), LIMITED)
def test_a_limit_is_met_with_one_last_turn_in_words(
    limits: Limits, usage: dict[str, Any], name: str
) -> None:
    run = all_answered(asked(fresh(limits=limits), "a", **usage))
    assert next_step(run) == Ask(closing=name)
    assert next_step(run.with_reply(reply(Text("so far")), Usage(), closing=name)) == Finish(
        "limited"
    )


def test_without_money_left_not_even_the_last_turn_is_asked() -> None:
    run = all_answered(asked(fresh(limits=Limits(cost_usd=0.5)), "a", cost_usd=0.5))
    assert next_step(run) == Finish("limited", "cost_usd")
    assert next_step(replace(run, limits=Limits(cost_usd=0.6))) == Ask()


MONEY: list[tuple[NextCost, Step]] = [
    (NextCost(price=0.5), Ask()),
    (NextCost(price=0.3, closing_price=0.2, follows=True), Ask()),
    (NextCost(price=0.3, closing_price=0.3, follows=True), Ask("cost_usd")),
    (NextCost(price=0.5, closing_price=0.1), Ask()),
    (NextCost(price=0.6, closing_price=0.5), Ask("cost_usd")),
    (NextCost(price=0.6, closing_price=0.6), Finish("limited", "cost_usd")),
    (NextCost(price=0.6, speaks=False), Finish("limited", "cost_usd")),
    (NextCost(usd=0.2, price=0.3), Ask("cost_usd")),
    (NextCost(usd=0.2, price=0.3, closing_price=0.3), Finish("limited", "cost_usd")),
    (NextCost(usd=0.0), Finish("limited", "cost_usd")),
    (NextCost(images=0), Ask("images")),
    (NextCost(images=0, speaks=False), Finish("limited", "images")),
    (NextCost(images=0, draws=False), Ask()),
    (NextCost(images=0, usd=0.1, closing_price=0.2), Finish("limited", "images")),
]


@pytest.mark.parametrize(("cost", "step"), MONEY)
def test_a_request_is_asked_for_if_it_and_the_one_after_it_can_be_paid(
    cost: NextCost, step: Step
) -> None:
    assert next_step(fresh(limits=Limits(cost_usd=0.5)), cost) == step


def test_sums_of_floats_break_no_limit() -> None:
    run = fresh(limits=Limits(cost_usd=0.3), spent=(Usage(cost_usd=0.1), Usage(cost_usd=0.1)))
    assert next_step(run, NextCost(price=0.1)) == Ask()


def repeated(count: int, arguments: str = "{}", **options: Any) -> Run:
    run = fresh()
    for number in range(count):
        run = run.with_reply(reply(ToolCall(f"c{number}", "look", arguments)), Usage(), **options)
        run = all_answered(run)
    return run


def test_the_third_equal_call_is_answered_and_not_run_and_the_next_closes_the_run() -> None:
    assert [each.status for each in repeated(4).invocations] == ["completed"] * 2 + [
        "cancelled"
    ] * 2
    assert next_step(repeated(3)) == Ask()
    assert next_step(repeated(4)) == Ask(closing="repeats")
    assert "3 times in a row" in (repeated(3).invocations[-1].error or "")


def test_a_saved_run_goes_on_counting() -> None:
    run = Run.from_json(repeated(2).to_json())
    run = run.with_reply(reply(ToolCall("c9", "look", "{}")), Usage())
    assert run.invocations[-1].status == "cancelled"


def test_a_tool_that_may_repeat_is_not_counted() -> None:
    assert {each.status for each in repeated(6, repeatable={"look"}).invocations} == {"completed"}


def test_equal_calls_in_one_reply_are_that_many_calls_and_the_reply_counts_once() -> None:
    run = fresh()
    for turn in range(4):
        calls = [ToolCall(f"c{turn}{number}", "look", "{}") for number in range(5)]
        run = run.with_reply(reply(*calls), Usage())
        assert len(run.pending) == (5 if turn < 2 else 0)
        run = all_answered(run)
    assert next_step(run) == Ask(closing="repeats")


@pytest.mark.parametrize(
    "arguments", ["", "{oops", "[" * 5000, "NaN", '"\\ud83d"', '{"x": "\ud83d"}']
)
def test_any_arguments_can_be_compared(arguments: str) -> None:
    assert repeated(3, arguments).invocations[-1].status == "cancelled"


def test_an_unknown_cost_breaks_no_limit() -> None:
    assert next_step(all_answered(asked(fresh(limits=Limits(cost_usd=0.5)), "a"))) == Ask()


def test_the_image_limit_counts_those_that_arrived() -> None:
    run = fresh(limits=Limits(images=1))
    run, _ = run.with_image(Image.from_bytes(GIF), arrived=False)
    assert next_step(run) == Ask()
    run, _ = run.with_image(Image.from_bytes(GIF))
    assert next_step(run) == Ask(closing="images")


def test_no_image_at_all_is_a_limit_too() -> None:
    assert next_step(fresh(limits=Limits(images=0))) == Ask(closing="images")


def test_without_a_token_left_not_even_the_last_turn_is_asked() -> None:
    run = all_answered(asked(fresh(limits=Limits(output_tokens=10)), "a", output_tokens=10))
    assert next_step(run) == Finish("limited", "output_tokens")


def test_a_run_without_time_for_tools_closes_in_words() -> None:
    run = replace(asked(fresh(limits=Limits(seconds=10)), "a"), seconds=9.0)
    assert next_step(run) == Call((), run.invocations)
    assert next_step(all_answered(run)) == Ask(closing="seconds")
    assert next_step(replace(run, seconds=8.9)) == Call(run.invocations)


def test_calls_beyond_the_limit_are_told_apart() -> None:
    run = asked(fresh(limits=Limits(tool_calls=2)), "a", "b", "c")
    assert next_step(run) == Call(run.invocations[:2], run.invocations[2:])
    run = answered(run, run.invocations[0])
    assert next_step(run) == Call(run.invocations[1:2], run.invocations[2:])


def test_server_calls_count_against_the_same_limit() -> None:
    server = Invocation(
        "s", "openrouter:web_search", executor="server", status="completed", count=3
    )
    run = fresh(limits=Limits(tool_calls=4)).with_reply(
        reply(ToolCall("a", "a", "{}"), ToolCall("b", "b", "{}")), Usage(), server_calls=(server,)
    )
    assert [each.id for each in next_step(run).invocations] == ["a"]  # type: ignore[union-attr]


def test_denied_calls_do_not_count() -> None:
    run = all_answered(asked(fresh(limits=Limits(tool_calls=1)), "a"))
    run = replace(run, invocations=(replace(run.invocations[0], status="denied"),))
    assert next_step(run) == Ask()


def test_a_call_in_the_closing_reply_is_answered_and_not_run() -> None:
    run = fresh().with_reply(
        reply(Text("a"), ToolCall("c", "draw", "{}")), Usage(), closing="turns"
    )
    assert next_step(run) == Finish("limited")
    (invocation,) = run.invocations
    assert (invocation.status, invocation.error) == (
        "cancelled",
        "not run: the limit of turns is reached",
    )
    result = run.messages[-1].parts[0]
    assert isinstance(result, ToolResult)
    assert result.error
    assert "turns" in result.text


def test_a_cut_call_is_answered_and_the_whole_one_beside_it_runs() -> None:
    cut = ToolCall("c1", "draw", '{"a', fault="the reply was cut inside this call")
    run = fresh().with_reply(reply(ToolCall("c0", "a", "{}"), cut), Usage())
    assert [each.id for each in run.pending] == ["c0"]
    assert next_step(run) == Call(run.pending)
    run = answered(run, run.pending[0])
    assert [part.error for part in run.messages[-1].parts if isinstance(part, ToolResult)] == [
        False,
        True,
    ]
    assert next_step(run) == Ask()


def test_only_cut_calls_go_back_to_the_model_at_once() -> None:
    run = fresh().with_reply(reply(ToolCall("c", "draw", '{"a', fault="cut")), Usage())
    assert next_step(run) == Ask()


def test_an_id_that_comes_again_in_a_later_turn_leaves_the_earlier_call_as_it_was() -> None:
    run = fresh()
    for result in ("sun", "rain"):
        run = run.with_reply(reply(ToolCall("call_0", "weather", "{}")), Usage())
        (pending,) = run.pending
        done = replace(pending, status="completed", result=result)
        run = run.with_result(done, ToolResult("call_0", "weather", (Text(result),)))
    assert [each.result for each in run.invocations] == ["sun", "rain"]
    assert next_step(run) == Ask()


def test_a_reply_clears_what_had_arrived_of_the_one_that_broke_off() -> None:
    assert (
        fresh(partial=reply(Text("half"))).with_reply(reply(Text("whole")), Usage()).partial is None
    )


def test_pictures_are_numbered_and_the_same_bytes_are_one() -> None:
    run, first = fresh().with_image(
        Image("a" * 64, "image/png", 1, sources=(Source("images"),), prompt="a fox")
    )
    run, second = run.with_image(Image("b" * 64, "image/png", 1))
    seen = Image(
        "a" * 64,
        "image/png",
        1,
        sources=(Source("text", "https://x/a.png"),),
        prompt="other",
        alt="fox",
    )
    run, again = run.with_image(seen)
    assert (first.name, second.name, again.name) == ("img_1", "img_2", "img_1")
    assert again.sources == (Source("images"), Source("text", "https://x/a.png"))
    assert (again.prompt, again.alt) == ("a fox", "fox")
    assert run.images == (again, second)
    assert run.arrived == ("img_1", "img_2")
    assert run.image("img_2") == second


def test_seeing_a_picture_again_in_the_same_place_changes_nothing() -> None:
    image = Image("a" * 64, "image/png", 1, sources=(Source("images"),))
    run, _ = fresh().with_image(image)
    assert run.with_image(image)[0] == run


def test_numbers_go_on_after_the_highest_and_a_forged_handle_counts_for_nothing() -> None:
    known = tuple(
        Image(letter * 64, "image/png", 1, name=name)
        for letter, name in zip("abc", ("img_7", "img_999999999999", "img_x"), strict=True)
    )
    _, named = fresh(images=known).with_image(Image("d" * 64, "image/png", 1, name="img_1"))
    assert named.name == "img_8"


def test_a_picture_that_is_not_there_is_told_with_those_that_are() -> None:
    run, _ = fresh().with_image(Image("a" * 64, "image/png", 1))
    with pytest.raises(LookupError, match=r"'img_2'.*there is: img_1"):
        run.image("img_2")
    with pytest.raises(LookupError, match="none yet"):
        fresh().image("img_1")


def test_a_seal_binds_run_call_name_and_arguments() -> None:
    run = fresh()
    call = Invocation("c", "buy", {"what": "tea", "euros": 3})
    others = [
        replace(call, id="d"),
        replace(call, name="sell"),
        replace(call, arguments={"what": "tea", "euros": 4}),
    ]
    assert (
        len(
            {
                run.fingerprint(call),
                *map(run.fingerprint, others),
                replace(run, id="r2").fingerprint(call),
            }
        )
        == 5
    )
    assert run.fingerprint(call) == run.fingerprint(
        replace(call, arguments={"euros": 3, "what": "tea"}, status="running")
    )


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(words, json_values, max_size=3)
money = st.none() | st.floats(0, 10)
shas = st.sampled_from(["a" * 64, "b" * 64])
sources = st.builds(Source, st.sampled_from(["images", "text", "tool", "user"]), st.none() | words)
images = st.builds(
    Image, shas, st.just("image/png"), st.integers(0, 9), width=st.none() | st.integers(1, 9), name=words, alt=words,
    prompt=st.none() | words, sources=st.lists(sources, max_size=2).map(tuple), cost_usd=money,
    parents=st.lists(words, max_size=2).map(tuple),
)  # fmt: skip
texts = st.builds(Text, words, st.lists(objects, max_size=2).map(tuple))
failures = st.builds(ImageFailure, sources, st.none() | words, words, kept=st.none() | shas)
parts = st.one_of(
    texts, images, failures, st.builds(Reasoning, words), st.builds(ToolCall, words, words, words, st.none() | words),
    st.builds(ToolResult, words, words, st.lists(texts | images, max_size=3).map(tuple), st.booleans()),
)  # fmt: skip
pieces = st.lists(
    words.map(str.encode)
    | st.builds(BlobRef, shas, st.just("image/png"), st.sampled_from(["data_url", "base64"])),
    max_size=3,
).map(tuple)
messages = st.builds(
    Message, st.sampled_from(["user", "assistant", "tool"]), st.lists(parts, max_size=4).map(tuple),
    st.lists(pieces, max_size=2).map(tuple), st.sampled_from([None, "chat", "responses"]), st.none() | words,
)  # fmt: skip
invocations = st.builds(
    Invocation, words, words, st.none() | objects, st.sampled_from(["client", "server"]),
    st.sampled_from(["pending", "completed", "denied"]), st.none() | words, images=st.lists(words).map(tuple),
    started_at=money, seconds=money, cost_usd=money,
)  # fmt: skip
runs = st.builds(
    Run, words, words, st.sampled_from(["chat", "responses"]), st.lists(messages, min_size=1, max_size=3).map(tuple),
    st.just(0), status=st.sampled_from(["running", "paused", "completed"]),
    limits=st.builds(Limits, turns=st.integers(1, 9), cost_usd=st.none() | st.floats(0.1, 9)),
    invocations=st.lists(invocations, max_size=2).map(tuple), images=st.lists(images, max_size=2).map(tuple),
    failures=st.lists(failures, max_size=2).map(tuple), partial=st.none() | messages,
    waiting=st.lists(st.builds(Waiting, words, st.sampled_from(["approval", "result"]), words), max_size=2).map(tuple),
    spent=st.lists(st.builds(Usage, cost_usd=money), max_size=2).map(tuple), closing=st.none() | words,
)  # fmt: skip


@given(runs)
def test_a_run_survives_being_written_down(run: Run) -> None:
    text = run.to_json()
    assert Run.from_json(text) == run
    assert Run.from_json(text.encode()) == run
    assert Run.from_json(text).to_json() == text


def test_pictures_read_from_the_store_that_is_given() -> None:
    run, image = fresh().with_image(Image.from_bytes(GIF))
    run = replace(run, messages=(*run.messages, reply(image)))
    assert "GIF89a" not in run.to_json()
    loaded = Run.from_json(run.to_json(), blobs=MemoryBlobs(GIF))
    assert [each.bytes() for each in (*loaded.images, *loaded.messages[-1].images)] == [GIF, GIF]
    assert Run.from_json(run.to_json()).images[0].blobs is None


def test_users_words_with_half_a_surrogate_pair_can_be_saved() -> None:
    run = fresh(messages=(Message("user", (Text("a\ud83d"),)),))
    assert Run.from_json(run.to_json()).messages[0].text == "a\ufffd"


def test_every_step_of_a_loaded_run_is_that_of_the_saved_one() -> None:
    run = fresh(limits=Limits(tool_calls=3))
    steps: list[Step] = []
    for _ in range(3):
        run = Run.from_json(run.to_json())
        step = next_step(run)
        assert step == next_step(Run.from_json(run.to_json()))
        steps.append(step)
        run = asked(run, "a") if isinstance(step, Ask) else all_answered(run)
    assert [type(step) for step in steps] == [Ask, Call, Ask]


def changed(**fields: Any) -> str:
    return json.dumps({**json.loads(asked(fresh(), "a").to_json()), **fields})


DEEP = "[" * 5000 + "]" * 5000
PICTURE = {"sha256": "", "media_type": "", "size": 0, "cost_usd": 1, "kind": "image"}
HOSTILE: list[str | bytes] = [
    "", "null", "[]", "{}", "5", '"run"', "NaN", "{", "\ud83d", b"\xff\xfe", DEEP, '{"messages":' + DEEP + "}",
    changed(version=4), changed(version=0), changed(version="one"), changed(version=None), changed(id=7),
    changed(api="assistants"), changed(status="done"), changed(messages={}), changed(messages=None),
    changed(messages=[]), changed(start=-1), changed(start=9), changed(limits={"turns": 0}),
    changed(limits={"seconds": "NaN"}), changed(seconds="soon"), changed(images=[{"kind": "image"}]),
    changed(messages=[{"role": "system", "parts": []}]), changed(turns=-5), changed(seconds=-5.0),
    changed(messages=[{"role": "user", "parts": [{"kind": "video"}]}]),
    changed(messages=[{"role": "user", "parts": [{"text": 5, "kind": "text"}]}]),
    changed(invocations=[{"id": "1", "name": "a", "status": "approved"}]),
    changed(messages=[{"role": "user", "parts": []}]).replace('"r1"', '"\\ud83d"'),
    changed(seconds=1).replace('"seconds": 1', '"seconds": NaN'),
    changed(seconds=1).replace('"seconds": 1', '"seconds": Infinity'),
    changed(seconds=1).replace('"seconds": 1', '"seconds": 1e999'),
    changed(messages=[{"role": "user", "parts": [PICTURE]}]).replace('"cost_usd": 1', '"cost_usd": 1e999'),
    changed(spent=[{"cost_usd": 1}]).replace('"cost_usd": 1', '"cost_usd": NaN'),
    changed(invocations=[{"id": "1", "name": "a", "arguments": {"x": "DEEP"}}]).replace('"DEEP"', DEEP),
    changed(invocations=[{"id": "1", "name": "a", "arguments": {"x": "\\ud83d"}}]).replace("\\\\ud83d", "\\ud83d"),
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:30]))
def test_hostile_text_is_a_usage_error(text: str | bytes) -> None:
    with pytest.raises(UsageError, match=r"^Run\.from_json") as caught:
        Run.from_json(text)
    assert len(str(caught.value)) < 400


def test_another_version_is_named_with_the_one_that_is_accepted() -> None:
    with pytest.raises(UsageError, match=r"version=4.*accepted is 3"):
        Run.from_json(changed(version=4))


@pytest.mark.parametrize("given_text", [None, 5, {}, ["x"]])
def test_what_is_no_text_is_a_usage_error(given_text: Any) -> None:
    with pytest.raises(UsageError, match=r"^Run\.from_json"):
        Run.from_json(given_text)


@given(st.sampled_from([*Run.__dataclass_fields__]), json_values)
def test_any_value_in_any_field_is_a_run_or_a_usage_error(name: str, value: Any) -> None:
    try:
        run = Run.from_json(changed(**{name: value}))
    except UsageError:
        return
    next_step(run)
    assert run.usage.requests >= 0
    assert Run.from_json(run.to_json()) == run


@given(st.text() | st.binary())
def test_any_text_is_a_run_or_a_usage_error(text: str | bytes) -> None:
    with pytest.raises(UsageError):
        Run.from_json(text)
