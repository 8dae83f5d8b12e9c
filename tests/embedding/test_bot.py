"""The bot of `examples/`, on the real discord.py: its messages, its pictures, its lines of users."""

from __future__ import annotations

import asyncio
import re
import sys
import unicodedata
import warnings
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import Agent, FetchPolicy, Image, ImageGeneration, OpenRouter
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Fault, Reply, Say, Socket, When
from agentkit.images.store import MemoryImageStore
from agentkit.sessions import Sessions
from tests.cassettes.recorder import example
from tests.clock import until
from tests.conftest import examples, picture
from tests.embedding.discord_stub import BOT, GUILD, OTHER_BOT, TOKEN, Discord, Posted, units

ADA, BEA = 7, 8

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of audioop, which discord.py imports
    discord = pytest.importorskip("discord")
    sys.modules["chat_text"] = example("chat_text")  # beside the script, as a script finds it
    MODULE = example("bot")


@pytest.fixture
async def network() -> AsyncIterator[Discord]:
    base = MODULE.Route.BASE
    async with Discord() as running:
        MODULE.Route.BASE = running.api
        try:
            yield running
        finally:
            MODULE.Route.BASE = base


class Told:
    """A tool that waits for the test, so that a reply comes in as many parts as the test likes."""

    def __init__(self) -> None:
        self.go_on = asyncio.Semaphore(0)

    async def hold_the_line(self, number: int) -> str:
        """Wait, for the n-th time."""
        await self.go_on.acquire()
        return f"Go on with {number}."


def in_parts(*parts: str) -> list[Reply]:
    """Replies of which each but the last calls the tool."""
    *first, last = parts
    calls = [CallTool("hold_the_line", {"number": number}) for number in range(len(first))]
    waiting = [Reply([Say(part), call]) for part, call in zip(first, calls, strict=True)]
    return [*waiting, Reply([Say(last)])]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def bot(
    network: Discord, client: OpenRouter, store: MemoryImageStore, told: Told, tmp_path: Path
) -> AsyncIterator[Any]:
    """The bot, connected."""
    agent = Agent(
        "openai/gpt-5.2",
        tools=[ImageGeneration(), told.hold_the_line],
        client=client,
        store=store,
        fetch=FetchPolicy(private=True),
        scale=True,
    )
    sessions = Sessions(f"sqlite:///{tmp_path}/bot.db", store=store)
    running = MODULE.Bot(agent, sessions, tmp_path / "inbox")
    task = asyncio.create_task(running.start(TOKEN))
    await until(lambda: network.connected or task.done())
    assert network.connected, task.result()
    yield running
    await running.close()
    await task
    sessions.close()


async def said(network: Discord, holds: Callable[[list[Posted]], object]) -> list[Posted]:
    """What the bot has posted, once it is so."""
    await until(lambda: holds(network.said))
    return network.said


async def test_words_and_a_picture(bot: Any, network: Discord, emulator: Emulator) -> None:
    question = await network.say(ADA, "Draw a fox in the snow")
    posted = await said(network, lambda posted: any(each.files for each in posted))
    (drawn,) = [each for each in posted if each.files]
    ((name, data),) = drawn.files.items()
    assert name == "img_1.png"
    assert PIL.Image.open(BytesIO(data)).format == "PNG"
    assert {each.replies_to for each in posted} == {question.id}
    assert {each.channel for each in posted} == {question.channel}
    assert network.typing, "the user sees that the bot is at work"
    assert len(emulator.ledger) == 1


async def test_the_words_of_a_model_ping_nobody_and_show_no_preview(
    bot: Any, network: Discord, emulator: Emulator, told: Told
) -> None:
    emulator.play(in_parts("@everyone", f"<@{BEA}> https://example.org/"))
    await network.say(ADA, "Hello")
    await said(network, lambda posted: posted)
    told.go_on.release()
    (posted,) = await said(network, lambda posted: "https" in posted[0].content)
    assert posted.edits, "it was changed, which must not bring the previews back"
    assert posted.flags & 4, "SUPPRESS_EMBEDS"
    assert [asked["allowed_mentions"]["parse"] for asked in posted.asked] == [[], []]


def test_words_that_come_twice_are_shown_twice_and_a_picture_once() -> None:
    reply, fox = MODULE.Reply(None), Image.from_bytes(picture())
    for part in ("Here: ", fox, "Here: ", fox):
        reply.add(part)
    assert reply.parts == ["Here: ", fox, "Here: "]


