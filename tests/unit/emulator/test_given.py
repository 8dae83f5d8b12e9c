"""What a test gives the emulator, and is of another type: told at once, not inside a reply."""

from typing import Any

import pytest

from agentkit.emulator import CallTool, Draw, Emulator, Raw, Say, Think, UseServerTool


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Say(3), "text: 3 was given"),
        (lambda: Say(None), "text: None was given"),
        (lambda: Think(3), "text: 3 was given"),
        (lambda: Think(signature=b"x"), "signature: b'x' was given"),
        (lambda: CallTool(3), "name: 3 was given"),
        (lambda: CallTool("x", [1]), r"arguments: \[1\] was given"),
        (lambda: CallTool("x", {"a": {1}}), "arguments: .* not JSON serializable"),
        (lambda: CallTool("x", {}, id=3), "id: 3 was given"),
        (lambda: Draw(3), "prompt: 3 was given"),
        (lambda: Draw("x", data="y"), "data: 'y' was given"),
        (lambda: UseServerTool(3), "tool: 3 was given"),
        (lambda: UseServerTool("x", []), "fields: .* was given"),
        (lambda: Raw([]), "chat: .* was given"),
        (lambda: Emulator(port="80"), "port: '80' was given"),
        (lambda: Emulator(port=True), "port: True was given"),
        (lambda: Emulator(port=70000), "from 0 to 65535"),
        (lambda: Emulator(host=3), "host: 3 was given"),
        (lambda: Emulator(api_key=3), "api_key: accepted are a string"),
        (lambda: Emulator(chunk_delay="fast"), "chunk_delay: 'fast' was given"),
        (lambda: Emulator(url_ttl=-1), "url_ttl: -1 was given"),
        (lambda: Emulator(models=3), "models: 3 was given; a list of Model"),
        (lambda: Emulator(models=["openai/gpt-5.2"]), "a list of Model is accepted"),
        (lambda: Emulator(unavailable="openai/gpt-5.2"), "a list of str is accepted"),
        (lambda: Emulator(faults=3), "faults: 3 was given; a list of Fault"),
    ],
)
def test_what_is_of_another_type_is_told_when_it_is_given(make: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=told):
        make()
