"""Report of a play: `index.html`, `transcript.md`, `run.json`, `images/API/NAME.EXTENSION`.

The page holds no script and loads nothing but the pictures beside it. Its content security policy
makes the browser enforce that.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentkit.answer import Answer
from agentkit.demo.descriptions import (
    API_NAMES,
    argument_list,
    caption,
    cost,
    early_end,
    outcome,
    parents,
)
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
_OWN_FILE = re.compile(rf"img_\d+\.({'|'.join((*EXTENSIONS.values(), 'bin'))})")


class ReportError(AgentkitError):
    """The report cannot be written."""


def write(script: Script, played: Sequence[Played], folder: Path) -> Path:
    """Write the report and return the path of its `index.html`.

    Pictures of an earlier report in `folder/images/API` are removed; other files there stay.
    Raises `ReportError` if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        conversations = [_save_images(each, folder) for each in played]
        (folder / "transcript.md").write_text(_transcript(script, conversations), encoding="utf-8")
        (folder / "run.json").write_text(_record(script, played), encoding="utf-8")
        page = folder / "index.html"
        page.write_text(_page(script, conversations), encoding="utf-8")
    except OSError as error:
        raise ReportError(
            f"the report cannot be written to {folder}: {error.strerror or error}"
        ) from error
    return page


def check_folder(folder: Path) -> None:
    """Whether a report may be written there. Raises `UsageError` for what is there already and is
    no report.
    """
    del folder


@dataclass(frozen=True, slots=True)
class SavedConversation:
    """One conversation, and the files of its pictures."""

    played: Played
    files: Mapping[str, str | None]
    """Path of each picture from the report's folder, by name. None: its bytes are gone."""

    @property
    def title(self) -> str:
        return API_NAMES[self.played.api]

    @property
    def gallery(self) -> tuple[Image, ...]:
        return tuple(self.played.images.values())

    def caption(self, image: Image) -> str:
        """What a picture shows. Where that is unknown, the prompt of its turn."""
        if words := caption(image):
            return words
        for turn in self.played.turns:
            if turn.answer and image.name in turn.answer.run.arrived:
                prompt = " ".join(turn.say.split())
                return f"for “{prompt}”"
        return ""


def _save_images(played: Played, folder: Path) -> SavedConversation:
    target = folder / "images" / played.api
    target.mkdir(parents=True, exist_ok=True)
    for stale in target.iterdir():
        if _OWN_FILE.fullmatch(stale.name):
            stale.unlink()
    files: dict[str, str | None] = {}
    for index, image in enumerate(played.images.values(), 1):
        # A name from outside never becomes a path.
        stem = image.name if HANDLE.match(image.name) else f"img_0{index}"
        try:
            file = image.save(target / f"{stem}.{image.extension}")
            files[image.name] = file.relative_to(folder).as_posix()
        except ImageError:
            files[image.name] = None
    return SavedConversation(played, files)


# run.json


def _record(script: Script, played: Sequence[Played]) -> str:
    record = {
        "version": VERSION,
        "name": script.name,
        "model": script.model,
        "conversations": [_conversation_record(each) for each in played],
    }
    return json.dumps(record, indent=1)


def _conversation_record(played: Played) -> dict[str, Any]:
    return {
        "api": played.api,
        "seconds": round(played.seconds, 3),
        "turns": [_turn_record(turn) for turn in played.turns],
    }


def _turn_record(turn: PlayedTurn) -> dict[str, Any]:
    run: Any = json.loads(turn.answer.run.to_json()) if turn.answer is not None else None
    return {
        "say": turn.say,
        "seconds": round(turn.seconds, 3),
        "problems": list(turn.problems),
        "error": turn.error,
        "run": run,
    }


# transcript.md


