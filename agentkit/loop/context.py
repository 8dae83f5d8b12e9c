"""What a run needs beside itself: everything live, in one value that is handed down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from agentkit.budget import Budget
from agentkit.images.fetch import Fetcher
from agentkit.images.outgoing import Outgoing
from agentkit.images.store import ImageStore
from agentkit.loop.decisions import Approvals
from agentkit.loop.known import Declared, Known, image_tool_of
from agentkit.openrouter.client import OpenRouter
from agentkit.openrouter.ledger import Ledger
from agentkit.openrouter.paid_call import RunLedger
from agentkit.run import Run
from agentkit.run.audience import Audience, family_of
from agentkit.run.history import History
from agentkit.run.planner import Planner
from agentkit.settings import ModelSettings
from agentkit.tools import Context, Tools
from agentkit.tools.asking import Answers
from agentkit.tools.context import ByName
from agentkit.tools.dialect import is_lean
from agentkit.tools.output import Output
from agentkit.tools.server_tools import ImageGeneration, ServerTool
from agentkit.values import Invocation, Message, Usage, fast_init
from agentkit.wire.body import Encoded
from agentkit.wire.types import FunctionSpec, JsonObject, Request

if TYPE_CHECKING:
    from agentkit.hooks import Hooks


@fast_init
@dataclass(frozen=True, slots=True)
class Services:
    """What stays the same for a whole run, however many requests it sends."""

    client: OpenRouter
    store: ImageStore
    fetcher: Fetcher
    outgoing: Outgoing = field(default_factory=Outgoing)
    """The forms in which pictures are sent."""
    encoded: Encoded = field(default_factory=Encoded)
    """What of the conversation was serialised before."""
    planner: Planner = field(default_factory=Planner)
    """What of the conversation was planned before."""
    history: History = field(default_factory=History)
    hooks: tuple[Hooks, ...] = ()
    output: Output[Any] | None = None
    """The type that the last reply has to fit."""
    deps: Any = None
    """What the caller gave for the tools."""
    stream: bool = False
    """Whether replies are streamed."""
    depth: int = 0
    """How many agents this one works for, each called as a tool by the one before it."""
    checks: bool = True
    """Whether the catalogue is asked what the model can do."""
    name: str = "agent"
    """What log lines call the agent."""
    ledger: Ledger | None = None
    """Where paid requests are written down."""
    is_conversation: bool = False
    """Whether further turns are likely to follow this one."""
    known: Known = field(default_factory=Known)
    """What was worked out for earlier requests of the agent."""


@fast_init
@dataclass(frozen=True, slots=True)
class RunContext:
    """The services of a run, and what its next request needs beside the messages."""

    services: Services
    tools: Tools
    instructions: str
    settings: ModelSettings
    budget: Budget = field(default_factory=Budget)
    """What the run may still use, with all that it shares with others."""
    approvals: Approvals = field(default_factory=Approvals)
    """What a person agreed to."""
    calls: RunLedger | None = None
    """The calls of this run in the ledger."""
    sees: bool = True
    """Whether the model takes pictures."""
    takes_files: bool | None = None
    """Whether the model takes files, as far as the catalogue tells."""
    price: Callable[[Request], float | None] | None = None
    """What a request may cost at most, in USD, as far as the catalogue tells. It must not wait for
    anything.
    """
    worst_price: Callable[[Request], float | None] | None = None
    """The same with a reply of usual length, where the request does not limit it: what is held as
    uncertain if its end is never seen.
    """
    picture_price: float | None = None
    """How much of that is for a picture of the server tool; None where the catalogue does not
    tell.
    """

    cache_saved: Callable[[Usage], float | None] | None = None
    """What the prompt cache saved in a request that used this much, in USD; None where nobody has
    its prices.
    """

    def tool_context(
        self, run: Run, invocation: Invocation, seconds_left: float, answers: Answers | None = None
    ) -> Context[Any]:
        """What a tool or a hook of this call is told. Only a tool may ask a person (`answers`)."""
        calls = self.calls
        drawing = None if calls is None else calls.drawing(run.turns, invocation.id)
        return Context[Any](
            self.services.deps,
            invocation,
            ByName(run.images),
            # They are a tuple when a tool reads them.
            cast("tuple[Message, ...]", run.shared_messages),
            run.usage,
            seconds_left,
            self.budget,
            drawing,
            answers,
            ByName(run.files),
        )

    def declared(self, model: str) -> Declared:
        """What a request to this model declares."""
        services, found = self.services, self.services.known.declared
        if (
            found is None
            or found.tools is not self.tools
            or found.settings is not self.settings
            or found.wanted is not services.output
            or found.client is not services.client
            or found.stream is not services.stream
            or found.model != model
        ):
            services.known.declared = found = self._declared(model)
        return found

    def _declared(self, model: str) -> Declared:
        services, tools, settings = self.services, self.tools, self.settings
        strict = services.client.service.fields.strict
        audience = Audience.of(model, settings, strict=strict)
        lean = is_lean(map(family_of, audience.models))
        output = services.output
        schema = None if output is None else output.lean if lean else output.schema
        functions = [
            FunctionSpec(
                tool.name,
                tool.description,
                tool.parameters.lean if lean else tool.parameters.schema,
                tool.strict,
                tool.defer_loading,
                tool.extra,
            )
            for tool in tools.functions.values()
        ]
        draws = ("image",) if "image" in (settings.modalities or ()) else ()
        return Declared(
            model,
            tools,
            settings,
            output,
            services.client,
            services.stream,
            audience,
            tuple(functions),
            tuple(map(self._entry, tools.server)),
            schema,
            (model, *(tool.name for tool in tools.server), *draws),
            frozenset([tool.name for tool in tools.functions.values() if tool.repeats]),
        )

    def _entry(self, tool: ServerTool) -> JsonObject:
        service = self.services.client.service
        if isinstance(tool, ImageGeneration) and not service.fields.openrouter:
            return tool.to_openai(service.label, stream=self.services.stream)
        return tool.to_wire()

    @property
    def may_draw(self) -> bool:
        """Whether pictures are to be expected."""
        if "image" in (self.settings.modalities or ()):
            return True
        return bool(self.tools.server) and self.image_tool is not None

    @property
    def may_speak(self) -> bool:
        """Whether the model can answer in words."""
        return not self.settings.modalities or "text" in self.settings.modalities

    @property
    def image_tool(self) -> ServerTool | None:
        """The server tool that draws, if the agent has one."""
        return image_tool_of(self.tools) if self.tools.server else None

    def audience(self, model: str) -> Audience:
        """The models that may answer a request to this one."""
        return self.declared(model).audience
