"""What a run has given so far, as the user sees it: `Answer.of(run)` is pure and can be asked at
any moment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, cast

from typing_extensions import TypeVar

from agentkit._check import refused
from agentkit._files import write_together, write_whole
from agentkit.errors import FileError, ImageError, RunError, StoreError, UsageError
from agentkit.run import Run
from agentkit.values import File, Image, ImageFailure, Invocation, Message, Text, Usage, fast_init
from agentkit.values.image_groups import ImageTuple

AnswerStatus = Literal["completed", "paused", "limited", "refused", "interrupted"]
"""Whole; waiting for a person; ended by a limit; refused; or not at its end, as an error, a
cancellation or an early leave stopped it, or it goes on still (`error.answer_so_far`):
`resume(answer.run)` takes up `paused` and `interrupted` ones, but those that `adopt` has kept as
they were."""
OutputT = TypeVar("OutputT", default=Any)

_PLACED = {"text", "content"}
"""Places that say where in the words a picture stands; any other picture follows its message's
words.
"""


@fast_init
@dataclass(frozen=True, slots=True)
class Answer(Generic[OutputT]):
    """All that the assistant said, drew and did in one run."""

    parts: tuple[Text | Image, ...]
    """Words and pictures in order. Each picture stands once, where the text shows it, or after the
    words.
    """
    images: tuple[Image, ...]
    """Every picture of this run in the order of arrival, those that tools returned included."""
    failures: tuple[ImageFailure, ...]
    """Pictures that were announced and could not be obtained."""
    invocations: tuple[Invocation, ...]
    """Every tool call, of the user's tools and of server tools."""
    usage: Usage
    """Tokens, pictures and cost of this run."""
    status: AnswerStatus
    """`"completed"`; `"paused"`: a person must decide; `"limited"`: a limit ended it; `"refused"`:
    the model or its provider refused; `"interrupted"`: an error, a cancellation, `stop()` or an
    early leave ended it, or it is still running. Paused and interrupted runs can be resumed.
    """
    pending: tuple[Invocation, ...]
    """Calls that wait for a person. One that asks something has a `question`; a call of a sub-agent
    is named `CALL/ID`. See `Agent.resume`.
    What a server of MCP asks for (`executor="server"`) stands here too, and so does a `request` of
    which nobody knows whether it was carried out: see `agentkit.Ledger`.
    """
    run: Run = field(repr=False)
    """The whole state of the run, as a value that can be saved."""
    output: OutputT = cast("OutputT", None)  # noqa: RUF009 - None where no `output=` was asked for
    """The structured output if the agent has `output=`, else None."""
    files: tuple[File, ...] = ()
    """Every file that tools returned in this run, in the order of arrival."""

    @classmethod
    def of(cls, run: Run, output: OutputT = cast("OutputT", None)) -> Answer[OutputT]:  # noqa: B008 - see `output`
        """The answer that this run holds. It can be asked for at any time."""
        status: AnswerStatus = run.status if run.status != "running" else "interrupted"
        arrived, arrived_files = {*run.arrived}, {*run.arrived_files}
        images = {each.name: each for each in run.images if each.name in arrived} if arrived else {}
        files = {each.name: each for each in run.files if each.name in arrived_files}
        return cls(
            parts=_parts(run),
            images=ImageTuple([images[name] for name in run.arrived if name in images]),
            failures=run.failures,
            invocations=run.invocations,
            usage=run.usage,
            status=status,
            pending=_pending(run),
            run=run,
            output=output,
            files=tuple([files[name] for name in run.arrived_files if name in files]),
        )

    @property
    def text(self) -> str:
        """All the words: those of one message as they came, messages joined by a blank line."""
        return "\n\n".join(text for message in _said(self.run) if (text := message.text))

    @property
    def shown(self) -> tuple[Text | Image, ...]:
        """What a display shows: the parts, then the pictures that tools returned and that are not
        among the parts.
        """
        placed = {part.sha256 for part in self.parts if isinstance(part, Image)}
        return (*self.parts, *(image for image in self.images if image.sha256 not in placed))

    @property
    def limit(self) -> str | None:
        """The limit that ended a `limited` run: the name of a field of `Limits`; `"repeats"` if the
        model made the same call, or calls with wrong arguments, again and again; `"max_tokens"` if
        its last reply was cut.
        """
        return self.run.closing

    @property
    def limit_reason(self) -> str | None:
        """Why a cost limit ended the run, for example
        `$0.0200 is left, and the next request may cost $0.1100 at worst`.
        """
        return self.run.limit_reason

    @property
    def refusal(self) -> str | None:
        """Why the run was `refused`, in the words of the model or the provider."""
        return self.run.refusal

    @property
    def messages(self) -> tuple[Message, ...]:
        """What this run added to the conversation, its prompt first."""
        return self.run.added

    def to_markdown(self, *, folder: str = "images") -> str:
        """The answer as Markdown. Pictures are links into `folder`, where `save` writes them."""
        from agentkit.show import markdown

        return markdown.answer(self.shown, self.failures, files=self.files, folder=folder)

    def to_html(self, *, single_file: bool = True, folder: str = "images") -> str:
        """The answer as an escaped HTML fragment. Its raster pictures are inside it, as `data:`
        URLs; without `single_file` they are links into `folder`, where `save` writes them.
        """
        from agentkit.show import html

        if single_file:
            return html.answer(self.shown, self.failures, files=self.files)
        source = html.linked(folder)
        return html.answer(self.shown, self.failures, files=self.files, source=source)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write `answer.md`, `run.json`, `images/NAME.EXTENSION` and, under their own names,
        `files/…` into a folder, which is made if it is missing. Returns its path. Bytes that only
        `ImageFailure.data` holds become `images/failure_NUMBER.EXTENSION`.

        Each file is written whole or not at all, and a link in its place is replaced, not followed.
        The run and the words go first, and together: a full disk leaves those that were saved
        before. Raises `UsageError` if there is a file of the folder's name, `images` is a link, or
        the folder cannot be written. If a picture cannot be obtained or written, everything else is
        saved first; then `ImageError` is raised.
        """
        if not isinstance(folder, str | os.PathLike):
            raise refused("Answer.save({!r})", folder, "is the path of a folder")
        target = Path(folder)
        if (
            file := next((each for each in (target, *target.parents) if each.is_file()), None)
        ) is not None:
            raise UsageError(
                f"Answer.save({str(folder)!r}): {str(file)!r} is a file; "
                "accepted is a folder, made if need be"
            )
        images, files = target / "images", target / "files"
        for each in (images, files):
            if each.is_symlink():
                raise UsageError(
                    f"Answer.save({str(folder)!r}): {str(each)!r} is a link, which is not followed"
                )
        try:
            images.mkdir(parents=True, exist_ok=True)
            if self.files:
                files.mkdir(exist_ok=True)
            write_together(
                {
                    target / "run.json": [self.run.to_json().encode()],
                    target / "answer.md": [self.to_markdown().encode("utf-8", "replace")],
                }
            )
        except OSError as error:
            raise UsageError(
                f"Answer.save({str(folder)!r}): {error}; accepted is a folder that can be written"
            ) from error
        self._save_pictures(images, files, str(folder))
        return target

    def _save_pictures(self, folder: Path, files: Path, told: str) -> None:
        from agentkit.show.markdown import failure_name

        jobs: list[tuple[Path, Image | File | bytes]] = [
            (folder / image.file_name, image) for image in self.images
        ]
        jobs += [(files / file.saved_name, file) for file in self.files]
        jobs += [
            (folder / failure_name(number, failure.data), failure.data)
            for number, failure in enumerate(self.failures, 1)
            if failure.data is not None
        ]
        missing: list[Exception] = []
        for path, picture in jobs:
            try:
                if path.is_symlink():
                    path.unlink()  # it may lead to a folder, into which the picture would go
                if not isinstance(picture, bytes):
                    picture.save(path)
                else:
                    write_whole(path, [picture])
            except (FileError, ImageError, StoreError, OSError) as error:
                missing.append(error)
        if missing:
            why = "; ".join(map(str, missing[:3]))
            what = "pictures and files" if self.files else "pictures"
            raise ImageError(
                f"Answer.save({told!r}): saved is all but {len(missing)} of "
                f"{len(jobs)} {what}: {why}"
            ) from missing[0]

    def _repr_mimebundle_(self, **_: object) -> Mapping[str, str]:
        """Notebook display. A picture of more than 300 KB is shown as a smaller copy."""
        from agentkit.show import html, markdown
        from agentkit.values.image_display import data_url

        return {
            "text/plain": repr(self),
            "text/markdown": markdown.prose(self.text),
            "text/html": html.answer(self.shown, self.failures, files=self.files, source=data_url),
        }

    def __repr__(self) -> str:
        words = self.text if len(self.text) <= 60 else self.text[:59] + "…"
        return (
            f"<Answer {self.status} {words!r} {len(self.images)} images "
            f"{len(self.invocations)} invocations>"
        )


def _pending(run: Run) -> tuple[Invocation, ...]:
    """The calls that wait for a person, those that the service runs, and unknown requests."""
    unfinished = [each for each in run.invocations if each.status in {"pending", "running"}]
    if not unfinished and not run.waiting:
        return ()  # as after most runs
    asked = {each.call_id for each in run.waiting if each.why != "agent"}
    agents = {each.call_id for each in run.waiting} - asked
    own = [
        each
        for each in run.pending
        if each.id in asked or (run.status != "paused" and each.id not in agents)
    ]
    server = [each for each in unfinished if each.status == "pending" and each.executor == "server"]
    return (*own, *server, *_unknown_requests(run))


def _unknown_requests(run: Run) -> tuple[Invocation, ...]:
    """The requests of which a person has to say what becomes of them, beside the tool calls."""
    calls = {each.id for each in run.invocations}
    return tuple(
        Invocation(
            each.call_id,
            "request",
            {} if each.generation_id is None else {"generation_id": each.generation_id},
            executor="server",
            error="the process ended before its reply was whole: it may have been billed",
            cost_usd=each.cost_usd,
        )
        for each in run.waiting
        if each.why == "outcome" and each.call_id not in calls
    )


def _said(run: Run) -> tuple[Message, ...]:
    """The assistant's messages, with what had arrived of one that broke off."""
    whole = tuple(message for message in run.added if message.role == "assistant")
    return whole if run.partial is None else (*whole, run.partial)


