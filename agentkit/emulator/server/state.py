"""State of one emulator while it runs."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentkit.emulator.catalogue import Catalogue
from agentkit.emulator.faults.active_faults import Faults
from agentkit.emulator.files import Parse
from agentkit.emulator.ids import Ids
from agentkit.emulator.painter.studio import Studio
from agentkit.emulator.prompt_cache import PromptCache
from agentkit.emulator.script import (
    Draw,
    Item,
    Place,
    Raw,
    RawReply,
    Reply,
    Rule,
    Scripted,
    reply_of,
)
from agentkit.emulator.server.containers import Containers
from agentkit.emulator.server.ledger import Ledger
from agentkit.emulator.wire.errors import invalid


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that arrived.

    Header names are in lower case; the body is parsed if it was JSON; `size` is that of the body in
    bytes.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any = field(repr=False)
    size: int


@dataclass(slots=True)
class State:
    catalogue: Catalogue
    studio: Studio
    ids: Ids
    api_key: str | None
    places: Sequence[Place]
    chunk_delay: float
    is_guarded: bool = False
    """Whether each request needs the key, those for the catalogue included: others than this
    machine can reach the emulator.
    """

    containers: Containers = field(default_factory=Containers)
    prompt_cache: PromptCache = field(default_factory=PromptCache)
    faults: Faults = field(default_factory=Faults)
    ledger: Ledger = field(default_factory=Ledger)
    requests: list[RecordedRequest] = field(default_factory=list[RecordedRequest])
    script: deque[Scripted] = field(default_factory=deque[Scripted])
    rules: bool | Rule = True
    """Whether the rules answer what no reply of the script is left for; or a rule that is asked
    before them.
    """

    unscripted: list[str] = field(default_factory=list[str])
    """What was refused because no reply was left: one line for each request."""

    told: list[str] = field(default_factory=list[str])
    """What each request told its model, in words."""

    parses: list[Parse] = field(default_factory=list[Parse])
    """The files that were read, request by request."""

    played: int = 0
    """Replies of the script that were given."""

    item_types: set[str] = field(default_factory=set[str])
    """Types of unknown items that a script sent out, and that may therefore come back."""

    dictated: bool = False
    """Whether a reply held JSON of a test's own or what only gateways send, or was distorted by a
    quirk.
    """

    def play(self, replies: Sequence[Scripted]) -> None:
        for reply in replies:
            if isinstance(reply, Reply):
                for item in reply.content:
                    if isinstance(item, Raw) and item.responses is not None:
                        self.item_types.add(str(item.responses.get("type")))
        self.script.extend(replies)

    def next_reply(self, asked: str, body: Mapping[str, Any]) -> Scripted | None:
        """The next reply of the script, or that of a rule of the user's; None where the rules
        answer. `asked` says what is asked for, in a few words.
        """
        reply = self.script.popleft() if self.script else None
        if reply is not None:
            self.played += 1
        elif callable(self.rules):
            reply = _asked(self.rules, self.told[-1], body)
        elif not self.rules:
            self.unscripted.append(asked)
            raise invalid(
                f"The script has no reply left for {asked}; {self.played} of its replies were "
                "given before. play(…) adds one."
            )
        if isinstance(reply, RawReply):
            self.dictated = True
        elif reply is not None:
            own = reply.error is not None and reply.error.body is not None
            self.dictated |= own or any(map(_is_dictated, reply.content))
        return reply


def _asked(rule: Rule, told: str, body: Mapping[str, Any]) -> Scripted | None:
    """What a user's rule replies."""
    try:
        given = rule(told, body)
        return None if given is None else reply_of(given)
    except Exception as error:
        # A 400 is not tried again, and stands in the test's own error.
        raise invalid(f"`rules` raised {type(error).__name__}: {error}") from error


def _is_dictated(item: Item) -> bool:
    """Whether OpenRouter itself sends no such thing: JSON of a test's own, and a picture as a part
    of a message, which its specification does not have.
    """
    return isinstance(item, Raw) or (isinstance(item, Draw) and "content_parts" in item.places)
