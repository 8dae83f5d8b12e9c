"""The models that the emulator offers. Prices are in USD, per token unless said otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentkit.emulator.tables import word_list

DEFAULT_MODEL = "openai/gpt-5.2"
DEFAULT_IMAGE_MODEL = "openai/gpt-5-image"
CREATED = 1_767_225_600
VARIANTS = ("free", "nitro", "floor", "online", "exacto", "thinking", "extended")

_SAMPLING = word_list(
    """
    temperature top_p seed stop max_tokens response_format structured_outputs
    """
)
_TOOLS = ("tools", "tool_choice", "parallel_tool_calls")
_REASONING = ("reasoning", "include_reasoning", "reasoning_effort")

RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")


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
    parameters: Sequence[str] = (*_SAMPLING, *_TOOLS)
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


_OPENAI_IMAGE = ImageEndpoint(
    provider_name="OpenAI",
    provider_slug="openai",
    supported={
        "n": between(1, 10),
        "size": choice("1024x1024", "1536x1024", "1024x1536", "1K"),
        "resolution": choice("1K"),
        "aspect_ratio": choice("1:1", "3:2", "2:3", "auto"),
        "quality": choice("auto", "low", "medium", "high"),
        "output_format": choice("png", "jpeg", "webp"),
        "background": choice("auto", "transparent", "opaque"),
        "output_compression": between(0, 100),
        "input_references": between(0, 16),
        "seed": FLAG,
    },
    price=0.042,
    streaming=True,
    passthrough=("moderation", "input_fidelity"),
)
_GEMINI_IMAGE = ImageEndpoint(
    provider_name="Google AI Studio",
    provider_slug="google-ai-studio",
    supported={
        "n": between(1, 4),
        "size": choice("512", "1K", "2K", "4K"),
        "resolution": choice("512", "1K", "2K", "4K"),
        "aspect_ratio": choice(*RATIOS),
        "output_format": choice("png", "jpeg"),
        "input_references": between(0, 14),
        "seed": FLAG,
    },
    price=0.034,
)
_FLUX = ImageEndpoint(
    provider_name="Black Forest Labs",
    provider_slug="black-forest-labs",
    supported={
        "n": between(1, 1),
        "size": choice("512", "1K", "2K"),
        "resolution": choice("512", "1K", "2K"),
        "aspect_ratio": choice(*RATIOS),
        "output_format": choice("png", "jpeg"),
        "input_references": between(0, 8),
        "seed": FLAG,
    },
    price=0.03,
    passthrough=("guidance", "steps", "safety_tolerance"),
)
_RECRAFT = ImageEndpoint(
    provider_name="Recraft",
    provider_slug="recraft",
    supported={
        "n": between(1, 6),
        "size": choice("1K", "1024x1024"),
        "resolution": choice("1K"),
        "aspect_ratio": choice("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16"),
        "output_format": choice("svg", "png", "webp"),
        "background": choice("auto", "transparent", "opaque"),
        "seed": FLAG,
    },
    price=0.08,
    streaming=True,
    passthrough=("style", "controls"),
)
_SEEDREAM = ImageEndpoint(
    provider_name="BytePlus",
    provider_slug="byteplus",
    supported={
        "n": between(1, 1),
        "resolution": choice("1K", "2K"),
        "aspect_ratio": choice(*RATIOS),
    },
    price=0.03,
)

_OPENAI_IMAGE_2 = ImageEndpoint(
    provider_name="OpenAI",
    provider_slug="openai",
    supported={
        "n": between(1, 10),
        "resolution": choice("768", "1K", "1.5K", "2K"),
        "aspect_ratio": choice(*RATIOS, "2.35:1", "5:2", "5:7", "7:5", "auto"),
        "quality": choice("auto", "low", "medium", "high", "xhigh", "max"),
        "output_format": choice("png", "jpeg", "webp"),
        "background": choice("auto", "opaque"),
        "input_references": between(0, 16),
    },
    price=0.05,
    streaming=True,
    passthrough=("moderation",),
)

MODELS: tuple[Model, ...] = (
    Model(
        "openai/gpt-5.2",
        "OpenAI: GPT-5.2",
        "OpenAI",
        "A general model that reasons, sees and calls tools.",
        inputs=("text", "image", "file"),
        tokenizer="GPT",
        prompt_price=1.75e-6,
        completion_price=14e-6,
        parameters=(*_SAMPLING, *_TOOLS, *_REASONING),
    ),
    Model(
        "anthropic/claude-sonnet-4.6",
        "Anthropic: Claude Sonnet 4.6",
        "Anthropic",
        "A general model that reasons, sees and calls tools.",
        inputs=("text", "image", "file"),
        tokenizer="Claude",
        context=1_000_000,
        max_output=64_000,
        prompt_price=3e-6,
        completion_price=15e-6,
        parameters=(*_SAMPLING, *_TOOLS, *_REASONING),
    ),
    Model(
        "google/gemini-2.5-flash",
        "Google: Gemini 2.5 Flash",
        "Google AI Studio",
        "A quick model that sees.",
        inputs=("text", "image", "file", "audio", "video"),
        tokenizer="Gemini",
        context=1_048_576,
        max_output=65_535,
        prompt_price=0.3e-6,
        completion_price=2.5e-6,
        parameters=(*_SAMPLING, *_TOOLS, *_REASONING),
    ),
    Model(
        "openai/gpt-oss-20b",
        "OpenAI: gpt-oss-20b",
        "DeepInfra",
        "A small model for text alone.",
        tokenizer="GPT",
        context=131_072,
        max_output=32_768,
        prompt_price=0.03e-6,
        completion_price=0.14e-6,
        parameters=(*_SAMPLING, *_TOOLS, *_REASONING),
    ),
    Model(
        "google/gemini-3.1-flash-image-preview",
        "Google: Gemini 3.1 Flash Image",
        "Google AI Studio",
        "Answers with text and pictures.",
        inputs=("text", "image"),
        outputs=("image", "text"),
        tokenizer="Gemini",
        context=65_536,
        max_output=32_768,
        prompt_price=0.5e-6,
        completion_price=3e-6,
        parameters=_SAMPLING,
        image_api=_GEMINI_IMAGE,
    ),
    Model(
        "google/gemini-2.5-flash-image",
        "Google: Gemini 2.5 Flash Image",
        "Google AI Studio",
        "Answers with text and pictures.",
        inputs=("image", "text"),
        outputs=("image", "text"),
        tokenizer="Gemini",
        context=32_768,
        max_output=32_768,
        prompt_price=0.3e-6,
        completion_price=2.5e-6,
        parameters=_SAMPLING,
        image_api=_GEMINI_IMAGE,
    ),
    Model(
        "openai/gpt-5-image",
        "OpenAI: GPT-5 Image",
        "OpenAI",
        "Answers with text and pictures, and calls tools.",
        inputs=("image", "text", "file"),
        outputs=("image", "text"),
        tokenizer="GPT",
        prompt_price=10e-6,
        completion_price=10e-6,
        parameters=(*_SAMPLING, *_TOOLS, *_REASONING),
        image_api=_OPENAI_IMAGE,
    ),
    Model(
        "openai/gpt-image-2",
        "OpenAI: GPT Image 2",
        "OpenAI",
        "Pictures from words and references, in more sizes and qualities.",
        inputs=("text", "image"),
        outputs=("image",),
        context=32_768,
        max_output=32_768,
        prompt_price=5e-6,
        parameters=("seed",),
        image_api=_OPENAI_IMAGE_2,
        chat=False,
    ),
    Model(
        "black-forest-labs/flux.2-pro",
        "Black Forest Labs: FLUX.2 Pro",
        "Black Forest Labs",
        "Pictures from words and references.",
        inputs=("text", "image"),
        outputs=("image",),
        context=46_864,
        max_output=46_864,
        parameters=("seed",),
        image_api=_FLUX,
    ),
    Model(
        "recraft/recraft-v4-vector",
        "Recraft: V4 Vector",
        "Recraft",
        "Vector and raster pictures from words.",
        outputs=("image",),
        context=8_192,
        max_output=8_192,
        parameters=("seed",),
        image_api=_RECRAFT,
        chat=False,
    ),
    Model(
        "bytedance-seed/seedream-4.5",
        "ByteDance Seed: Seedream 4.5",
        "BytePlus",
        "Pictures from words.",
        outputs=("image",),
        context=4_096,
        max_output=4_096,
        parameters=("seed",),
        image_api=_SEEDREAM,
        chat=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The models on offer, and those among them that no provider serves at the moment.

    With `any_model`, each other slug is a model too, which is not listed: it sees, calls tools and
    reasons; it draws by itself if its name says `image`.
    """

    models: tuple[Model, ...] = MODELS
    unavailable: frozenset[str] = frozenset()
    any_model: bool = False

    def find(self, name: str) -> Model | None:
        """The model of a slug; a preset, a router and an absent name stand for the default
        model.
        """
        base, _, preset = name.partition("@preset/")
        if not base and (preset or not name):
            base = DEFAULT_MODEL
        base = DEFAULT_MODEL if base in ("openrouter/auto", "openrouter/auto-beta") else base
        head, _, variant = base.rpartition(":")
        if variant in VARIANTS:
            base = head
        found = next((model for model in self.models if model.id == base), None)
        return _unlisted(base) if found is None and self.any_model and base else found


def _unlisted(name: str) -> Model:
    """A model that can do what most can."""
    return Model(
        name,
        name,
        "Emulated",
        "A model that is not listed.",
        inputs=("text", "image", "file"),
        outputs=("image", "text") if "image" in name else ("text",),
        parameters=(*_SAMPLING, *_TOOLS, *_REASONING),
    )
