"""The models that the emulator offers."""

from dataclasses import dataclass

from agentkit.emulator.listed_model import (
    FLAG,
    SAMPLING,
    TOOLS,
    ImageEndpoint,
    Model,
    between,
    choice,
)

DEFAULT_MODEL = "openai/gpt-5.2"
DEFAULT_IMAGE_MODEL = "openai/gpt-5-image"
VARIANTS = ("free", "nitro", "floor", "online", "exacto", "thinking", "extended")
RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_REASONING = ("reasoning", "include_reasoning", "reasoning_effort")


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
        parameters=(*SAMPLING, *TOOLS, *_REASONING),
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
        parameters=(*SAMPLING, *TOOLS, *_REASONING),
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
        parameters=(*SAMPLING, *TOOLS, *_REASONING),
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
        parameters=(*SAMPLING, *TOOLS, *_REASONING),
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
        parameters=SAMPLING,
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
        parameters=SAMPLING,
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
        parameters=(*SAMPLING, *TOOLS, *_REASONING),
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
        parameters=(*SAMPLING, *TOOLS, *_REASONING),
    )
