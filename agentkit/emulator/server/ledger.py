"""What was billed, and what `GET /generation` tells of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import fsum
from typing import Any

from agentkit.emulator.server.posts import Kind, Posts
from agentkit.emulator.tables import word_list


@dataclass(frozen=True, slots=True)
class Charge:
    """One generation that was billed: its cost in USD, and how many of its pictures were paid
    for.
    """

    generation_id: str
    model: str
    cost_usd: float
    images: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Meter:
    """What a generation has used so far."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    image_tokens: int
    prompt_cost: float
    completion_cost: float
    image_cost: float
    images: int
    server_calls: int
    server_results: int
    web_searches: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    file_cost: float = 0.0

    @property
    def cost(self) -> float:
        costs = (self.prompt_cost, self.completion_cost, self.image_cost, self.file_cost)
        return round(fsum(costs), 8)

    def tool_use(self) -> dict[str, int] | None:
        if not self.server_calls:
            return None
        used = {
            "tool_calls_requested": self.server_calls,
            "tool_calls_executed": self.server_results,
        }
        return {**used, "web_search_requests": self.web_searches} if self.web_searches else used

    def chat_usage(self) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "cost": self.cost,
            "is_byok": False,
            "prompt_tokens_details": {
                "cached_tokens": self.cached_tokens,
                "cache_write_tokens": self.cache_write_tokens,
                "audio_tokens": 0,
                "video_tokens": 0,
            },
            "cost_details": {
                "upstream_inference_cost": self.cost,
                "upstream_inference_prompt_cost": round(self.prompt_cost, 8),
                "upstream_inference_completions_cost": round(
                    self.completion_cost + self.image_cost, 8
                ),
            },
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning_tokens,
                "image_tokens": self.image_tokens,
            },
        }
        if (tools := self.tool_use()) is not None:
            usage["server_tool_use_details"] = tools
        return usage

    def responses_usage(self) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "input_tokens": self.prompt_tokens,
            "input_tokens_details": {
                "cached_tokens": self.cached_tokens,
                "cache_write_tokens": self.cache_write_tokens,
            },
            "output_tokens": self.completion_tokens,
            "output_tokens_details": {
                "reasoning_tokens": self.reasoning_tokens,
                "image_tokens": self.image_tokens,
            },
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "cost": self.cost,
            "is_byok": False,
            "cost_details": {
                "upstream_inference_cost": self.cost,
                "upstream_inference_input_cost": round(self.prompt_cost, 8),
                "upstream_inference_output_cost": round(self.completion_cost + self.image_cost, 8),
            },
        }
        if (tools := self.tool_use()) is not None:
            usage["server_tool_use_details"] = tools
        return usage


class Ledger:
    """The charges in the order in which they were made, and a record of every generation that
    ended.
    """

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self.posts = Posts()
        self._generations: dict[str, dict[str, Any]] = {}

    def settle(self, charge: Charge, meter: Meter, facts: Mapping[str, Any]) -> None:
        """Close a generation: bill it, unless it is free, and keep what `GET /generation` shows."""
        if charge.cost_usd > 0:
            self.charges.append(charge)
            self.posts.bill(
                charge.generation_id, charge.cost_usd, facts["pictures"] if charge.images else ()
            )
        self._generations[charge.generation_id] = _record(charge, meter, facts)

    def generation(self, generation_id: str) -> dict[str, Any] | None:
        return self._generations.get(generation_id)

    def total(self) -> float:
        return fsum(charge.cost_usd for charge in self.charges)


_ALWAYS_NULL = word_list(
    """
    app_id cache_discount moderation_latency service_tier num_input_audio_prompt num_search_results
    num_fetches web_search_engine external_user preset_id router provider_responses workspace_id
    upstream_id
    """
)


def _record(charge: Charge, meter: Meter, facts: Mapping[str, Any]) -> dict[str, Any]:
    seconds = time.monotonic() - facts["started"]
    return {
        **dict.fromkeys(_ALWAYS_NULL),
        "id": charge.generation_id,
        "total_cost": charge.cost_usd,
        "usage": charge.cost_usd,
        "upstream_inference_cost": charge.cost_usd,
        "created_at": datetime.now(UTC).isoformat(),
        "model": charge.model,
        "streamed": facts["streamed"],
        "cancelled": facts["cancelled"],
        "provider_name": facts["provider"],
        "latency": round(seconds * 1000, 3),
        "generation_time": round(seconds * 1000, 3),
        "finish_reason": facts["finish_reason"],
        "native_finish_reason": facts["finish_reason"],
        "tokens_prompt": meter.prompt_tokens,
        "tokens_completion": meter.completion_tokens,
        "native_tokens_prompt": meter.prompt_tokens,
        "native_tokens_completion": meter.completion_tokens,
        "native_tokens_completion_images": meter.image_tokens,
        "native_tokens_reasoning": meter.reasoning_tokens,
        "native_tokens_cached": meter.cached_tokens,
        "num_media_prompt": facts["media"],
        "num_media_completion": charge.images,
        "origin": facts["referer"] or "",
        "http_referer": facts["referer"],
        "user_agent": facts["user_agent"],
        "is_byok": False,
        "api_type": "image" if charge.kind == "images" else "completions",
        "data_region": "global",
        "session_id": facts["session_id"],
    }
