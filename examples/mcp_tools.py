"""The tools of an MCP server in the hands of an agent: the chart that the server draws is a picture
with a handle, which the next turn changes.

    pip install 'agentkit-openrouter[mcp]'
    OPENROUTER_API_KEY=sk-or-… python examples/mcp_tools.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`.
"""

import asyncio
from io import BytesIO
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
from mcp.server.mcpserver import Image as Picture
from mcp.server.mcpserver import MCPServer

from agentkit import Agent, Answer, OpenRouter
from agentkit.integrations import mcp
from agentkit.studio import Studio

server = MCPServer("charts", log_level="WARNING")
"""Its place takes a URL, or for a program `StdioServerParameters(command=…)` from the module `mcp`
of the SDK.
"""


@server.tool(structured_output=False)
def chart(values: list[int]) -> Picture:
    """Draw a chart of bars.

    Args:
        values: The height of each bar.
    """
    picture = PIL.Image.new("RGB", (40 * len(values), 120), "white")
    pen = PIL.ImageDraw.Draw(picture)
    for at, value in enumerate(values):
        pen.rectangle((40 * at + 5, 120 - 10 * value, 40 * at + 35, 120), "steelblue")
    file = BytesIO()
    picture.save(file, "PNG")
    return Picture(data=file.getvalue(), format="png")


async def main(client: OpenRouter | None = None, out: Path = Path("out/mcp_tools")) -> list[Answer]:
    studio = Studio("openai/gpt-5-image", client=client)
    async with mcp.tools(server) as charts:
        agent = Agent("openai/gpt-5.2", tools=[charts, *studio.tools(quality="low")], client=client)
        chat = agent.conversation()
        drawn = await chat.send("Call chart with the values [3, 7, 5].")
        painted = await chat.send("Edit img_1: make it a water colour.")
    for image in chat.images.values():
        print(f"{image.name}: {image.width}×{image.height}, from {', '.join(image.parents) or '-'}")
    painted.save(out)
    return [drawn, painted]


if __name__ == "__main__":
    asyncio.run(main())
