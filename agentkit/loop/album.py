"""What a conversation keeps of every turn, whether it was kept or given up: its pictures under
their handles, and what it cost.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping
from operator import is_not
from types import MappingProxyType
from typing import TypeVar

from agentkit.run import Run
from agentkit.run.handles import FILE_HANDLE, HANDLE, unused_name
from agentkit.values import File, Image, ImageFailure, Usage, replace


class Album:
    """The pictures of a conversation in the order in which they came, those that could not be had,
    and what its runs cost. It grows while a run does, and nothing is taken out when a turn fails.
    """

    def __init__(self) -> None:
        self.images: dict[str, Image] = {}
        self.files: dict[str, File] = {}
        self.highest = 0
        """The highest number that any handle of the conversation has had, or is promised."""
        self._failures: MutableMapping[str, tuple[ImageFailure, ...]] = {}
        self._spent: MutableMapping[str, tuple[Usage, ...]] = {}
        self._latest: tuple[Image, ...] = ()
        self._taken: tuple[object, ...] = (None, None, None)
        """The id, the usages and the failures of the run that was taken last."""
        self._last = 0
        """The highest number of the pictures that are here."""

    @property
    def usage(self) -> Usage:
        """The sum of all requests of all runs."""
        return Usage.total([usage for spent in self._spent.values() for usage in spent])

    @property
    def failures(self) -> tuple[ImageFailure, ...]:
        """The pictures that were announced and could not be had, in all runs."""
        return tuple(each for failures in self._failures.values() for each in failures)

    @property
    def failures_by_run(self) -> Mapping[str, tuple[ImageFailure, ...]]:
        """The same, by the run."""
        return MappingProxyType(self._failures)

    @classmethod
    def of(
        cls,
        images: Iterable[Image],
        highest: int,
        spent: Mapping[str, tuple[Usage, ...]],
        failures: Mapping[str, tuple[ImageFailure, ...]],
        files: Iterable[File] = (),
    ) -> Album:
        """One that was saved."""
        album = cls()
        for image in images:
            album.keep(image)
        for file in files:
            album.keep_file(file)
        album.highest = max(album.highest, highest)
        album._spent, album._failures = dict(spent), dict(failures)
        return album

    def copy(self) -> Album:
        """The same for a second future of the conversation."""
        other = Album()
        other.images, other.highest = self.images.copy(), self.highest
        other.files = self.files.copy()
        self._failures, other._failures = _forked(self._failures)
        self._spent, other._spent = _forked(self._spent)
        other._latest, other._last = self._latest, self._last
        return other

    def take(self, run: Run) -> None:
        """Take what the run has by now. It is called each time the run has grown."""
        taken = (run.id, run.spent, run.failures)
        if any(map(is_not, taken, self._taken)):
            self._taken = taken
            self._spent[run.id] = run.spent
            self._failures[run.id] = run.failures
        for file in run.files:
            if self.files.get(file.name) is not file:
                self.keep_file(file)
        before, self._latest = self._latest, run.images
        if run.images is before:
            return
        is_longer = run.images[: len(before)] == before
        for image in run.images[len(before) :] if is_longer else run.images:
            self.keep(image)

    def all(self) -> tuple[Image, ...]:
        """Every picture, in order."""
        if len(self._latest) != len(self.images):
            self._latest = tuple(self.images.values())
        return self._latest

    def merged(self, run: Run) -> Run:
        """The run that goes on here, with the pictures that came since it stopped."""
        names = {image.name for image in run.images}
        since = tuple(image for name, image in self.images.items() if name not in names)
        known = {file.name for file in run.files}
        files = tuple(file for name, file in self.files.items() if name not in known)
        return run.replace(
            images=(*run.images, *since),
            handles=max(run.handles, self.highest),
            files=(*run.files, *files),
        )

    def add(self, image: Image) -> Image:
        """Add a picture that came after its turn, under a handle of its own. Bytes that are there
        already stay one picture.
        """
        for known in self.images.values():
            if known.sha256 == image.sha256:
                self.images[known.name] = joined = known.joined(image)
                return joined
        named = replace(image, name=f"img_{self.highest + 1}")
        self.keep(named)
        return named

    def take_back(self) -> None:
        """Take back the handles that were promised to pictures which did not come. No run may be
        under way, and no download.
        """
        self.highest = self._last

    def forget(self, failure: ImageFailure) -> None:
        """Take out a failure whose picture is there now."""
        self._taken = (None, None, None)
        for run, failures in self._failures.items():
            self._failures[run] = tuple(each for each in failures if each is not failure)

    def keep(self, image: Image) -> None:
        """Keep a picture under the handle that it has."""
        known = self.images.get(image.name)
        self.images[image.name] = image
        number = _number(image)
        if known is None and number <= self._last:  # it was promised, and came after a later one
            in_order = sorted(self.images.items(), key=lambda item: _number(item[1]))
            self.images.clear()
            self.images.update(in_order)
        self._last = max(self._last, number)
        self.highest = max(self.highest, number)
        if known is not None and known.sha256 != image.sha256:
            # A run of another conversation was adopted, in which the handle is another picture's.
            self.add(known)

    def keep_file(self, file: File) -> None:
        """Keep a file under the handle that it has. One of another conversation that has it, too,
        goes on under a new one.
        """
        known = self.files.get(file.name)
        self.files[file.name] = file
        if known is not None and known.sha256 != file.sha256:
            numbers = [int(at[1]) for name in self.files if (at := FILE_HANDLE.match(name))]
            called = unused_name(known.file_name, {each.file_name for each in self.files.values()})
            self.keep_file(
                replace(known, name=f"file_{max(numbers, default=0) + 1}", file_name=called)
            )


ValueT = TypeVar("ValueT")
_DEPTH = 16
"""Forks after which what they share is copied once, so that nothing is looked for in many maps."""


def _forked(
    shared: MutableMapping[str, ValueT],
) -> tuple[ChainMap[str, ValueT], ChainMap[str, ValueT]]:
    """Two maps that begin with what is in this one, which is written no more."""
    if not isinstance(shared, ChainMap):
        shared = ChainMap(shared)
    elif len(shared.maps) > _DEPTH:
        shared = ChainMap(dict(shared))
    before = shared if shared.maps[0] else shared.parents
    return before.new_child(), before.new_child()


def _number(image: Image) -> int:
    match = HANDLE.match(image.name)
    return 0 if match is None else int(match[1])