async def test_at_most_one_edit_a_second(
    bot: Any, network: Discord, emulator: Emulator, told: Told
) -> None:
    words = [f"word{number}" for number in range(4)]
    emulator.play(in_parts(*words))
    await network.say(ADA, "Count")
    for word in words:
        await said(network, lambda posted, word=word: posted and word in posted[0].content)
        told.go_on.release()
    (posted,) = network.said
    times = [at for at, _ in posted.edits]
    assert len(times) == 3, "it grew while it came"
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(times))
    assert all(after.startswith(before) for (_, before), (_, after) in pairwise(posted.edits))


async def test_a_long_answer_takes_several_messages(
    bot: Any, network: Discord, emulator: Emulator
) -> None:
    paragraphs = [f"{number}. " + "A sentence of some words. " * 30 for number in range(8)]
    emulator.play(Reply([Say("\n\n".join(paragraphs))], chunk=400, pause=0.05))
    await network.say(ADA, "Tell me a story")
    await said(network, lambda posted: posted and posted[-1].content.startswith("6. "))
    posted = network.said
    assert network.refused == []
    assert [each.content[:2] for each in posted] == ["0.", "2.", "4.", "6."]


async def test_a_picture_that_is_too_large_is_sent_smaller(
    bot: Any, network: Discord, emulator: Emulator
) -> None:
    network.upload_limit = 60_000
    large = picture(size=(400, 300), noise=3)
    assert len(large) > 2 * network.upload_limit
    emulator.play(Reply([Draw("noise", data=large)]))
    await network.say(ADA, "Draw noise")
    (drawn,) = await said(network, lambda posted: any(each.files for each in posted))
    (data,) = drawn.files.values()
    assert len(data) <= network.upload_limit
    copy = PIL.Image.open(BytesIO(data))
    assert copy.width < 400
    assert abs(copy.width / copy.height - 4 / 3) < 0.05
    assert ("POST", 413) in network.refused
    assert len(emulator.ledger) == 1


async def test_a_line_for_each_user(bot: Any, network: Discord, emulator: Emulator) -> None:
    emulator.faults.add(Fault(socket=Socket("stall", at="finish"), when=When(nth=1)))
    emulator.play("One moment")
    await network.say(ADA, "First")
    await said(network, lambda posted: posted)
    emulator.play("Hello, Bea")
    await network.say(ADA, "Second")
    await network.say(BEA, "Hello")
    posted = await said(network, lambda posted: len(posted) == 2)
    assert posted[1].content == "Hello, Bea", "it does not wait for Ada's first answer"
    assert len(emulator.posts) == 2, "Ada's second message waits in line"
    emulator.play("And this is the second")
    await network.say(ADA, "stop")
    posted = await said(network, lambda posted: len(posted) == 3)
    assert (posted[2].channel, posted[2].content) == (10 * ADA, "And this is the second")
    assert posted[0].content == "One moment", "what came is kept"


async def test_a_picture_of_the_user(bot: Any, network: Discord, emulator: Emulator) -> None:
    await network.say(ADA, "What is this?", files={"mine.png": picture("blue", size=(64, 48))})
    await said(network, lambda posted: posted)
    assert network.refused == []
    assert "data:image/png;base64" in str(emulator.requests[-1].body)


async def test_a_file_that_is_no_picture(bot: Any, network: Discord, emulator: Emulator) -> None:
    await network.say(ADA, "Read this", files={"notes.txt": b"no picture"})
    (posted,) = await said(network, lambda posted: posted)
    assert "picture 1 of the prompt" in posted.content
    assert emulator.posts == []
    await network.say(ADA, "Hello")
    await said(network, lambda posted: len(posted) == 2)


async def test_an_error_is_told(bot: Any, network: Discord, emulator: Emulator) -> None:
    emulator.play(Failure("You have no credits left", 402))
    await network.say(ADA, "Draw a fox")
    (posted,) = await said(network, lambda posted: posted)
    assert posted.content.startswith("That did not work: ")
    assert "no credits left" in posted.content


async def test_a_user_who_has_spent_what_a_day_allows(
    bot: Any, network: Discord, emulator: Emulator
) -> None:
    emulator.play(Reply([Say("That was dear")], usage={"cost": 1.5 * MODULE.A_DAY}))
    await network.say(ADA, "Hello")
    await said(network, lambda posted: posted)
    await network.say(ADA, "Hello again")
    posted = await said(network, lambda posted: len(posted) == 2)
    assert posted[1].content.startswith("I stop here: $0.0000 is left")
    assert len(emulator.posts) == 1
    await network.say(BEA, "Hello")
    await said(network, lambda posted: len(posted) == 3)
    assert len(emulator.posts) == 2


