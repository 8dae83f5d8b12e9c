"""What differs between the Image APIs of OpenRouter and of other services: where a request goes and
in which form, and which options have no counterpart there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from agentkit.errors import Unsupported
from agentkit.openrouter.service import Service
from agentkit.studio.checks import Fault
from agentkit.wire import images, openai_images
from agentkit.wire.form import Body
from agentkit.wire.image_sizes import PIXELS_ACCEPTED, SizeRefused, size_in_pixels
from agentkit.wire.images import ImageRequest

_OPENROUTER_ONLY = ("resolution", "seed", "session_id", "trace", "provider")
_OTHERS_ONLY = ("partial_images", "input_fidelity", "mask", "response_format")
_OF_EDITS = ("input_fidelity", "mask")


def for_service(owner: str, request: ImageRequest, service: Service) -> ImageRequest:
    """The request with its size as the service has it. Raises `Unsupported` that names every option
    that the service has none for.
    """
    if service.fields.openrouter:
        faults = [_no_such(request, name) for name in _OTHERS_ONLY if _is_given(request, name)]
    else:
        faults = list(_faults(request, service))
        try:
            size = size_in_pixels(request.size, request.aspect_ratio, request.model)
            request = replace(request, size=size, aspect_ratio=None)
        except SizeRefused as error:
            faults.append(Fault(error.parameter, error.value, error.accepted))
    if faults:
        raise _unsupported(owner, request.model, service, faults)
    return request


def encoded(request: ImageRequest, service: Service) -> tuple[str, Body]:
    """The path and the body of a request that `for_service` has passed."""
    if service.edits_path is None:
        return service.images_path, Body(images.encode(request))
    if request.references:
        return service.edits_path, openai_images.edit(request)
    return service.images_path, openai_images.generation(request)


def _is_given(request: ImageRequest, name: str) -> bool:
    return getattr(request, name) is not None


def _no_such(request: ImageRequest, name: str, accepted: str | None = None) -> Fault:
    return Fault(name, getattr(request, name), accepted)


def _faults(request: ImageRequest, service: Service) -> Iterator[Fault]:
    if service.name == "openai" and "/" in request.model:
        yield Fault("model", request.model, "a model of OpenAI's such as gpt-image-2")
    for name in _OPENROUTER_ONLY:
        if _is_given(request, name):
            accepted = f"size={PIXELS_ACCEPTED}" if name == "resolution" else None
            yield _no_such(request, name, accepted)
    if request.references and request.moderation is not None:
        yield _no_such(request, "moderation", "drawings from words alone")
    for name in _OF_EDITS:
        if not request.references and _is_given(request, name):
            yield _no_such(request, name, "edits")
    if request.partial_images and not request.stream:
        yield _no_such(request, "partial_images", "stream, which alone shows previews")


def _unsupported(owner: str, model: str, service: Service, faults: list[Fault]) -> Unsupported:
    told = "; ".join(
        f"{fault.parameter}={fault.given!r} has no counterpart at {service.label}"
        + (f"; accepted is {fault.accepted}" if fault.accepted else "")
        for fault in faults
    )
    first = faults[0]
    return Unsupported(
        f"{owner}({first.parameter}=…): {told}. extra={{{first.parameter!r}: …}} sends a field "
        "as it is",
        model=model,
        parameter=first.parameter,
        accepted=first.accepted,
    )
