"""What a model of the emulator can do, what it costs, and how OpenRouter's lists tell it.

Prices are in USD, per token unless said otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentkit.emulator.cache_rules import rule_of
from agentkit.emulator.tables import word_list

SAMPLING = word_list(
    """
    temperature top_p seed stop max_tokens response_format structured_outputs
    """
)
TOOLS = ("tools", "tool_choice", "parallel_tool_calls")
CREATED = 1_767_225_600


def choice(*values: str) -> dict[str, Any]:
    return {"type": "enum", "values": list(values)}


def between(low: float, high: float) -> dict[str, Any]:
    return {"type": "range", "min": low, "max": high}


FLAG: dict[str, Any] = {"type": "boolean"}
QUALITIES = {"low": 0.25, "high": 4.0, "xhigh": 6.0, "max": 8.0}
"""What a picture of this quality costs, as a share of one of medium quality."""
REFERENCE_TOKENS = 258
"""What an input picture is billed as."""


@dataclass(frozen=True, slots=True)
class ImageEndpoint:
    """What one provider accepts for a model in the Images API; a parameter without a descriptor is
    not supported.
    """

    provider_name: str
    provider_slug: str
    supported: Mapping[str, Mapping[str, Any]]
    price: float
    """USD for one image of 1K at medium quality."""
    streaming: bool = False
    passthrough: Sequence[str] = ()
    tag: str | None = None
    token_price: float = 0.0
    """USD for a token of the prompt: the model's."""

    def record(self) -> dict[str, Any]:
        """As it is listed; the prices are those by which it is billed."""
        line: dict[str, Any] = {"billable": "output_image", "unit": "image"}
        lines: list[dict[str, Any]] = [{**line, "cost_usd": self.price}]
        if "quality" in self.supported:
            qualities = self.supported["quality"]["values"]
            lines += [
                {**line, "cost_usd": self.price * share, "variant": name}
                for name, share in QUALITIES.items()
                if name in qualities
            ]
        if "input_references" in self.supported:
            reference = round(self.token_price * REFERENCE_TOKENS, 8)
            lines.append({"billable": "input_image", "unit": "image", "cost_usd": reference})
        lines.append({"billable": "input_text", "unit": "token", "cost_usd": self.token_price})
        return {
            "provider_name": self.provider_name,
            "provider_slug": self.provider_slug,
            "provider_tag": self.tag,
            "supported_parameters": {name: dict(value) for name, value in self.supported.items()},
            "allowed_passthrough_parameters": list(self.passthrough),
            "supports_streaming": self.streaming,
            "pricing": lines,
        }


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue. `image_api` is set for the models of the Images API; `chat` is
    false for those that only the Images API serves."""

    id: str
    name: str
    provider: str
    description: str
    inputs: Sequence[str] = ("text",)
    outputs: Sequence[str] = ("text",)
    tokenizer: str = "Other"
    context: int = 400_000
    max_output: int = 128_000
    prompt_price: float = 1e-6
    completion_price: float = 4e-6
    parameters: Sequence[str] = (*SAMPLING, *TOOLS)
    image_api: ImageEndpoint | None = field(default=None)
    chat: bool = True

    def __post_init__(self) -> None:
        if self.image_api is not None:
            object.__setattr__(
                self, "image_api", replace(self.image_api, token_price=self.prompt_price)
            )

    @property
    def draws(self) -> bool:
        return "image" in self.outputs

    @property
    def sees(self) -> bool:
        return "image" in self.inputs

    def record(self) -> dict[str, Any]:
        pricing = {"prompt": _money(self.prompt_price), "completion": _money(self.completion_price)}
        if (rule := rule_of(self.id)) is not None:
            shares = {"read": rule.read, "write": rule.write, "write_1h": rule.write_hour}
            pricing |= {
                f"input_cache_{name}": _money(self.prompt_price * share)
                for name, share in shares.items()
                if share is not None
            }
        if self.image_api is not None:
            pricing["image_output"] = _money(self.image_api.price)
        return {
            "id": self.id,
            "canonical_slug": self.id,
            "hugging_face_id": None,
            "name": self.name,
            "created": CREATED,
            "description": self.description,
            "context_length": self.context,
            "architecture": {
                "modality": f"{'+'.join(self.inputs)}->{'+'.join(self.outputs)}",
                "input_modalities": list(self.inputs),
                "output_modalities": list(self.outputs),
                "tokenizer": self.tokenizer,
                "instruct_type": None,
            },
            "pricing": pricing,
            "top_provider": {
                "context_length": self.context,
                "max_completion_tokens": self.max_output,
                "is_moderated": False,
            },
            "per_request_limits": None,
            "supported_parameters": list(self.parameters),
            "default_parameters": None,
            "supported_voices": None,
            "links": {"details": f"/api/v1/models/{self.id}/endpoints"},
        }

    def image_record(self) -> dict[str, Any]:
        assert self.image_api is not None  # noqa: S101 - only models of the Images API are listed
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "created": CREATED,
            "architecture": {
                "input_modalities": list(self.inputs),
                "output_modalities": list(self.outputs),
            },
            "supported_parameters": {
                name: dict(value) for name, value in self.image_api.supported.items()
            },
            "supports_streaming": self.image_api.streaming,
            "endpoints": f"/api/v1/images/models/{self.id}/endpoints",
        }


def _money(price: float) -> str:
    return f"{price:.10f}".rstrip("0").rstrip(".") or "0"
