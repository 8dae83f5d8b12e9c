"""The page of a report: `index.html`."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentkit.answer import Answer
from agentkit.demo.checks import Check
from agentkit.demo.descriptions import cost, early_end, parents, verdict
from agentkit.demo.played import Decided, Played, PlayedTurn
from agentkit.demo.plays import Rate, rates
from agentkit.demo.record import models_of, started_at
from agentkit.demo.saved_play import SavedPlay, in_order, lineages
from agentkit.demo.script import Script
from agentkit.demo.sources import AnsweredBy
from agentkit.demo.thumbnails import Thumbnails
from agentkit.run.lines import of_file
from agentkit.show import html, plain
from agentkit.values import Image, Invocation, Text, Usage
from agentkit.values.image_header import RASTER_TYPES

if TYPE_CHECKING:
    import jinja2

GENERATOR = '<meta name="generator" content="agentkit demo">'
"""By this a page is known as ours."""
_HERE = Path(__file__).parent
_TITLES: Mapping[str, str] = {
    "openrouter:image_generation": "Image generation",
    "openrouter:web_search": "Web search",
    "openrouter:web_fetch": "Web fetch",
    "openrouter:datetime": "Date and time",
}
"""Names of server tools for people."""


def page(
    script: Script,
    plays: Sequence[SavedPlay],
    answered_by: AnsweredBy | None = None,
    thumbnails: Thumbnails | None = None,
) -> str:
    """The page as HTML. With `thumbnails`, these are its pictures, and it needs no other file."""
    from markupsafe import Markup

    sections = [_Section(each, thumbnails) for each in plays]
    is_compared = len(plays) > 1
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    style += _tabs(len(plays) + is_compared)
    digest = hashlib.sha256(style.encode()).digest()
    played = [each.played for each in plays]
    repeated = any(each.number > 1 for each in played)
    return _template().render(
        script=script,
        generator=Markup(GENERATOR),  # noqa: S704 - our own
        conversations=sections,
        turns=_rows(script, sections) if is_compared else [],
        compared_first=repeated or len({each.model for each in played}) > 1,
        rates=_shaky(rates(played)) if repeated else [],
        rate_count=len(rates(played)) if repeated else 0,
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=base64.b64encode(digest).decode(),
        image_source="'self'" if thumbnails is None else "'self' data:",
        single=thumbnails is not None,
        when=datetime.fromtimestamp(started_at(played), UTC),
        usage=Usage.total(each.usage for each in played),
        models=models_of(played) or [script.model],
        answered_by=answered_by,
        is_good=all(each.is_good for each in played),
        missing=sum(each.planned - len(each.turns) for each in played),
    )


def _tabs(count: int) -> str:
    """The rules by which so many tabs open their panels, without a script."""
    numbers = range(1, count + 1)
    chosen = ",".join(f"#tab-{each}:checked~nav label:nth-child({each})" for each in numbers)
    focused = ",".join(f"#tab-{each}:focus-visible~nav label:nth-child({each})" for each in numbers)
    opened = ",".join(f"#tab-{each}:checked~main .panel-{each}" for each in numbers)
    return (
        f"{chosen}{{background:var(--ink);color:var(--paper)}}"
        f"{focused}{{outline:2px solid var(--accent);outline-offset:2px}}"
        f"{opened}{{display:block}}"
    )


def _shaky(found: Sequence[Rate]) -> list[Rate]:
    """Those that did not hold in every play."""
    return [rate for rate in found if rate.held < rate.of]


@dataclass(frozen=True)
class _Row:
    """One turn of all plays, side by side."""

    number: int
    say: str
    cells: Sequence[tuple[_Section, PlayedTurn | None]]


def _rows(script: Script, sections: Sequence[_Section]) -> list[_Row]:
    turns = [{turn.number: turn for turn in each.played.turns} for each in sections]
    said = {number: turn.say for number, turn in enumerate(script.turns, 1)}
    for each in turns:
        said |= {number: turn.say for number, turn in each.items()}
    count = max((number for each in turns for number in each), default=0)
    return [
        _Row(
            number,
            said.get(number, ""),
            [(section, each.get(number)) for section, each in zip(sections, turns, strict=True)],
        )
        for number in range(1, count + 1)
    ]


@cache
def _template() -> jinja2.Template:
    import jinja2
    from markupsafe import Markup

    def safe(value: object) -> object:
        """A value on its way into the page: control characters are made visible.

        Jinja's autoescape does the rest.
        """
        if isinstance(value, str) and not isinstance(value, Markup):
            return plain.visible(value)
        return value

    def prose(words: str) -> Markup:
        return Markup(html.prose(words))  # noqa: S704 - escaped there

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        finalize=safe,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "dollars": plain.dollars,
        "cost": cost,
        "duration": plain.duration,
        "kilobytes": plain.kilobytes,
        "pixels": plain.pixels,
        "failed": plain.failed,
        "file_line": of_file,
        "caption": plain.caption,
        "line": plain.line,
        "prose": prose,
    }
    return environment.get_template("report.html.jinja")


@dataclass(frozen=True)
class _Section:
    """One play, as the template reads it."""

    saved: SavedPlay
    thumbnails: Thumbnails | None = None

    @cached_property
    def played(self) -> Played:
        return self.saved.played

    @property
    def title(self) -> str:
        return self.saved.title

    @cached_property
    def strips(self) -> Sequence[Sequence[Image]]:
        """The pictures that were made from each other."""
        return [strip for strip in lineages(self.played.images) if len(strip) > 1]

    @cached_property
    def singles(self) -> Sequence[Image]:
        """The pictures that are in no strip."""
        return [strip[0] for strip in lineages(self.played.images) if len(strip) == 1]

    @property
    def good(self) -> int:
        return sum(turn.is_good for turn in self.played.turns)

    @cached_property
    def calls(self) -> tuple[int, int]:
        """How many calls there were: of the user's tools, of server tools."""
        counts = {"client": 0, "server": 0}
        for turn in self.played.turns:
            for call in turn.answer.invocations if turn.answer is not None else ():
                counts[call.executor] += call.count
        return counts["client"], counts["server"]

    def file(self, image: Image) -> str | None:
        """The path of the full picture, if it is beside the page."""
        return self.saved.files.get(image.name)

    def source(self, image: Image, *, small: bool = False) -> str | None:
        """What the page shows of a picture. None: an SVG, which is only linked to, or bytes that
        are gone.
        """
        if image.media_type not in RASTER_TYPES:
            return None
        if self.thumbnails is None:
            return self.file(image)
        found = self.thumbnails.small if small else self.thumbnails.large
        return found.get(image.sha256)

    def why_not_shown(self, image: Image) -> str:
        """Why there is no picture here."""
        if image.media_type not in RASTER_TYPES:
            return f"{image.name} is {image.media_type}, which is not shown inside a page."
        if self.thumbnails is not None:
            return f"{image.name} is not in this file."
        return f"The bytes of {image.name} are gone."

    def caption(self, image: Image) -> str:
        return self.saved.caption(image)

    def ended(self, answer: Answer[Any]) -> str:
        return early_end(answer)

    def parts(self, answer: Answer[Any]) -> Sequence[Text | Image]:
        """Words and pictures in order."""
        return in_order(answer.shown)

    def part(self, part: Text | Image) -> str | None:
        """The words of a part; None for a picture."""
        return part.text if isinstance(part, Text) else None

    def pictures(self, turn: PlayedTurn) -> Sequence[Image]:
        """The pictures of a turn."""
        return () if turn.answer is None else turn.answer.images

    def facts(self, image: Image) -> Sequence[str]:
        """Size, parents, model and cost of a picture."""
        facts = [plain.pixels(image), plain.kilobytes(image.size), parents(image), image.model]
        if image.cost_usd is not None:
            facts.append(plain.dollars(image.cost_usd))
        return [fact for fact in facts if fact]

    def tool(self, call: Invocation) -> str:
        """The name of a tool, for people."""
        return _TITLES.get(call.name, call.name)

    def arguments(self, call: Invocation) -> Sequence[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        for name, value in (call.arguments or {}).items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            pairs.append((name, text))
        return pairs

    def unmet(self, turn: PlayedTurn) -> Sequence[Check]:
        """The expectations that were not met."""
        return [check for check in turn.checks if check.is_unmet]

    def told(self, turn: PlayedTurn) -> Sequence[str]:
        """What was not as expected, where only its words are known."""
        lines = {check.line for check in turn.checks}
        return [why for why in turn.problems if why not in lines]

    def skipped(self, turn: PlayedTurn) -> int:
        """How many expectations could not be checked."""
        return sum(check.outcome == "skipped" for check in turn.checks)

    def decided(self, turn: PlayedTurn, call: Invocation) -> Decided | None:
        """What a person said to a call."""
        return next((each for each in turn.decided if each.call.id == call.id), None)

    def verdict(self, decided: Decided) -> str:
        return verdict(decided)
