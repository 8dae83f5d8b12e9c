"""What follows from an agent alone, worked out once and kept for its next requests.

Each entry holds what it was made of, and counts as long as that is the very same: tools and
settings are values, so whatever a hook or a function of the user's changes is another object.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from agentkit.images.fetch import Fetcher
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.store import ImageStore
from agentkit.openrouter.client import OpenRouter
from agentkit.run.audience import Audience
from agentkit.settings import ModelSettings
from agentkit.tools import Tools
from agentkit.tools.output import Output
from agentkit.tools.server_tools import ServerTool
from agentkit.values import Api, Usage
from agentkit.wire.catalogue import ChatModel
from agentkit.wire.heads import Heads
from agentkit.wire.types import FunctionSpec, JsonObject, OutputSchema


@dataclass(frozen=True, slots=True)
class Declared:
    """What every request to one model declares, with these tools and settings."""

    model: str
    tools: Tools
    settings: ModelSettings
    wanted: Output[object] | None
    client: OpenRouter
    stream: bool
    audience: Audience
    """The models that may answer."""
    functions: tuple[FunctionSpec, ...]
    """The user's tools as this model is told of them."""
    server_tools: tuple[JsonObject, ...]
    output: OutputSchema | None
    """The schema of the answer as this model is told of it."""
    shape: tuple[str, ...]
    """What requests have in common that cost about the same: their model, and what they may do
    that costs extra.
    """
    repeatable: Collection[str]
    """The tools that a model may call again and again."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the catalogue says of one model, for an agent with these tools and settings."""

    model: str
    api: Api
    tools: Tools
    given: ModelSettings
    client: OpenRouter
    counts_money: bool
    """Whether prices were asked for."""
    listed: object
    """The list of models that this was read from; None: nothing was read."""
    found: ChatModel | None = None
    """The model as the list has it."""
    settings: ModelSettings | None = None
    """The settings as this model takes them."""
    cache_saved: Callable[[Usage], float | None] | None = None
    picture: float | None = None
    """What a picture of the server tool costs, in USD."""
    own: float | None = None
    """What a picture costs that the model draws itself, in USD."""


class Known:
    """The latest of each, of one agent. Any of its runs may read and replace them at any time."""

    def __init__(self) -> None:
        self.declared: Declared | None = None
        self.abilities: Abilities | None = None
        self.heads = Heads()
        """The bodies of its latest requests, without their messages."""
        self._fetcher: tuple[FetchPolicy, ImageStore, OpenRouter, Fetcher] | None = None

    def fetcher(self, policy: FetchPolicy, store: ImageStore, client: OpenRouter) -> Fetcher:
        """What fetches pictures by this policy into this store."""
        kept = self._fetcher
        if kept is None or kept[0] is not policy or kept[1] is not store or kept[2] is not client:
            made = client.fetcher(policy, store)
            self._fetcher = kept = (policy, store, client, made)
        return kept[3]


def image_tool_of(tools: Tools) -> ServerTool | None:
    """The server tool that draws, if there is one."""
    for tool in tools.server:
        if tool.name.removeprefix("openrouter:") == "image_generation":
            return tool
    return None
