"""The Image API by itself: what a picture will cost, a picture, a change to it, and the same
request watched.

    OPENROUTER_API_KEY=sk-or-… python examples/studio.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`.
"""

import asyncio
from pathlib import Path

from agentkit import Image, ImagePreview, ImageReady, OpenRouter
from agentkit.errors import Unsupported
from agentkit.studio import Drawing, Studio


def written(image: Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return image.save(path)


async def main(client: OpenRouter | None = None, out: Path = Path("out/studio")) -> list[Drawing]:
    studio = Studio("openai/gpt-5-image", client=client)
    try:
        await studio.draw("A lighthouse on a cliff", resolution="4K")
    except Unsupported as error:
        print(
            f"not sent, not paid for: {error.parameter} may be "
            f"{error.accepted}; others: {', '.join(error.models)}"
        )

    price = await studio.price(prompt="A lighthouse on a cliff", quality="low", n=2)
    print(
        f"two drafts cost at most ${price:.5f}"
        if price is not None
        else "nobody tells what two drafts cost"
    )
    drafts = await studio.draw("A lighthouse on a cliff", n=2, quality="low", aspect_ratio="3:2")
    print(f"{len(drafts.images)} drafts for ${drafts.usage.cost_usd}")

    night = await studio.edit(
        drafts.images[0], "Make it night, with stars", quality="low", aspect_ratio="3:2"
    )
    print(
        f"written to {written(night.image, out / 'night.png')}, made "
        f"from {night.image.parents[0][:12]}…"
    )

    async with studio.stream("A paper boat", quality="low", aspect_ratio="1:1") as stream:
        async for event in stream:
            match event:
                case ImagePreview(index=index, data=data):
                    print(f"preview {index}: {len(data)} bytes")
                case ImageReady(image=image):
                    print(f"written to {written(image, out / 'boat.png')}")
                case _:
                    pass
    return [drafts, night, stream.result]


if __name__ == "__main__":
    asyncio.run(main())
