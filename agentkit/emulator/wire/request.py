"""What a request asks, in the words of neither dialect: the form in which the rules see a
conversation.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agentkit.emulator.json_values import as_object
from agentkit.emulator.listed_model import Model
from agentkit.emulator.wire.input_items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    ImageGenerationCallItem,
    ImageToolItem,
    InputItem,
    MessageItem,
)
from agentkit.emulator.wire.request_bodies import (
    AssistantMessage,
    ChatBody,
    Common,
    EchoPart,
    FlatFunctionTool,
    ImagePart,
    NamedChoice,
    ResponsesBody,
    ServerTool,
    StopWhen,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
    UserPart,
)

IMAGE_TOOL = "openrouter:image_generation"
PLAIN_IMAGE_TOOL = "image_generation"

Dialect = Literal["chat", "responses"]


@dataclass(frozen=True, slots=True)
class PastPicture:
    """A picture in the conversation: where its bytes are (a URL, a data URL, bare base64 or
    nothing) and what was asked for, where that is known."""

    where: str | None = None
    prompt: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class PastCall:
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Turn:
    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    pictures: Sequence[PastPicture] = ()
    calls: Sequence[PastCall] = ()
    call_id: str | None = None
    asides: Sequence[str] = ()
    """What the client itself wrote between the user's words, in brackets: the names of pictures."""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request. `choice` is `auto`, `none`, `required`, `function:NAME` or `server:TYPE`."""

    dialect: Dialect
    model: Model
    turns: Sequence[Turn]
    tools: Sequence[Tool] = ()
    server_tools: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]]
    )
    choice: str = "auto"
    modalities: frozenset[str] = frozenset({"text"})
    image_config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    schema: Mapping[str, Any] | None = None
    json_only: bool = False
    max_tokens: int | None = None
    parallel: bool = True
    stop: Sequence[str] = ()
    stop_when: Sequence[StopWhen] = ()
    max_steps: int = 30
    reasons: bool = False
    encrypted_reasoning: bool = True
    stream: bool = False

    @property
    def image_tool(self) -> Mapping[str, Any] | None:
        """The parameters of the image generation tool, if it is on offer."""
        for name in (IMAGE_TOOL, PLAIN_IMAGE_TOOL):
            if name in self.server_tools:
                return self.server_tools[name]
        return None

    @property
    def native(self) -> bool:
        """Whether the model itself answers with pictures."""
        return self.model.draws and "image" in self.modalities


def transcript(turns: Sequence[Turn]) -> str:
    """A conversation as a person reads it, alike for both dialects: a line for the words of each
    message, for each call, and for the pictures."""
    lines: list[str] = []
    for turn in turns:
        lines += [f"{turn.role}: {words}" for words in (*turn.asides, turn.text) if words]
        lines += [f"{turn.role} calls {call.name}({call.arguments})" for call in turn.calls]
        lines += [f"{turn.role}: (a picture)" for _ in turn.pictures]
    return "\n".join(lines)


def request_from_chat(body: ChatBody, model: Model) -> ModelRequest:
    turns = [_chat_turn(message) for message in body.messages]
    functions: list[Tool] = []
    servers: dict[str, Mapping[str, Any]] = {}
    for tool in body.tools or ():
        if isinstance(tool, ServerTool):
            servers[tool.type] = tool.parameters or {}
        else:
            function = tool.function
            functions.append(
                Tool(function.name, function.description or "", function.parameters or {})
            )
    chosen = body.tool_choice
    if isinstance(chosen, NamedChoice):
        choice = f"function:{chosen.function.name}"
    else:
        choice = (
            chosen if isinstance(chosen, str) else f"server:{chosen.type}" if chosen else "auto"
        )
    wanted = body.response_format
    effort = body.reasoning_effort
    return ModelRequest(
        dialect="chat",
        turns=turns,
        tools=functions,
        server_tools=servers,
        choice=choice,
        schema=wanted.json_schema.schema_ if wanted and wanted.json_schema else None,
        json_only=wanted is not None and wanted.type in ("json_object", "json_schema"),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        reasons=_reasons(body) or (effort is not None and effort != "none"),
        **_common(body, model),
    )


def request_from_responses(
    body: ResponsesBody, items: Sequence[InputItem], model: Model
) -> ModelRequest:
    turns: list[Turn] = [Turn("system", body.instructions)] if body.instructions else []
    if isinstance(body.input, str):
        turns.append(Turn("user", body.input))
    turns.extend(turn for item in items if (turn := _item_turn(item)))
    functions: list[Tool] = []
    servers: dict[str, Mapping[str, Any]] = {}
    for tool in body.tools or ():
        if isinstance(tool, FlatFunctionTool):
            functions.append(Tool(tool.name, tool.description or "", tool.parameters or {}))
        else:
            servers[tool.type] = (
                tool.parameters if tool.parameters is not None else (tool.model_extra or {})
            )
    chosen = body.tool_choice
    named = getattr(chosen, "name", None)
    wanted = body.text.format if body.text else None
    return ModelRequest(
        dialect="responses",
        turns=turns,
        tools=functions,
        server_tools=servers,
        choice=chosen if isinstance(chosen, str) else f"function:{named}" if named else "auto",
        schema=wanted.schema_ if wanted else None,
        json_only=wanted is not None and wanted.type != "text",
        max_tokens=body.max_output_tokens,
        reasons=_reasons(body),
        encrypted_reasoning="reasoning.encrypted_content" in (body.include or ()),
        **_common(body, model),
    )


