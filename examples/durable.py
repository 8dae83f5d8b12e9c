"""Runs that outlive their process: one process begins them, workers go on with them, and where a
worker dies, another one does.

    pip install 'agentkit-openrouter[durable]'
    OPENROUTER_API_KEY=sk-or-… python examples/durable.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`. Kill the script while it draws, and start it again: it goes on.
"""

import asyncio
from pathlib import Path

from agentkit import Agent, Answer, ImageGeneration, ImageReady, OpenRouter, tool
from agentkit.integrations.dbos import Durable


@tool(approve=True)
def order_print(copies: int) -> str:
    """Order prints of the latest picture.

    Args:
        copies: How many.
    """
    return f"{copies} ordered, they arrive on Friday."


async def main(client: OpenRouter | None = None, out: Path = Path("out/durable")) -> list[Answer]:
    tools = [order_print, ImageGeneration()]
    painter = Agent("openai/gpt-5.2", name="painter", tools=tools, client=client)
    durable = Durable(f"sqlite:///{out}/runs.db", agents=[painter])
    async with durable.working(2):  # any number of processes may do so
        drawing = await durable.start("Draw a lighthouse in the fog.", id="poster-17")
        async for event in drawing.events():
            if isinstance(event, ImageReady):
                print(f"{event.image.name} is ready")
        drawn = await drawing.result()
        drawn.save(out)

        order = await durable.start(
            "Order prints of it, copies: 3.", id="order-17", conversation="poster-17"
        )
        paused = await order.result()  # no worker has it now: a person has to decide
        state = await order.state()
        print(f"it waits for {state.waits_for}")
        if state.status == "waiting":
            await order.approve(dict.fromkeys(state.pending, True))
        ordered = await order.result()
        print(ordered.text)
    await durable.close()
    return [drawn, paused, ordered]


if __name__ == "__main__":
    asyncio.run(main())
