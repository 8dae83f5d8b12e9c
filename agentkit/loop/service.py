"""What the service behind the client cannot take of a run, said before anything is sent."""

from __future__ import annotations

from agentkit.errors import Unsupported, UsageError
from agentkit.loop.context import RunContext
from agentkit.run import Run
from agentkit.tools.server_tools import PREFIX
from agentkit.wire.fields import refused_settings

_APIS = {"chat": "Chat Completions", "responses": "Responses"}


def check_service(context: RunContext, run: Run) -> None:
    """Raises `Unsupported` for settings and server tools that are OpenRouter's alone, and
    `UsageError` for a limit in money where nobody knows what a request costs.
    """
    _check_settings(context, run)
    _check_tools(context, run)
    _check_metered(context, run)


def _check_settings(context: RunContext, run: Run) -> None:
    service = context.services.client.service
    names = refused_settings(context.settings, run.api, service.fields)
    if not names:
        return
    given = ", ".join([f"{name}={getattr(context.settings, name)!r:.60}" for name in names])
    more = ""
    if "reasoning" in names:
        more = "; of reasoning, an effort is accepted, such as 'low'"
    elif "modalities" in names:
        more = "; its models draw with the tool ImageGeneration(…)"
    raise Unsupported(
        f"ModelSettings({given}): {service.label} has no such field in {_APIS[run.api]}{more}. "
        f"ModelSettings(extra={{{names[0]!r}: …}}) sends it all the same",
        model=run.model,
        parameter=names[0],
    )


def _check_tools(context: RunContext, run: Run) -> None:
    service = context.services.client.service
    if service.fields.openrouter:
        return
    drawing = context.image_tool
    own = [
        tool.name
        for tool in context.tools.server
        if tool.name.startswith(PREFIX) and tool is not drawing
    ]
    if own:
        raise Unsupported(
            f"Agent(tools=…): {', '.join(own)} runs at OpenRouter, not at {service.label}; "
            f"accepted are functions, and ServerTool(…) for what that service runs itself",
            model=run.model,
            parameter="tools",
        )


def _check_metered(context: RunContext, run: Run) -> None:
    client, budget = context.services.client, context.budget
    price = client.prices.of(run.model)
    if client.service.tells_cost or price is not None:
        return
    limits: list[str] = []
    if run.limits.cost_usd is not None and not budget.accepts_unmetered:
        limits.append(f"Limits(cost_usd={run.limits.cost_usd:g})")
    limits += [f"Budget(cost_usd={usd:g})" for usd in budget.metered_limits]
    if limits:
        raise UsageError(
            f"Agent(model={run.model!r}): {client.service.label} does not tell what a request "
            f"costs, so {' and '.join(limits)} cannot be kept. "
            f"OpenRouter(prices={{{run.model!r}: Price(input=…, output=…)}}) tells it; "
            "Budget(…, unmetered=True) lets it cost what it may"
        )
