"""Why a picture is missing that a reply speaks of, as far as the reply tells it. Pure."""

from __future__ import annotations

from agentkit.loop.reply_parts import ParsedReply
from agentkit.openrouter.service import Service
from agentkit.tools.openai_drawing import TYPE
from agentkit.tools.server_tools import ServerTool


def missing_picture(
    parsed: ParsedReply, tool: ServerTool | None, service: Service, *, others: int, forced: bool
) -> str | None:
    """The reason, for a reply in which no picture was found: it says that it drew, its words show
    one, the service passed over the tool that draws, or did not call it though it was told to.
    None where nothing is missing, or the model refused.

    `tool` is the tool that draws, if it was sent, and `others` is how many were sent beside it.
    `forced`: the tool choice named it.
    """
    if parsed.reply.refusal is not None:
        return None
    if (drew := parsed.said_to_draw()) is not None:
        return f"the reply says that it drew ({drew}), and no picture was found in it" + _where(
            parsed
        )
    if tool is None:
        return None
    if (shown := parsed.pretended()) is not None:
        return f"the words show {shown!r}, and the model called no tool that draws"
    if service.fields.openrouter:  # it does not tell all of its calls and tools
        return None
    if (reason := _passed_over(parsed, service, others)) is not None:
        return reason
    is_called = any(call.name.endswith(TYPE) for call in parsed.reply.server_calls)
    if forced and not is_called:
        return f"tool_choice named the tool that draws ({TYPE}), and the reply has no call of it"
    return None


def _where(parsed: ParsedReply) -> str:
    """Which hosts to allow, if the words link to some."""
    if not (hosts := parsed.linked_hosts()):
        return ""
    named = ", ".join([repr(host) for host in hosts[:3]])
    return f". It links to {named}: FetchPolicy(hosts=(…, {named})) fetches pictures there"


def _passed_over(parsed: ParsedReply, service: Service, others: int) -> str | None:
    """That the service does not name the tool among those that it had in use. A gateway that names
    none although others were sent says nothing.
    """
    in_use = parsed.reply.tools
    if in_use is None or (others and not in_use) or any(kind.endswith(TYPE) for kind in in_use):
        return None
    named = ", ".join(dict.fromkeys(in_use)) or "none"
    return (
        f"{service.label} passed over the tool that draws ({TYPE}): the tools in use, as its reply "
        f"says, were {named}. ImageGeneration(fallback=Studio(…)) with "
        'OpenRouter(service="compatible") draws through the Image API instead'
    )
