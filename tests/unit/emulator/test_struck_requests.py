"""Which requests a fault strikes: by api, by number, by phase, by chance."""

import pytest

from agentkit.emulator import (
    Body,
    Emulator,
    Fault,
    Faults,
    Lookup,
    Socket,
    Status,
    When,
)
from tests.unit.emulator.faulty import BODIES, HELLO


def statuses(wire, *bodies) -> list[int]:
    return [
        wire.post(*BODIES[body] if isinstance(body, str) else body).status_code for body in bodies
    ]


def test_when(wire) -> None:
    faults = wire.emulator.faults
    faults.add(Fault(status=Status(503), when=When(api="chat", nth=(2, 3))))
    assert statuses(wire, "chat", "responses", "chat", "chat", "chat") == [200, 200, 503, 503, 200]
    faults.clear()
    faults.add(
        Fault(status=Status(503), when=When(model="openai/*", times=1)),
        Fault(status=Status(502), when=When(times=1)),
    )
    assert statuses(wire, "chat", "chat", "chat") == [503, 502, 200]
    faults.clear()
    faults.add(Fault(status=Status(503), when=When(path="*/responses", stream=True)))
    streamed = ("/responses", {"input": "hello", "stream": True})
    assert statuses(wire, "responses", streamed, "chat") == [200, 503, 200]
    assert [(strike.number, strike.api) for strike in faults.strikes] == [(4, "responses")]


def test_phases(wire) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    first = HELLO["messages"]
    after = [
        *first,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "x"},
    ]
    later = [
        *first,
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "and now?"},
    ]
    for phase, wanted in {
        "first": [503, 200, 200],
        "after_tool": [200, 503, 200],
        "follow_up": [200, 200, 503],
    }.items():
        wire.emulator.faults.clear()
        wire.emulator.faults.add(Fault(status=Status(503), when=When(phase=phase)))
        assert (
            statuses(
                wire,
                *[
                    ("/chat/completions", {**HELLO, "messages": turns})
                    for turns in (first, after, later)
                ],
            )
            == wanted
        )


def test_chance_is_repeatable(wire_to) -> None:
    def run(seed: int) -> list[int]:
        with Emulator(
            faults=Faults([Fault(status=Status(503), when=When(probability=0.5))], seed=seed)
        ) as emulator:
            return statuses(wire_to(emulator), *["chat"] * 20)

    assert run(1) == run(1) != run(2)
    assert {200, 503} == set(run(1))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "no effect was given"),
        ({"status": Status(500), "body": Body()}, "cannot strike the same reply"),
        ({"status": {"code": 200}}, "greater than or equal to 300"),
        ({"quirks": "arguments.nan "}, "Input should be 'arguments.empty'"),
        (
            {"socket": Socket("cut", at="accept"), "when": When(model="x")},
            "nothing of the request's body is known",
        ),
        ({"body": Body(), "billed": False}, "has no reply in which"),
        ({"lookup": Lookup(), "when": When(api="chat")}, "concerns GET /generation"),
    ],
)
def test_a_fault_that_makes_no_sense(given: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Fault(**given)


def test_only_faults_are_faults(emulator) -> None:
    with pytest.raises(TypeError, match="a Fault is accepted"):
        emulator.faults.add("cut")
