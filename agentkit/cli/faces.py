"""Two faces of a turn: words and rows for people, JSON for programs. Both are fed by its events."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agentkit.answer import Answer
from agentkit.cli import ndjson
from agentkit.cli.output import Output
from agentkit.cli.pictures import ready_folder, save_new
from agentkit.demo.descriptions import call_line, failure_line, file_line, image_line, outcome
from agentkit.demo.descriptions import usage_line as usage_words
from agentkit.errors import AgentkitError
from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    RunFinished,
    TextDelta,
    TurnFinished,
)
from agentkit.images.object_store import ObjectImageStore
from agentkit.images.store import FileImageStore
from agentkit.show import plain
from agentkit.values import File, Image, Invocation, Usage

if TYPE_CHECKING:
    from agentkit.images.store import ImageStore

GREEN, RED, YELLOW, MAGENTA = 32, 31, 33, 35


class Files:
    """Where the pictures and files of a turn are: in the folder of `--out`, files in its folder
    `files`; else in the store.
    """

    def __init__(self, store: ImageStore, folder: Path | None, *, words: str = "") -> None:
        self._store, self._folder = store, folder
        self._stem = _stem(words)
        """What a picture without a handle is called."""
        self._paths: dict[str, Path | None] = {}
        self.troubles: list[str] = []
        """What kept a picture from being saved, in words."""

    def path(self, value: Image | File) -> Path | None:
        """Where a picture or a file is on the disk, saved when it is first asked for; None where it
        is not.
        """
        if value.sha256 not in self._paths:
            self._paths[value.sha256] = self._saved(value)
        return self._paths[value.sha256]

    def _saved(self, value: Image | File) -> Path | None:
        store = self._store
        kept = store.path_of(value.sha256) if isinstance(store, FileImageStore) else None
        if self._folder is None:
            return kept
        try:
            if value.kind == "file":
                folder = self._folder / "files"
                ready_folder(folder)
                return save_new(value, folder)
            name = f"{self._stem}.{value.extension}" if self._stem and not value.name else None
            return save_new(value, self._folder, name)
        except AgentkitError as error:
            where = "" if kept is None else f"; it is in the store: {kept}"
            self.troubles.append(f"{error}{where}")
            return kept

    def place(self, value: Image | File) -> str | None:
        """Where what has no path is; None where only its store could say."""
        return (
            self._store.url_of(value.sha256) if isinstance(self._store, ObjectImageStore) else None
        )

    def tell_troubles(self, out: Output) -> None:
        """Tell what could not be saved."""
        for words in self.troubles:
            out.tell(f"agentkit: {words}")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a turn, or a request of the Image API, came to."""

    images: tuple[Image, ...] = ()
    usage: Usage | None = None
    why: str = ""
    """Why it ended early, in words."""
    last: ndjson.Json | None = None
    """What is told as JSON beside the events."""
    files: tuple[File, ...] = ()


def _stem(words: str) -> str:
    """The first words, as the name of a file."""
    found = re.findall("[a-z0-9]+", words.lower())
    return "-".join(found)[:40].strip("-")


def _has_cost(usage: Usage) -> bool:
    """Whether there is anything to say of it: a request that was refused is surely not billed."""
    has_tokens = usage.input_tokens or usage.output_tokens
    return bool(usage.requests and (has_tokens or usage.cost_usd != 0 or usage.uncertain_usd))


class Face(Protocol):
    """What shows a turn."""

    def begin(self, cid: str | None) -> None:
        """Show the conversation that it belongs to, by its id; None where it is not kept."""
        ...

    def show(self, event: Event) -> None:
        """Show one event."""
        ...

    def tick(self) -> None:
        """A moment has passed: what goes on may be shown."""
        ...

    def end(self, ended: Ended) -> None:
        """Show what it came to."""
        ...