def _common(body: Common, model: Model) -> dict[str, Any]:
    modalities: list[str] | None = getattr(body, "modalities", None)
    return {
        "model": model,
        "modalities": frozenset(modalities or model.outputs),
        "image_config": body.image_config or {},
        "parallel": body.parallel_tool_calls is not False,
        "stop": [body.stop] if isinstance(body.stop, str) else body.stop or (),
        "stop_when": body.stop_server_tools_when or (),
        "max_steps": min(30, max(0, 30 if body.max_tool_calls is None else body.max_tool_calls)),
        "stream": body.stream,
    }


def _reasons(body: Common) -> bool:
    return (
        body.reasoning is not None
        and body.reasoning.effort != "none"
        and body.reasoning.enabled is not False
    )


_ASIDE = re.compile(
    r"\[(?:img_\d+|(?:picture |pictures|earlier turns|You cannot see).*)\]", re.DOTALL
)


def _user_turn(texts: Sequence[str], pictures: Sequence[PastPicture]) -> Turn:
    """What the user said, apart from what the client says for itself, which stands in brackets."""
    asides = [text for text in texts if _ASIDE.fullmatch(text)]
    return Turn(
        "user", "\n".join(text for text in texts if text not in asides), pictures, asides=asides
    )


def _text_and_pictures(parts: Sequence[UserPart | EchoPart]) -> tuple[list[str], list[PastPicture]]:
    texts: list[str] = []
    pictures: list[PastPicture] = []
    for part in parts:
        if isinstance(part, TextPart):
            texts.append(part.text)
        elif isinstance(part, ImagePart):
            pictures.append(PastPicture(part.image_url.url, label=texts[-1] if texts else None))
    return texts, pictures


def _chat_turn(message: SystemMessage | UserMessage | AssistantMessage | ToolMessage) -> Turn:
    content = message.content or ""
    texts, pictures = ([content], []) if isinstance(content, str) else _text_and_pictures(content)
    text = "\n".join(texts)
    match message:
        case SystemMessage():
            return Turn("system", text)
        case UserMessage():
            return _user_turn(texts, pictures)
        case ToolMessage():
            return Turn("tool", text, pictures, call_id=message.tool_call_id)
        case AssistantMessage():
            for detail in message.reasoning_details or ():
                if detail.type == "reasoning.server_tool_call" and detail.tool_name == IMAGE_TOOL:
                    pictures.append(_picture_of_detail(detail.arguments, detail.result))
            pictures.extend(PastPicture(image.image_url.url) for image in message.images or ())
            calls = [
                PastCall(call.id, call.function.name, call.function.arguments)
                for call in message.tool_calls or ()
            ]
            return Turn("assistant", text, pictures, calls)


def _picture_of_detail(arguments: str | None, result: str | None) -> PastPicture:
    prompt, where = loose_json(arguments).get("prompt"), loose_json(result)
    url = where.get("imageUrl") or where.get("result") or where.get("imageB64")
    about = prompt if isinstance(prompt, str) else None
    if not isinstance(url, str):
        return PastPicture(None, about)
    # A client may have put its own name of the picture in the place of a link that expires.
    is_link = ":" in url or len(url) > 100
    return PastPicture(url, about) if is_link else PastPicture(None, about, label=url)


def loose_json(text: str | None) -> dict[str, Any]:
    """The object that a string holds; an empty one if it holds none."""
    try:
        value: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return as_object(value) or {}


def _item_turn(item: InputItem) -> Turn | None:
    match item:
        case MessageItem():
            texts, pictures = _message_content(item.content)
            if item.role == "user":
                return _user_turn(texts, pictures)
            role = "system" if item.role in ("system", "developer") else item.role
            return Turn(role, "\n".join(texts), pictures)
        case FunctionCallItem():
            return Turn("assistant", calls=[PastCall(item.call_id, item.name, item.arguments)])
        case FunctionCallOutputItem():
            texts, pictures = _message_content(item.output)
            return Turn("tool", "\n".join(texts), pictures, call_id=item.call_id)
        case ImageGenerationCallItem():
            return Turn("assistant", pictures=[PastPicture(item.result, item.prompt)])
        case ImageToolItem():
            where = item.image_url or item.image_b64 or item.result
            return Turn("assistant", pictures=[PastPicture(where, item.prompt)])
        case _:
            return None


def _message_content(content: str | Sequence[Any] | None) -> tuple[list[str], list[PastPicture]]:
    if content is None or isinstance(content, str):
        return [content or ""], []
    texts: list[str] = []
    pictures: list[PastPicture] = []
    for part in content:
        if part.image_url is not None:
            url = part.image_url if isinstance(part.image_url, str) else part.image_url.get("url")
            pictures.append(PastPicture(url, label=texts[-1] if texts else None))
        elif part.text is not None:
            texts.append(part.text)
    return texts, pictures
