"""What was played → a folder for readers: `index.html`, `transcript.md`, `run.json`,
`images/API/NAME.EXTENSION`.

The page holds no script and loads nothing but the pictures beside it; its policy says so to the
browser.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentkit.answer import Answer
from agentkit.demo.live import API_NAMES, arguments, caption, cost, ended, made_from, outcome
from agentkit.demo.player import Played, PlayedTurn
from agentkit.demo.script import Script
from agentkit.errors import AgentkitError, ImageError
from agentkit.run import HANDLE
from agentkit.show import html, markdown, plain
from agentkit.values import Image, Invocation, Text, Usage
from agentkit.values.image_header import EXTENSIONS, RASTER_TYPES

if TYPE_CHECKING:
    import jinja2

VERSION = 1
_HERE = Path(__file__).parent
_OURS = re.compile(rf"img_\d+\.({'|'.join((*EXTENSIONS.values(), 'bin'))})")


class ReportError(AgentkitError):
    """The report cannot be written."""


def write(script: Script, played: Sequence[Played], folder: Path) -> Path:
    """Write the report; the path of its `index.html`. Raises `ReportError` where the folder cannot
    be written.

    Pictures that an earlier report left in `folder/images/API` are removed; nothing else there is
    touched.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shelves = [_shelve(each, folder) for each in played]
        (folder / "transcript.md").write_text(_transcript(script, shelves), encoding="utf-8")
        (folder / "run.json").write_text(_record(script, played), encoding="utf-8")
        page = folder / "index.html"
        page.write_text(_page(script, shelves), encoding="utf-8")
    except OSError as error:
        raise ReportError(
            f"the report cannot be written to {folder}: {error.strerror or error}"
        ) from error
    return page


@dataclass(frozen=True, slots=True)
class Shelf:
    """One conversation, with the file of each picture as it is from the report's folder; None where
    its bytes are gone.
    """

    played: Played
    files: Mapping[str, str | None]

    @property
    def title(self) -> str:
        return API_NAMES[self.played.api]

    @property
    def gallery(self) -> tuple[Image, ...]:
        return tuple(self.played.images.values())

    def caption(self, image: Image) -> str:
        """What a picture shows; where nobody tells, what was asked for."""
        turns = (
            each
            for each in self.played.turns
            if each.answer and image.name in each.answer.run.arrived
        )
        asked = next((each.say for each in turns), "")
        return caption(image) or (f"for “{' '.join(asked.split())}”" if asked else "")


def _shelve(played: Played, folder: Path) -> Shelf:
    target = folder / "images" / played.api
    target.mkdir(parents=True, exist_ok=True)
    for stale in target.iterdir():
        if _OURS.fullmatch(stale.name):
            stale.unlink()
    files: dict[str, str | None] = {}
    for index, image in enumerate(played.images.values(), 1):
        # A name from outside never becomes a path.
        stem = image.name if HANDLE.match(image.name) else f"img_0{index}"
        try:
            files[image.name] = (
                image.save(target / f"{stem}.{image.extension}").relative_to(folder).as_posix()
            )
        except ImageError:
            files[image.name] = None
    return Shelf(played, files)


# run.json


def _record(script: Script, played: Sequence[Played]) -> str:
    conversations = [
        {
            "api": each.api,
            "seconds": round(each.seconds, 3),
            "turns": [_recorded(turn) for turn in each.turns],
        }
        for each in played
    ]
    record = {
        "version": VERSION,
        "name": script.name,
        "model": script.model,
        "conversations": conversations,
    }
    return json.dumps(record, indent=1)


def _recorded(turn: PlayedTurn) -> dict[str, Any]:
    run: Any = json.loads(turn.answer.run.to_json()) if turn.answer is not None else None
    return {
        "say": turn.say,
        "seconds": round(turn.seconds, 3),
        "problems": list(turn.problems),
        "error": turn.error,
        "run": run,
    }


# transcript.md


def _transcript(script: Script, shelves: Sequence[Shelf]) -> str:
    blocks = [f"# {markdown.inline(script.name)}", markdown.prose(script.about.strip())]
    for shelf in shelves:
        blocks.append(f"## {shelf.title}")
        for turn in shelf.played.turns:
            blocks += _told(turn, shelf)
        blocks.append(f"_{markdown.inline(_summary(shelf.played))}_")
    return "\n\n".join(block for block in blocks if block) + "\n"


