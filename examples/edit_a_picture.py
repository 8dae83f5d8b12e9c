"""Three ways to change a picture. Each picture has a handle, by which you, the model and its tools
call it.

    OPENROUTER_API_KEY=sk-or-… python examples/edit_a_picture.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`.
"""

import asyncio
from pathlib import Path

from agentkit import Agent, Conversation, Image, OpenRouter
from agentkit.studio import Studio


async def dressed(agent: Agent, cat: Image, out: Path) -> Conversation:
    """Two changes, the second one to the result of the first."""
    chat = agent.conversation()
    await chat.send(["Put a red hat on the cat in img_1.", cat])
    await chat.send("Put a blue scarf on the cat in img_2.")
    for image in chat.images.values():
        print(
            f"  {image.name}: {image.width}×{image.height}, made from "
            f"{', '.join(image.parents) or 'nothing'}"
        )
        image.save(out / f"{image.name}.{image.extension}")
    return chat


async def main(
    client: OpenRouter | None = None, out: Path = Path("out/edit_a_picture")
) -> list[Image]:
    studio = Studio("openai/gpt-5-image", client=client)
    cat = (
        await studio.draw("A ginger cat on a garden wall", quality="low", aspect_ratio="3:2")
    ).image
    folders = [out / name for name in ("model", "tools", "studio")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)

    print("A model that draws by itself gets the earlier picture sent back:")
    painter = Agent("google/gemini-2.5-flash-image", client=client)
    by_model = await dressed(painter, cat, folders[0])

    print("Any model that can call tools draws and edits with the studio's:")
    helper = Agent(
        "openai/gpt-5.2", tools=studio.tools(quality="low", aspect_ratio="3:2"), client=client
    )
    by_tools = await dressed(helper, cat, folders[1])

    print("The studio without a model in between; here a parent is named by its digest:")
    hat = (
        await studio.edit(cat, "Put a red hat on the cat", quality="low", aspect_ratio="3:2")
    ).image
    print(f"  made from {hat.parents[0][:12]}…, for ${hat.cost_usd}")
    hat.save(folders[2] / f"hat.{hat.extension}")
    print(f"written to {out}")
    return [*by_model.images.values(), *by_tools.images.values(), hat]


if __name__ == "__main__":
    asyncio.run(main())