def _is_placed(image: Image) -> bool:
    return any(source.place in _PLACED for source in image.sources)


def _parts(run: Run) -> tuple[Text | Image, ...]:
    """Words and pictures of all messages; each picture once, as the conversation now knows it."""
    messages = _said(run)
    drawn = [part for each in messages for part in each.parts if isinstance(part, Image)]
    placed = {part.sha256 for part in drawn if _is_placed(part)}
    digests = {part.sha256 for part in drawn}
    known = {each.sha256: each for each in run.images if each.sha256 in digests} if drawn else {}
    shown: set[str] = set()
    parts: list[Text | Image] = []
    for message in messages:
        if any(isinstance(part, Text) for part in parts) and message.text:
            parts.append(Text("\n\n"))
        later: list[Image] = []
        for part in message.parts:
            if isinstance(part, Text) and part.text:
                parts.append(part)
            elif isinstance(part, Image) and part.sha256 not in shown:
                if part.sha256 in placed and not _is_placed(part):
                    continue
                shown.add(part.sha256)
                (parts if _is_placed(part) else later).append(known.get(part.sha256, part))
        parts.extend(later)
    return _joined(parts)


def _joined(parts: list[Text | Image]) -> tuple[Text | Image, ...]:
    """Neighbouring texts as one."""
    if len(parts) < 2:
        return tuple(parts)
    joined: list[Text | Image] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Text) and isinstance(last, Text):
            joined[-1] = replace(
                last, text=last.text + part.text, citations=(*last.citations, *part.citations)
            )
        else:
            joined.append(part)
    return tuple(joined)


ErrorT = TypeVar("ErrorT", bound=RunError)


def with_run(error: ErrorT, run: Run) -> ErrorT:
    """The error with the run that it stopped, and with what had arrived as an answer."""
    error.run = run
    error.answer_so_far = Answer.of(run)
    return error


def run_of(error: BaseException | None) -> Run | None:
    """The run that an error carries."""
    run = error.run if isinstance(error, RunError) else None
    return run if isinstance(run, Run) else None