def _told(turn: PlayedTurn, shelf: Shelf) -> list[str]:
    said = "\n".join(f"> {line}".rstrip() for line in markdown.prose(turn.say.strip()).split("\n"))
    blocks = [f"### {turn.number}", said]
    if turn.answer is not None:
        if turn.answer.invocations:
            blocks.append("\n".join(_called(each) for each in turn.answer.invocations))
        blocks += [
            markdown.prose(part.text.strip("\n"))
            if isinstance(part, Text)
            else _pictured(part, shelf)
            for part in turn.answer.shown
        ]
        blocks += [f"> No picture: {markdown.inline(each.reason)}" for each in turn.answer.failures]
        blocks += [f"_{markdown.inline(why)}_" for why in (ended(turn.answer),) if why]
    blocks += [f"**Not as expected:** {markdown.inline(why)}" for why in turn.problems]
    return [*blocks, f"**Error:** {markdown.inline(turn.error)}"] if turn.error else blocks


def _called(each: Invocation) -> str:
    times = f" ×{each.count}" if each.count > 1 else ""
    given = markdown.inline(f"({arguments(each.arguments)})") if each.arguments is not None else ""
    came = markdown.inline(outcome(each))
    took = f" _({plain.duration(each.seconds)})_" if each.seconds is not None else ""
    return f"- **{markdown.inline(each.name)}**{given}{times}{' → ' + came if came else ''}{took}"


def _pictured(image: Image, shelf: Shelf) -> str:
    file = shelf.files.get(image.name)
    if file is None:
        return f"> {markdown.inline(f'{image.name}: its bytes are gone')}"
    folder, _, _ = file.rpartition("/")
    facts = ", ".join(fact for fact in (image.name, plain.pixels(image), made_from(image)) if fact)
    words = shelf.caption(image)
    told = markdown.inline(f"{facts}: {words}" if words else facts)
    return f"{markdown.picture(image, folder=folder)}\n\n_{told}_"


def _summary(played: Played) -> str:
    good = sum(turn.is_good for turn in played.turns)
    usage = played.usage
    tokens = f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
    return (
        f"{good} of {played.planned} turns as expected · {len(played.images)} pictures "
        f"· {usage.requests} requests · {tokens} · "
        f"{cost(usage)} · {plain.duration(played.seconds)}"
    )


# index.html


@cache
def _template() -> jinja2.Template:
    import jinja2
    from markupsafe import Markup

    def safe(value: object) -> object:
        """What the template prints: control characters made visible, the rest left to
        autoescape.
        """
        return (
            plain.visible(value)
            if isinstance(value, str) and not isinstance(value, Markup)
            else value
        )

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
        "caption": plain.caption,
        "prose": prose,
    }
    return environment.get_template("report.html.jinja")


def _page(script: Script, shelves: Sequence[Shelf]) -> str:
    from markupsafe import Markup

    style = (_HERE / "report.css").read_text(encoding="utf-8")
    return _template().render(
        script=script,
        shelves=[_Page(shelf) for shelf in shelves],
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        when=datetime.fromtimestamp(
            min((shelf.played.started_at for shelf in shelves), default=0), UTC
        ),
        usage=Usage.total(shelf.played.usage for shelf in shelves),
        is_good=all(shelf.played.is_good for shelf in shelves),
    )


@dataclass(frozen=True)
class _Page:
    """A conversation as the template reads it."""

    shelf: Shelf

    @cached_property
    def played(self) -> Played:
        return self.shelf.played

    @property
    def title(self) -> str:
        return self.shelf.title

    @property
    def gallery(self) -> Sequence[Image]:
        return self.shelf.gallery

    @property
    def good(self) -> int:
        return sum(turn.is_good for turn in self.played.turns)

    @cached_property
    def calls(self) -> tuple[int, int]:
        """How many calls of the user's tools there were, and of server tools."""
        each = [
            call
            for turn in self.played.turns
            if turn.answer is not None
            for call in turn.answer.invocations
        ]
        return tuple(
            sum(call.count for call in each if call.executor == kind)
            for kind in ("client", "server")
        )  # pyright: ignore[reportReturnType]

    def file(self, image: Image) -> str | None:
        return self.shelf.files.get(image.name)

    def is_shown(self, image: Image) -> bool:
        """Whether the page shows it: an SVG is only linked to."""
        return image.media_type in RASTER_TYPES and self.file(image) is not None

    def caption(self, image: Image) -> str:
        return self.shelf.caption(image)

    def ended(self, answer: Answer[Any]) -> str:
        return ended(answer)

    def part(self, part: Text | Image) -> str | None:
        """The words of a part; None for a picture."""
        return part.text if isinstance(part, Text) else None

    def facts(self, image: Image) -> Sequence[str]:
        """What is known of a picture, shortly."""
        facts = [plain.pixels(image), plain.kilobytes(image.size)]
        facts += [made_from(image)]
        facts += [image.model] if image.model else []
        facts += [plain.dollars(image.cost_usd)] if image.cost_usd is not None else []
        return [fact for fact in facts if fact]

    def arguments(self, call: Invocation) -> Sequence[tuple[str, str]]:
        return [
            (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            for name, value in (call.arguments or {}).items()
        ]
