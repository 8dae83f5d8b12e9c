"""One generation from its start to its bill."""

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from agentkit.emulator.catalogue import Catalogue
from agentkit.emulator.files import Read
from agentkit.emulator.listed_model import QUALITIES, Model
from agentkit.emulator.painter.studio import Flaw, Picture, Studio
from agentkit.emulator.prompt_cache import CacheUse, PromptCache
from agentkit.emulator.script import Draw, Place, Reply, UseServerTool
from agentkit.emulator.server.containers import Containers
from agentkit.emulator.server.ledger import Charge, Ledger, Meter
from agentkit.emulator.server.posts import Kind

IMAGE_TOKENS = 1290
SEARCH_PRICE = 0.004
_NOT_RUN = ("custom_tool_call", "mcp_approval_request", "mcp_list_tools", "tool_search_call")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a request's headers and body tell for the record."""

    streamed: bool = False
    referer: str | None = None
    user_agent: str | None = None
    session_id: str | None = None
    media: int = 0


@dataclass(slots=True)
class Job:
    """Counts what a generation uses while it is encoded, so that a stream that breaks off bills
    what it produced.

    `native` says that the pictures come from the model itself and not from the image generation
    tool; `image_model` is the one that draws.
    """

    id: str
    kind: Kind
    model: Model
    reply: Reply
    studio: Studio
    ledger: Ledger
    image_model: Model
    prompt_tokens: int
    native: bool = False
    places: Sequence[Place] = ()
    chunk: int = 24
    encrypted_reasoning: bool = True
    flaw: Flaw | None = None
    origin: Origin = field(default_factory=Origin)
    created: int = field(default_factory=lambda: int(time.time()))
    started: float = field(default_factory=time.monotonic)
    text: int = 0
    reasoning: int = 0
    containers: Containers = field(default_factory=Containers)
    pictures: dict[int, Picture] = field(default_factory=dict[int, Picture])
    endings: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """How the base64 of each picture ends, by SHA-256; without those that a fault spoils."""
    image_cost: float = 0.0
    read: Read = field(default_factory=Read)
    """What came of the files that were sent."""
    server_calls: int = 0
    server_results: int = 0
    web_searches: int = 0
    settled: bool = False
    prompts: PromptCache = field(default_factory=PromptCache)
    cache: CacheUse = field(default_factory=CacheUse)
    """What of its prompt is read from the provider's cache, and written to it."""

    def wrote(self, text: str) -> None:
        self.text += len(text)

    def thought(self, text: str) -> None:
        self.reasoning += len(text)

    def used_tool(self, *, worked: bool = True, search: bool = False) -> None:
        self.server_calls += 1
        self.server_results += worked
        self.web_searches += search

    def used(self, use: UseServerTool) -> None:
        """Count a tool of the script, unless its item only says that something else is to run."""
        if use.tool not in _NOT_RUN:
            self.used_tool(search=use.tool == "openrouter:web_search")

    async def picture(self, draw: Draw) -> Picture | None:
        """The picture of a drawing, painted once however often it is shown; `None` if the drawing
        failed.
        """
        if id(draw) in self.pictures:
            return self.pictures[id(draw)]
        if not self.native and self.kind != "images":
            self.used_tool(worked=draw.status == "ok")
        if draw.status == "error":
            return None
        picture = replace(await self.studio.picture(draw), flaw=self.flaw)
        self.pictures[id(draw)] = picture
        if self.flaw not in ("base64.cut", "base64.broken"):
            self.endings[picture.sha256] = picture.ending
        endpoint = self.image_model.image_api
        self.image_cost += (endpoint.price if endpoint else 0.04) * QUALITIES.get(draw.quality, 1.0)
        return picture

    async def preview_texts(self, draw: Draw, picture: Picture, count: int) -> list[str]:
        """Previews of a picture, as base64."""
        previews = await self.studio.previews(draw, picture, count) if count else []
        return [base64.b64encode(preview).decode("ascii") for preview in previews]

    def meter(self) -> Meter:
        drawn = len(self.pictures)
        image_tokens = IMAGE_TOKENS * drawn if self.native or self.kind == "images" else 0
        reasoning = ceil(self.reasoning / 4)
        words = ceil(self.text / 4) + reasoning
        return Meter(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=words + image_tokens,
            reasoning_tokens=reasoning,
            image_tokens=image_tokens,
            prompt_cost=self.cache.prompt_cost(self.prompt_tokens, self.model.prompt_price),
            cached_tokens=self.cache.read,
            cache_write_tokens=self.cache.written,
            completion_cost=words * self.model.completion_price,
            image_cost=self.image_cost + self.web_searches * SEARCH_PRICE,
            images=drawn,
            server_calls=self.server_calls,
            server_results=self.server_results,
            web_searches=self.web_searches,
            file_cost=self.read.cost,
        )

    def usage(self) -> dict[str, Any]:
        """Usage in the words of the job's dialect, with what the script dictates laid over it."""
        meter = self.meter()
        usage = meter.responses_usage() if self.kind == "responses" else meter.chat_usage()
        return {**usage, **(self.reply.usage or {})}

    def settle(
        self, *, finish_reason: str | None, cancelled: bool = False, free: bool = False
    ) -> None:
        """Bill what was produced; the second time does nothing."""
        if self.settled:
            return
        self.settled = True
        meter = self.meter()
        dictated = (self.reply.usage or {}).get("cost")
        if not free:
            self.prompts.keep(self.model.id, self.cache)
        cost = 0.0 if free else meter.cost if dictated is None else float(dictated)
        self.ledger.settle(
            Charge(self.id, self.model.id, cost, 0 if free else meter.images, self.kind),
            meter,
            {
                "started": self.started,
                "streamed": self.origin.streamed,
                "cancelled": cancelled,
                "provider": self.model.provider,
                "finish_reason": finish_reason,
                "media": self.origin.media,
                "referer": self.origin.referer,
                "user_agent": self.origin.user_agent,
                "session_id": self.origin.session_id,
                "pictures": tuple(picture.sha256 for picture in self.pictures.values()),
            },
        )


def drawing_model(
    catalogue: Catalogue, parameters: Mapping[str, Any], default: str
) -> Model | None:
    """The model that the image generation tool draws with: its `model` parameter, or `default`."""
    wanted = parameters.get("model", default)
    model = catalogue.find(wanted) if isinstance(wanted, str) else None
    return model if model is not None and model.draws else None
