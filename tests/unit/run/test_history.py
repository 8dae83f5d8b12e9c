"""What of a conversation is sent again, decided from the messages alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import History
from agentkit.errors import UsageError
from agentkit.run.audience import Audience
from agentkit.run.history import PICTURE_TOKENS, MessageView, Plan, echoed, parents
from agentkit.run.lines import line
from agentkit.run.planner import Planner, plan
from agentkit.values import Api, BlobRef, Image, Message, Source, Text, ToolCall, ToolResult

MODEL = "a/b"


def image(number: int, **more: Any) -> Image:
    given = {
        "prompt": f"fox {number}",
        "width": 40,
        "height": 30,
        "sources": (Source("images"),),
        **more,
    }
    return Image(f"{number:064x}", "image/png", 3, name=f"img_{number}", **given)


def user(*parts: str | Image) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def drew(*images: Image, api: Api = "chat", model: str = MODEL, words: str = "Here.") -> Message:
    """A reply whose raw item carries these pictures."""
    raw: list[bytes | BlobRef] = [
        b'{"role":"assistant","content":"',
        words.encode(),
        b'","images":["',
    ]
    for each in images:
        raw += [BlobRef(each.sha256, each.media_type), b'","']
    return Message("assistant", (Text(words), *images), ((*raw, b'"]}'),), api, model)


def talk(turns: int, **more: Any) -> tuple[Message, ...]:
    """A conversation in which each turn draws a picture, and the prompt of one more."""
    messages: list[Message] = []
    for number in range(1, turns + 1):
        messages += (user(f"Draw fox {number}"), drew(image(number), **more))
    return (*messages, user("And now?"))


def planned(messages: tuple[Message, ...], policy: History | None = None, **more: Any) -> Plan:
    known = {each.name: each for message in messages for each in message.images}
    start = max(index for index, message in enumerate(messages) if message.role == "user")
    given = {
        "api": "chat",
        "audience": Audience((MODEL,)),
        "images": tuple(known.values()),
        "start": start,
        **more,
    }
    return plan(messages, given.pop("start"), policy or History(), **given)


def carried(sent: Plan, api: Api = "chat") -> list[str]:
    """The names of the pictures that go as pictures, in order."""
    found: list[str] = []
    for index, message in enumerate(sent.messages):
        shown = sent.shown.get(index, MessageView())
        raw = message.raw if echoed(message, api) else ()
        refs = {piece.sha256 for item in raw for piece in item if isinstance(piece, BlobRef)}
        own = (
            message.images
            if message.role != "assistant"
            else [each for each in message.images if each.sha256 in refs]
        )
        found += [each.name for each in own if each.sha256 not in shown.hidden]
        found += [each.name for _, each in shown.attached]
    return found


@pytest.mark.parametrize(
    "given", [{"images": -1}, {"images": True}, {"images": 1.5}, {"tokens": 0}, {"tokens": "many"}]
)
def test_what_is_no_policy(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(UsageError, match=rf"History\({name}="):
        History(**given)


def test_without_pictures_everything_goes_as_it_is() -> None:
    messages = (user("Hi"), Message("assistant", (Text("Hello"),)), user("And now? img_1"))
    assert planned(messages) == Plan(messages)


def test_the_last_pictures_stay_and_leave_a_few_at_a_time() -> None:
    counts = [len(carried(planned(talk(turns)))) for turns in range(1, 12)]
    assert counts == [1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5]
    assert carried(planned(talk(11))) == ["img_7", "img_8", "img_9", "img_10", "img_11"]


@pytest.mark.parametrize(("images", "counts"), [(0, [0, 0, 0]), (1, [1, 2, 1]), (None, [1, 2, 3])])
def test_other_numbers(images: int | None, counts: list[int]) -> None:
    assert [
        len(carried(planned(talk(turns), History(images=images)))) for turns in (1, 2, 3)
    ] == counts


def test_each_picture_is_told_once_with_what_is_known_of_it() -> None:
    sent = planned(talk(6))
    notes = [sent.shown[index].note for index in range(2, 13, 2)]
    assert notes[:3] == [
        f'[pictures that are not shown here: img_{n} (40×30, "fox {n}")]' for n in (1, 2, 3)
    ]
    assert notes[3:] == [f'[pictures: img_{n} (40×30, "fox {n}")]' for n in (4, 5, 6)]


def test_a_line() -> None:
    assert line(image(1, prompt="a\n  fox ]")) == 'img_1 (40×30, "a fox ]")'
    assert (
        line(image(2, prompt=None, width=None, sources=(Source("user"),)))
        == "img_2 (from the user)"
    )
    assert line(image(3, prompt=None, width=None)) == "img_3"
    assert line(image(3, prompt=None), "Make it\nblue") == 'img_3 (40×30, for "Make it blue")'
    assert len(line(image(4, prompt="x" * 500))) < 110


def test_a_name_in_the_prompt_brings_a_picture_back() -> None:
    sent = planned((*talk(7)[:-1], user("Make img_1 blue, not img_99 or img_2x")))
    assert [each.name for _, each in sent.shown[14].attached] == ["img_1"]
    later = planned((*sent.messages, drew(image(8)), user("Nice")))
    assert [each.name for _, each in later.shown[14].attached] == ["img_1"], (
        "it stays in sight at its new place"
    )
    assert "img_1" in carried(later)


def test_a_name_of_a_picture_in_sight_attaches_nothing_but_keeps_it() -> None:
    messages = talk(3)[:-1]
    for number in range(4, 9):
        messages = (*messages, user("Again like img_2"), drew(image(number)))
        sent = planned((*messages, user("Go on")))
        assert "img_2" in carried(sent)
        assert not any(each.attached for each in sent.shown.values())


def test_a_picture_whose_name_came_before_it_was_not_meant() -> None:
    messages = (user("I wonder what img_1 will be"), drew(image(1)), user("Fine"))
    assert planned(messages).shown == {2: MessageView('[pictures: img_1 (40×30, "fox 1")]')}


def test_within_a_run_nothing_leaves() -> None:
    start = len(talk(5)) - 1
    results: tuple[Message, ...] = ()
    for number in range(6, 12):
        call = Message("assistant", (ToolCall(f"c{number}", "chart", "{}"),))
        results = (
            *results,
            call,
            Message("tool", (ToolResult(f"c{number}", "chart", (Text("ok"), image(number))),)),
        )
    sent = planned((*talk(5), *results, user("Your reply does not fit")), start=start)
    assert {f"img_{number}" for number in range(6, 12)} <= set(carried(sent))


def test_the_prompts_own_pictures_always_go() -> None:
    sent = planned(
        (*talk(6)[:-1], user("What are these?", *(image(number) for number in range(20, 26)))),
        History(images=0),
    )
    assert carried(sent) == [f"img_{number}" for number in range(20, 26)]


def test_a_picture_is_shown_where_it_came_first() -> None:
    messages = (
        user("Look", image(1)),
        Message("assistant", (Text("A cat."),)),
        user("Look again", image(1)),
    )
    sent = planned(messages)
    assert sent.shown[2].hidden == {image(1).sha256}
    assert carried(sent) == ["img_1"]


def test_for_another_api_or_model_a_replys_pictures_are_the_users_input() -> None:
    others = [Audience(each) for each in (("c/d",), ("a/b-image",), ("a/b", "c/d"), ())]
    for more in ({"api": "responses"}, *({"audience": other} for other in others)):
        sent = planned(talk(2), **more)
        assert [[each.name for _, each in sent.shown[index].attached] for index in (2, 4)] == [
            ["img_1"],
            ["img_2"],
        ]
        assert carried(sent, more.get("api", "chat")) == ["img_1", "img_2"]
    for same in ("a/b:free", "a/b-2025-12-11", "A/B-preview", "b"):
        sent = planned(talk(2), audience=Audience((same,)))
        assert not any(each.attached for each in sent.shown.values()), same


def test_a_picture_that_the_wire_gave_only_as_a_link_is_sent_when_it_is_named() -> None:
    said = Message(
        "assistant",
        (Text("Here."), image(1)),
        ((b'{"role":"assistant","content":"Here."}',),),
        "chat",
        MODEL,
    )
    assert carried(planned((user("Draw"), said, user("Nice")))) == []
    assert carried(planned((user("Draw"), said, user("Frame img_1")))) == ["img_1"]


def test_a_model_that_sees_nothing_is_told_so_once() -> None:
    sent = planned(
        (user("Look", image(9)), Message("assistant", (Text("?"),)), *talk(2)), sees=False
    )
    notes = [sent.shown[index].note for index in sorted(sent.shown) if sent.shown[index].note]
    assert ["cannot see" in note for note in notes] == [True, False, False]
    assert 'img_1 (40×30, "fox 1")' in notes[1]
    assert carried(sent) == []


def test_turns_leave_from_the_front_with_room_to_grow() -> None:
    messages = talk(30)
    policy = History(images=None, tokens=10 * PICTURE_TOKENS)
    kept = [planned(messages[: 2 * turn + 1], policy) for turn in range(1, 31)]
    assert all(len(carried(each)) <= 10 for each in kept)
    assert all(
        each.messages[0].role == "user" and each.messages[-1].role == "user" for each in kept
    )
    firsts = [carried(each)[0] for each in kept]
    assert 4 < len(set(firsts)) < 9, "several leave at once, and then none for some turns"
    assert kept[0].shown[0].before == "" if 0 in kept[0].shown else True
    before = kept[-1].shown[0].before
    assert "earlier turns were left out" in before
    assert 'img_20 (40×30, "fox 20")' in before
    assert len(before) < 1500


def test_a_picture_of_a_turn_that_was_left_out_can_be_named() -> None:
    policy = History(tokens=3 * PICTURE_TOKENS)
    sent = planned((*talk(9)[:-1], user("Make img_1 blue")), policy)
    assert [each.name for _, each in sent.shown[len(sent.messages) - 1].attached] == ["img_1"]
    assert "img_1 (" in sent.shown[0].before


def test_the_current_run_never_leaves() -> None:
    long = user("x" * 10_000)
    sent = planned(
        (*talk(2)[:-1], long, Message("assistant", (ToolCall("c", "w", "{}"),))),
        History(tokens=10),
        start=4,
    )
    assert sent.messages[0] is long


def test_parents() -> None:
    images = tuple(image(number) for number in (1, 2, 3))
    new = image(9)
    assert parents([user("Put the hat of img_2 on img_1 and img_8")], 0, images, new) == (
        "img_2",
        "img_1",
    )
    assert parents([user("Mix ", image(3), image(1))], 0, images, new) == ("img_3", "img_1")
    assert parents([user("Like img_1 but with ", image(3))], 0, images, new) == ("img_1",)
    assert parents([user("Now at night")], 0, images, new) == ()
    assert parents([user("Again img_1")], 0, images, image(1)) == ()


numbers = st.integers(1, 9)
words = st.lists(
    st.sampled_from(["a", "fox", "img_1", "img_3", "img_7", "img_99", "ünï"]), max_size=4
).map(" ".join)
apis = st.sampled_from(["chat", "responses"])


@st.composite
def turns(draw: Any) -> list[Message]:
    """A turn of the user's, with or without tools, as any API or model may have made it."""
    given = [image(number) for number in draw(st.lists(numbers, max_size=2, unique=True))]
    found: list[Message] = [user(draw(words), *given)]
    for _ in range(draw(st.integers(0, 2))):
        call = f"c{draw(numbers)}"
        reply = drew(
            *(image(number) for number in draw(st.lists(numbers, max_size=2, unique=True))),
            api=draw(apis),
        )
        found.append(replace(reply, parts=(*reply.parts, ToolCall(call, "w", "{}"))))
        shown = tuple(image(number) for number in draw(st.lists(numbers, max_size=2, unique=True)))
        found.append(Message("tool", (ToolResult(call, "w", (Text("ok"), *shown)),)))
    last = [image(number) for number in draw(st.lists(numbers, max_size=2, unique=True))]
    found.append(drew(*last, api=draw(apis), model=draw(st.sampled_from([MODEL, "c/d"]))))
    return found


