"""What a conversation that outlives its process is written down as, and what it asks of the place
where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Any, Protocol

from agentkit.loop.begin import AgentLike
from agentkit.openrouter.ledger import Ledger
from agentkit.openrouter.stored_call import StoredCall
from agentkit.run import Run
from agentkit.values import Api, File, Image, ImageFailure, Message, Usage


@dataclass(frozen=True, slots=True)
class Stored:
    """A conversation as it was written down."""

    api: Api
    model: str
    session: str
    """What its requests carry as `session_id`."""
    title: str = ""
    user: str | None = None
    handles: int = 0
    """Handles up to this number are taken."""
    messages: tuple[Message, ...] = ()
    images: tuple[Image, ...] = ()
    spent: Mapping[str, tuple[Usage, ...]] = field(default_factory=dict[str, tuple[Usage, ...]])
    """Run → the usage of its requests; runs that were not kept are here too."""
    failures: Mapping[str, tuple[ImageFailure, ...]] = field(
        default_factory=dict[str, tuple[ImageFailure, ...]]
    )
    active: Run | None = None
    """The run that is under way, or waits for a person."""
    damaged: tuple[str, ...] = ()
    """What cannot be read of it, and is set aside by the next turn."""
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a conversation has beside its history."""

    images: Sequence[Image]
    handles: int
    api: Api
    model: str
    files: Sequence[File] = ()

    @property
    def things(self) -> tuple[Image | File, ...]:
        """The pictures and the files."""
        return (*self.images, *self.files)


class Record(Protocol):
    """Where one conversation is written down. Its methods block, and are called in a thread. They
    raise `SessionError`.
    """

    @property
    def id(self) -> str: ...
    @property
    def ledger(self) -> Ledger | None:
        """Where its paid requests are written down, if the agent has no ledger."""
        ...

    def load(self) -> Stored:
        """The conversation as it is now; an empty one where it is not there."""
        ...

    def lock(self, wait: float) -> Callable[[], None]:
        """Become its one writer, until the function that is returned is called, or the process
        ends. Raises `ConversationBusy` where another one still is after `wait` seconds.
        """
        ...

    def is_free(self) -> bool:
        """Whether nobody writes it now."""
        ...

    def has_changed(self) -> bool:
        """Whether another one has written it since it was loaded, or written here."""
        ...

    def save(self, run: Run, shown: Shown, *, sync: bool = True) -> None:
        """Write a run that goes on, or waits. Without `sync`, it may wait for the disk together
        with what is written next to `ledger`.
        """
        ...

    def keep(self, run: Run, shown: Shown) -> None:
        """Write a run that has ended as the next turn, which needs nothing of `ledger` any more."""
        ...

    def give_up(self, run: Run, shown: Shown) -> None:
        """Write a run that is no turn: what it cost."""
        ...

    def note(self, shown: Shown, failures: Mapping[str, tuple[ImageFailure, ...]]) -> None:
        """Write pictures that came after their turn, and those that are still missing."""
        ...

    def used(self, run: Run) -> bool:
        """Whether an answer to one of the questions that this run waits with was used before."""
        ...

    def open_calls(self, run: Run) -> list[StoredCall]:
        """The paid requests of a run that had been sent, and whose replies it has not."""
        ...


class Sessions(Protocol):
    """Where conversations are kept: `agentkit.sessions.Sessions`."""

    @property
    def wait(self) -> float:
        """Seconds to wait for a conversation that another one writes."""
        ...

    def record(self, chat: str, agent: AgentLike[Any], *, user: str | None = None) -> Record:
        """The record of a conversation. Raises `UsageError`."""
        ...


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A turn that was under way when its process died."""

    run: Run
    """As far as it was written: what came, and what it cost."""
    calls: tuple[StoredCall, ...]
    """Its paid requests whose replies are not in the run: some are received as a whole, and of the
    others nobody knows yet whether they were carried out.
    """

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures that came in it."""
        names = set(self.run.arrived)
        return tuple(image for image in self.run.images if image.name in names)

    @property
    def in_flight(self) -> tuple[StoredCall, ...]:
        """The requests whose outcome is not known."""
        return tuple(each for each in self.calls if not each.is_received)

    @property
    def paying_tools(self) -> tuple[str, ...]:
        """The tools that had sent paid requests of their own and had not ended: an agent, or one
        that draws.
        """
        begun = {each.key.tool_call for each in self.calls}
        return tuple(each.name for each in self.run.pending if each.id in begun)

    @property
    def cost_usd(self) -> float | None:
        """What the replies in `run` cost, in USD; None where nobody told it."""
        return self.run.usage.cost_usd

    @property
    def may_cost_usd(self) -> float | None:
        """What its other requests may have cost at most, in USD, on top of that; None where nobody
        knows a price of one of them.
        """
        worst = [each.worst_usd for each in self.calls]
        known = [usd for usd in worst if usd is not None]
        return fsum(known) if len(known) == len(worst) else None
