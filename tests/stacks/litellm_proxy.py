"""A LiteLLM proxy before the emulator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentkit.emulator import Emulator
from tests.stacks.programs import free_ports, python_of, running

KEY = "sk-litellm-0123456789"
MODELS = ("openai/gpt-5.2", "openai/gpt-5-image")
CONFIG = """
litellm_settings:
  telemetry: false
general_settings:
  master_key: {key}
model_list:
"""
MODEL = """
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {base_url}
      api_key: {api_key}
"""


@contextmanager
def litellm(emulator: Emulator, folder: Path) -> Iterator[str]:
    """The address of a proxy that asks the emulator as any service with OpenAI's API."""
    (port,) = free_ports(1)
    config = folder / "config.yaml"
    config.write_text(
        CONFIG.format(key=KEY)
        + "".join(
            MODEL.format(model=model, base_url=emulator.base_url, api_key=emulator.api_key)
            for model in MODELS
        )
    )
    command = [python_of("litellm"), "-m", "litellm.proxy.proxy_cli"]
    command += ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_DOCS": "True",
        "HOME": str(folder),
    }
    with running(command, port, folder, environment=environment, patience=300):
        yield f"http://127.0.0.1:{port}/v1"
