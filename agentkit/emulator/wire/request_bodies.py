"""The request bodies that are accepted, as pydantic models: what does not fit is a 400 before
anything else.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
)

from agentkit.emulator.json_values import as_object
from agentkit.emulator.wire.errors import ApiError, invalid


def _whole(value: object) -> object:
    """JSON knows one kind of number: 3.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Int = Annotated[int, BeforeValidator(_whole)]
Effort = Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]
Tier = Literal["auto", "default", "fast", "flex", "priority", "scale", "ultrafast"]
Stop = str | Annotated[list[str], Field(max_length=4)] | None


class Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class ImageUrl(Part):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class CacheControl(Part):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class PromptCacheBreakpoint(Part):
    mode: Literal["explicit"]


class TextPart(Part):
    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ImagePart(Part):
    type: Literal["image_url"]
    image_url: ImageUrl


class ChatFile(Part):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Part):
    type: Literal["file"]
    file: ChatFile


class MediaPart(Part):
    type: Literal["input_audio", "input_video", "video_url"]


class LoosePart(Part):
    """A part that a reply of ours may have held; an assistant's message is echoed as it came."""

    type: str


def _part_kind(value: object) -> str:
    known = as_object(value)
    kind = known.get("type") if known is not None else getattr(value, "type", None)
    return kind if kind in ("text", "image_url", "file") else "media"


UserPart = Annotated[
    Annotated[TextPart, Tag("text")]
    | Annotated[ImagePart, Tag("image_url")]
    | Annotated[FilePart, Tag("file")]
    | Annotated[MediaPart, Tag("media")],
    Discriminator(_part_kind),
]
EchoPart = Annotated[
    Annotated[TextPart, Tag("text")]
    | Annotated[ImagePart, Tag("image_url")]
    | Annotated[FilePart, Tag("file")]
    | Annotated[LoosePart, Tag("media")],
    Discriminator(_part_kind),
]


class FunctionCall(Part):
    name: str
    arguments: str


class ToolCall(Part):
    id: str
    type: Literal["function"]
    function: FunctionCall


class AssistantImage(Part):
    image_url: ImageUrl


class SystemMessage(Part):
    role: Literal["system", "developer"]
    content: str | list[TextPart]


class UserMessage(Part):
    role: Literal["user"]
    content: str | list[UserPart]


class ReasoningDetail(Part):
    type: str
    tool_name: str | None = None
    arguments: str | None = None
    result: str | None = None


class AnnotatedFile(Part):
    hash: str
    name: str | None = None
    content: list[dict[str, Any]]


class Annotation(Part):
    type: str
    file: AnnotatedFile | None = None


class AssistantMessage(Part):
    role: Literal["assistant"]
    annotations: list[Annotation] | None = None
    content: str | list[EchoPart] | None = None
    tool_calls: list[ToolCall] | None = None
    images: list[AssistantImage] | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None


class ToolMessage(Part):
    role: Literal["tool"]
    content: str | list[UserPart]
    tool_call_id: str


Message = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")
]


class Function(Part):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatFunctionTool(Part):
    type: Literal["function"]
    function: Function
    cache_control: CacheControl | None = None


class FlatFunctionTool(Part):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None
    strict: bool | None = None


class ServerTool(Part):
    type: str
    parameters: dict[str, Any] | None = None


def _tool_kind(value: object) -> str:
    known = as_object(value)
    kind = known.get("type") if known is not None else getattr(value, "type", None)
    return "function" if kind == "function" else "server"


ChatTool = Annotated[
    Annotated[ChatFunctionTool, Tag("function")] | Annotated[ServerTool, Tag("server")],
    Discriminator(_tool_kind),
]
ResponsesTool = Annotated[
    Annotated[FlatFunctionTool, Tag("function")] | Annotated[ServerTool, Tag("server")],
    Discriminator(_tool_kind),
]


class FunctionName(Part):
    name: str


class NamedChoice(Part):
    type: Literal["function"]
    function: FunctionName


class FlatNamedChoice(Part):
    type: Literal["function"]
    name: str


class ServerToolChoice(Part):
    type: str


Word = Literal["auto", "none", "required"]


def _choice_kind(value: object) -> str:
    return "word" if isinstance(value, str) else _tool_kind(value)


ChatChoice = Annotated[
    Annotated[Word, Tag("word")]
    | Annotated[NamedChoice, Tag("function")]
    | Annotated[ServerToolChoice, Tag("server")],
    Discriminator(_choice_kind),
]


class AllowedChoice(Part):
    type: Literal[
        "allowed_tools",
        "apply_patch",
        "shell",
        "web_search_preview",
        "web_search_preview_2025_03_11",
    ]


