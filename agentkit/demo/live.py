"""A play in the terminal: words as they come, tools while they run, pictures as they become ready.

Whole lines are printed and stay; what is still moving (the line being written, the tools that run)
is drawn below them. Without a terminal nothing moves, and no control character is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.spinner import Spinner
from rich.text import Text

from agentkit.answer import Answer
from agentkit.demo.player import Played, PlayedTurn
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
from agentkit.values import Api, Image, ImageFailure, Invocation, Source, Usage

API_NAMES: Mapping[Api, str] = {"chat": "Chat Completions API", "responses": "Responses API"}
_PICTURE = re.compile(r"!\[([^\]\n]*)\](?:\(([^)\n]*)\)|\[[^\]\n]*\])")
_GAP = "  "


def console(*, stderr: bool = False) -> Console:
    """A console that obeys nothing in what it is given: no markup, no emoji codes."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


class EventView:
    """The events of one turn, in a terminal."""

    def __init__(self, to: Console) -> None:
        self.console = to
        self._line = ""
        self._held: list[Text] = []
        self._running: dict[str, str] = {}
        self._note = ""
        self._has_begun = self._has_gap = False
        self._links: dict[str, str] = {}
        """Lines that are but a link to a picture: what they say, by URL."""
        self._told: set[str] = set()
        """URLs of the pictures that were shown."""
        self._live: Live | None = None

    def start(self) -> None:
        self._line = self._note = ""
        self._has_begun = self._has_gap = False
        for each in (self._held, self._running, self._links, self._told):
            each.clear()
        if self.console.is_terminal:
            self._note = "…"
            self._live = Live(
                self._moving(), console=self.console, refresh_per_second=12, transient=True
            )
            self._live.start()

    def stop(self) -> None:
        self._end_line()
        for url, words in self._links.items():
            if url not in self._told:
                put(self.console, Text(f"[{words or 'picture'}: {url}]"))
        self._running.clear()
        self._note = ""
        if self._live is not None:
            self._live.update(Text(""))
            self._live.stop()
            self._live = None

    def show(self, event: Event) -> None:
        self._note = ""
        match event:
            case TextDelta():
                self._write(event.text)
            case ReasoningDelta():
                self._note = "thinking"
            case InvocationStarted():
                self._running[event.invocation.id] = call(event.invocation)
            case InvocationProgress():
                self._running[event.invocation.id] = (
                    f"{call(event.invocation)}: {plain.line(event.message)}"
                )
            case InvocationFinished():
                self._running.pop(event.invocation.id, None)
                self._row(*_outcome(event.invocation))
            case ImagePreview():
                self._note = f"a preview of {plain.kilobytes(len(event.data))}"
            case ImageReady():
                self._forget(event.image.sources)
                self._row("▣", picture(event.image), "magenta")
            case ImageFailed():
                self._forget((event.failure.source,))
                self._row("✗", failure(event.failure), "red")
            case TurnFinished():
                self._end_line()
            case _:
                pass
        if self._live is not None:
            self._live.update(self._moving(), refresh=not isinstance(event, TextDelta))

    def row(self, invocation: Invocation) -> None:
        """A call that has ended, outside of a stream."""
        self._row(*_outcome(invocation))

    def _write(self, text: str) -> None:
        *whole, self._line = (self._line + plain.terminal(text)).split("\n")
        for line in whole:
            self._print_line(line)
            self._print_held()

    def _end_line(self) -> None:
        if self._line:
            self._print_line(self._line)
        self._line = ""
        self._print_held()

    def _print_line(self, line: str) -> None:
        alone = _PICTURE.fullmatch(line.strip())
        # A picture of this turn has a row of its own; whether it is one is known at the end.
        if alone and alone[2]:
            self._links[alone[2]] = alone[1]
            return
        shown = _PICTURE.sub(lambda match: f"[{match[1] or 'picture'}]", line).rstrip()
        if not shown:
            self._has_gap = True
            return
        if self._has_gap and self._has_begun:
            self.console.print()
        put(self.console, Text(shown))
        self._has_gap, self._has_begun = False, True

    def _row(self, sign: str, words: str, style: str) -> None:
        """A row of its own, which never breaks a line of words."""
        self._held.append(Text.assemble((f"{sign} ", style), (words, "dim" if sign == "✓" else "")))
        if not self._line:
            self._print_held()

    def _print_held(self) -> None:
        for row in self._held:
            put(self.console, row)
            self._has_begun = True
        self._held.clear()

    def _forget(self, sources: Iterable[Source]) -> None:
        self._told.update(source.url for source in sources if source.url)

    def _moving(self) -> RenderableType:
        rows: list[RenderableType] = [Text(self._line)] if self._line else []
        rows += [Spinner("dots", Text(words, style="cyan")) for words in self._running.values()]
        if not rows and self._note:
            rows.append(Spinner("dots", Text(self._note, style="dim")))
        return Padding(Group(*rows), (0, 0, 0, len(_GAP)))


