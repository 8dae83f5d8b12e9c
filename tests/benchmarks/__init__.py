"""`make bench`: what agentkit costs beside raw httpx2 and beside the openai SDK's own resources.
Nothing here is asserted on.
"""
