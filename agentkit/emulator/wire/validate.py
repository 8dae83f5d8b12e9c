"""What OpenRouter turns down although the body is well-formed, in its own words."""

import re
from collections.abc import Mapping, Sequence

from agentkit.emulator.catalogue import Catalogue
from agentkit.emulator.listed_model import Model
from agentkit.emulator.tool_list import CLIENT_RUN, tool_types
from agentkit.emulator.wire.errors import ApiError, invalid, upstream
from agentkit.emulator.wire.input_items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputItem,
    MessageItem,
    ReasoningItem,
)
from agentkit.emulator.wire.request import IMAGE_TOOL, PLAIN_IMAGE_TOOL, ModelRequest
from agentkit.emulator.wire.request_bodies import (
    AssistantMessage,
    ChatBody,
    Common,
    ResponsesBody,
    ToolMessage,
)

_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_SIZE = re.compile(r"(auto|512|768|1\.5K|[124]K|\d{2,5}x\d{2,5})\Z")


def choose_model(body: Common, catalogue: Catalogue) -> Model:
    """The first model of `model` and `models` that is served."""
    if body.models is not None and len(body.models) > 3:
        raise invalid("'models' array must have 3 items or fewer.")
    names = [*([body.model] if body.model is not None else []), *(body.models or ())] or [""]
    found: list[Model] = []
    for name in names:
        model = catalogue.find(name)
        if model is None or not model.chat:
            raise invalid(f"{name} is not a valid model ID")
        found.append(model)
    served = next((model for model in found if model.id not in catalogue.unavailable), None)
    if served is None:
        availability = {
            "code": "model_unavailable",
            "retryable": True,
            "retry_after": 1,
            "requested_models": names,
            "fallback_models": [
                m.id for m in catalogue.models if m.chat and m.id not in catalogue.unavailable
            ][:3],
        }
        raise ApiError(
            503, "No instances available for the requested model", availability=availability
        )
    return served


def check_common(body: Common, catalogue_model: Model) -> None:
    if body.session_id is not None and len(body.session_id) > 256:
        raise invalid("session_id must be at most 256 characters")
    if body.metadata is not None:
        _check_metadata(body.metadata)
    if body.temperature is not None and not 0 <= body.temperature <= 2:
        raise upstream(
            "Invalid 'temperature': must be between 0 and 2.", provider=catalogue_model.provider
        )


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if len(metadata) > 16:
        raise invalid("metadata can have at most 16 key-value pairs")
    for key, value in metadata.items():
        if len(key) > 64 or len(value) > 512:
            raise invalid("metadata keys must be at most 64 characters and values at most 512")


def check_request(request: ModelRequest) -> None:
    """What can be said of both dialects once the request is understood."""
    _check_tools(request)
    _check_choice(request)
    _check_abilities(request)
    for name in (IMAGE_TOOL, PLAIN_IMAGE_TOOL):
        if name in request.server_tools:
            check_image_parameters(request.server_tools[name])


def _check_tools(request: ModelRequest) -> None:
    for tool in request.tools:
        if not _FUNCTION_NAME.match(tool.name):
            raise invalid(
                f"Invalid function name '{tool.name[:80]}': use a-z, A-Z, 0-9, "
                "underscores and dashes, at most 64 characters"
            )
    known = (
        tool_types("chat-completions")
        if request.dialect == "chat"
        else tool_types("responses") | CLIENT_RUN
    )
    for kind in request.server_tools:
        if kind not in known:
            raise invalid(f"Invalid tool type '{kind}'")
    if (request.tools or request.server_tools) and "tools" not in request.model.parameters:
        raise ApiError(
            404,
            "No endpoints found that support tool use. Try disabling "
            f'"{request.tools[0].name if request.tools else next(iter(request.server_tools))}". '
            "To learn more about provider routing, visit: "
            "https://openrouter.ai/docs/guides/routing/provider-selection",
        )


def _check_choice(request: ModelRequest) -> None:
    kind, _, name = request.choice.partition(":")
    provider = request.model.provider
    if kind == "function" and name not in {tool.name for tool in request.tools}:
        raise upstream(
            f"Tool choice '{name}' not found in 'tools' parameter.",
            provider=provider,
            param="tool_choice",
        )
    if kind == "server" and name not in request.server_tools:
        raise invalid(f"tool_choice names '{name}', which is not among the tools of the request")
    if kind == "required" and not (request.tools or request.server_tools):
        raise upstream(
            "'tool_choice' is only allowed when 'tools' are specified.",
            provider=provider,
            param="tool_choice",
        )


