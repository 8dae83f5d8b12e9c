"""`ImageGeneration` as the tool `image_generation` of OpenAI's Responses: its parameters by their
names there, or refused by name.

The parameters that OpenAI has by the same name go as they are, and so do those that are not known
here: OpenAI refuses what it does not know, before anything is drawn. Source: `ImageGeneration` in
the types of OpenAI's SDK, version 3.52.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.errors import Unsupported
from agentkit.wire.image_sizes import PIXELS_ACCEPTED, SizeRefused, size_in_pixels

TYPE = "image_generation"
_OPENROUTER_ONLY = ("resolution", "seed", "n", "provider")
"""Parameters of OpenRouter's that OpenAI has none for."""


def openai_entry(
    parameters: Mapping[str, Any], extra: Mapping[str, Any], service: str, *, stream: bool
) -> dict[str, Any]:
    """The tool's entry in a request to Responses. `extra` are those of the parameters that go as
    they are; `service` is what the service is called. Previews (`partial_images`) are asked for
    only of a stream, which alone shows them.

    Raises `Unsupported` that names each parameter which has no counterpart.
    """
    given = {name: value for name, value in parameters.items() if name not in extra}
    refused = list(_refused(given))
    size: str | None = None
    try:
        size = size_in_pixels(
            given.pop("size", None), given.pop("aspect_ratio", None), given.get("model")
        )
    except SizeRefused as error:
        refused.append((error.parameter, error.value, error.accepted))
    if refused:
        raise _unsupported(refused, service, given.get("model"))
    if not stream:
        given.pop("partial_images", None)
    sized = {} if size is None else {"size": size}
    return {"type": TYPE, **given, **sized, **extra}


def _refused(given: Mapping[str, Any]) -> Iterator[tuple[str, object, str | None]]:
    model = given.get("model")
    if isinstance(model, str) and "/" in model:  # OpenRouter's name of it
        yield "model", model, "a model of OpenAI's such as gpt-image-2"
    for name in _OPENROUTER_ONLY:
        if name in given:
            accepted = f"size={PIXELS_ACCEPTED}" if name == "resolution" else None
            yield name, given[name], accepted


def _unsupported(
    refused: list[tuple[str, object, str | None]], service: str, model: object
) -> Unsupported:
    told = "; ".join(
        f"{name}={value!r} has no counterpart" + (f"; accepted is {accepted}" if accepted else "")
        for name, value, accepted in refused
    )
    name, _, accepted = refused[0]
    return Unsupported(
        f"ImageGeneration({name}=…) at {service}: {told}. extra={{{name!r}: …}} sends it as it is",
        model=model if isinstance(model, str) else "",
        parameter=name,
        accepted=accepted,
    )
