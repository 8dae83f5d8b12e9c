"""A server of MCP that gives pictures in each way there is: a script, with the SDK's own server."""

from __future__ import annotations

import base64
import os
import sys
from io import BytesIO
from typing import Any

import PIL.Image
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
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
        import threading

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        print(f"child {child.pid}", file=sys.stderr, flush=True)
        threading.Thread(target=threading.Event().wait).start()  # it never ends by itself
    server.run()
