"""Several turns, watched while they go on. After the second one the conversation changes its API,
and keeps its memory.

    OPENROUTER_API_KEY=sk-or-… python examples/conversation.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`.
"""

import asyncio
from pathlib import Path
from typing import Literal

from agentkit import (
    Agent,
    Answer,
    ImageGeneration,
    ImageReady,
    InvocationStarted,
    OpenRouter,
    TextDelta,
    tool,
)

WISHES = {
    "English": "Happy birthday!",
    "Norwegian": "Gratulerer med dagen!",
    "French": "Joyeux anniversaire !",
}
PROMPTS = (
    "My name is Ida, and I need a birthday card. Draw an owl with a balloon.",
    "What is a birthday wish in Norwegian?",
    "Put a red hat on the owl in img_1.",
    "Thank you. What is my name?",
)


@tool
def birthday_wish(language: Literal["English", "Norwegian", "French"]) -> str:
    """What people say to each other on a birthday.

    Args:
        language: In which language.
    """
    return WISHES[language]


async def main(
    client: OpenRouter | None = None, out: Path = Path("out/conversation")
) -> list[Answer]:
    agent = Agent(
        "openai/gpt-5.2",
        instructions="You make greeting cards with people. Answer briefly.",
        tools=[birthday_wish, ImageGeneration(size="1024x1024")],
        api="responses",
        client=client,
    )
    chat = agent.conversation()
    answers: list[Answer] = []
    for number, prompt in enumerate(PROMPTS):
        if number == 2:
            chat.api = "chat"
        print(f"\n> {prompt}  [{chat.api}]")
        async with chat.stream(prompt) as stream:
            async for event in stream:
                match event:
                    case TextDelta(text=text):
                        print(text, end="", flush=True)
                    case InvocationStarted(invocation=call):
                        print(f"[{call.name} …] ", end="", flush=True)
                    case ImageReady(image=image):
                        print(f"[{image.name}: {image.width}×{image.height}] ", end="", flush=True)
                    case _:
                        pass
        print()
        answers.append(stream.answer)
        stream.answer.save(out / f"turn_{number + 1}")
    print(f"written to {out}: {', '.join(chat.images)}")
    return answers


if __name__ == "__main__":
    asyncio.run(main())
