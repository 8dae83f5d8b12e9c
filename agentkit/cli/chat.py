"""`agentkit chat`: a conversation in the terminal."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from agentkit.answer import Answer
from agentkit.budget import Budget
from agentkit.conversation import Conversation
from agentkit.demo.descriptions import early_end, image_line, usage_line
from agentkit.demo.live import EventView, plain_console, print_indented
from agentkit.errors import AgentkitError
from agentkit.show import plain
from agentkit.tools import Denied
from agentkit.values import Image, Invocation
from agentkit.values import Text as Words

HELP = """A picture is called by its name: "put a hat on img_1".
Before a tool that needs your approval runs, you are asked.
/images         list the pictures of this conversation
/attach FILE    send a picture with the next message
/save [FOLDER]  save all pictures (default: pictures)
/quit           end the chat"""
_YES = {"y", "yes"}
_NO = {"", "n", "no"}


def run_chat(
    conversation: Conversation,
    runner: asyncio.Runner,
    console: Console | None = None,
    *,
    budget: Budget | None = None,
) -> None:
    """Read prompts and commands and answer each, until `/quit` or the end of the input.

    An error of a turn, or Ctrl-C in one, ends that turn alone: its words are forgotten, its
    pictures are kept. With a `budget`, each turn also shows what the chat has cost so far.
    """
    chat = _Chat(conversation, runner, console or plain_console(), budget)
    chat.print(f"{conversation.model} · /help lists the commands", "dim")
    while (line := chat.read_line("\n› ")) is not None and line.strip() != "/quit":
        try:
            chat.handle(line.strip())
        except AgentkitError as error:
            chat.print(f"✗ {plain.line(str(error), width=400)}", "red")
        except KeyboardInterrupt:
            chat.stopped()


@dataclass(slots=True)
class _Chat:
    conversation: Conversation
    runner: asyncio.Runner
    console: Console
    budget: Budget | None
    attached: list[Image] = field(default_factory=list[Image])
    """Pictures that go with the next message."""

    # Terminal

    def print(self, text: str, style: str = "") -> None:
        print_indented(self.console, Text(text, style=style))

    def print_row(self, sign: str, style: str, text: str) -> None:
        print_indented(self.console, Text.assemble((f"{sign} ", style), text))

    def read_line(self, question: str) -> str | None:
        """A line of the input; None at its end. Only a terminal shows the question."""
        try:
            return input(question if self.console.is_terminal else "")
        except EOFError:
            return None

    # A turn

    def handle(self, line: str) -> None:
        """Carry out a command, or send the line as a prompt."""
        if line.startswith("/"):
            self._run_command(line)
        elif line:
            self._take_turn([line, *self.attached])
            self.attached.clear()

    def _take_turn(self, prompt: list[str | Image]) -> None:
        """Run one turn to its end, and ask for the decisions that it waits for."""
        self.conversation.drop()  # a turn that Ctrl-C left waiting for a decision
        answer = self.runner.run(self._stream(prompt))
        while answer.status == "paused":
            answer = self._decide(answer)
        if why := early_end(answer):
            self.print_row("■", "yellow", why)
        self.print(usage_line(answer.usage) + self._cost_so_far(), "dim")

    def stopped(self) -> None:
        """Tell that a turn was stopped, and wait for the pictures that are paid for; another Ctrl-C
        does not wait.
        """
        self.print("stopped" + self._cost_so_far(), "red")
        known = set(self.conversation.images)
        with suppress(KeyboardInterrupt):
            self.runner.run(self.conversation.settled())
        for name, image in self.conversation.images.items():
            if name not in known:
                self.print_row("▣", "magenta", image_line(image))

    async def _stream(self, prompt: list[str | Image]) -> Answer[Any]:
        view = EventView(self.console)
        view.start()
        stream = self.conversation.stream(prompt)
        try:
            async with stream:
                async for event in stream:
                    view.show(event)
        finally:
            view.stop()
        return stream.answer

    def _decide(self, paused: Answer[Any]) -> Answer[Any]:
        """Ask about each call that waits, and resume the run."""
        approvals: dict[str, bool | Denied] = {}
        results: dict[str, str] = {}
        calls = {call.id: call for call in paused.pending}
        for waiting in paused.run.waiting:
            call = calls.get(waiting.call_id)
            if call is None:
                continue
            self.print_row("?", "bold yellow", plain.call(call))
            if waiting.why == "approval":
                approvals[call.id] = self._ask_approval()
            else:
                results[call.id] = (self.read_line("  its result: ") or "").strip()
        resumed = self.conversation.resume(paused.run, approve=approvals, results=results)
        answer = self.runner.run(resumed)
        self._print_new(paused, answer)
        return answer

    def _ask_approval(self) -> bool | Denied:
        """Yes, no, or no with a reason. The end of the input is a no."""
        words = (self.read_line("  run it? [y/N, or why not] ") or "").strip()
        if words.lower() in _YES:
            return True
        return False if words.lower() in _NO else Denied(words)

    def _print_new(self, before: Answer[Any], answer: Answer[Any]) -> None:
        """Print what came since the run paused: calls, pictures, words."""
        view = EventView(self.console)
        old = {call.id: call.status for call in before.invocations}
        for call in answer.invocations:
            if _has_ended(call) and call.status != old.get(call.id):
                view.finished_call(call)
        known = {image.name for image in before.images}
        for image in answer.images:
            if image.name not in known:
                self.print_row("▣", "magenta", image_line(image))
        new = answer.messages[len(before.messages) :]
        texts = [message.text for message in new if message.role == "assistant"]
        words = plain.answer([Words(text) for text in texts if text])
        if words:
            self.print(words)

    def _cost_so_far(self) -> str:
        """` · $0.0421 so far, of $0.50`, and what may have been spent besides."""
        budget = self.budget
        if budget is None:
            return ""
        text = f" · {plain.dollars(budget.spent_usd)} so far"
        if budget.uncertain_usd:
            text += f", perhaps {plain.dollars(budget.uncertain_usd)} more"
        if budget.cost_usd is not None:
            text += f", of {plain.dollars(budget.cost_usd)}"
        return text

    # Commands

    def _run_command(self, line: str) -> None:
        command, _, argument = line.partition(" ")
        argument = argument.strip()
        match command:
            case "/images":
                images = self.conversation.images.values()
                rows = [image_line(image) for image in images] or ["no pictures yet"]
            case "/attach":
                self.attached.append(Image.from_file(argument))
                rows = [f"goes with the next message: {argument}"]
            case "/save":
                rows = self._save(Path(argument or "pictures"))
            case _:
                self.print(HELP)
                return
        for row in rows:
            self.print(plain.line(row))

    def _save(self, folder: Path) -> list[str]:
        images = self.conversation.images.values()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return [f"saved {image.save(folder)}" for image in images] or ["no pictures yet"]
        except OSError as error:
            return [f"cannot save to {folder}: {error.strerror or error}"]


def _has_ended(call: Invocation) -> bool:
    return call.status not in {"pending", "running"}
