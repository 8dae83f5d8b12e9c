"""A person decides: the run stops before an order is placed, waits on disk, and goes on with a yes
or a no.

    OPENROUTER_API_KEY=sk-or-… python examples/approve.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`.
"""

import asyncio
from pathlib import Path

from agentkit import Agent, Answer, Denied, Image, ImageGeneration, OpenRouter, Run, tool


@tool(approve=lambda arguments: arguments["copies"] > 1)
def order_print(picture: Image, copies: int) -> str:
    """Order prints of a picture.

    Args:
        picture: The picture to print.
        copies: How many.
    """
    return f"{copies} of {picture.name} ordered, they arrive on Friday."


async def main(client: OpenRouter | None = None, out: Path = Path("out/approve")) -> list[Answer]:
    agent = Agent("openai/gpt-5.2", tools=[order_print, ImageGeneration()], client=client)
    chat = agent.conversation()
    await chat.send("Draw a lighthouse in the fog.")
    paused = await chat.send("Order prints of img_1, copies: 3.")
    for call in paused.pending:
        print(f"{paused.status}: {call.name} {call.arguments}")
    saved = paused.save(out) / "run.json"

    # … in another process, another day: only the file and the image store are needed
    run = Run.from_json(saved.read_text(encoding="utf-8"), blobs=agent.store)
    yes = await agent.resume(run, approve={call.id: True for call in paused.pending})
    print(yes.text)
    # had the answer been no: a reason is told to the model
    no = await agent.resume(run, approve={call.id: Denied("too dear") for call in paused.pending})
    print(no.text)
    return [paused, yes, no]


if __name__ == "__main__":
    asyncio.run(main())
