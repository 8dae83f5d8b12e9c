"""The file of an exported conversation: a ZIP file with `conversation.json`, its pictures as
`images/SHA256.png`, its files as `files/SHA256.pdf`, and `manifest.json` with the size and the
digest of each.

Whoever reads one has it from somebody else. No name in it becomes a path; its sizes are known
before anything is unpacked; and what does not fit the manifest is refused by its name.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from agentkit._check import refused
from agentkit.errors import UsageError
from agentkit.values.blobs import read_some

FORMAT = "agentkit conversation"
VERSION = 1
MOST_BYTES = 8 << 30
"""Of the whole file, and of all that is packed in it."""
MOST_FILES = 20_000
LARGEST_CONVERSATION = 256 << 20
"""Bytes of `conversation.json`."""
_LARGEST_MANIFEST = 8 << 20
_LARGEST_READ = 8 << 20
"""Bytes that may be read at once: the list of contents is read as a whole."""
_CHUNK = 1 << 16
_MANIFEST, _CONVERSATION = "manifest.json", "conversation.json"
_PICTURE = re.compile(r"(?:images|files)/([0-9a-f]{64})\.[a-z0-9]{1,5}")
_NAME = re.compile(rf"{re.escape(_MANIFEST)}|{re.escape(_CONVERSATION)}|{_PICTURE.pattern}")
_WRITTEN = (1980, 1, 1, 0, 0, 0)
"""The time of each file in it: the same conversation gives the same bytes."""


def is_file(name: str) -> bool:
    """Whether this is a file of the conversation that is no picture."""
    return name.startswith("files/")


def check_path(where: str, path: object) -> Path:
    """The path of a file. Raises `UsageError`; `where` is as `refused` has it."""
    given: object = path
    if isinstance(path, os.PathLike):
        given = os.fspath(cast("os.PathLike[str]", path))
    if not isinstance(given, str) or not given or "\0" in given:
        raise refused(where, given, "is the path of a file")
    return Path(given)


def archive(
    conversation: bytes, pictures: Mapping[str, Callable[[], BinaryIO]]
) -> Generator[bytes]:
    """The bytes of the file, in pieces. `pictures` are opened by the names that they have in it."""
    sink = _Sink()
    told: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(sink, "w") as file:
        yield from _added(file, sink, _CONVERSATION, io.BytesIO(conversation), told)
        for name, opened in pictures.items():
            yield from _added(file, sink, name, opened(), told)
        manifest = {"format": FORMAT, "version": VERSION, "files": told}
        data = io.BytesIO(json.dumps(manifest, indent=1).encode())
        yield from _added(file, sink, _MANIFEST, data, {})
    yield sink.taken()


def _added(
    file: zipfile.ZipFile,
    sink: _Sink,
    name: str,
    source: BinaryIO,
    told: dict[str, dict[str, Any]],
) -> Generator[bytes]:
    info = zipfile.ZipInfo(name, _WRITTEN)
    is_text = name.endswith(".json")
    info.compress_type = zipfile.ZIP_DEFLATED if is_text else zipfile.ZIP_STORED
    info.external_attr = 0o600 << 16
    size, digest = 0, hashlib.sha256()
    with source, file.open(info, "w") as target:
        while chunk := read_some(source, _CHUNK):
            target.write(chunk)
            size += len(chunk)
            digest.update(chunk)
            yield sink.taken()
    told[name] = {"size": size, "sha256": digest.hexdigest()}


class _Sink:
    """Takes what a `ZipFile` writes, until it is fetched."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """All is there at once."""

    def close(self) -> None:
        """There is nothing to close."""

    def taken(self) -> bytes:
        """What was written since this was called last."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


@dataclass(frozen=True, slots=True)
class _Told:
    """What the manifest says of a file."""

    size: int
    sha256: str