class TextFace:
    """Words and paths to stdout; what tools do, pictures and the cost to stderr."""

    def __init__(self, out: Output, files: Files) -> None:
        self._out, self._files = out, files
        self._began = time.monotonic()
        self._running: dict[str, str] = {}
        self._note = "waiting for the model"

    def begin(self, cid: str | None) -> None:
        """Nothing: only who wants to go on needs the id, and `-c` does without."""

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case TextDelta():
                self._note = ""
                self._out.words(event.text)
            case ReasoningDelta():
                self._note = "thinking"
            case InvocationStarted(invocation=call):
                if call.status == "running":
                    self._running[call.id] = call_line(call)
            case InvocationProgress(invocation=call):
                self._running[call.id] = f"{call_line(call)}: {event.message}"
            case InvocationFinished(invocation=call):
                self._running.pop(call.id, None)
                self._finished(call)
                for file in event.files:
                    self._out.row("▤", file_line(file), MAGENTA)
                    self._files.path(file)
            case ImagePreview():
                self._note = f"drawing, a preview of {plain.kilobytes(len(event.data))} came"
            case ImageReady():
                self._out.row("▣", image_line(event.image), MAGENTA)
                self._files.path(event.image)
            case ImageFailed():
                self._out.row("✗", failure_line(event.failure), RED)
            case TurnFinished() | RunFinished():
                self._note = ""
        self.tick()

    def tick(self) -> None:
        """Show what goes on, and for how long."""
        what = ", ".join(self._running.values()) or self._note
        if what:
            self._out.progress(f"{plain.duration(time.monotonic() - self._began)} · {what}")

    def end(self, ended: Ended) -> None:
        """The paths of the pictures and files, why it ended early, and the cost."""
        self._out.end()
        self._paths([*ended.images, *ended.files])
        if ended.why:
            self._out.tell(f"agentkit: {ended.why}")
        if ended.usage is not None and _has_cost(ended.usage):
            self._cost(ended.usage)

    def _paths(self, values: Iterable[Image | File]) -> None:
        for value in values:
            path = self._files.path(value)
            if path is not None:
                self._out.path(path)
            elif place := self._files.place(value):
                self._out.line(place)
        self._files.tell_troubles(self._out)

    def _cost(self, usage: Usage) -> None:
        seconds = plain.duration(time.monotonic() - self._began)
        self._out.row("", f"{usage_words(usage)} · {seconds}", dim=True)

    def _finished(self, call: Invocation) -> None:
        words = call_line(call)
        if result := outcome(call):
            words += f" → {plain.line(result, width=120)}"
        if call.seconds is not None:
            words += f" · {plain.duration(call.seconds)}"
        if call.cost_usd is not None:
            words += f" · {plain.dollars(call.cost_usd)}"
        is_done = call.status == "completed"
        self._out.row("✓" if is_done else "✗", words, GREEN if is_done else RED)


class JsonFace:
    """Each event as a line of JSON."""

    def __init__(self, out: Output, files: Files) -> None:
        self._out, self._files = out, files

    def begin(self, cid: str | None) -> None:
        """The conversation as the first line."""
        if cid is not None:
            self._out.json(ndjson.encoded({"kind": "session", "id": cid}))

    def show(self, event: Event) -> None:
        """Print one event."""
        path = self._files.path(event.image) if isinstance(event, ImageReady) else None
        told = ndjson.event_json(event, path)
        if isinstance(event, InvocationFinished):
            told["files"] = [ndjson.file_json(each, self._files.path(each)) for each in event.files]
        self._out.json(ndjson.encoded(told))

    def tick(self) -> None:
        """Nothing: only what happens is printed."""

    def end(self, ended: Ended) -> None:
        """The error as the last line; else the last event has told all."""
        if ended.last is not None:
            self._out.json(ndjson.encoded(ended.last))
        self._files.tell_troubles(self._out)


def events_of(answer: Answer[Any]) -> list[Event]:
    """The events of a turn that nobody watched."""
    events: list[Event] = []
    files = {file.name: file for file in answer.run.files}
    if answer.text:
        events.append(TextDelta(answer.text))
    events += [
        InvocationStarted(call)
        if call in answer.pending
        else InvocationFinished(call, tuple(files[name] for name in call.files if name in files))
        for call in answer.invocations
    ]
    events += [ImageReady(image, image.name) for image in answer.images]
    events += [ImageFailed(failure) for failure in answer.failures]
    return [*events, RunFinished(answer.status, answer.usage)]
