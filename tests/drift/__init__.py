"""What OpenRouter's SDK knows, and agentkit's typed surface does not: `make drift`."""
