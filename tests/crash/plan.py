"""What a program does that is killed, where it keeps what it has, and what it says at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.crash.deadly import Kill

Kept = Literal["file", "sqlite", "postgres"]
"""Where a run is kept: in a file of its own, with a folder as the ledger, or as the turn of a
conversation in a database, which has the ledger too.
"""
CITIES = ("Oslo", "Bergen", "Rome")
PROMPT = "What is the weather in Oslo, in Bergen and in Rome? Then draw a fox in the snow."
SAID = "The weather in Rome: Rome: snow."
NEXT = "Thank you."
"""The next prompt, where the next process does not go on with the turn that was cut."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a program does: three calls of a tool in one round, then a picture."""

    api: str = "chat"
    """The API of the model: `chat` or `responses`."""
    stream: bool = True
    studio: bool = False
    """Whether a tool draws by the Image API, and not a server tool."""
    delegated: bool = False
    """Whether another agent draws, called as a tool."""
    base64: bool = False
    """Whether the server tool's picture comes in the reply, and not by URL."""

    def __str__(self) -> str:
        how = "base64" if self.base64 else "URL"
        how = "sub-agent" if self.delegated else "image API" if self.studio else how
        return f"{self.api} {'streamed' if self.stream else 'buffered'}, {how}"

    @property
    def places(self) -> tuple[str, ...]:
        """Where the emulator puts the picture."""
        if not self.base64:
            return ()
        return ("message_images",) if self.api == "chat" else ("image_generation_call",)


@dataclass(frozen=True, slots=True)
class Program:
    """A scene at work, in a folder of its own."""

    scene: Scene
    folder: Path
    base_url: str
    kept: Kept = "file"
    url: str = ""
    """Of the database."""
    sends: bool = False
    """Whether the next process sends a new prompt, and does not go on with what was cut."""
    ledger: bool = True
    dropped: frozenset[str] = frozenset()
    """Kinds of entries that its ledger forgets."""
    kill: Kill | None = None
    """Where it kills itself."""
    outcomes: Mapping[str, str] = field(default_factory=dict[str, str])
    """What a person has decided."""
    look_up_seconds: float = 2.0

    @property
    def prompts(self) -> tuple[str, ...]:
        """What is in the history at the end."""
        return (PROMPT, NEXT) if self.sends else (PROMPT,)

    @property
    def saved(self) -> Path:
        return self.folder / "run.json"

    @property
    def begun(self) -> Path:
        """The cities of the tool's calls that were begun, a line for each."""
        return self.folder / "weather.txt"

    @property
    def calls(self) -> Path:
        return self.folder / "calls"

    @property
    def store(self) -> Path:
        return self.folder / "store"


@dataclass(frozen=True, slots=True)
class Result:
    """What a program that came to an end had to say."""

    status: str
    text: str = ""
    pictures: tuple[str, ...] = ()
    """Digests of those in the answer that can be read."""
    failures: int = 0
    """Pictures that could not be had."""
    waiting: tuple[Mapping[str, Any], ...] = ()
    error: str | None = None
    prompts: tuple[str, ...] = ()
    """The prompts in the history, where that is kept."""
    requests: int = 0
    cost_usd: float | None = None
