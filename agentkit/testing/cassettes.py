"""Cassettes: what an agent sent and received, recorded once and played from then on."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from agentkit._check import argument, check_choice, refused
from agentkit._recorder import recorder
from agentkit.errors import UsageError
from agentkit.openrouter.client import forget_shared_client
from agentkit.testing.environment import environment

if TYPE_CHECKING:
    import pytest

    from agentkit.testing.tape import Shelf, Tape

Mode: TypeAlias = Literal["none", "once", "new_episodes", "all", "rewrite"]
MODES: tuple[Mode, ...] = ("none", "once", "new_episodes", "all", "rewrite")
_NOT_IN_A_NAME = re.compile(r"[<>?%*:|\"'/\\]")
_LONGEST_NAME = 120
Pictures: TypeAlias = Literal["exact", "size"]
_NOTE = """\
Recorded by agentkit.testing{}, for tests.
Pictures are flat placeholders of the same size; keys, accounts and dates are taken out.
"""


def cassette(
    path: str | os.PathLike[str],
    mode: Mode = "once",
    *,
    models: Sequence[str] = (),
    pictures: Pictures = "exact",
    source: str = "",
) -> Cassette:
    """A cassette to be opened: `with cassette("fox.yaml"):`, or `async with`.

    Within the block, every request of agentkit, pictures included, is answered from the file, or
    sent and recorded, as `mode` says:

    - `"once"`: recorded where there is no file yet; else played, and nothing is sent.
    - `"none"`: played, and nothing is sent.
    - `"new_episodes"`: what is in the file is played, the rest is recorded.
    - `"all"`: all is recorded anew, and what was not asked again stays in the file.
    - `"rewrite"`: all is recorded anew.

    A request is played if method, path, query and body are those of a recorded one, each reply
    once. Of pictures, format, width, height and content count, with `pictures="size"` all but the
    content. Of the catalogue, the models that requests name are kept, and those in `models`.
    `source` says in the file where the recording comes from.

    A request that is neither played nor recorded raises `NotRecorded`, also at the end of the block
    where a program has caught it. Raises `UsageError` for a wrong argument, a file that is no
    cassette, and where a cassette is open already.
    """
    return Cassette(path, mode, models=models, pictures=pictures, source=source)


class Cassette:
    """What `cassette` returns. It may be opened several times, one after the other; only one is
    open in a process at a time.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: Mode,
        *,
        models: Sequence[str],
        pictures: Pictures,
        source: str,
    ) -> None:
        if not isinstance(path, str | os.PathLike) or not str(path):
            raise refused(argument("cassette", "path"), path, "is a path")
        self.path = Path(path)
        self.mode: Mode = check_choice("cassette(mode={!r})", mode, MODES)
        check_choice("cassette(pictures={!r})", pictures, ("exact", "size"))
        if isinstance(models, str):
            raise refused(argument("cassette", "models"), models, "is a list of models")
        self._models = frozenset(models)
        self._pictures: Pictures = pictures
        self._source = source
        self._tape: Tape | None = None
        self._shelf: Shelf | None = None
        self._context: AbstractContextManager[Tape] | None = None

    def __repr__(self) -> str:
        return f"cassette({str(self.path)!r}, {self.mode!r})"

    @property
    def may_record(self) -> bool:
        """Whether requests are sent that are not in the file, or not played."""
        return self.mode != "none" and (self.mode != "once" or not _holds_any(self.path))

    @property
    def recorded(self) -> int:
        """How many replies were recorded in this block, or the last one."""
        return self._tape.recorded if self._tape is not None else 0

    @property
    def played(self) -> int:
        """How many replies were played in this block, or the last one."""
        return self._tape.play_count if self._tape is not None else 0

    @property
    def unplayed(self) -> tuple[str, ...]:
        """The requests in the file that were not asked again, each as `POST /api/v1/responses`."""
        return tuple(self._tape.unplayed) if self._tape is not None else ()

    def __enter__(self) -> Self:
        if recorder() is not None:
            raise UsageError(
                f"{self!r}: another cassette is open, and the requests of a process go into one; "
                "two tests that run at once need two processes"
            )
        try:
            from agentkit.testing import tape
        except ImportError as error:
            raise UsageError(
                f'{self!r} needs {error.name}: pip install "agentkit-openrouter[testing]"'
            ) from error
        from agentkit.testing.tape_file import read

        before = None if self.mode == "rewrite" else read(self.path)
        if self.may_record:
            self._check_folder()
        self._shelf = tape.Shelf(before)
        context = tape.Tape.use(
            path=self.path,
            persister=self._shelf,
            record_mode=tape.RECORD_MODES[self.mode],
            pictures=self._pictures,
            label=self._label(before is None),
        )
        self._tape = context.__enter__()
        self._context = context
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        context, shelf, found = self._context, self._shelf, self._tape
        if context is None or shelf is None or found is None:
            raise UsageError(f"{self!r} is not open")
        self._context = None
        context.__exit__(kind, error, trace)
        try:
            self._keep(shelf, found, error)
        except (OSError, UsageError) as problem:
            if error is None:
                raise _not_written(self.path, problem) from problem
            error.add_note(str(_not_written(self.path, problem)))
        if error is None and found.refused:
            raise found.refused[0]

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def _check_folder(self) -> None:
        """That a recording can be kept is checked before anything is paid for."""
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        except OSError as error:
            raise _not_written(self.path, error) from None

    def _label(self, is_missing: bool) -> str:
        return f"{self.path}, which does not exist" if is_missing else str(self.path)

    def _keep(self, shelf: Shelf, found: Tape, error: BaseException | None) -> None:
        """Write what was recorded. What was paid for is kept also where the block failed; but a
        recording that broke off does not take the place of a whole one.
        """
        if not shelf.kept or not found.recorded:
            return
        from agentkit.testing.tape import scrubbed
        from agentkit.testing.tape_file import MAX_BYTES, write

        interactions = scrubbed(shelf.kept, self._models)
        note = _NOTE.format(f" from {self._source}" if self._source else "")
        replaces = self.mode in {"all", "rewrite"} and self.path.exists()
        if error is None or not replaces or not found.is_broken_off:
            size = write(self.path, interactions, note)
            if size > MAX_BYTES:
                raise UsageError(f"it has {size} bytes, and only {MAX_BYTES} can be played again")
            return
        partial = self.path.with_name(f"{self.path.stem}.partial{self.path.suffix}")
        write(partial, interactions, note)
        error.add_note(f"{self.path} is as it was; what had been recorded is in {partial}")


