"""What a run needs beside itself: everything live, in one value that is handed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agentkit.images.fetch import Fetcher
from agentkit.images.store import ImageStore
from agentkit.openrouter.client import OpenRouter
from agentkit.output import Output
from agentkit.settings import ModelSettings
from agentkit.tools import Tools
from agentkit.wire.body import Encoded
from agentkit.wire.model import FunctionSpec, JsonObject


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
    def takes_pictures(self) -> bool:
        """Whether a tool takes pictures by their handle, so that the model has to know the handles."""
        return any(tool.parameters.takes_images for tool in self.tools.functions.values())

    @property
    def may_draw(self) -> bool:
        """Whether pictures are to be expected."""
        asked = "image" in (self.settings.modalities or ())
        return asked or any(tool.name.removeprefix("openrouter:") == "image_generation" for tool in self.tools.server)
