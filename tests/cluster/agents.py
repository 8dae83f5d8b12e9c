"""The agent whose runs the cluster goes on with. Its client, its store and its key are those of the
environment.
"""

from agentkit import Agent, ImageGeneration

painter = Agent("openai/gpt-5.2", name="painter", tools=[ImageGeneration()], checks=False)
