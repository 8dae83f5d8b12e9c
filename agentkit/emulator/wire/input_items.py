"""The items of a Responses request's `input`, checked by their type."""

from collections.abc import Collection
from typing import Any, Literal, cast

from pydantic import Field

from agentkit.emulator.tables import word_set
from agentkit.emulator.wire.errors import invalid
from agentkit.emulator.wire.request_bodies import Int, Part, PromptCacheBreakpoint, read

_OTHERS = word_set(
    """
    web_search_call file_search_call code_interpreter_call computer_call computer_call_output
    local_shell_call local_shell_call_output shell_call shell_call_output apply_patch_call
    apply_patch_call_output mcp_list_tools mcp_approval_request mcp_approval_response mcp_call
    custom_tool_call custom_tool_call_output tool_search_call tool_search_output compaction
    context_compaction additional_tools agent_message
    """
)


class ContentPart(Part):
    type: Literal[
        "input_text",
        "input_image",
        "input_file",
        "input_audio",
        "input_video",
        "output_text",
        "output_image",
        "refusal",
        "text",
    ]
    text: str | None = None
    image_url: str | dict[str, Any] | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class MessageItem(Part):
    type: Literal["message"] = "message"
    role: Literal["user", "system", "assistant", "developer"]
    content: str | list[ContentPart] | None = None


class ReasoningText(Part):
    type: str
    text: str = ""


class ReasoningItem(Part):
    type: Literal["reasoning"]
    id: str
    summary: list[ReasoningText] | None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None


class FunctionCallItem(Part):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


class FunctionCallOutputItem(Part):
    type: Literal["function_call_output"]
    call_id: str
    output: str | list[ContentPart]


class ImageGenerationCallItem(Part):
    type: Literal["image_generation_call"]
    id: str
    status: Literal["in_progress", "completed", "generating", "failed"]
    result: str | None = None
    prompt: str | None = None


class ImageToolItem(Part):
    type: Literal["openrouter:image_generation"]
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    image_url: str | None = Field(default=None, alias="imageUrl")
    image_b64: str | None = Field(default=None, alias="imageB64")
    result: str | None = None
    prompt: str | None = None


class McpApprovalItem(Part):
    type: Literal["mcp_approval_response"]
    approval_request_id: str
    approve: bool
    reason: str | None = None


class OtherItem(Part):
    type: str
    index: Int | None = None


InputItem = (
    MessageItem
    | ReasoningItem
    | FunctionCallItem
    | FunctionCallOutputItem
    | ImageGenerationCallItem
    | ImageToolItem
    | McpApprovalItem
    | OtherItem
)

_KINDS: dict[str, type[Part]] = {
    "message": MessageItem,
    "reasoning": ReasoningItem,
    "function_call": FunctionCallItem,
    "function_call_output": FunctionCallOutputItem,
    "image_generation_call": ImageGenerationCallItem,
    "openrouter:image_generation": ImageToolItem,
    "mcp_approval_response": McpApprovalItem,
}


def read_items(items: list[dict[str, Any]], *, seen: Collection[str]) -> list[InputItem]:
    """The input, item by item. `seen` are the types of items that were sent out before: they may
    come back.
    """
    asked = {item.get("id") for item in items if item.get("type") == "mcp_approval_request"}
    found = [_read_item(item, place, seen) for place, item in enumerate(items)]
    for place, item in enumerate(found):
        if isinstance(item, McpApprovalItem) and item.approval_request_id not in asked:
            raise invalid(
                f"Invalid input: input.{place}.approval_request_id: no approval request with id "
                f"'{item.approval_request_id}' was found"
            )
    return found


def _read_item(item: dict[str, Any], place: int, seen: Collection[str]) -> InputItem:
    kind = item.get("type", "message" if "role" in item else None)
    if not isinstance(kind, str):
        raise invalid(f"Invalid input: input.{place}.type: a string is required")
    if kind == "item_reference":
        raise invalid(
            f"Item with id '{item.get('id')}' not found. Items are not "
            "persisted when `store` is set to false."
        )
    model = _KINDS.get(kind)
    if model is None:
        if not (kind in _OTHERS or kind in seen or kind.startswith("openrouter:")):
            raise invalid(f"Invalid input: input.{place}.type: '{kind}' is not a known item type")
        model = OtherItem
    found = read(model, item)
    if isinstance(found, MessageItem):
        _check_parts(found, place)
    return cast("InputItem", found)  # every value of _KINDS is a member of the union


def _check_parts(message: MessageItem, place: int) -> None:
    if not isinstance(message.content, list):
        return
    for index, part in enumerate(message.content):
        if part.type.endswith("text") and part.text is None:
            raise invalid(
                f"Invalid input: input.{place}.content.{index}.text: a string is required"
            )
