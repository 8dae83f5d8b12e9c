"""A bot that draws, on Discord. Each user has a conversation, and waits for nobody else.

    DISCORD_TOKEN=… OPENROUTER_API_KEY=sk-or-… python examples/bot.py

A token comes from https://discord.com/developers/applications. No privileged intent is needed: the
bot answers direct messages, and messages that mention it. `stop` ends what it is doing.
"""

import asyncio
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from io import BytesIO

import discord
from discord.http import Route

from agentkit import Agent, AgentkitError, AnswerStream, Conversation, Image, ImageGeneration
from agentkit.events import ImageFailed, ImageReady, TextDelta
from agentkit.studio import InputLimits, scaled_to_fit

EDIT_EVERY = 1.0  # seconds
LIMIT = 2_000  # units of UTF-16 in a message
UPLOAD, TOO_LARGE = 10 << 20, 40005  # bytes of a file; what Discord says where it takes less
FENCE = "```"
FLAGS = "".join(map(chr, range(0x1F1E6, 0x1F200)))  # the letters of which two make a flag
BREAKS = (r"\n\s*\n", r"\n|(?<=[.!?…])\s", r"\s")  # paragraphs; lines and sentences; words


def in_messages(text: str) -> list[str]:
    """The text in pieces that fit. Code that has to be cut is a block of its own in each."""
    pieces: list[str] = []
    rest = text.strip()
    while len(data := rest.encode("utf-16-le")) > 2 * LIMIT:
        head = data[: 2 * (LIMIT - len(FENCE) - 1)].decode("utf-16-le", "ignore")
        at = best_cut(head, rest)
        again = opening(rest[:at])
        pieces.append(closed(rest[:at]))
        rest = again + rest[at:] if again else rest[at:].lstrip()
    return [piece for piece in [*pieces, closed(rest)] if piece]


def best_cut(head: str, text: str) -> int:
    """Where to cut a text whose head fits: outside code if it can be, and never in an emoji."""
    for each in BREAKS:
        for found in reversed([*re.finditer(each, head)]):
            if not opening(head[: found.start()]):
                return found.end()
    if (line := head.rfind("\n") + 1) > len(opening(head)):
        return line
    at = len(head)
    while at > len(head) - 40 and is_torn(text, at):
        at -= 1
    return at


def is_torn(text: str, at: int) -> bool:
    """Whether a cut here tears an emoji, or a letter from its marks."""
    if text[at] in FLAGS:
        return (at - len(text[:at].rstrip(FLAGS))) % 2 == 1
    joined = unicodedata.category(text[at]) in {"Cf", "Mc", "Me", "Mn", "Sk"}
    return joined or text[at - 1] == "\u200d"


def opening(text: str) -> str:
    """The line that opened the code in which the text ends, or nothing."""
    if text.count(FENCE) % 2 == 0:
        return ""
    language = re.match(r"[\w+#.-]*\n", text[text.rfind(FENCE) + len(FENCE) :])
    return FENCE + (language.group() if language else "\n")


def closed(text: str) -> str:
    return f"{text.rstrip()}\n{FENCE}" if opening(text) else text.rstrip()


class Reply:
    """An answer that grows in the channel of its question."""

    def __init__(self, question: discord.Message) -> None:
        self.question = question
        self.parts: list[str | Image] = [""]
        self.posted: dict[str, discord.Message] = {}

    def add(self, part: str | Image) -> None:
        """More words, or a picture. Words that follow a picture stand in a message below it."""
        if isinstance(part, str) and isinstance(self.parts[-1], str):
            self.parts[-1] += part
        else:
            self.parts.append(part)

    async def show(self) -> None:
        """Post what is new, and change what has grown."""
        for number, part in enumerate([*self.parts]):
            if isinstance(part, Image):
                await self.show_picture(part)
                continue
            for at, text in enumerate(in_messages(part)):
                place = f"{number}.{at}"
                if place not in self.posted:
                    self.posted[place] = await self.post(place, text)
                if self.posted[place].content != text:
                    edited = await self.posted[place].edit(content=text, suppress=True)
                    self.posted[place] = edited

    async def show_picture(self, image: Image) -> None:
        most = UPLOAD
        while image.name not in self.posted:
            limits = InputLimits(max_bytes=most)
            copy = await asyncio.to_thread(scaled_to_fit, image, limits, scale=True)
            file = discord.File(BytesIO(copy.bytes()), copy.file_name)
            try:
                self.posted[image.name] = await self.post(image.name, files=[file])
            except discord.HTTPException as error:
                if error.code != TOO_LARGE or copy.size < 1 << 14:
                    raise
                most = copy.size // 2

    async def post(
        self, place: str, text: str = "", files: Sequence[discord.File] = ()
    ) -> discord.Message:
        """A message without previews of its links. What was posted at this place before, maybe by
        a process that died, is not posted again: Discord knows it by its nonce.
        """
        return await self.question.channel.send(
            text,
            files=files,
            nonce=f"{self.question.id:x}.{place}",
            reference=self.question.to_reference(fail_if_not_exists=False),
            mention_author=False,
            suppress_embeds=True,
        )


class Bot(discord.AutoShardedClient):
    """Answers whoever writes to it."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True, messages=True),
            allowed_mentions=discord.AllowedMentions.none(),  # the words of a model ping nobody
        )
        self.agent = agent
        self.chats: dict[str, Conversation] = {}
        self.lines: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.turns: dict[int, AnswerStream] = {}

    async def on_message(self, message: discord.Message) -> None:
        is_for_me = message.guild is None or self.user in message.mentions
        if message.author.bot or message.is_system() or not is_for_me:
            return
        if self.words_of(message).casefold() == "stop":
            if turn := self.turns.get(message.author.id):
                turn.stop()
            return
        async with self.lines[message.author.id], message.channel.typing():
            reply = Reply(message)
            answering = asyncio.create_task(self.answer(message, reply))
            try:
                is_whole = False
                while not is_whole:
                    await asyncio.sleep(EDIT_EVERY)
                    is_whole = answering.done()
                    await reply.show()
            finally:
                await answering

    async def answer(self, message: discord.Message, reply: Reply) -> None:
        pictures = [Image.from_url(each.url, alt=each.filename) for each in message.attachments]
        # Of this user in this channel: what is said in private stays there.
        name = f"{message.channel.id}-{message.author.id}"
        chat = self.chats.setdefault(name, self.agent.conversation())
        try:
            async with chat.stream([self.words_of(message), *pictures]) as stream:
                self.turns[message.author.id] = stream
                async for event in stream:
                    match event:
                        case TextDelta(text=text):
                            reply.add(text)
                        case ImageReady(image=image):
                            reply.add(image)
                        case ImageFailed(failure=failure):
                            reply.add(f"\n\nA picture did not come: {failure.reason}\n\n")
                        case _:
                            pass
            reply.add(f"\n\n{stream.answer.refusal or stream.answer.limit_reason or ''}")
        except AgentkitError as error:
            reply.add(f"\n\nThat did not work: {error}")
        finally:
            self.turns.pop(message.author.id, None)

    def words_of(self, message: discord.Message) -> str:
        return re.sub(f"<@!?{self.application_id}>", "", message.content).strip()


def main() -> None:
    Route.BASE = os.environ.get("DISCORD_API", Route.BASE)
    agent = Agent(
        "openai/gpt-5.2",
        instructions="You draw with people on Discord. Answer briefly.",
        tools=[ImageGeneration()],
        scale=True,
    )
    Bot(agent).run(os.environ["DISCORD_TOKEN"])


if __name__ == "__main__":
    main()
