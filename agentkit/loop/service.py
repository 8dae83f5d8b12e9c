"""What the service behind the client cannot take of a run, said before anything is sent."""

from __future__ import annotations

from agentkit.errors import Unsupported, UsageError
from agentkit.loop.context import RunContext
from agentkit.run import Run
from agentkit.tools.server_tools import PREFIX, ImageGeneration
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
    own = [
        tool.name
        for tool in context.tools.server
        if tool.name.startswith(PREFIX) and not isinstance(tool, ImageGeneration)
    ]
    if own:
        raise Unsupported(
            f"Agent(tools=…): {', '.join(own)} runs at OpenRouter, not at {service.label}; "
            f"accepted are functions, and ServerTool(…) for what that service runs itself",
            model=run.model,
            parameter="tools",
        )


def _check_metered(context: RunContext, run: Run) -> None:
    client = context.services.client
    if client.service.tells_cost:
        return
    if (price := client.prices.of(run.model)) is None:
        _refuse_limits(context, run, f"{run.model!r}: Price(input=…, output=…)", "a request")
    elif (tool := context.image_tool) is not None and client.service.image_tool(run.api):
        painter = client.prices.of_painter(tool.parameters.get("model"))
        if price.image is None and painter is None:
            _refuse_limits(context, run, f"{run.model!r}: Price(…, image=…)", "a picture")


def _refuse_limits(context: RunContext, run: Run, price: str, what: str) -> None:
    """Raises `UsageError` where there is a limit in money, which cannot be kept."""
    client, budget = context.services.client, context.budget
    limits: list[str] = []
    if run.limits.cost_usd is not None and not budget.accepts_unmetered:
        limits.append(f"Limits(cost_usd={run.limits.cost_usd:g})")
    limits += [f"Budget(cost_usd={usd:g})" for usd in budget.metered_limits]
    if limits:
        raise UsageError(
            f"Agent(model={run.model!r}): {client.service.label} does not tell what {what} "
            f"costs, so {' and '.join(limits)} cannot be kept. "
            f"OpenRouter(prices={{{price}}}) tells it; "
            "Budget(…, unmetered=True) lets it cost what it may"
        )