conversations = st.lists(turns(), min_size=1, max_size=8)
policies = st.builds(History, st.none() | st.integers(0, 4), st.none() | st.integers(1, 9000))


@given(conversations, words, policies, apis, st.booleans())
def test_any_conversation(
    talked: list[list[Message]], asked: str, policy: History, api: Api, sees: bool
) -> None:
    messages = (*(message for turn in talked for message in turn), user(asked))
    sent = planned(messages, policy, api=api, sees=sees)
    assert sent.messages == messages[len(messages) - len(sent.messages) :], "only from the front"
    assert sent.messages[0].role == "user", "only whole turns"
    names = carried(sent, api)
    if not sees:
        assert names == []
        return
    assert len(names) == len(set(names)), "none is carried twice"
    for name in set(asked.split()) & {each.name for message in messages for each in message.images}:
        assert name in names, "what is named is sent"
    if policy.most_images is not None:
        assert (
            len(names)
            <= policy.most_images + len(messages[-1].images) + len(set(asked.split())) + 2 * 3
        )
    told = "".join(shown.note + shown.before + str(shown.attached) for shown in sent.shown.values())
    for each in {each.name for message in messages for each in message.images}:
        assert each in told, "each handle is told"


@given(conversations, policies, apis)
def test_what_was_sent_is_sent_again_until_something_leaves(
    talked: list[list[Message]], policy: History, api: Api
) -> None:
    """From one turn to the next, either all stands as it stood, or pictures or turns have left."""
    before: Plan | None = None
    messages: tuple[Message, ...] = ()
    for turn in talked:
        messages = (*messages, turn[0])
        now = planned(messages, policy, api=api)
        if before is not None:
            count = len(before.messages)
            same = now.messages[:count] == before.messages and all(
                now.shown.get(index) == before.shown.get(index) for index in range(count)
            )
            left = set(carried(before, api)) - set(
                carried(replace(now, messages=now.messages[:count]), api)
            )
            assert same or left or len(now.messages) < len(messages)
        before = now
        messages = (*messages, *turn[1:])


