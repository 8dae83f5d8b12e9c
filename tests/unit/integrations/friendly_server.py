"""A server of MCP that gives pictures in each way there is: a script, with the SDK's own server."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from io import BytesIO
from typing import Any

import PIL.Image
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    METHOD_NOT_FOUND,
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ResourceLink,
    TextContent,
    ToolAnnotations,
)
from pydantic import BaseModel

server = MCPServer("friendly", log_level="ERROR")
more: list[str] = []


def png(colour: str) -> bytes:
    file = BytesIO()
    PIL.Image.new("RGB", (30, 20), colour).save(file, "PNG")
    return file.getvalue()


def text64(colour: str) -> str:
    return base64.b64encode(png(colour)).decode()


@server.resource("paint://{colour}", mime_type="image/png")
def painted(colour: str) -> bytes:
    """A picture."""
    return png(colour)


@server.tool()
def draw(colour: str) -> CallToolResult:
    """Draws a picture of one colour."""
    return CallToolResult(
        content=[
            TextContent(type="text", text=f"all {colour}"),
            ImageContent(type="image", data=text64(colour), mime_type="image/png"),
        ],
        structured_content={"result": "told twice"},
    )


@server.tool()
def link(colour: str) -> CallToolResult:
    """Links to a picture, and to others that nobody should follow."""
    uris = [f"paint://{colour}", "file:///etc/passwd", "https://127.0.0.1:1/a.png"]
    return CallToolResult(
        content=[
            ResourceLink(type="resource_link", uri=uri, name=f"n{at}", mime_type="image/png")
            for at, uri in enumerate(uris)
        ]
    )


@server.tool()
def embed(colour: str) -> CallToolResult:
    """Embeds a picture, and a sound."""
    resource = BlobResourceContents(uri="a://b", mime_type="image/png", blob=text64(colour))
    return CallToolResult(
        content=[
            EmbeddedResource(type="resource", resource=resource),
            AudioContent(type="audio", data="AAAA", mime_type="audio/wav"),
        ]
    )


@server.tool()
def export() -> CallToolResult:
    """Embeds a table, and what is no file."""
    table = base64.b64encode(b"day,rain\nMonday,7\n").decode()
    found = [
        BlobResourceContents(uri="db://host/../tables/rain%20.csv", mime_type="text/csv", blob=each)
        for each in (table, "", "no base64!")
    ]
    return CallToolResult(
        content=[EmbeddedResource(type="resource", resource=each) for each in found]
    )


@server.resource("notes://{day}.md", mime_type="text/markdown")
def notes(day: str) -> str:
    """Words."""
    return f"# {day}\nIt rains."


@server.resource("tables://{name}", mime_type="application/octet-stream")
def tables(name: str) -> bytes:
    """A table."""
    return b"day,rain\nMonday,7\n"


@server.tool()
def files(links: list[str]) -> CallToolResult:
    """Links to what is no picture."""
    return CallToolResult(
        content=[
            ResourceLink(type="resource_link", uri=uri, name=f"n{at}", title="A title")
            for at, uri in enumerate(links)
        ]
    )


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def structured(number: int) -> dict[str, Any]:
    """Gives data."""
    return {"number": number}


@server.tool()
def fails() -> str:
    """Fails."""
    raise ToolError("out of paint")


@server.tool()
async def slow(ctx: Context[Any, Any]) -> str:
    """Tells its progress."""
    await ctx.report_progress(1, 2, "half")
    return "done"


class Size(BaseModel):
    width: int


@server.tool()
async def asks(ctx: Context[Any, Any]) -> Any:
    """Asks a person."""
    if ctx.protocol_version != "2026-07-28":
        found: Any = await ctx.elicit("How wide?", Size)
        return f"{found.action} {getattr(found, 'data', None)}"
    if ctx.input_responses is None:
        form = ElicitRequestFormParams(
            message="How wide?", requested_schema=Size.model_json_schema()
        )
        request = ElicitRequest(params=form)
        return InputRequiredResult(input_requests={"size": request}, request_state="asked")
    answer: Any = ctx.input_responses["size"]
    return f"{answer.action} {answer.content} {ctx.request_state}"


class Party(BaseModel):
    guests: int


class Sure(BaseModel):
    sure: bool


made: list[str] = []
"""The calls of `books`, with what it had been told."""


def _form(message: str, form: type[BaseModel]) -> ElicitRequest:
    schema = form.model_json_schema()
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
async def books(ctx: Context[Any, Any], day: str) -> Any:
    """Asks for the guests until there are some, and whether that is sure."""
    made.append(f"{day} {ctx.request_state}")
    if ctx.protocol_version != "2026-07-28":
        found: Any = await ctx.elicit(f"For how many on {day}?", Party)
        if found.action == "accept" and not found.data.guests:
            found = await ctx.elicit(f"For how many on {day}?", Party)
        if found.action != "accept":
            return f"not booked: {found.action}"
        sure: Any = await ctx.elicit("Sure?", Sure)
        return f"booked {day} {found.data.guests} {sure.action} in call {len(made)}"
    given: Any = ctx.input_responses or {}
    party = given.get("party")
    if party is None or (party.action == "accept" and not party.content["guests"]):
        requests = {"party": _form(f"For how many on {day}?", Party), "sure": _form("Sure?", Sure)}
        return InputRequiredResult(input_requests=requests, request_state=f"s{len(made)}")
    if party.action != "accept":
        return f"not booked: {party.action}"
    words = f"{party.content['guests']} {given['sure'].action}"
    return f"booked {day} {words} in call {len(made)}"


@server.tool()
async def opens_a_page(ctx: Context[Any, Any]) -> Any:
    """Wants a page opened."""
    url = "https://evil.example"
    if ctx.protocol_version != "2026-07-28":
        found: Any = await ctx.session.elicit_url("Click", url, "1", ctx.request_id)
        return found.action
    if ctx.input_responses is None:
        page = ElicitRequest(params=ElicitRequestURLParams(message="Click", url=url))
        return InputRequiredResult(input_requests={"page": page})
    answer: Any = ctx.input_responses["page"]
    return answer.action


def without_discovery() -> None:
    """The same for a process: what asks for it is answered before the server has read it."""
    asked, (read, write) = os.fdopen(os.dup(0), "rb"), os.pipe()
    os.dup2(read, 0)

    def hand_on() -> None:
        with os.fdopen(write, "wb", buffering=0) as rest:
            for line in asked:
                message = json.loads(line)
                if message.get("method") != "server/discover":
                    rest.write(line)
                    continue
                error = {"code": METHOD_NOT_FOUND, "message": "Method not found"}
                reply = {"jsonrpc": "2.0", "id": message["id"], "error": error}
                os.write(1, json.dumps(reply).encode() + b"\n")

    threading.Thread(target=hand_on, daemon=True).start()


async def of_2025(context: Any, call_next: Any) -> Any:
    """A server of 2025-11-25 knows no `server/discover`."""
    if context.method == "server/discover":
        raise MCPError(METHOD_NOT_FOUND, "Method not found")
    return await call_next(context)


@server.tool()
def dies() -> str:
    """Ends the server."""
    os._exit(3)


@server.tool()
async def grows(ctx: Context[Any, Any]) -> str:
    """Adds a tool."""

    def fresh() -> str:
        """New."""
        return "fresh"

    server.add_tool(fresh)
    await ctx.notify_tools_changed()
    if ctx.protocol_version != "2026-07-28":
        await ctx.session.send_tool_list_changed()
    return "grown"


@server.tool(name="odd.name/with things")
def odd() -> str:
    """Has an odd name."""
    return "odd"


if __name__ == "__main__":
    if "stubborn" in sys.argv:
        import signal
        import subprocess

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        print(f"child {child.pid}", file=sys.stderr, flush=True)
        threading.Thread(target=threading.Event().wait).start()  # it never ends by itself
    if "2025" in sys.argv:
        without_discovery()
    server.run()
