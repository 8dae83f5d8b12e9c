"""One turn: the model asks a tool for the weather, and draws what it was told.

    OPENROUTER_API_KEY=sk-or-… python examples/weather_picture.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`.
"""

import asyncio
from pathlib import Path

from agentkit import Agent, Answer, ImageGeneration, OpenRouter, tool

REPORTS = {
    "Bergen": "heavy rain, 7 °C",
    "Oslo": "light snow, -3 °C",
    "Lisbon": "bright sunshine, 21 °C",
}


@tool
def weather(city: str) -> str:
    """Today's weather in a city."""
    return f"In {city} there is {REPORTS[city]}."


async def main(client: OpenRouter | None = None, out: Path = Path("out/weather_picture")) -> Answer:
    agent = Agent(
        "openai/gpt-5.2", tools=[weather, ImageGeneration(aspect_ratio="16:9")], client=client
    )
    answer = await agent.run(
        "How is the weather in Oslo today? Draw a picture of the city in this weather."
    )
    for call in answer.invocations:
        print(f"{call.name} {call.arguments}: {call.status}")
    print(answer.text)
    print(f"written to {answer.save(out)}/answer.md")
    return answer


if __name__ == "__main__":
    asyncio.run(main())