ResponsesChoice = Annotated[
    Annotated[Word, Tag("word")]
    | Annotated[FlatNamedChoice, Tag("function")]
    | Annotated[AllowedChoice, Tag("server")],
    Discriminator(_choice_kind),
]


class JsonSchema(Part):
    name: str = Field(max_length=64)
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    description: str | None = None


class ResponseFormat(Part):
    type: Literal["text", "json_object", "json_schema", "grammar", "python"]
    json_schema: JsonSchema | None = None


class TextFormat(Part):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class TextConfig(Part):
    format: TextFormat | None = None


class Reasoning(Part):
    effort: Effort | None = None
    enabled: bool | None = None
    max_tokens: Int | None = None


class StopWhen(Part):
    type: Literal[
        "step_count_is", "has_tool_call", "max_tokens_used", "max_cost", "finish_reason_is"
    ]
    step_count: Int | None = None
    tool_name: str | None = None
    max_tokens: Int | None = None
    max_cost_in_dollars: float | None = None
    reason: str | None = None


class PromptCacheOptions(Part):
    mode: Literal["explicit"]
    ttl: str | None = None


class DeferredTools(Part):
    profile: Literal["portable"]
    protocol: Literal["v1"]
    validation: Literal["runtime"]
    search: dict[str, Any]


class Common(Part):
    """What chat and Responses requests have in common."""

    model: str | None = None
    models: list[str] | None = None
    image_config: dict[str, str | float | list[Any]] | None = None
    parallel_tool_calls: bool | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    plugins: list[dict[str, Any]] | None = None
    provider: dict[str, Any] | None = None
    reasoning: Reasoning | None = None
    service_tier: Tier | None = None
    stop: Stop = None
    cache_control: CacheControl | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    deferred_tools: DeferredTools | None = None
    session_id: str | None = None
    stop_server_tools_when: list[StopWhen] | None = Field(default=None, min_length=1)
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: Int | None = None
    top_k: Int | None = None
    trace: dict[str, Any] | None = None
    user: str | None = None
    prompt_cache_key: str | None = None
    max_tool_calls: Int | None = None
    metadata: dict[str, str] | None = None


class ChatBody(Common):
    messages: list[Message] = Field(min_length=1)
    modalities: list[Literal["text", "image", "audio"]] | None = None
    tools: list[ChatTool] | None = None
    tool_choice: ChatChoice | None = None
    response_format: ResponseFormat | None = None
    max_tokens: Int | None = None
    max_completion_tokens: Int | None = None
    reasoning_effort: Effort | None = None
    stream_options: dict[str, Any] | None = None
    logprobs: bool | None = None
    logit_bias: dict[str, float] | None = None
    min_p: float | None = None
    top_a: float | None = None
    repetition_penalty: float | None = None
    seed: Int | None = None


class ResponsesBody(Common):
    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    modalities: list[Literal["text", "image"]] | None = None
    tools: list[ResponsesTool] | None = None
    tool_choice: ResponsesChoice | None = None
    text: TextConfig | None = None
    max_output_tokens: Int | None = None
    include: list[str] | None = None
    background: bool | None = None
    previous_response_id: Any = None
    store: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    safety_identifier: str | None = None
    prompt: dict[str, Any] | None = None


class ImagesBody(Part):
    model: str
    prompt: str = Field(min_length=1)
    n: Int | None = None
    size: str | None = None
    resolution: Literal["512", "768", "1K", "1.5K", "2K", "4K"] | None = None
    aspect_ratio: str | None = None
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"] | None = None
    output_format: Literal["png", "jpeg", "webp", "svg"] | None = None
    background: Literal["auto", "transparent", "opaque"] | None = None
    output_compression: Int | None = None
    seed: Int | None = None
    stream: bool = False
    input_references: list[ImagePart] | None = None
    user: str | None = None
    session_id: str | None = Field(default=None, max_length=256)
    trace: dict[str, Any] | None = None
    provider: dict[str, Any] | None = None


Body = TypeVar("Body", bound=BaseModel)


def read(kind: type[Body], value: object) -> Body:
    """The body as a model; an `ApiError` that names the first fields at fault."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise _complaint(error) from None


def _complaint(error: ValidationError) -> ApiError:
    shown = [
        f"{'.'.join(str(step) for step in found['loc']) or 'body'}: {found['msg']}"
        for found in error.errors()
    ]
    rest = f" (and {len(shown) - 3} more)" if len(shown) > 3 else ""
    return invalid("Invalid input: " + "; ".join(shown[:3]) + rest)
