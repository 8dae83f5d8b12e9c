"""A model whose own answers hold pictures: it gets one from us, changes it, and changes it again.

    OPENROUTER_API_KEY=sk-or-… python examples/image_model.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`.
"""

import asyncio
from pathlib import Path

from agentkit import Agent, Answer, Image, ModelSettings, OpenRouter

BOAT = Path(__file__).with_name("boat.jpg")


async def main(
    client: OpenRouter | None = None, out: Path = Path("out/image_model"), picture: Path = BOAT
) -> list[Answer]:
    agent = Agent(
        "google/gemini-2.5-flash-image",
        settings=ModelSettings(modalities=("image", "text")),
        client=client,
    )
    chat = agent.conversation()
    night = await chat.send(["Make it night, with stars and a full moon", Image.from_file(picture)])
    snow = await chat.send("Now let it snow")
    for name, answer in (("night", night), ("snow", snow)):
        print(answer.text)
        print(f"written to {answer.save(out / name)}/answer.md")
    return [night, snow]


if __name__ == "__main__":
    asyncio.run(main())
