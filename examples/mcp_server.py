"""An agent as an MCP server, and a client that asks it: the picture comes as a small preview and a
link, and the whole one is read by that link.

    pip install 'agentkit-openrouter[mcp]'
    OPENROUTER_API_KEY=sk-or-… python examples/mcp_server.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`. To serve an agent to other programs: `agentkit mcp --agent file.py:agent`.
"""

import asyncio
import base64
from pathlib import Path

from mcp import Client
from mcp.types import BlobResourceContents, ImageContent, ResourceLink

from agentkit import Agent, OpenRouter
from agentkit.integrations import mcp


def write(path: Path, blob: str) -> Path:
    """The picture as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(blob))
    return path


async def main(client: OpenRouter | None = None, out: Path = Path("out/mcp_server")) -> list[Path]:
    agent = Agent("google/gemini-2.5-flash-image", client=client)
    server = mcp.server(agent, name="draw", description="Draws and changes pictures.")
    files: list[Path] = []
    conversation = ""
    async with Client(server.sdk) as asking:  # any client of MCP, in any process
        for prompt in ("Draw a fox in the snow", "Put a red hat on the fox in img_1"):
            arguments = {"prompt": prompt, "conversation": conversation}
            result = await asking.call_tool("draw", arguments)
            conversation = result.structured_content["conversation"]
            for block in result.content:
                if isinstance(block, ImageContent):
                    print(f"a preview of {len(block.data)} characters")
                elif isinstance(block, ResourceLink):
                    whole = (await asking.read_resource(block.uri)).contents[0]
                    assert isinstance(whole, BlobResourceContents)
                    files.append(write(out / f"{block.name}.png", whole.blob))
                    print(f"{block.name}: {block.mime_type}, {block.size} bytes")
    return files


if __name__ == "__main__":
    asyncio.run(main())
