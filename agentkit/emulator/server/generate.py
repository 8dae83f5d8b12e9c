"""POST: from a request's body to a reply on the wire."""

from collections.abc import AsyncIterator, Mapping
from math import ceil
from typing import Any, Protocol

from starlette.requests import Request

from agentkit.emulator.catalogue import DEFAULT_IMAGE_MODEL
from agentkit.emulator.faults.quirks import distorted_reply
from agentkit.emulator.faults.values import Fault
from agentkit.emulator.files import Read, read_files
from agentkit.emulator.job import Job, Origin, drawing_model
from agentkit.emulator.listed_model import Model
from agentkit.emulator.model.rule_model import RuleModel
from agentkit.emulator.painter.studio import FLAWS, Flaw
from agentkit.emulator.prompt_cache import chat_blocks, responses_blocks
from agentkit.emulator.script import Json, Place, RawReply, Reply
from agentkit.emulator.server.posts import Kind
from agentkit.emulator.server.response import Outgoing
from agentkit.emulator.server.state import State
from agentkit.emulator.wire.chat import ChatEncoder, as_api_error
from agentkit.emulator.wire.errors import ApiError, invalid
from agentkit.emulator.wire.images import (
    ImagesEncoder,
    check_parameters,
    choose_image_model,
    reply_to,
)
from agentkit.emulator.wire.input_items import read_items
from agentkit.emulator.wire.request import (
    IMAGE_TOOL,
    PLAIN_IMAGE_TOOL,
    ModelRequest,
    request_from_chat,
    request_from_responses,
    transcript,
)
from agentkit.emulator.wire.request_bodies import ChatBody, ImagesBody, ResponsesBody, read
from agentkit.emulator.wire.responses import ResponsesEncoder
from agentkit.emulator.wire.sse import COMMENT, encode
from agentkit.emulator.wire.validate import (
    check_chat_pairs,
    check_common,
    check_items,
    check_request,
    check_stateless,
    choose_model,
)

JSON = "application/json"
EVENTS = "text/event-stream"
TOKENS_PER_PICTURE = 258


class Encoder(Protocol):
    async def result(self) -> Json: ...
    def events(self) -> AsyncIterator[bytes]: ...


async def answer_chat(state: State, request: Request, value: Any) -> Outgoing:
    body = read(ChatBody, value)
    model = choose_model(body, state.catalogue)
    check_common(body, model)
    check_chat_pairs(body, model)
    model_request = request_from_chat(body, model)
    check_request(model_request)
    read_out = _read(model_request)
    scripted = _decide(state, request, model_request, value)
    if isinstance(scripted, RawReply):
        return _raw(scripted)
    state.parses += read_out.parses
    job = _job(state, request, model_request, scripted, "chat", body.session_id, read_out)
    job.cache = state.prompt_cache.look(job.model.id, chat_blocks(value), job.prompt_tokens)
    return await _send(job, ChatEncoder(job, state.ids), state, stream=body.stream)


async def answer_responses(state: State, request: Request, value: Any) -> Outgoing:
    body = read(ResponsesBody, value)
    check_stateless(body)
    model = choose_model(body, state.catalogue)
    check_common(body, model)
    items = read_items(body.input, seen=state.item_types) if isinstance(body.input, list) else []
    check_items(items, model)
    model_request = request_from_responses(body, items, model)
    check_request(model_request)
    read_out = _read(model_request)
    scripted = _decide(state, request, model_request, value)
    if isinstance(scripted, RawReply):
        return _raw(scripted)
    state.parses += read_out.parses
    job = _job(state, request, model_request, scripted, "responses", body.session_id, read_out)
    job.cache = state.prompt_cache.look(job.model.id, responses_blocks(value), job.prompt_tokens)
    return await _send(
        job, ResponsesEncoder(job, state.ids, _echo(body, value)), state, stream=body.stream
    )


