"""A play as Markdown: `transcript.md` of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentkit.answer import Answer
from agentkit.demo.descriptions import (
    argument_list,
    cost,
    early_end,
    outcome,
    parents,
    verdict_line,
)
from agentkit.demo.played import Played, PlayedTurn
from agentkit.demo.saved_play import SavedPlay, in_order
from agentkit.demo.script import Script
from agentkit.demo.sources import AnsweredBy
from agentkit.run.lines import of_file
from agentkit.show import markdown, plain
from agentkit.values import Image, Invocation, Text


def transcript(
    script: Script, conversations: Sequence[SavedPlay], answered_by: AnsweredBy | None
) -> str:
    """All plays of a script, one after the other."""
    blocks = [f"# {markdown.inline(script.name)}", markdown.prose(script.about.strip())]
    if answered_by is not None:
        blocks.append(f"_Answered by {markdown.inline(answered_by.words)}._")
    for conversation in conversations:
        blocks.append(f"## {conversation.title}")
        for turn in conversation.played.turns:
            blocks += _turn_blocks(turn, conversation)
        blocks.append(f"_{markdown.inline(summary(conversation.played))}_")
    return "\n\n".join(block for block in blocks if block) + "\n"


def _turn_blocks(turn: PlayedTurn, conversation: SavedPlay) -> Iterator[str]:
    """The Markdown blocks of a turn, in order."""
    yield f"### {turn.number}"
    prompt = markdown.prose(turn.say.strip())
    yield "\n".join(f"> {line}".rstrip() for line in prompt.split("\n"))
    for image in turn.attached:
        yield _image_block(image, conversation)
    for each in turn.decided:
        yield f"_{markdown.inline(verdict_line(each))}_"
    if turn.answer is not None:
        yield from _answer_blocks(turn.answer, conversation)
    for why in turn.problems:
        yield f"**Not as expected:** {markdown.inline(why)}"
    if turn.error:
        yield f"**Error:** {markdown.inline(turn.error)}"


def _answer_blocks(answer: Answer, conversation: SavedPlay) -> Iterator[str]:
    yield "\n".join(_call_item(call) for call in answer.invocations)
    for part in in_order(answer.shown):
        if isinstance(part, Text):
            yield markdown.prose(part.text.strip("\n"))
        else:
            yield _image_block(part, conversation)
    for file in answer.files:
        yield f"- {markdown.inline(of_file(file))}"
    for failure in answer.failures:
        yield f"> {markdown.inline(plain.failed(failure))}"
    if why := early_end(answer):
        yield f"_{markdown.inline(why)}_"


def _call_item(call: Invocation) -> str:
    """A tool call as an item of a list."""
    item = f"- **{markdown.inline(call.name)}**"
    if call.arguments is not None:
        item += markdown.inline(f"({argument_list(call.arguments)})")
    if call.count > 1:
        item += f" ×{call.count}"
    if result := markdown.inline(outcome(call)):
        item += f" → {result}"
    if call.seconds is not None:
        item += f" _({plain.duration(call.seconds)})_"
    return item


def _image_block(image: Image, conversation: SavedPlay) -> str:
    """A picture with its facts below it."""
    file = conversation.files.get(image.name)
    if file is None:
        return f"> {markdown.inline(f'{image.name}: its bytes are gone')}"
    facts = [image.name, plain.pixels(image), parents(image)]
    line = ", ".join(fact for fact in facts if fact)
    if words := conversation.caption(image):
        line += f": {words}"
    folder, _, _ = file.rpartition("/")
    return f"{markdown.picture(image, folder=folder)}\n\n_{markdown.inline(line)}_"


def summary(played: Played) -> str:
    usage = played.usage
    good = sum(turn.is_good for turn in played.turns)
    facts = (
        f"{good} of {played.planned} turns as expected",
        plain.counted(len(played.images), "picture"),
        plain.counted(usage.requests, "request"),
        f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out",
        cost(usage),
        plain.duration(played.seconds),
    )
    return " · ".join(facts)
