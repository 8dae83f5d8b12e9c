"""Who answers a play: the emulator, OpenRouter, or a cassette of either."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agentkit.demo.script import Script
from agentkit.errors import MissingKey, NotRecorded, UsageError
from agentkit.openrouter.client import OpenRouter

if TYPE_CHECKING:
    from agentkit.emulator import Emulator

APP = "agentkit demo"
_SOURCE = re.compile(
    r"^# Recorded by agentkit\.testing from (.{1,300}), for tests\.$", re.MULTILINE
)

Kind = Literal["emulator", "openrouter", "cassette"]


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """Who answered, for the report: nobody is to take the emulator for a model."""

    kind: Kind
    cassette: str = ""
    """The name of the file of a cassette."""
    recorded_from: str = ""
    """What the cassette says that it was recorded from."""

    @property
    def words(self) -> str:
        """For people: `the emulator: no model was asked, and no money was spent`."""
        match self.kind:
            case "emulator":
                return "the emulator: no model was asked, and nothing was paid"
            case "openrouter":
                return "OpenRouter"
            case "cassette":
                source = f", recorded from {self.recorded_from}" if self.recorded_from else ""
                return f"the cassette {self.cassette}{source}"


@dataclass(frozen=True, slots=True)
class Connection:
    """What a play is played on."""

    client: OpenRouter
    emulator: Emulator | None = None
    """Says what the script's `replies` say."""
    is_replayed: bool = False


@dataclass
class Source:
    """Who answers. `opened` gives one for a `with` block."""

    answered_by: AnsweredBy
    chunk_delay: float = 0.0
    _emulators: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _shared: Emulator | None = None

    @asynccontextmanager
    async def connection(self, script: Script) -> AsyncGenerator[Connection]:
        """What one play of a script is played on. A script with `replies` has an emulator of its
        own, so that several can be played at once.
        """
        if self.answered_by.kind == "cassette":
            async with OpenRouter(api_key="played", app_name=APP) as client:
                yield Connection(client, is_replayed=True)
        elif self.answered_by.kind == "openrouter":
            async with OpenRouter(app_name=APP) as client:
                yield Connection(client)
        elif script.has_replies:
            with self._emulator() as own:
                async with self._client(own) as client:
                    yield Connection(client, own)
        else:
            if self._shared is None:
                self._shared = self._emulators.enter_context(self._emulator())
            async with self._client(self._shared) as client:
                yield Connection(client)

    def _emulator(self) -> Emulator:
        from agentkit.emulator import Emulator

        return Emulator(chunk_delay=self.chunk_delay)

    def _client(self, emulator: Emulator) -> OpenRouter:
        # The proxy of the environment would look for the emulator on its own machine.
        return OpenRouter(
            base_url=emulator.base_url, api_key=emulator.api_key, app_name=APP, proxy=False
        )

    def close(self) -> None:
        """Stop the emulator."""
        self._shared = None
        self._emulators.close()


@contextmanager
def opened(
    *, live: bool = False, cassette: Path | None = None, recorded_by: str = "", pace: float = 0.0
) -> Generator[Source]:
    """A source for a block. `cassette` is played; where it is not there yet, it is recorded from
    the emulator, or from OpenRouter if `live`. `recorded_by` names the script in it. `pace` is the
    pause in seconds between two pieces of the emulator's streams.

    Raises `UsageError` where a key is missing, and for a cassette that is none, or that lacks a
    request of the script.
    """
    if live and not os.environ.get("OPENROUTER_API_KEY", "").strip():
        raise MissingKey(
            "--live needs a key: set OPENROUTER_API_KEY; without --live the emulator answers"
        )
    kind: Kind = "openrouter" if live else "emulator"
    if cassette is None:
        with contextlib.closing(Source(AnsweredBy(kind), pace)) as source:
            yield source
        return
    from agentkit.testing import cassette as cassette_of

    names = {"openrouter": "OpenRouter", "emulator": "the emulator"}
    by = f" by the script {recorded_by}" if recorded_by else ""
    tape = cassette_of(cassette, source=names[kind] + by)
    answered_by = AnsweredBy(kind)
    if not tape.may_record:
        answered_by = AnsweredBy("cassette", cassette.name, _recorded_from(cassette))
    with _told(cassette), contextlib.closing(Source(answered_by, pace)) as source, tape:
        yield source


@contextmanager
def _told(cassette: Path) -> Generator[None]:
    """What a cassette lacks, in words for the author of a script."""
    try:
        yield
    except NotRecorded as error:
        raise UsageError(
            f"{cassette}: this cassette was not recorded from this script, or the script has "
            f"changed since: remove it, and record it anew. {error}"
        ) from error


def _recorded_from(cassette: Path) -> str:
    """What a cassette says in its head that it was recorded from."""
    with cassette.open(encoding="utf-8", errors="replace") as file:
        found = _SOURCE.search(file.read(1000))
    return "" if found is None else found[1]
