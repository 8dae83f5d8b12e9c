"""Money and pictures that runs share: two agents, and a third that works for one of them, draw on
one budget at once.

    OPENROUTER_API_KEY=sk-or-… python examples/budget.py

Without a key: run `agentkit emulator`, set `OPENROUTER_BASE_URL` to the address it prints, and any
`OPENROUTER_API_KEY`.
"""

import asyncio
from pathlib import Path

from agentkit import Agent, Answer, Budget, ImageGeneration, OpenRouter


def told(name: str, answer: Answer) -> None:
    """One run: how it ended, and what it cost."""
    why = f" ({answer.limit})" if answer.limit else ""
    print(
        f"{name}: {answer.status}{why}, {len(answer.images)} pictures, "
        f"${answer.usage.cost_usd or 0:.4f}"
    )


def counted(budget: Budget) -> None:
    """What is told for sure, what may have been spent besides, and what remains."""
    print(
        f"  spent ${budget.spent_usd:.4f} and {budget.spent_images} pictures, "
        f"uncertain ${budget.uncertain_usd:.4f}, "
        f"left ${budget.remaining_usd:.4f} and {budget.remaining_images} pictures"
    )


async def main(
    client: OpenRouter | None = None, out: Path = Path("out/budget")
) -> tuple[Budget, list[Answer]]:
    budget = Budget(cost_usd=0.50, images=2)
    painter = Agent("openai/gpt-5.2", tools=[ImageGeneration(quality="low")], client=client)
    illustrator = painter.as_tool("illustrator", "Illustrates: draws what it is told.")
    writer = Agent("openai/gpt-5.2", tools=[illustrator], client=client)

    story, poster = await asyncio.gather(
        writer.run("Let the illustrator draw an owl in a wood.", budget=budget),
        painter.run("Draw a poster with a fox.", budget=budget),
    )
    told("the writer, with its illustrator", story)
    told("the painter", poster)
    counted(budget)

    late = await painter.run("Draw a boat on a lake.", budget=budget)
    told("one more", late)
    print(f"  {late.text}")
    counted(budget)
    for name, answer in (("story", story), ("poster", poster), ("late", late)):
        answer.save(out / name)
    return budget, [story, poster, late]


if __name__ == "__main__":
    asyncio.run(main())