async def answer_images(state: State, request: Request, value: Any) -> Outgoing:
    body = read(ImagesBody, value)
    model, endpoint = choose_image_model(body, state.catalogue)
    check_parameters(body, endpoint)
    state.told.append(f"user: {body.prompt}")
    asked = f"a picture of {_quoted(body.prompt)}"
    drawn = state.next_reply(asked, value) or reply_to(body, endpoint, state.studio)
    scripted = _with_quirks(state, request, drawn)
    if isinstance(scripted, RawReply):
        return _raw(scripted)
    job = Job(
        id=_named(state, request, "img-"),
        kind="images",
        model=model,
        image_model=model,
        reply=scripted,
        studio=state.studio,
        ledger=state.ledger,
        containers=state.containers,
        prompt_tokens=ceil(len(body.prompt) / 4)
        + TOKENS_PER_PICTURE * len(body.input_references or ()),
        flaw=_flaw(request),
        origin=_origin(
            request, streamed=body.stream and endpoint.streaming, session_id=body.session_id
        ),
    )
    return await _send(job, ImagesEncoder(job), state, stream=body.stream and endpoint.streaming)


def _read(request: ModelRequest) -> Read:
    """What reading the files of a request costs; with what was read out of them before left
    out.
    """
    return read_files(request.files, request.pdf_engine, request.read_before, request.model)


def _decide(
    state: State, request: Request, model_request: ModelRequest, body: Any
) -> Reply | RawReply:
    state.told.append(transcript(model_request.turns))
    last = model_request.turns[-1] if model_request.turns else None
    asked = f"the {last.role}'s {_quoted(last.text)}" if last else "a request without messages"
    reply = state.next_reply(asked, body)
    return _with_quirks(
        state, request, reply or RuleModel(model_request, state.studio, state.ids).reply()
    )


def _quoted(words: str) -> str:
    return repr(words if len(words) <= 60 else f"{words[:59]}…")


def _with_quirks(state: State, request: Request, reply: Reply | RawReply) -> Reply | RawReply:
    fault: Fault | None = request.state.fault
    if (fault is not None and fault.quirks) or "content_parts" in state.places:
        state.dictated = True
    return reply if isinstance(reply, RawReply) else distorted_reply(reply, request.state.fault)


def _flaw(request: Request) -> Flaw | None:
    fault: Fault | None = request.state.fault
    return next((flaw for flaw in FLAWS if fault is not None and flaw in fault.quirks), None)


def _named(state: State, request: Request, kind: str = "") -> str:
    """A new generation id, under which the request stands in the ledger."""
    found = state.ids.generation(kind)
    state.ledger.posts.named(request.state.post, found)
    return found


def _job(
    state: State,
    request: Request,
    model_request: ModelRequest,
    reply: Reply,
    kind: Kind,
    session_id: str | None,
    read_out: Read,
) -> Job:
    native = model_request.native
    tool = model_request.image_tool or {}
    image_model: Model | None = model_request.model
    if not native:
        image_model = drawing_model(state.catalogue, tool, DEFAULT_IMAGE_MODEL)
        if image_model is None:
            raise invalid(f"{tool.get('model')} is not a valid image generation model")
    assert image_model is not None  # noqa: S101 - a native model draws itself
    pictures = sum(
        len(turn.pictures) for turn in model_request.turns if turn.role in ("user", "tool")
    )
    return Job(
        id=_named(state, request),
        kind=kind,
        model=model_request.model,
        image_model=image_model,
        reply=reply,
        studio=state.studio,
        ledger=state.ledger,
        prompts=state.prompt_cache,
        containers=state.containers,
        prompt_tokens=_tokens(model_request) + TOKENS_PER_PICTURE * pictures + read_out.tokens,
        read=read_out,
        native=native,
        places=state.places or _own_places(model_request),
        encrypted_reasoning=model_request.encrypted_reasoning,
        flaw=_flaw(request),
        origin=_origin(
            request, streamed=model_request.stream, session_id=session_id, media=pictures
        ),
    )


