"""What is told of a message as a whole: how it ended, what it used, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from agentkit.run import Run
from agentkit.values import Usage

Status = Literal[
    "running",
    "paused",
    "completed",
    "limited",
    "refused",
    "stopped",
    "interrupted",
    "failed",
]
"""How far a message is: `stopped` by a person, `interrupted` by the end of its process, `failed` by
an error.
"""
FINISH_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "running": "other",
        "paused": "tool-calls",
        "completed": "stop",
        "limited": "length",
        "refused": "content-filter",
        "stopped": "other",
        "interrupted": "other",
        "failed": "error",
    }
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a message came to its end, or that it has not."""

    status: Status
    error: str | None = None
    """Of one that failed: why, in plain words."""

    @classmethod
    def of(cls, run: Run) -> Ending:
        """As the run says it. A run that was kept without an end was stopped, and one that goes on
        nowhere was interrupted.
        """
        if run.status == "interrupted":
            return cls("stopped")
        return cls("interrupted" if run.status == "running" else run.status)


def facts_of(run: Run, ending: Ending, *, emulator: bool) -> dict[str, Any]:
    """The metadata of a message. Times are in seconds, `startedAt` since 1970; money is in USD."""
    usage = run.usage
    return {
        "status": ending.status,
        "error": ending.error,
        "limit": run.closing,
        "limitReason": run.limit_reason,
        "refusal": run.refusal,
        "model": run.model,
        "api": run.api,
        "startedAt": run.started_at,
        "seconds": run.seconds,
        "costUsd": usage.cost_usd,
        "usage": _used(usage),
        "emulator": emulator,
    }


def _used(usage: Usage) -> dict[str, Any]:
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cachedTokens": usage.cached_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "imageTokens": usage.image_tokens,
        "serverToolCalls": usage.server_tool_calls,
        "images": usage.images,
        "requests": usage.requests,
        "uncertainUsd": usage.uncertain_usd,
        "costIsWhole": usage.cost_is_whole,
    }
