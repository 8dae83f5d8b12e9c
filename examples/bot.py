"""A bot that draws, on Discord. Each user has a conversation, and waits for nobody else.

    DISCORD_TOKEN=… OPENROUTER_API_KEY=sk-or-… python examples/bot.py

A token comes from https://discord.com/developers/applications. No privileged intent is needed: the
bot answers direct messages, and messages that mention it. `stop` ends what it is doing. It may be
killed at any time: the next start goes on, and pays for nothing twice.
"""

import asyncio
import os
import re
import signal
from collections import defaultdict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import discord
from chat_text import in_pieces
from discord.http import Route

from agentkit import Agent, AgentkitError, AnswerStream, Image, ImageGeneration, Message, Text
from agentkit.events import ImageFailed, ImageReady, TextDelta
from agentkit.sessions import SavedConversation, Sessions
from agentkit.studio import InputLimits, scaled_to_fit

A_DAY = 1.00  # USD for each user
LIMIT = 2_000  # of a message, in units of UTF-16
UPLOAD, TOO_LARGE = 10 << 20, 40005  # bytes of a file; what Discord says where it takes less
UNKNOWN = "nobody can tell whether this was paid for. Write `again` to have it done once more."


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
        elif isinstance(part, str) or part not in self.parts:
            self.parts.append(part)

    def tell(self, messages: Sequence[Message]) -> None:
        for part in [part for each in messages for part in each.parts]:
            if isinstance(part, Text | Image):
                self.add(part if isinstance(part, Image) else part.text)

    async def show(self) -> None:
        """Post what is new, and change what has grown."""
        for number, part in enumerate([*self.parts]):
            if isinstance(part, Image):
                await self.show_picture(part)
                continue
            for at, text in enumerate(in_pieces(part, LIMIT)):
                place = f"{number}.{at}"
                if place not in self.posted:
                    self.posted[place] = await self.post(place, text)
                if self.posted[place].content != text:
                    self.posted[place] = await self.posted[place].edit(content=text, suppress=True)

    async def show_picture(self, image: Image) -> None:
        most = UPLOAD
        while image.name not in self.posted:
            limits = InputLimits(max_bytes=most)
            copy = await asyncio.to_thread(scaled_to_fit, image, limits, scale=True)
            file = discord.File(BytesIO(copy.bytes()), copy.file_name)
            try:
                self.posted[image.name] = await self.post(image.name, "", file)
            except discord.HTTPException as error:
                if error.code != TOO_LARGE or copy.size < 1 << 14:
                    raise
                most = copy.size // 2

    async def post(self, place: str, text: str, *files: discord.File) -> discord.Message:
        """Post a message, unless a process that died has done so: Discord knows its nonce."""
        return await self.question.channel.send(
            text,
            files=files,
            nonce=f"{self.question.id:x}.{place}",
            reference=self.question.to_reference(fail_if_not_exists=False),
            suppress_embeds=True,
        )


class Bot(discord.AutoShardedClient):
    """Answers who writes to it. A file in `inbox` is a message that the next start must answer."""

    def __init__(self, agent: Agent, sessions: Sessions, inbox: Path) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True, messages=True),
            allowed_mentions=discord.AllowedMentions.none(),  # the words of a model ping nobody
        )
        self.agent, self.sessions, self.inbox = agent, sessions, inbox
        self.lines: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.turns: dict[int, AnswerStream] = {}

    async def setup_hook(self) -> None:
        self.inbox.mkdir(exist_ok=True)
        for note in sorted(self.inbox.iterdir()):
            message, channel = map(int, note.name.split("-"))
            try:
                found = await self.get_partial_messageable(channel).fetch_message(message)
                self.dispatch("message", found)
            except discord.NotFound:  # it was deleted meanwhile
                note.unlink()

    async def on_message(self, message: discord.Message) -> None:
        is_for_me = message.guild is None or self.user in message.mentions
        if message.author.bot or message.is_system() or not is_for_me:
            return
        if self.words_of(message).casefold() != "stop":
            note = self.inbox / f"{message.id}-{message.channel.id}"
            note.touch()
            await self.take(message, note)
        elif turn := self.turns.get(message.author.id):
            turn.stop()

    async def take(self, message: discord.Message, note: Path) -> None:
        """Answer a message, after those that its author wrote before."""
        async with self.lines[message.author.id], message.channel.typing():
            reply = Reply(message)
            answering = asyncio.create_task(self.answer(message, note, reply))
            try:
                is_whole = False
                while not is_whole:
                    await asyncio.sleep(1)  # Discord takes about one edit a second
                    is_whole = answering.done()
                    await reply.show()
            finally:
                await answering
            await asyncio.to_thread(note.unlink)

    async def answer(self, message: discord.Message, note: Path, reply: Reply) -> None:
        user = str(message.author.id)
        name = f"discord-{message.channel.id}-{user}"  # what is said in private stays there
        try:
            async with self.sessions.conversation(name, self.agent, user=user, wait=60) as chat:
                if turn := self.turn(chat, message, note, reply):
                    self.turns[message.author.id] = turn
                    await self.follow(turn, reply)
        except AgentkitError as error:
            reply.add(f"\n\nThat did not work: {error}")
        finally:
            self.turns.pop(message.author.id, None)

    def turn(
        self, chat: SavedConversation, message: discord.Message, note: Path, reply: Reply
    ) -> AnswerStream | None:
        """What answers a message; None if it was answered, and the answer maybe not shown."""
        words, begun = self.words_of(message), note.read_text()
        if begun and len(chat.messages) > int(begun):
            return reply.tell(chat.messages[int(begun) + 1 :])
        note.write_text(str(len(chat.messages)))
        day = self.sessions.budget(f"discord-{message.author.id}", A_DAY, per="day")
        cut = chat.interrupted.run if chat.interrupted else chat.waiting
        if cut and words.casefold() == "again":
            asked = [each.call_id for each in cut.waiting]
            return chat.resume_stream(cut, outcomes=dict.fromkeys(asked, "again"), budget=day)
        if cut and begun:
            reply.tell(cut.messages[cut.start + 1 :])
            return chat.resume_stream(cut, budget=day)
        if chat.waiting:
            chat.drop()
        pictures = [Image.from_url(each.url, alt=each.filename) for each in message.attachments]
        return chat.stream([words, *pictures], budget=day)

    async def follow(self, turn: AnswerStream, reply: Reply) -> None:
        async with turn:
            async for event in turn:
                if isinstance(event, TextDelta):
                    reply.add(event.text)
                elif isinstance(event, ImageReady):
                    reply.add(event.image)
                elif isinstance(event, ImageFailed):
                    reply.add(f"\n\nA picture did not come: {event.failure.reason}\n\n")
        for image in turn.answer.images:  # also what came before the bot was killed
            reply.add(image)
        why = UNKNOWN if turn.answer.status == "paused" else turn.answer.refusal
        if why := why or turn.answer.limit_reason:
            reply.add(f"\n\nI stop here: {why}")

    def words_of(self, message: discord.Message) -> str:
        return re.sub(f"<@!?{self.application_id}>", "", message.content).strip()


def main() -> None:
    Route.BASE = os.environ.get("DISCORD_API", Route.BASE)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # one more way to be killed
    agent = Agent("openai/gpt-5.2", tools=[ImageGeneration()], scale=True)
    Bot(agent, Sessions("sqlite:///bot.db"), Path("inbox")).run(os.environ["DISCORD_TOKEN"])


if __name__ == "__main__":
    main()
