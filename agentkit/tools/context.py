"""What a tool may know of the run it is called in, and what it may tell while it works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from agentkit.errors import UsageError
from agentkit.tools.asking import Answers, question_of
from agentkit.values import File, Image, Invocation, Message, Usage
from agentkit.values.messages import shares_messages

if TYPE_CHECKING:
    from agentkit.budget import Budget

NamedT = TypeVar("NamedT", Image, File)
DepsT_co = TypeVar("DepsT_co", covariant=True, default=Any)


class ByName(Mapping[str, NamedT]):
    """Pictures or files by their handles, in order. They are looked through when one is first asked
    for: most tools ask for none.
    """

    __slots__ = ("_by_name", "_things")

    def __init__(self, things: Sequence[NamedT]) -> None:
        self._things = things
        self._by_name: dict[str, NamedT] | None = None

    @property
    def _found(self) -> dict[str, NamedT]:
        if self._by_name is None:
            self._by_name = {each.name: each for each in self._things}
        return self._by_name

    def __getitem__(self, name: str) -> NamedT:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return repr(self._found)


@shares_messages
@dataclass(
    frozen=True
)  # not slotted: Python 3.11 cannot call `Context[Deps](…)` of a frozen class that is
class Context(Generic[DepsT_co]):
    """What a tool is told of the run: the argument for a first parameter that is annotated
    `Context` or `Context[Deps]`. The model never sees it.

    All of it is as it was when the call began.
    """

    deps: DepsT_co
    """What the caller passed to the run."""
    invocation: Invocation
    """This call: its id, and its arguments as JSON values."""
    images: Mapping[str, Image] = field(default_factory=dict[str, Image])
    """The conversation's pictures by handle, in order."""
    messages: tuple[Message, ...] = ()
    """The conversation so far."""
    usage: Usage = field(default_factory=Usage)
    """What the run had used so far."""
    seconds_left: float | None = None
    """Until the tool's time-out or the run's limit, whichever comes first. None if there is
    neither.
    """
    budget: Budget | None = None
    """What the run may still spend. Given to another agent, `agent.run(…, budget=context.budget)`,
    it holds for both.
    """
    drawing: object = None
    """What the call ledger has of a drawing that this call asks for: `Studio.draw(…,
    call=context.drawing)`. None without a ledger.
    """
    answers: Answers | None = field(default=None, repr=False, compare=False)
    """What a person has said to this call so far; None where nobody can be asked. See `ask`."""
    files: Mapping[str, File] = field(default_factory=dict[str, File])
    """The conversation's files by handle, in order."""

    def ask(self, message: str, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A person's answer, or None if they declined:

            said = context.ask("For how many?", {"properties": {"guests": {"type": "integer"}}})

        The run pauses until `resume(run, answers={call.id: {"guests": 2}})` brings the answer, also
        in another process. **Then the function is called again from its beginning**, and `ask`
        returns at once: ask before doing what must not be done twice, and in the same words.

        `schema` is the JSON Schema of an object whose properties are texts, numbers, True or False,
        one choice (`enum`), or a list of choices. Raises `UsageError` for another one, and outside
        of a tool's call in a run.
        """
        question = question_of("context.ask", message, schema)
        if self.answers is None:
            raise UsageError("context.ask: a person can be asked by a tool that a run calls")
        return self.answers.ask(question)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tool is: `yield Progress("2 of 5 pages")` in an async generator.

    The last value that a generator yields and that is no `Progress` is its result. Earlier ones are
    told as progress too.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Denied:
    """A person's no to a tool call, with a reason that the model is told:
    `approve={"call_7": Denied("too dear")}`.
    """

    reason: str = "denied by the user"


@dataclass(frozen=True, slots=True)
class Edited:
    """A person's yes to a tool call with other arguments, which replace all of the model's:
    `approve={"call_7": Edited({"copies": 1})}`.
    """

    arguments: Mapping[str, Any]
