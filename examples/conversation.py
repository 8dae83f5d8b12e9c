"""Several turns, watched while they go on. After the second one the conversation changes its API, and keeps its memory.

    OPENROUTER_API_KEY=sk-or-… python examples/conversation.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any `OPENROUTER_API_KEY`.
"""

import asyncio
from pathlib import Path

from agentkit import Agent, Answer, ImageGeneration, ImageReady, InvocationStarted, OpenRouter, TextDelta, tool


@tool
def count_words(text: str) -> int:
    """Count the words of a text.

    Args:
        text: The text, in quotation marks if it stands in a sentence.
    """
    return len(text.split())


async def main(client: OpenRouter | None = None, out: Path = Path("out/conversation")) -> list[Answer]:
    agent = Agent(
        "openai/gpt-5.2",
        instructions="You make greeting cards with people. Answer briefly.",
        tools=[count_words, ImageGeneration(size="1024x1024")],
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
        print()
        answers.append(stream.answer)

    out.mkdir(parents=True, exist_ok=True)
    for image in chat.images.values():
        print(f"written: {image.save(out)}")
    return answers


PROMPTS = (
    "My name is Ida, and I need a birthday card. Draw an owl with a balloon.",
    'How many words are in "Happy birthday, dear Lina, from all of us"?',
    "Put a red hat on the owl in img_1.",
    "Thank you. What is my name?",
)


if __name__ == "__main__":
    asyncio.run(main())