class Archive:
    """An archive that is open. Its methods raise `UsageError` for what was changed in it."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self._path, self._file = path, file
        self._infos = _checked(path, file)
        self._told = self._manifest()

    @property
    def pictures(self) -> dict[str, str]:
        """The sha256 of each picture and file, and its name in the archive."""
        return {found[1]: name for name in self._told if (found := _PICTURE.fullmatch(name))}

    def conversation(self) -> bytes:
        """The bytes of `conversation.json`."""
        return b"".join(self.pieces(_CONVERSATION))

    def pieces(self, name: str) -> Iterator[bytes]:
        """A file in it. Whether it fits the manifest is known when all pieces were taken."""
        size, digest = 0, hashlib.sha256()
        with self._unpacking(name), self.opened(name) as source:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                digest.update(chunk)
                yield chunk
        if _Told(size, digest.hexdigest()) != self._told[name]:
            raise self._changed(name)

    def opened(self, name: str) -> BinaryIO:
        """A file in it, unchecked."""
        return cast("BinaryIO", self._file.open(self._infos[name]))

    def no(self, reason: str) -> UsageError:
        """The error for what is in it."""
        return no_archive(self._path, reason)

    def _changed(self, name: str) -> UsageError:
        return self.no(f"{name} was changed since it was exported")

    @contextmanager
    def _unpacking(self, name: str) -> Generator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):
            raise self._changed(name) from None

    def _manifest(self) -> dict[str, _Told]:
        info = self._infos.get(_MANIFEST)
        if info is None or _CONVERSATION not in self._infos:
            raise self.no(f"it has no {_CONVERSATION if info else _MANIFEST}")
        with self._unpacking(_MANIFEST), self.opened(_MANIFEST) as file:
            data = file.read(_LARGEST_MANIFEST)
        try:
            found = _manifest(json.loads(data))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._changed(_MANIFEST) from None
        version, files = found
        if version != VERSION:
            raise self.no(f"it has version {version!r}, and this agentkit reads {VERSION}")
        for name in sorted({*files, *self._infos} - {_MANIFEST}):
            if name not in self._infos:
                raise self.no(f"{name} is missing")
            if name not in files:
                raise self.no(f"{name} was added since it was exported")
            if files[name].size != self._infos[name].file_size:
                raise self._changed(name)
        return files


def _manifest(found: dict[str, Any]) -> tuple[object, dict[str, _Told]]:
    """The version, and the files. Raises whatever another form brings about."""
    if found["format"] != FORMAT:
        raise ValueError
    if found["version"] != VERSION:
        return found["version"], {}
    files = {
        str(name): _Told(int(each["size"]), str(each["sha256"]))
        for name, each in found["files"].items()
    }
    return VERSION, files


@contextmanager
def open_archive(path: Path) -> Generator[Archive]:
    """An archive to be read. Raises `UsageError` for what is none, before it is unpacked."""
    try:
        if not path.is_file():
            raise no_archive(path, "there is no such file")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise no_archive(path, f"it has {size} bytes, and at most {MOST_BYTES} are read")
        with path.open("rb") as raw:
            bounded = _Bounded(path, raw, size)
            try:
                file = zipfile.ZipFile(cast("Any", bounded))
            except UsageError:
                raise
            except (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError):
                raise no_archive(path, "it is no whole ZIP file") from None
            with file:
                yield Archive(path, file)
    except OSError as error:
        raise no_archive(path, f"it cannot be read: {error.strerror or error}") from None


def no_archive(path: Path, reason: str) -> UsageError:
    """The error for a file that is not loaded."""
    return UsageError(
        f"Sessions.load({str(path)!r}): accepted is a conversation that agentkit has exported, "
        f"unchanged: {reason}"
    )


class _Bounded:
    """A file of which nothing large is read at once, whatever it says of its own contents."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path, self._file, self._size = path, file, size
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._file.tell() if size < 0 else size
        if wanted > _LARGEST_READ:
            raise no_archive(self._path, "its list of contents is too long")
        return self._file.read(size)


def _checked(path: Path, file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """What is in it, by name, none of it unpacked yet."""
    infos = file.infolist()
    if len(infos) > MOST_FILES:
        raise no_archive(path, f"it has {len(infos)} files, and at most {MOST_FILES} are read")
    most = {_MANIFEST: _LARGEST_MANIFEST, _CONVERSATION: LARGEST_CONVERSATION}
    total = 0
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename
        if not _NAME.fullmatch(name) or name in found:
            raise no_archive(path, f"{name[:100]!r} was added since it was exported")
        if info.flag_bits & 1 or info.compress_type not in {
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        }:
            raise no_archive(path, f"{name} is packed or encrypted in another way")
        total += info.file_size
        if info.file_size > most.get(name, MOST_BYTES) or total > MOST_BYTES:
            raise no_archive(path, f"{name} is too large: {info.file_size} bytes when unpacked")
        found[name] = info
    return found