def test_a_picture_that_is_gone_is_told_as_one_that_is_away() -> None:
    messages = (*talk(2)[:-1], user("Look at img_1", image(3)))
    everything = carried(planned(messages, History(images=None)))
    gone = frozenset({image(1).sha256, image(3).sha256})
    sent = planned(messages, History(images=None), gone=gone)
    assert everything == ["img_1", "img_2", "img_3"]
    assert carried(sent) == ["img_2"]
    notes = " ".join(shown.note for shown in sent.shown.values())
    assert "pictures that are not shown here: img_1 (40×30" in notes
    assert "pictures that are not shown here: img_3 (40×30" in notes


def test_a_raw_picture_that_has_no_name_and_is_gone_is_hidden() -> None:
    reply = drew(image(1))
    bare = replace(reply, parts=(Text("Here."),))
    messages = (user("Draw"), bare, user("And now?"))
    sent = planned(messages, images=(), gone=frozenset({image(1).sha256}))
    assert sent.shown[1].hidden == {image(1).sha256}


POLICIES = (History(), History(images=1), History(images=0), History(tokens=2500), History(None))


@st.composite
def grown(draw: st.DrawFn) -> list[tuple[tuple[Message, ...], tuple[Image, ...], int]]:
    """A conversation as it was at each of its requests: its messages, its pictures, its prompt."""
    messages: list[Message] = []
    images: list[Image] = []
    states: list[tuple[tuple[Message, ...], tuple[Image, ...], int]] = []

    def some() -> list[Image]:
        """Pictures that are new, or were there before."""
        found: list[Image] = []
        for _ in range(draw(st.integers(0, 2))):
            if images and draw(st.booleans()):
                found.append(draw(st.sampled_from(images)))
            else:
                found.append(image(len(images) + 1))
                images.append(found[-1])
        return found

    for turn in range(draw(st.integers(1, 9))):
        named = " ".join(each.name for each in images if draw(st.integers(0, 4)) == 0)
        start = len(messages)
        messages.append(user(f"Prompt {turn} {named}", *some()))
        for number in range(draw(st.integers(0, 2))):
            states.append((tuple(messages), tuple(images), start))
            call = ToolCall(draw(st.sampled_from(["1", "a b", f"c{turn}{number}"])), "f", "{}")
            messages.append(Message("assistant", (call, *some()), (), "chat", MODEL))
            messages.append(Message("tool", (ToolResult(call.id, "f", (Text("x"), *some())),)))
            if draw(st.integers(0, 5)) == 0:
                messages.append(user("Once more, please."))
        states.append((tuple(messages), tuple(images), start))
        messages.append(drew(*some(), api=draw(st.sampled_from(["chat", "responses"]))))
        if draw(st.integers(0, 5)) == 0:  # the turn fails
            del messages[start:]
    return states