def _check_abilities(request: ModelRequest) -> None:
    missing = request.modalities - set(request.model.outputs)
    if missing:
        wanted = ", ".join(sorted(request.modalities))
        raise ApiError(
            404, f"No endpoints found that support the requested output modalities: {wanted}"
        )
    if not request.model.sees and any(
        turn.role in ("user", "tool") and turn.pictures for turn in request.turns
    ):
        raise ApiError(404, "No endpoints found that support image input")


def check_image_parameters(parameters: Mapping[str, object]) -> None:
    """The parameters of the image generation tool, which share their names with those of the Images
    API.
    """
    allowed: dict[str, Sequence[object]] = {
        "quality": ("auto", "low", "medium", "high", "xhigh", "max"),
        "background": ("auto", "transparent", "opaque"),
        "output_format": ("png", "jpeg", "webp", "svg"),
        "moderation": ("auto", "low"),
    }
    for name, values in allowed.items():
        if name in parameters and parameters[name] not in values:
            raise invalid(
                f"Invalid image parameter {name}: {parameters[name]!r}; expected "
                f"one of {', '.join(map(str, values))}"
            )
    if parameters.get("background") == "transparent" and parameters.get(
        "output_format", "png"
    ) not in ("png", "webp"):
        raise invalid("Transparent background requires output_format png or webp")
    compression = parameters.get("output_compression")
    if compression is not None and not (
        isinstance(compression, int | float) and 0 <= compression <= 100
    ):
        raise invalid("output_compression must be between 0 and 100")
    size = parameters.get("size")
    if size is not None and not (isinstance(size, str) and _SIZE.match(size)):
        raise invalid(f"Invalid image parameter size: {size!r}")
    ratio = parameters.get("aspect_ratio")
    if ratio is not None and not (
        isinstance(ratio, str) and re.match(r"(auto|[\d.]+:[\d.]+)\Z", ratio)
    ):
        raise invalid(f"Invalid image parameter aspect_ratio: {ratio!r}")


def check_chat_pairs(body: ChatBody, model: Model) -> None:
    """Each tool message answers a call of the assistant's message before it, and each call is
    answered.
    """
    open_calls: list[str] = []
    for message in body.messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in open_calls:
                raise upstream(
                    "Invalid parameter: messages with role 'tool' must be a "
                    "response to a preceding message with "
                    f"'tool_calls'. No call has the id '{message.tool_call_id}'.",
                    provider=model.provider,
                    param="messages",
                )
            open_calls.remove(message.tool_call_id)
            continue
        _all_answered(open_calls, model)
        if isinstance(message, AssistantMessage):
            open_calls = [call.id for call in message.tool_calls or ()]
    _all_answered(open_calls, model)


def _all_answered(open_calls: Sequence[str], model: Model) -> None:
    if open_calls:
        raise upstream(
            "An assistant message with 'tool_calls' must be followed by "
            "tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response "
            f"messages: {', '.join(open_calls)}",
            provider=model.provider,
            param="messages",
        )


def check_stateless(body: ResponsesBody) -> None:
    if body.input is None or body.input == []:
        raise invalid("Invalid input: input: a string or a list of items is required")
    if body.store:
        raise invalid("store: true is not supported. The Responses API is stateless.")
    if body.previous_response_id is not None:
        raise invalid(
            "previous_response_id is not supported. Send the full "
            "conversation history in `input` instead."
        )
    if body.background:
        raise invalid("background: true is not supported. The Responses API is stateless.")


def check_items(items: Sequence[InputItem], model: Model) -> None:
    calls = {item.call_id for item in items if isinstance(item, FunctionCallItem)}
    outputs = {item.call_id for item in items if isinstance(item, FunctionCallOutputItem)}
    for call_id in sorted(outputs - calls):
        raise upstream(
            f"No tool call found for function call output with call_id {call_id}.",
            provider=model.provider,
            param="input",
        )
    for call_id in sorted(calls - outputs):
        raise upstream(
            f"No tool output found for function call {call_id}.",
            provider=model.provider,
            param="input",
        )
    for index, item in enumerate(items):
        after = items[index + 1] if index + 1 < len(items) else None
        if isinstance(item, ReasoningItem) and not _follows_reasoning(after):
            raise upstream(
                f"Item '{item.id}' of type 'reasoning' was provided "
                "without its required following item.",
                provider=model.provider,
                param="input",
            )


def _follows_reasoning(item: InputItem | None) -> bool:
    if isinstance(item, MessageItem):
        return item.role == "assistant"
    return item is not None and not isinstance(item, FunctionCallOutputItem)
