"""An agent: a model with instructions, tools and settings. It holds no state of a conversation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic

from typing_extensions import TypeVar

from agentkit.answer import Answer
from agentkit.background import run_sync
from agentkit.conversation import Conversation
from agentkit.errors import UsageError
from agentkit.given import Prompt, checked, checked_api, checked_model
from agentkit.images.fetch import FetchPolicy
from agentkit.images.store import FileImageStore, ImageStore
from agentkit.openrouter.client import OpenRouter
from agentkit.output import Output
from agentkit.run import Run
from agentkit.settings import Limits, ModelSettings
from agentkit.stream import AnswerStream
from agentkit.tools import Denied, collect
from agentkit.values import Api

OutputT = TypeVar("OutputT", default=Any)


class Agent(Generic[OutputT]):
    """A model with instructions, tools and settings. It holds no state of a conversation, so one serves many at once.

    `model` is an OpenRouter slug (`openai/gpt-5.2`). `tools` are functions, `@tool` functions, server tools such as
    `ImageGeneration()`, and toolsets. `api` is "chat" (Chat Completions) or "responses". `output` is a pydantic model, or
    another type with a JSON Schema, that the answer has to fit. `client` defaults to one that is shared by all agents,
    `store` to a folder in the user's cache. Raises `UsageError` at once for an argument that cannot be right.
    """

    def __init__(
        self,
        model: str,
        *,
        instructions: str = "",
        tools: Iterable[object] = (),
        api: Api = "chat",
        settings: ModelSettings | None = None,
        limits: Limits | None = None,
        output: type[OutputT] | None = None,
        client: OpenRouter | None = None,
        store: ImageStore | None = None,
        fetch: FetchPolicy | None = None,
        name: str = "agent",
    ) -> None:
        self.model = checked_model(model)
        self.instructions = checked("instructions", instructions, str, "a string")
        self.tools = collect(tools)
        self.api = checked_api(api)
        self.settings = checked("settings", settings or ModelSettings(), ModelSettings, "ModelSettings(…)")
        self.limits = checked("limits", limits or Limits(), Limits, "Limits(…)")
        self.output: Output[OutputT] | None = Output(output) if output is not None else None
        self.client = checked("client", client or _shared_client(), OpenRouter, "OpenRouter(…)")
        self.store: ImageStore = store if store is not None else FileImageStore()
        self.fetch = checked("fetch", fetch or FetchPolicy(), FetchPolicy, "FetchPolicy(…)")
        self.name = name
        self._check_choice()

    def _check_choice(self) -> None:
        choice = self.settings.tool_choice
        names = [*self.tools.functions, *(tool.name for tool in self.tools.server)]
        if choice is not None and choice not in {"auto", "none", "required", *names}:
            accepted = ", ".join(repr(name) for name in ("auto", "none", "required", *names))
            raise UsageError(f"ModelSettings(tool_choice={choice!r}): accepted here is one of {accepted}")
        if choice is not None and choice not in {"auto", "none"} and not names:
            raise UsageError(f"ModelSettings(tool_choice={choice!r}): the agent has no tools")

    def __repr__(self) -> str:
        tools = [*self.tools.functions, *(tool.name for tool in self.tools.server)]
        return f"Agent({self.model!r}, api={self.api!r}, tools={tools})"

    def conversation(self, *, api: Api | None = None, model: str | None = None) -> Conversation[OutputT]:
        """A new conversation of many turns."""
        return Conversation(self, api=api, model=model)

    async def run(self, prompt: Prompt, *, deps: Any = None) -> Answer[OutputT]:
        """One turn on its own. A prompt is a string, an image, or a list of both; tools get `deps` in their `Context`.

        Raises `UsageError` or `ImageError` for a prompt that cannot be sent, a `RunError` with all that had arrived else.
        """
        return await self.conversation().send(prompt, deps=deps)

    def run_sync(self, prompt: Prompt, *, deps: Any = None) -> Answer[OutputT]:
        """`run` for code that is not async."""
        return run_sync(self.run(prompt, deps=deps))

    def stream(self, prompt: Prompt, *, deps: Any = None) -> AnswerStream[OutputT]:
        """One turn on its own, watched while it goes on: `async with agent.stream("…") as stream`."""
        return self.conversation().stream(prompt, deps=deps)

    async def resume(
        self,
        run: Run,
        *,
        approve: Mapping[str, bool | Denied] | None = None,
        results: Mapping[str, object] | None = None,
        deps: Any = None,
    ) -> Answer[OutputT]:
        """Go on with a run: one that paused, with what a person decided, or one that an error stopped.

        Raises `UsageError` for a decision that no call waits for.
        """
        return await Conversation.holding(self, run).resume(run, approve=approve, results=results, deps=deps)


_shared: list[OpenRouter] = []


def _shared_client() -> OpenRouter:
    """One client for all agents that were given none. Each event loop closes its connections when it shuts down."""
    wanted = OpenRouter()
    if not _shared or not _shared[0].same_as(wanted):
        _shared[:] = [wanted]
    return _shared[0]