class TerminalView:
    """The `Watcher` of `agentkit demo`. Leaving it gives the terminal its cursor back, whatever
    happened.
    """

    def __init__(self, to: Console | None = None) -> None:
        self.console = to or console()
        self._events = EventView(self.console)
        self._model = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.stop()

    def conversation_started(self, script: Script, api: Api) -> None:
        self._model = script.model
        title = f"{plain.line(script.name)} · {API_NAMES[api]} · {plain.line(script.model)}"
        self.console.print()
        self.console.print(Rule(Text(title, style="bold"), align="left", style="dim"))

    def turn_started(self, number: int, turn: Turn) -> None:
        self.console.print()
        other = f" · {plain.line(turn.model)}" if turn.model and turn.model != self._model else ""
        said = (plain.terminal(turn.say.strip()), "bold")
        self.console.print(Text.assemble((f"{number} ", "bold cyan"), said, (other, "dim")))
        self._events.start()

    def event(self, event: Event) -> None:
        self._events.show(event)

    def turn_finished(self, turn: PlayedTurn) -> None:
        self._events.stop()
        for why in (*turn.problems, *((turn.error,) if turn.error else ())):
            put(
                self.console, Text.assemble(("✗ ", "bold red"), (plain.line(why, width=400), "red"))
            )
        if turn.answer is not None and (why := ended(turn.answer)):
            put(self.console, Text.assemble(("■ ", "yellow"), why))
        if turn.answer is not None:
            put(
                self.console,
                Text(f"{plain.duration(turn.seconds)} · {used(turn.answer.usage)}", style="dim"),
            )

    def conversation_finished(self, played: Played) -> None:
        good = sum(turn.is_good for turn in played.turns)
        verdict = f"{good} of {played.planned} turns as expected"
        facts = (
            f" · {len(played.images)} pictures · "
            f"{plain.duration(played.seconds)} · {used(played.usage)}"
        )
        style = "bold green" if played.is_good else "bold red"
        self.console.print()
        self.console.print(
            Text.assemble((f"{'✓' if played.is_good else '✗'} {verdict}", style), (facts, "dim"))
        )


def used(usage: Usage) -> str:
    """`1,204 tokens · $0.0421`; `at least $0.0421` where some reply did not tell its cost."""
    return f"{usage.input_tokens + usage.output_tokens:,} tokens · {cost(usage)}"


def cost(usage: Usage) -> str:
    """`$0.0421`; `at least $0.0421` where some reply did not tell its cost; `cost not told` where
    none did.
    """
    if usage.cost_usd is None:
        return "cost not told" if usage.requests else plain.dollars(0.0)
    return f"{'' if usage.cost_is_whole else 'at least '}{plain.dollars(usage.cost_usd)}"


_REACHED: Mapping[str, str] = {
    "cost_usd": "what is left of the money does not pay for what may come next",
    "images": "the limit on pictures is reached",
    "seconds": "the limit on time is reached",
    "repeats": "it went in circles",
    "max_tokens": "its last reply was cut",
}


def ended(answer: Answer[Any]) -> str:
    """How a run ended that did not simply end, on one line: `limited: the limit in money is
    reached`.
    """
    match answer.status:
        case "completed":
            return ""
        case "limited":
            limit = answer.limit or "unknown"
            why = answer.limit_reason or _REACHED.get(
                limit, f"the limit on {limit.replace('_', ' ')} is reached"
            )
        case "refused":
            why = answer.refusal or "no reason was given"
        case "paused":
            why = f"waits for a person: {', '.join(plain.call(each) for each in answer.pending)}"
        case "interrupted":
            why = "it was stopped before its end"
    return plain.line(f"{answer.status}: {why}", width=400)


def call(invocation: Invocation) -> str:
    """`weather(city: "Oslo")`; without brackets where the wire does not show the arguments."""
    times = f" ×{invocation.count}" if invocation.count > 1 else ""
    if invocation.arguments is None:
        return plain.line(invocation.name) + times
    return plain.line(f"{invocation.name}({arguments(invocation.arguments)})", width=160) + times


def arguments(given: Mapping[str, Any]) -> str:
    """`city: "Oslo", days: 2`."""
    return ", ".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in given.items()
    )


def outcome(invocation: Invocation) -> str:
    """What came of a call: its error, else the names of its pictures (whose links expire), else its
    result.
    """
    if invocation.status in {"denied", "cancelled"}:
        why = invocation.error or ""
        return (
            why
            if why.startswith(invocation.status)
            else f"{invocation.status}{': ' + why if why else ''}"
        )
    return invocation.error or ", ".join(invocation.images) or invocation.result or ""


def picture(image: Image) -> str:
    """`img_2 · 1024×576 · 34 kB · $0.0400 · made from img_1 · a fox in the snow`."""
    cost_usd = plain.dollars(image.cost_usd) if image.cost_usd is not None else ""
    about = caption(image)
    facts = (
        image.name,
        plain.pixels(image),
        plain.kilobytes(image.size),
        cost_usd,
        made_from(image),
        about,
    )
    return plain.line(" · ".join(fact for fact in facts if fact), width=160)


def made_from(image: Image) -> str:
    """`made from img_1`, or nothing."""
    return f"made from {', '.join(image.parents)}" if image.parents else ""


def caption(image: Image) -> str:
    """What it shows, in words; nothing where there is but its name."""
    words = plain.caption(image)
    return "" if words in {image.name, "a picture"} else words


def failure(failed: ImageFailure) -> str:
    return plain.line(f"no picture: {failed.reason}", width=300)


def _outcome(invocation: Invocation) -> tuple[str, str, str]:
    facts = [call(invocation)]
    if came := outcome(invocation):
        facts.append(f"→ {plain.line(came, width=120)}")
    told = [plain.duration(invocation.seconds)] if invocation.seconds is not None else []
    told += [plain.dollars(invocation.cost_usd)] if invocation.cost_usd is not None else []
    words = " ".join(facts) + "".join(f" · {each}" for each in told)
    return ("✓", words, "green") if invocation.status == "completed" else ("✗", words, "red")


def put(to: Console, text: Text) -> None:
    """Print some lines under a turn; only a terminal needs them wrapped."""
    if to.is_terminal:
        to.print(Padding(text, (0, 0, 0, len(_GAP)), expand=False))
    else:
        to.print(Text.assemble(_GAP, text) if text else "", soft_wrap=True)