def _holds_any(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _not_written(path: Path, problem: Exception) -> UsageError:
    words = problem.strerror if isinstance(problem, OSError) else problem
    return UsageError(f"the recording cannot be kept in {path}: {words}")


def cassette_of(request: pytest.FixtureRequest, **options: Any) -> Cassette:
    """The cassette of a test: `cassettes/MODULE/TEST.yaml` beside its module, where
    pytest-recording has its own, in the mode that `--record-mode` says, else `"none"`.
    """
    asked: Any = request  # pytest has types for a part of this
    name = f"{asked.cls.__name__}.{asked.node.name}" if asked.cls else str(asked.node.name)
    folder = request.path.parent / "cassettes" / request.path.stem
    asked_for = request.config.getoption("--record-mode", default=None)
    given: dict[str, Any] = {"mode": asked_for or "none", **options}
    return cassette(folder / f"{_file_name(name)}.yaml", **given)


def _file_name(test: str) -> str:
    name = _NOT_IN_A_NAME.sub("-", test)
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(test.encode()).hexdigest()[:12]}"


@contextmanager
def playing(opened: Cassette, folder: Path) -> Generator[Cassette]:
    """The cassette, open. Agents that are made in the block keep their pictures in `folder`, and
    where nothing is recorded, there is a key even if the user has none.
    """
    changes = {"AGENTKIT_STORE": str(folder)}
    if not opened.may_record and not os.environ.get("OPENROUTER_API_KEY"):
        changes["OPENROUTER_API_KEY"] = "played"
    # What a shared client has learned in another test is not in this cassette.
    forget_shared_client()
    try:
        with environment(changes), opened:
            yield opened
    finally:
        forget_shared_client()
