"""What a request asks, in the words of neither dialect: the form in which the rules see a
conversation.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agentkit.emulator.files import PastFile, engine_of, file_of
from agentkit.emulator.json_values import as_object
from agentkit.emulator.listed_model import Model
from agentkit.emulator.wire.input_items import (
    ContentPart,
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
    FilePart,
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
    """What the client itself wrote between the user's words, in brackets: the names of pictures
    and files, and the words of files.
    """
    files: Sequence[PastFile] = ()


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
    pdf_engine: str = "native"
    """What reads PDFs."""
    read_before: frozenset[str] = frozenset()
    """Hashes of the files of which the request tells what was read out of them."""

    @property
    def files(self) -> tuple[PastFile, ...]:
        """Every file that the request holds."""
        return tuple(file for turn in self.turns for file in turn.files)

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
        lines += [f"{turn.role}: (the file {file.name})" for file in turn.files]
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
        read_before=_read_before(body),
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
        "pdf_engine": engine_of(body.plugins, model),
    }


def _read_before(body: ChatBody) -> frozenset[str]:
    notes = [
        note
        for message in body.messages
        if isinstance(message, AssistantMessage)
        for note in message.annotations or ()
    ]
    return frozenset(note.file.hash for note in notes if note.file is not None)


def _reasons(body: Common) -> bool:
    return (
        body.reasoning is not None
        and body.reasoning.effort != "none"
        and body.reasoning.enabled is not False
    )


_ASIDE = re.compile(
    r"\[(?:img_\d+|file_\d+|(?:picture |pictures|file |files|the words of |the end of "
    r"|earlier turns|You cannot see).*)\]",
    re.DOTALL,
)
_WORDS_OF = "[the words of "


@dataclass(frozen=True, slots=True)
class Told:
    """What the parts of a message hold."""

    texts: list[str] = field(default_factory=list[str])
    pictures: list[PastPicture] = field(default_factory=list[PastPicture])
    files: list[PastFile] = field(default_factory=list[PastFile])


def _user_turn(told: Told) -> Turn:
    """What the user said, apart from what the client says for itself, which stands in brackets, and
    from the words of files.
    """
    said: list[str] = []
    asides: list[str] = []
    for index, text in enumerate(told.texts):
        is_of_file = index > 0 and told.texts[index - 1].startswith(_WORDS_OF)
        (asides if is_of_file or _ASIDE.fullmatch(text) else said).append(text)
    return Turn("user", "\n".join(said), told.pictures, asides=asides, files=told.files)


def _told(parts: Sequence[UserPart | EchoPart]) -> Told:
    told = Told()
    for part in parts:
        if isinstance(part, TextPart):
            told.texts.append(part.text)
        elif isinstance(part, ImagePart):
            label = told.texts[-1] if told.texts else None
            told.pictures.append(PastPicture(part.image_url.url, label=label))
        elif isinstance(part, FilePart):
            file = part.file
            told.files.append(
                file_of(file_data=file.file_data, file_id=file.file_id, filename=file.filename)
            )
    return told


def _chat_turn(message: SystemMessage | UserMessage | AssistantMessage | ToolMessage) -> Turn:
    content = message.content or ""
    told = Told([content]) if isinstance(content, str) else _told(content)
    text, pictures = "\n".join(told.texts), told.pictures
    match message:
        case SystemMessage():
            return Turn("system", text)
        case UserMessage():
            return _user_turn(told)
        case ToolMessage():
            return Turn("tool", text, pictures, call_id=message.tool_call_id, files=told.files)
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
            told = _message_content(item.content)
            if item.role == "user":
                return _user_turn(told)
            role = "system" if item.role in ("system", "developer") else item.role
            return Turn(role, "\n".join(told.texts), told.pictures)
        case FunctionCallItem():
            return Turn("assistant", calls=[PastCall(item.call_id, item.name, item.arguments)])
        case FunctionCallOutputItem():
            told = _message_content(item.output)
            words = "\n".join(told.texts)
            return Turn("tool", words, told.pictures, call_id=item.call_id, files=told.files)
        case ImageGenerationCallItem():
            return Turn("assistant", pictures=[PastPicture(item.result, item.prompt)])
        case ImageToolItem():
            where = item.image_url or item.image_b64 or item.result
            return Turn("assistant", pictures=[PastPicture(where, item.prompt)])
        case _:
            return None


def _message_content(content: str | Sequence[ContentPart] | None) -> Told:
    if content is None or isinstance(content, str):
        return Told([content or ""])
    told = Told()
    for part in content:
        if part.type == "input_file":
            told.files.append(
                file_of(
                    file_data=part.file_data,
                    file_id=part.file_id,
                    filename=part.filename,
                    url=part.file_url,
                )
            )
        elif part.image_url is not None:
            url = part.image_url if isinstance(part.image_url, str) else part.image_url.get("url")
            label = told.texts[-1] if told.texts else None
            told.pictures.append(PastPicture(url, label=label))
        elif part.text is not None:
            told.texts.append(part.text)
    return told