def _tokens(request: ModelRequest) -> int:
    """Tokens of the words of a request, and of its tools."""
    text = sum(
        len(turn.text)
        + sum(len(call.arguments) for call in turn.calls)
        + sum(map(len, turn.asides))
        for turn in request.turns
    )
    text += sum(
        len(tool.name) + len(tool.description) + len(repr(tool.schema)) for tool in request.tools
    )
    return ceil(text / 4) + 3 * len(request.turns)


def _own_places(model_request: ModelRequest) -> tuple[Place, ...]:
    """OpenAI's own tool answers with OpenAI's own item."""
    plain = (
        PLAIN_IMAGE_TOOL in model_request.server_tools
        and IMAGE_TOOL not in model_request.server_tools
    )
    return ("image_generation_call",) if plain else ()


def _origin(
    request: Request, *, streamed: bool, session_id: str | None = None, media: int = 0
) -> Origin:
    return Origin(
        streamed=streamed,
        referer=request.headers.get("http-referer"),
        user_agent=request.headers.get("user-agent"),
        session_id=session_id or request.headers.get("x-session-id"),
        media=media,
    )


async def _send(job: Job, encoder: Encoder, state: State, *, stream: bool) -> Outgoing:
    reply = job.reply
    headers = {"X-Generation-Id": job.id, "X-Provider-Name": job.model.provider, **reply.headers}
    if reply.error is not None and reply.error.form == "http":
        return _turned_down(job, headers)
    if stream:
        return Outgoing(
            200,
            EVENTS,
            _with_comments(encoder.events()),
            {"cache-control": "no-cache", **headers},
            delay=reply.delay,
            pause=state.chunk_delay if reply.pause is None else reply.pause,
            hang=reply.hang,
            cut_after=reply.cut_after,
            left=lambda: job.settle(finish_reason=None, cancelled=True),
            endings=job.endings,
        )
    try:
        body = encode(await encoder.result())
    except ApiError as problem:
        return Outgoing(problem.status, JSON, encode(problem.body()), headers)
    status = (
        reply.error.code
        if reply.error is not None and job.kind == "images" and reply.error.form != "body"
        else 200
    )
    return Outgoing(
        status,
        JSON,
        body,
        headers,
        delay=reply.delay,
        hang=reply.hang,
        cut_after=reply.cut_after,
        endings=job.endings,
    )


def _turned_down(job: Job, headers: Mapping[str, str]) -> Outgoing:
    reply = job.reply
    assert reply.error is not None  # noqa: S101 - the caller looked
    job.settle(finish_reason=None, free=not reply.error.billed)
    body = reply.error.body if reply.error.body is not None else as_api_error(reply.error).body()
    return Outgoing(
        reply.error.code,
        JSON,
        encode(body),
        headers,
        delay=reply.delay,
        hang=reply.hang,
        cut_after=reply.cut_after,
    )


async def _with_comments(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield COMMENT
    async for event in events:
        yield event


def _raw(reply: RawReply) -> Outgoing:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in reply.chunks or ():
            yield chunk

    return Outgoing(
        reply.status,
        reply.content_type,
        reply.body if reply.chunks is None else chunks(),
        reply.headers,
        delay=reply.delay,
        hang=reply.hang,
        cut_after=reply.cut_after,
    )


def _echo(body: ResponsesBody, value: Mapping[str, Any]) -> Json:
    """What a response repeats of its request. Only function tools are repeated: the spec knows no
    form for others.
    """
    defaults: Json = {
        "background": False,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": None,
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "top_p": 1,
        "truncation": "disabled",
        "user": None,
    }
    kept = {name: value[name] for name in defaults if value.get(name) is not None}
    served = {"auto": "default", "fast": "priority", "ultrafast": "priority"}
    if kept.get("service_tier") in served:
        kept["service_tier"] = served[kept["service_tier"]]
    tools = [tool.model_dump(by_alias=True) for tool in body.tools or () if tool.type == "function"]
    return {**defaults, **kept, "tools": tools}