@given(grown(), st.sampled_from(POLICIES), st.sampled_from([MODEL, "other/model"]), st.booleans())
def test_a_plan_that_goes_on_is_the_plan_that_begins_anew(
    states: list[tuple[tuple[Message, ...], tuple[Image, ...], int]],
    policy: History,
    model: str,
    sees: bool,
) -> None:
    """A picture that failed with its turn may be named from then on, not before: there the plans
    may differ, so it is left out here."""
    planner, audience = Planner(), Audience((model,))
    for messages, _, start in states:
        images = tuple({each.name: each for told in messages for each in told.images}.values())
        for gone in (frozenset[str](), frozenset(each.sha256 for each in images[:1])):
            given: dict[str, Any] = {"api": "chat", "images": images, "audience": audience}
            given |= {"sees": sees, "gone": gone}
            kept = planner.plan(messages, start, policy, **given)
            assert kept == plan(messages, start, policy, **given)


def test_a_request_of_a_long_conversation_looks_at_what_is_new() -> None:
    """Each message is asked for its pictures and its words a few times at most, ever."""

    class Counted(Message):
        looks = 0

        @property
        def images(self) -> tuple[Image, ...]:
            Counted.looks += 1
            return super().images

    messages = tuple(Counted(each.role, each.parts, each.raw, each.api) for each in talk(200))
    planner = Planner()
    looks: list[int] = []
    for end in (len(messages) - 2, len(messages)):
        known = tuple(each for message in talk(200)[:end] for each in message.images)
        Counted.looks = 0
        planner.plan(
            messages[:end],
            end - 1,
            History(),
            api="chat",
            images=known,
            audience=Audience((MODEL,)),
            sees=True,
            gone=frozenset(),
        )
        looks.append(Counted.looks)
    assert looks[0] > 400
    assert looks[1] < 20