async def test_a_network_that_is_busy(
    bot: Any, network: Discord, emulator: Emulator, told: Told
) -> None:
    network.busy = ["POST", "PATCH"]
    emulator.play(in_parts("Good", "evening"))
    await network.say(ADA, "Hello")
    await said(network, lambda posted: posted)
    told.go_on.release()
    (posted,) = await said(network, lambda posted: posted[0].edits)
    assert posted.content.split() == ["Good", "evening"]
    assert network.refused == [("POST", 429), ("PATCH", 429)]


async def test_in_a_server_it_answers_whoever_mentions_it(
    bot: Any, network: Discord, emulator: Emulator
) -> None:
    place = {"guild": True, "channel": GUILD + 1}
    await network.say(ADA, "Not for you", **place)
    await network.say(OTHER_BOT, "I am a bot", **place, mentions=[BOT])
    await network.say(ADA, f"<@{BOT}> Hello", **place, mentions=[BOT])
    (posted,) = await said(network, lambda posted: posted)
    assert posted.channel == GUILD + 1
    assert emulator.told[-1].endswith("user: Hello")
    assert len(emulator.posts) == 1


async def test_what_is_said_in_private_is_not_known_elsewhere(
    bot: Any, network: Discord, emulator: Emulator
) -> None:
    await network.say(ADA, "My secret is a blue door")
    await said(network, lambda posted: posted)
    channel = GUILD + 1
    await network.say(ADA, f"<@{BOT}> Hello", guild=True, channel=channel, mentions=[BOT])
    await said(network, lambda posted: len(posted) == 2)
    assert "blue door" not in emulator.told[-1]


def in_messages(text: str) -> list[str]:
    return MODULE.in_pieces(text, MODULE.LIMIT)


EMOJI = "👩‍👩‍👧 👍🏽 🇳🇴 ❤️ é 🏴󠁧󠁢󠁳󠁣󠁴󠁿 1️⃣".split()
PIECES = st.sampled_from(
    ["word ", "Sentence. ", "\n", "\n\n", "```python\n", "```\n", "```", "x" * 700, *EMOJI]
)


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(PIECES, st.integers(1, 120)), max_size=12))
def test_whatever_a_model_says_fits_in_messages(parts: list[tuple[str, int]]) -> None:
    text = "".join(part * count for part, count in parts)
    pieces = in_messages(text)
    for piece in pieces:
        assert 0 < units(piece) <= 2_000
        assert piece.count("```") % 2 == 0, "code is closed"
    plain = re.compile(r"```(python)?|\s")
    assert plain.sub("", "".join(pieces)) == plain.sub("", text)


@pytest.mark.parametrize("emoji", EMOJI)
@pytest.mark.parametrize("shift", range(4))
def test_no_emoji_is_torn(emoji: str, shift: int) -> None:
    text = "a" * shift + emoji * 700
    first, *more = in_messages(text)
    assert first == "a" * shift + emoji * ((len(first) - shift) // len(emoji))
    assert all(piece == emoji * (len(piece) // len(emoji)) for piece in more)


def test_a_text_of_nothing_but_marks_comes_to_an_end() -> None:
    assert len(in_messages("a" + "\u0301" * 9_000)) <= 6
    assert unicodedata.category("\u0301") == "Mn"


@pytest.mark.parametrize("part", ["```", "```\n", "`", "```" + "x" * 3_000 + "\n", "```py\n\n"])
def test_code_that_is_malformed_comes_to_an_end(part: str) -> None:
    assert len(in_messages(part * 300)) < 1_400
    assert in_messages("```" + "x" * 9_000 + "\n" + part * 40)


def test_paragraphs_then_sentences_then_words() -> None:
    whole = "Three words here. " * 60
    assert in_messages(f"{whole}\n\n{whole}") == [whole.strip(), whole.strip()]
    assert all(each.endswith(".") for each in in_messages(whole * 3))
    assert all(set(each.split()) == {"word"} for each in in_messages("word " * 900))


def test_a_block_of_code_moves_as_a_whole_or_goes_on_in_the_next_message() -> None:
    code = "```python\n" + "print(1)\n" * 100 + "```"
    words = "Some words. " * 120
    assert in_messages(f"{words}\n{code}") == [words.strip(), code]
    first, second = in_messages("```python\n" + "print(1)\n" * 300 + "```")
    assert first.startswith("```python\nprint(1)\n")
    assert first.endswith("print(1)\n```")
    assert second.startswith("```python\nprint(1)\n")
    assert (first + second).count("print(1)") == 300
    exactly = "```python\n" + "x = 1234\n" * 220 + "12345\n```\nAnd so on."
    assert in_messages(exactly)[-1] == "And so on.", "no block of code is empty"
