"""`.peers/bin/python -m tests.benchmarks.peers ORIGIN`: CPU time of the same work in pydantic-ai,
openai-agents and LangChain, in an environment of their own. `make bench PEERS=1` installs them and
prints it beside agentkit's.

It imports nothing of agentkit's: the peers have other versions of what both need.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

PROMPT = "How is the weather in the north today?"
MODEL = "openai/gpt-5.2"
KEY = "sk-or-bench"
MOST_STEPS = 200


async def weather(city: str, days: int = 1) -> str:
    """Today's weather in a city.

    Args:
        city: Its name in English.
        days: How many days to look ahead.
    """
    return f"{city}: 7 degrees and rain for {days} days"


class PydanticAi:
    name = "pydantic-ai"

    def agent(self, base: str, *, tools: bool) -> Any:
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=base, api_key=KEY))
        return Agent(model, tools=[weather] if tools else [])

    async def run(self, agent: Any) -> str:
        from pydantic_ai.usage import UsageLimits

        limits = UsageLimits(request_limit=MOST_STEPS)
        return (await agent.run(PROMPT, usage_limits=limits)).output

    async def stream(self, agent: Any) -> str:
        async with agent.run_stream(PROMPT) as result:
            return "".join([text async for text in result.stream_text(delta=True)])


class OpenAiAgents:
    name = "openai-agents"

    def agent(self, base: str, *, tools: bool) -> Any:
        from agents import Agent, OpenAIChatCompletionsModel, function_tool, set_tracing_disabled
        from openai import AsyncOpenAI

        set_tracing_disabled(True)
        client = AsyncOpenAI(base_url=base, api_key=KEY)
        model = OpenAIChatCompletionsModel(model=MODEL, openai_client=client)
        return Agent(name="bench", model=model, tools=[function_tool(weather)] if tools else [])

    async def run(self, agent: Any) -> str:
        from agents import Runner

        return (await Runner.run(agent, PROMPT, max_turns=MOST_STEPS)).final_output

    async def stream(self, agent: Any) -> str:
        from agents import Runner

        result, text = Runner.run_streamed(agent, PROMPT), ""
        async for event in result.stream_events():
            data = getattr(event, "data", None)
            if getattr(data, "type", "") == "response.output_text.delta":
                text += data.delta
        return text


class LangChain:
    name = "LangChain"

    def agent(self, base: str, *, tools: bool) -> Any:
        from langchain_openai import ChatOpenAI

        # Without tools, a chat model; with tools, the agent of LangGraph.
        model = ChatOpenAI(model=MODEL, base_url=base, api_key=KEY)  # type: ignore[arg-type]
        if not tools:
            return model
        from langchain_core.tools import tool
        from langgraph.prebuilt import create_react_agent

        return create_react_agent(model, [tool(weather)])

    async def run(self, agent: Any) -> str:
        if hasattr(agent, "get_graph") and hasattr(agent, "nodes"):
            said = {"messages": [("user", PROMPT)]}
            done = await agent.ainvoke(said, {"recursion_limit": MOST_STEPS})
            return done["messages"][-1].content
        return (await agent.ainvoke(PROMPT)).content

    async def stream(self, agent: Any) -> str:
        return "".join([chunk.content async for chunk in agent.astream(PROMPT)])


async def measured(peer: Any, origin: str, sizes: dict[str, int], samples: int) -> dict[str, float]:
    """Seconds by row: a plain turn, rounds of tools, streamed deltas."""
    plain = peer.agent(f"{origin}/plain-1", tools=False)
    tools = peer.agent(f"{origin}/tools-{sizes['rounds']}", tools=True)
    deltas = peer.agent(f"{origin}/deltas-{sizes['deltas']}", tools=False)

    async def turns() -> str:
        for _ in range(sizes["turns"]):
            text = await peer.run(plain)
        return text

    works: dict[str, Callable[[], Awaitable[str]]] = {
        "plain": turns,
        "tools": lambda: peer.run(tools),
        "deltas": lambda: peer.stream(deltas),
    }
    found: dict[str, float] = {}
    for name, work in works.items():
        taken: list[float] = []
        for number in range(samples + 1):
            gc.collect()
            began = time.process_time()
            text = await work()
            if number:
                taken.append(time.process_time() - began)
            if not text or (name == "deltas" and text != "gold " * sizes["deltas"]):
                raise RuntimeError(f"{peer.name} did not do the work of {name!r}: {text[:80]!r}")
        found[name] = median(taken)
    return found


async def main(origin: str, sizes: dict[str, int], samples: int) -> None:
    for peer in (PydanticAi(), OpenAiAgents(), LangChain()):
        seconds = await measured(peer, origin, sizes, samples)
        print(json.dumps({"name": peer.name, **seconds}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])))
