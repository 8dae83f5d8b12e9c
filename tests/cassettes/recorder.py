"""The examples and their cassettes: `record` keeps the traffic of a block in `cassettes/`, `play`
answers from there alone.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from agentkit import OpenRouter
from agentkit.testing import Cassette, cassette

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cassettes"
EXAMPLES = (
    "weather_picture",
    "conversation",
    "image_model",
    "studio",
    "edit_a_picture",
    "approve",
    "budget",
    "mcp_server",
    "mcp_tools",
    "durable",
)
EMULATOR = "agentkit's emulator, not OpenRouter"
MAX_BYTES = 60_000
MODELS = {
    "studio": ["google/gemini-3.1-flash-image-preview", "google/gemini-2.5-flash-image"],
}
"""What an example speaks of and asks nothing of: models that draw larger."""


def example(name: str) -> ModuleType:
    """One of `examples/`, imported anew."""
    spec = importlib.util.spec_from_file_location(
        f"examples_{name}", ROOT / "examples" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def file_of(name: str, folder: Path = FOLDER) -> Path:
    return folder / f"{name}.yaml"


def record(name: str, *, source: str, folder: Path = FOLDER) -> Cassette:
    """Keep the traffic of the block in place of what the cassette held."""
    models = MODELS.get(name, ())
    return cassette(file_of(name, folder), "rewrite", models=models, source=source)


def play(name: str, folder: Path = FOLDER) -> Cassette:
    """Answer every request of the block from the cassette."""
    return cassette(file_of(name, folder), "none")


def player() -> OpenRouter:
    """A client for cassettes, at OpenRouter's own address, whatever the environment says."""
    return OpenRouter(api_key="any", base_url="https://openrouter.ai/api/v1")
