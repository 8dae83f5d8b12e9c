"""The public names, exactly."""

from __future__ import annotations

import agentkit

NAMES = """
Agent AgentkitError Answer AnswerStream Budget Context Conversation Datetime Denied FetchPolicy File FileImageStore History Image ImageFailed
ImageFailure ImageGeneration ImagePreview ImageReady Invocation InvocationFinished InvocationProgress InvocationStarted
Ledger Limits Message ModelSettings OpenRouter Reasoning ReasoningDelta Run RunFinished ServerTool Text TextDelta Tool Toolset
TurnFinished Usage WebFetch WebSearch tool
""".split()


def test_the_public_names() -> None:
    assert sorted(agentkit.__all__) == sorted(NAMES)
    assert len(NAMES) <= 45
    for name in NAMES:
        assert getattr(agentkit, name).__doc__, f"{name} says nothing of itself"
