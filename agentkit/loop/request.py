"""The next request of a run: what goes, and what it may use."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agentkit import wire
from agentkit._log import logger
from agentkit.budget import Hold
from agentkit.images.drafts import check_room
from agentkit.loop import caching
from agentkit.loop.context import RunContext
from agentkit.run import Run
from agentkit.run.history import Plan
from agentkit.settings import ModelSettings
from agentkit.values import Pieces
from agentkit.wire.types import Request

MAX_SERVER_CALLS = 30
"""What OpenRouter allows in one request, as its documentation says."""


def request_of(run: Run, context: RunContext) -> Request:
    """The next request of this run, with all its tools. A forced tool choice holds for the first
    turn only: held on, it would never end.
    """
    limits, settings, services = run.limits, context.settings, context.services
    declared = context.declared(run.model)
    gone = _never_sent(run, context) if run.images else frozenset[str]()
    sent = _messages(run, context, gone)
    tool_choice = settings.tool_choice if run.turns == 0 or settings.tool_choice == "none" else None
    tokens_left = None
    if limits.output_tokens is not None:
        tokens_left = max(limits.output_tokens - run.usage.output_tokens, 1)
    return Request(
        model=run.model,
        messages=sent.messages,
        settings=settings,
        instructions=context.instructions,
        functions=declared.functions,
        server_tools=declared.server_tools,
        output=declared.output,
        stream=services.stream,
        tool_choice=tool_choice,
        session_id=run.session_id,
        output_tokens_left=tokens_left,
        files=sent.files,
        pdf_engine=_pdf_engine(sent, context) if sent.files else None,
        fields=services.client.service.fields,
        shown=sent.shown,
        cache=caching.marks(run, context),
        readers=declared.audience,
    )


def closing_of(request: Request) -> Request:
    """The same request as the one that closes the run in words."""
    return replace(request, settings=in_words(request.settings), closing=True)


async def body_of(
    request: Request, run: Run, context: RunContext, hold: Hold
) -> tuple[str, Pieces]:
    """The path and the body of the next request. A picture or file that was deleted from the store
    since, or that no model takes, is told as a line: the conversation outlives it. Raises
    `StoreError` where the store cannot be read, or has no room for what the request may draw.
    """
    if run.turns and not request.closing and context.may_draw:  # `begin` has looked before
        await asyncio.to_thread(check_room, context.services.store)
    if request.server_tools:
        request = _bounded(request, run, context, hold)
    services = context.services
    gone = _never_sent(run, context) if run.images else frozenset[str]()
    while True:
        path, body = wire.encode(run.api, request, services.encoded)
        body, missing = await services.outgoing.prepared(body, services.store)
        if missing <= gone:
            return path, body
        logger().warning("pictures_gone", run=run.id, sha256=sorted(missing))
        gone |= missing
        sent = _messages(run, context, gone)
        engine = _pdf_engine(sent, context)
        request = replace(
            request,
            messages=sent.messages,
            shown=sent.shown,
            files=sent.files,
            pdf_engine=engine,
        )


def _pdf_engine(sent: Plan, context: RunContext) -> str | None:
    """What reads the PDFs that go. Left to itself, OpenRouter may take an engine that costs."""
    if not any(file.is_pdf for file in sent.files):
        return None
    return context.settings.pdf_engine or ("native" if context.takes_files else "cloudflare-ai")


def _never_sent(run: Run, context: RunContext) -> frozenset[str]:
    """Pictures (sha256) that no model takes: SVG, or what cannot be converted."""
    outgoing, planner = context.services.outgoing, context.services.planner
    asked = (run.images, outgoing.refusals)
    before = planner.never_sent
    if before is None or before[0] is not run.images or before[1] != outgoing.refusals:
        planner.never_sent = before = (*asked, outgoing.refused(run.images))
    return before[2]


def _messages(run: Run, context: RunContext, gone: frozenset[str]) -> Plan:
    """The messages as they go, without pictures that are `gone` (sha256)."""
    planner = context.services.planner
    messages, start, summary = planner.summaries.in_sight(run.shared_messages, run.start)
    planned = planner.plan(
        messages,
        start,
        context.services.history,
        images=run.images,
        files=run.files,
        api=run.api,
        audience=context.declared(run.model).audience,
        sees=context.sees,
        takes_files=context.takes_files,
        gone=gone,
    )
    return planned if summary is None else planned.behind(summary)


def _bounded(request: Request, run: Run, context: RunContext, hold: Hold) -> Request:
    """The request with what its server tools may use: what the budget has left, and what is held
    for it already.
    """
    usd = context.budget.remaining_usd
    steps, last = _server_calls(run, context, hold)
    if usd is not None and context.picture_price and not request.fields.openrouter:
        # Only OpenRouter can be told an amount; one picture is in what is held.
        steps = min(steps, 1 + int(max(usd, 0.0) / context.picture_price))
    return replace(
        request,
        server_calls_left=steps,
        last_server_call=last,
        cost_left=None if usd is None else round(max(usd + hold.cost_usd, 0.0), 12),
    )


def in_words(settings: ModelSettings) -> ModelSettings:
    """The same for a turn that brings no picture, where a model draws by itself."""
    if "image" not in (settings.modalities or ()):
        return settings
    return replace(settings, modalities=("text",), image_config=None)


def _server_calls(run: Run, context: RunContext, hold: Hold) -> tuple[int, str | None]:
    """How many steps server tools may take, and after a call of which of them they stop: of tools
    that do more than draw, only the last picture can be told."""
    steps = min(MAX_SERVER_CALLS, max(run.limits.tool_calls - run.tool_calls, 1))
    own = None if run.limits.images is None else run.limits.images - len(run.arrived)
    shared = context.budget.remaining_images
    if shared is not None:
        shared += hold.images
    pictures = min((left for left in (own, shared) if left is not None), default=None)
    if pictures is None or context.image_tool is None:
        return steps, None
    if len(context.tools.server) == 1:
        return min(steps, max(pictures, 1)), None
    return steps, context.image_tool.name if pictures <= 1 else None