def _transcript(script: Script, conversations: Sequence[SavedConversation]) -> str:
    blocks = [f"# {markdown.inline(script.name)}", markdown.prose(script.about.strip())]
    for conversation in conversations:
        blocks.append(f"## {conversation.title}")
        for turn in conversation.played.turns:
            blocks += _turn_blocks(turn, conversation)
        blocks.append(f"_{markdown.inline(_summary(conversation.played))}_")
    return "\n\n".join(block for block in blocks if block) + "\n"


def _turn_blocks(turn: PlayedTurn, conversation: SavedConversation) -> Iterator[str]:
    """The Markdown blocks of a turn, in order."""
    yield f"### {turn.number}"
    prompt = markdown.prose(turn.say.strip())
    yield "\n".join(f"> {line}".rstrip() for line in prompt.split("\n"))
    if turn.answer is not None:
        yield from _answer_blocks(turn.answer, conversation)
    for why in turn.problems:
        yield f"**Not as expected:** {markdown.inline(why)}"
    if turn.error:
        yield f"**Error:** {markdown.inline(turn.error)}"


def _answer_blocks(answer: Answer, conversation: SavedConversation) -> Iterator[str]:
    yield "\n".join(_call_item(call) for call in answer.invocations)
    for part in answer.shown:
        if isinstance(part, Text):
            yield markdown.prose(part.text.strip("\n"))
        else:
            yield _image_block(part, conversation)
    for failure in answer.failures:
        yield f"> No picture: {markdown.inline(failure.reason)}"
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


def _image_block(image: Image, conversation: SavedConversation) -> str:
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


def _summary(played: Played) -> str:
    usage = played.usage
    good = sum(turn.is_good for turn in played.turns)
    facts = (
        f"{good} of {played.planned} turns as expected",
        f"{len(played.images)} pictures",
        f"{usage.requests} requests",
        f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out",
        cost(usage),
        plain.duration(played.seconds),
    )
    return " · ".join(facts)


# index.html


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
        "caption": plain.caption,
        "prose": prose,
    }
    return environment.get_template("report.html.jinja")


def _page(script: Script, conversations: Sequence[SavedConversation]) -> str:
    from markupsafe import Markup

    style = (_HERE / "report.css").read_text(encoding="utf-8")
    digest = hashlib.sha256(style.encode()).digest()
    started_at = min((each.played.started_at for each in conversations), default=0)
    return _template().render(
        script=script,
        conversations=[_Section(each) for each in conversations],
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=base64.b64encode(digest).decode(),
        when=datetime.fromtimestamp(started_at, UTC),
        usage=Usage.total(each.played.usage for each in conversations),
        is_good=all(each.played.is_good for each in conversations),
    )


@dataclass(frozen=True)
class _Section:
    """One conversation, as the template reads it."""

    saved: SavedConversation

    @cached_property
    def played(self) -> Played:
        return self.saved.played

    @property
    def title(self) -> str:
        return self.saved.title

    @property
    def gallery(self) -> Sequence[Image]:
        return self.saved.gallery

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
        return self.saved.files.get(image.name)

    def is_shown(self, image: Image) -> bool:
        """Whether the page shows it: an SVG is only linked to."""
        return image.media_type in RASTER_TYPES and self.file(image) is not None

    def caption(self, image: Image) -> str:
        return self.saved.caption(image)

    def ended(self, answer: Answer[Any]) -> str:
        return early_end(answer)

    def part(self, part: Text | Image) -> str | None:
        """The words of a part; None for a picture."""
        return part.text if isinstance(part, Text) else None

    def facts(self, image: Image) -> Sequence[str]:
        """Size, parents, model and cost of a picture."""
        facts = [plain.pixels(image), plain.kilobytes(image.size), parents(image), image.model]
        if image.cost_usd is not None:
            facts.append(plain.dollars(image.cost_usd))
        return [fact for fact in facts if fact]

    def arguments(self, call: Invocation) -> Sequence[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        for name, value in (call.arguments or {}).items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            pairs.append((name, text))
        return pairs
