"""Terminal view of a conversation: words as they come, running tools, finished pictures.

Finished lines are printed and stay. Below them a terminal shows what still changes: the line being
written and the tools that run. Output that is no terminal gets finished lines alone, and no control
characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.spinner import Spinner
from rich.text import Text

from agentkit.demo.descriptions import (
    API_NAMES,
    call_line,
    early_end,
    failure_line,
    image_line,
    outcome,
    usage_line,
    verdict_line,
)
from agentkit.demo.player import Played, PlayedTurn
from agentkit.demo.plays import Job
from agentkit.demo.script import Script, Turn
from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    TextDelta,
    TurnFinished,
)
from agentkit.show import plain
from agentkit.values import Api, Invocation, Source

_PICTURE = re.compile(r"!\[([^\]\n]*)\](?:\(([^)\n]*)\)|\[[^\]\n]*\])")
_INDENT = "  "


def plain_console() -> Console:
    """A console that prints text as it is: without markup, emoji codes or colours of its own."""
    return Console(highlight=False, markup=False, emoji=False)


class EventView:
    """Prints the events of one turn: `start`, then `show` for each event, then `stop`."""

    def __init__(self, to: Console) -> None:
        self.console = to
        self._live: Live | None = None
        self._clear()

    def _clear(self) -> None:
        self._line = ""
        """The line being written."""
        self._rows: list[Text] = []
        """Rows that wait until that line has ended."""
        self._running: dict[str, str] = {}
        """Calls that run, in words, by id."""
        self._note = ""
        """What a terminal shows while nothing else moves."""
        self._has_printed = False
        self._has_gap = False
        """An empty line came; it is printed before the next line of words."""
        self._links: dict[str, str] = {}
        """Captions of the links to pictures that stood alone on a line, by URL."""
        self._shown_urls: set[str] = set()
        """URLs of the pictures that have a row of their own."""

    def start(self) -> None:
        """Begin a turn."""
        self._clear()
        if self.console.is_terminal:
            self._note = "…"
            self._live = Live(
                self._moving(), console=self.console, refresh_per_second=12, transient=True
            )
            self._live.start()

    def stop(self) -> None:
        """End the turn: print what is left, and give a terminal its cursor back."""
        self._end_line()
        for url, words in self._links.items():
            if url not in self._shown_urls:
                print_indented(self.console, Text(f"[{words or 'picture'}: {url}]"))
        self._running.clear()
        self._note = ""
        if self._live is not None:
            self._live.update(Text(""))
            self._live.stop()
            self._live = None

    def show(self, event: Event) -> None:
        """Print one event of the turn."""
        self._note = ""
        match event:
            case TextDelta():
                self._write(event.text)
            case ReasoningDelta():
                self._note = "thinking"
            case InvocationStarted():
                self._running[event.invocation.id] = call_line(event.invocation)
            case InvocationProgress():
                progress = plain.line(event.message)
                self._running[event.invocation.id] = f"{call_line(event.invocation)}: {progress}"
            case InvocationFinished():
                self._running.pop(event.invocation.id, None)
                self.finished_call(event.invocation)
            case ImagePreview():
                self._note = f"a preview of {plain.kilobytes(len(event.data))}"
            case ImageReady():
                self._mark_shown(event.image.sources)
                self._row("▣", image_line(event.image), "magenta")
            case ImageFailed():
                self._mark_shown((event.failure.source,))
                self._row("✗", failure_line(event.failure), "red")
            case TurnFinished():
                self._end_line()
            case _:
                pass
        if self._live is not None:
            self._live.update(self._moving(), refresh=not isinstance(event, TextDelta))

    def finished_call(self, invocation: Invocation) -> None:
        """Print the row of a call that has ended."""
        line = call_line(invocation)
        if result := outcome(invocation):
            line += f" → {plain.line(result, width=120)}"
        if invocation.seconds is not None:
            line += f" · {plain.duration(invocation.seconds)}"
        if invocation.cost_usd is not None:
            line += f" · {plain.dollars(invocation.cost_usd)}"
        if invocation.status == "completed":
            self._row("✓", line, "green", words_style="dim")
        else:
            self._row("✗", line, "red")

    def _write(self, text: str) -> None:
        *whole, self._line = (self._line + plain.terminal(text)).split("\n")
        for line in whole:
            self._print_line(line)
            self._print_rows()

    def _end_line(self) -> None:
        if self._line:
            self._print_line(self._line)
        self._line = ""
        self._print_rows()

    def _print_line(self, line: str) -> None:
        link = _PICTURE.fullmatch(line.strip())
        # A link alone on its line waits: if its picture arrives, the picture's row replaces it.
        if link and link[2]:
            self._links[link[2]] = link[1]
            return
        shown = _PICTURE.sub(lambda match: f"[{match[1] or 'picture'}]", line).rstrip()
        if not shown:
            self._has_gap = True
            return
        if self._has_gap and self._has_printed:
            self.console.print()
        print_indented(self.console, Text(shown))
        self._has_gap, self._has_printed = False, True

    def _row(self, sign: str, words: str, style: str, *, words_style: str = "") -> None:
        """Print a row, after the line that is being written."""
        self._rows.append(Text.assemble((f"{sign} ", style), (words, words_style)))
        if not self._line:
            self._print_rows()

    def _print_rows(self) -> None:
        for row in self._rows:
            print_indented(self.console, row)
            self._has_printed = True
        self._rows.clear()

    def _mark_shown(self, sources: Iterable[Source]) -> None:
        self._shown_urls.update(source.url for source in sources if source.url)

    def _moving(self) -> RenderableType:
        rows: list[RenderableType] = [Text(self._line)] if self._line else []
        rows += [Spinner("dots", Text(words, style="cyan")) for words in self._running.values()]
        if not rows and self._note:
            rows.append(Spinner("dots", Text(self._note, style="dim")))
        return Padding(Group(*rows), (0, 0, 0, len(_INDENT)))


class TerminalView:
    """The `Watcher` of `agentkit demo`.

    A context manager: leaving it gives the terminal its cursor back, after an error too.
    """

    def __init__(self, to: Console | None = None) -> None:
        self.console = to or plain_console()
        self._events = EventView(self.console)
        self._model = ""
        self._job: Job | None = None

    def watcher_of(self, job: Job) -> Self:
        """Show this play next."""
        self._job = job
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.stop()

    def conversation_started(self, script: Script, api: Api) -> None:
        job = self._job
        self._model = script.model if job is None else job.model or script.model
        number = f"play {job.number}" if job is not None and job.number > 1 else ""
        title = " · ".join(
            filter(None, (plain.line(script.name), API_NAMES[api], plain.line(self._model), number))
        )
        self.console.print()
        self.console.print(Rule(Text(title, style="bold"), align="left", style="dim"))

    def turn_started(self, number: int, turn: Turn) -> None:
        prompt = Text.assemble((f"{number} ", "bold cyan"))
        prompt.append(plain.terminal(turn.say.strip()), "bold")
        if sent := [*turn.attach, *turn.refs]:
            prompt.append(f" + {plain.line(', '.join(sent))}", "dim")
        if turn.model and turn.model != self._model:
            prompt.append(f" · {plain.line(turn.model)}", "dim")
        self.console.print()
        self.console.print(prompt)
        self._events.start()

    def event(self, event: Event) -> None:
        self._events.show(event)

    def turn_finished(self, turn: PlayedTurn) -> None:
        self._events.stop()
        for each in turn.decided:
            self._print_row("•", "yellow", Text(verdict_line(each)))
        for why in turn.complaints:
            self._print_row("✗", "bold red", Text(plain.line(why, width=400), "red"))
        if turn.answer is None:
            return
        if why := early_end(turn.answer):
            self._print_row("■", "yellow", Text(why))
        facts = f"{plain.duration(turn.seconds)} · {usage_line(turn.answer.usage)}"
        print_indented(self.console, Text(facts, style="dim"))

    def _print_row(self, sign: str, style: str, words: Text) -> None:
        print_indented(self.console, Text.assemble((f"{sign} ", style), words))

    def conversation_finished(self, played: Played) -> None:
        good = sum(turn.is_good for turn in played.turns)
        sign, style = ("✓", "bold green") if played.is_good else ("✗", "bold red")
        verdict = Text(f"{sign} {good} of {played.planned} turns as expected", style)
        pictures = f"{len(played.images)} pictures"
        facts = (pictures, plain.duration(played.seconds), usage_line(played.usage))
        for fact in facts:
            verdict.append(f" · {fact}", "dim")
        self.console.print()
        self.console.print(verdict)


def print_indented(console: Console, text: Text) -> None:
    """Print lines below a prompt, indented. A terminal gets them wrapped, a file as they are."""
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, len(_INDENT)), expand=False))
    else:
        console.print(Text.assemble(_INDENT, text) if text else "", soft_wrap=True)
