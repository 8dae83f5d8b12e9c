"""What a run needs beside itself: everything live, in one value that is handed down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agentkit import wire
from agentkit._log import logger
from agentkit.budget import Budget, Hold
from agentkit.images.fetch import Fetcher
from agentkit.images.store import ImageStore
from agentkit.openrouter.body import missing_of
from agentkit.openrouter.client import OpenRouter
from agentkit.run import Run
from agentkit.run.history import History
from agentkit.settings import ModelSettings
from agentkit.tools import Denied, Tools
from agentkit.tools.output import Output
from agentkit.tools.server_tools import ServerTool
from agentkit.values import Pieces
from agentkit.wire.body import Encoded
from agentkit.wire.types import FunctionSpec, JsonObject, Request

if TYPE_CHECKING:
    from agentkit.hooks import Hooks

MAX_SERVER_CALLS = 30
"""What OpenRouter allows in one request, as its documentation says."""


@dataclass(frozen=True, slots=True)
class Kit:
    """The services and settings of one run."""

    client: OpenRouter
    store: ImageStore
    fetcher: Fetcher
    tools: Tools
    instructions: str
    settings: ModelSettings
    output: Output[Any] | None = None
    deps: Any = None
    stream: bool = False
    encoded: Encoded = field(default_factory=Encoded)
    """What of the conversation was serialised before."""
    budget: Budget = field(default_factory=Budget)
    """What the run may still use, with all that it shares with others."""
    price: Callable[[Request], float | None] | None = None
    """What a request may cost at worst, in USD, as far as the catalogue tells. It must not wait for anything."""
    picture_price: float | None = None
    """How much of that is for a picture of the server tool; None where the catalogue does not tell."""
    hooks: tuple[Hooks, ...] = ()
    depth: int = 0
    """How many agents this one works for, each called as a tool by the one before it."""
    approved: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the calls that a person agreed to in this sitting: the seal of each → that of the question, which is used up once."""
    inner: Mapping[str, tuple[Mapping[str, bool | Denied], Mapping[str, object]]] = field(
        default_factory=dict[str, Any]
    )
    """What was decided for agents that wait, verdicts and results, by the call of the agent."""
    history: History = field(default_factory=History)
    sees: bool = True
    """Whether the model takes pictures."""
    checks: bool = True
    """Whether the catalogue is asked what the model can do."""
    name: str = "agent"
    """What log lines call the agent."""

    @property
    def functions(self) -> tuple[FunctionSpec, ...]:
        return tuple(
            FunctionSpec(tool.name, tool.description, tool.schema, tool.strict)
            for tool in self.tools.functions.values()
        )

    @property
    def server_tools(self) -> tuple[JsonObject, ...]:
        return tuple(tool.to_wire() for tool in self.tools.server)

    @property
    def may_draw(self) -> bool:
        """Whether pictures are to be expected."""
        return "image" in (self.settings.modalities or ()) or self.image_tool is not None

    @property
    def may_speak(self) -> bool:
        """Whether the model can answer in words."""
        return not self.settings.modalities or "text" in self.settings.modalities

    @property
    def image_tool(self) -> ServerTool | None:
        """The server tool that draws, if the agent has one."""
        tools = (tool for tool in self.tools.server if tool.name.removeprefix("openrouter:") == "image_generation")
        return next(tools, None)

    def asked(self, model: str) -> str | None:
        """The model that will answer, where that is sure before: a preset, a router or fallbacks leave it open."""
        settings = self.settings
        is_open = settings.models or settings.preset or model.startswith(("openrouter/", "@preset/"))
        return None if is_open else model


def request_of(
    run: Run, kit: Kit, closing: str | None, hold: Hold | None = None, gone: frozenset[str] = frozenset()
) -> Request:
    """The next request of this run, without pictures that are `gone` (sha256). A forced tool choice holds for the first turn
    only: held on, it would never end. What it may use is what the budget has left, and what is held for it already."""
    limits = run.limits
    usd = kit.budget.remaining_usd
    steps, last = _server_calls(run, kit, hold)
    sent = kit.encoded.plan(
        run.messages,
        run.start,
        kit.history,
        run.images,
        api=run.api,
        model=kit.asked(run.model),
        sees=kit.sees,
        gone=gone,
    )
    return Request(
        model=run.model,
        messages=sent.messages,
        settings=kit.settings if closing is None else in_words(kit.settings),
        instructions=kit.instructions,
        functions=kit.functions,
        server_tools=kit.server_tools,
        output=kit.output.schema if kit.output is not None else None,
        stream=kit.stream,
        tool_choice=kit.settings.tool_choice if run.turns == 0 or kit.settings.tool_choice == "none" else None,
        closing=closing is not None,
        session_id=run.session_id,
        output_tokens_left=None
        if limits.output_tokens is None
        else max(limits.output_tokens - run.usage.output_tokens, 1),
        server_calls_left=steps,
        last_server_call=last,
        cost_left=None if usd is None else round(max(usd + (hold.cost_usd if hold else 0.0), 0.0), 12),
        shown=sent.shown,
    )


async def body_of(run: Run, kit: Kit, closing: str | None, hold: Hold | None) -> tuple[str, Pieces]:
    """The path and the body of the next request. A picture that was deleted from the store since is told as a line: the
    conversation outlives it. Raises `StoreError` where the store cannot be read."""
    gone: frozenset[str] = frozenset()
    while True:
        path, body = wire.encode(run.api, request_of(run, kit, closing, hold, gone), kit.encoded)
        missing = await missing_of(body, kit.store)
        if missing <= gone:
            return path, body
        logger().warning("pictures_gone", run=run.id, sha256=sorted(missing))
        gone |= missing


def in_words(settings: ModelSettings) -> ModelSettings:
    """The same for a turn that brings no picture, where a model draws by itself."""
    if "image" not in (settings.modalities or ()):
        return settings
    return replace(settings, modalities=("text",), image_config=None)


def _server_calls(run: Run, kit: Kit, hold: Hold | None) -> tuple[int | None, str | None]:
    """How many steps server tools may take, and after a call of which of them they stop: of tools that do more than
    draw, only the last picture can be told."""
    if not kit.tools.server:
        return None, None
    steps = min(MAX_SERVER_CALLS, max(run.limits.tool_calls - run.tool_calls, 1))
    own = None if run.limits.images is None else run.limits.images - len(run.arrived)
    shared = kit.budget.remaining_images
    shared = None if shared is None else shared + (hold.images if hold else 0)
    pictures = min((left for left in (own, shared) if left is not None), default=None)
    if pictures is None or kit.image_tool is None:
        return steps, None
    if len(kit.tools.server) == 1:
        return min(steps, max(pictures, 1)), None
    return steps, kit.image_tool.name if pictures <= 1 else None
