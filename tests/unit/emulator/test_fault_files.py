"""Faults from a file and over the control endpoints."""

import json
from pathlib import Path

import pytest

from agentkit.cli import main as command
from agentkit.emulator import (
    ChaosError,
    Fault,
    Socket,
    Status,
    When,
    faults_from_file,
    faults_from_text,
)
from agentkit.emulator.__main__ import main as module

EXAMPLE = Path(__file__).parents[3] / "examples" / "chaos.yaml"
CHAT = (
    "/chat/completions",
    {"model": "openai/gpt-5.2", "messages": [{"role": "user", "content": "hello"}]},
)


def test_a_file_says_what_python_says() -> None:
    faults = faults_from_text(
        """
        seed: 3
        faults:
          - status: 503
            when: {nth: 2, api: chat}
          - name: torn
            status: {code: 502, retry_after: 1.5}
            socket: {action: stall, at: body, byte: 10}
          - quirks: [arguments.nan]
            body: html
        """
    )
    first, second, third = faults
    assert faults.seed == 3
    assert first == Fault(status=Status(503), when=When(nth=(2,), api="chat"))
    assert second == Fault(
        status=Status(502, retry_after=1.5), socket=Socket("stall", at="body", byte=10), name="torn"
    )
    assert third.quirks == ("arguments.nan",)


def test_a_list_alone_has_a_random_seed() -> None:
    text = "- status: 503\n- socket: reset"
    assert len(faults_from_text(text)) == 2
    assert len({faults_from_text(text).seed for _ in range(5)}) > 1


def test_the_example() -> None:
    assert [fault.name for fault in faults_from_file(EXAMPLE)][:2] == ["busy", "torn"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "faults:\n  - status: 503\n    socket:\n      action: cutt",
            'chaos.yaml:4: socket.action: "cutt" was given; accepted: cut, reset',
        ),
        (
            "faults:\n  - statsu: 503",
            "chaos.yaml:2: statsu: is unknown; accepted: status, body, error",
        ),
        (
            "faults:\n  - status: 503\n    when:\n      nht: 1",
            "chaos.yaml:4: when.nht: is unknown; accepted: api, path, model",
        ),
        ("faults:\n  - status: {message: x}", "chaos.yaml:2: status.code: is needed"),
        ("faults:\n  - status: 200", "chaos.yaml:2: status"),
        (
            "faults:\n  - quirks: [a.b]",
            'chaos.yaml:2: quirks.0: "a.b" was given; accepted: arguments.empty',
        ),
        ("faults:\n  - {name: x}", "chaos.yaml:2: a fault: no effect was given; accepted: status"),
        (
            "faults:\n  - when: {probability: 2}\n    status: 500",
            "chaos.yaml:2: when.probability: 2 was given; input should be less",
        ),
        ("faults:\n  - 7", "chaos.yaml:2: a fault: 7 was given; a mapping is accepted"),
        ("seed: x\nfaults: []", "chaos.yaml:1: seed: 'x' was given; a whole number is accepted"),
        ("seeed: 1\nfaults: []", "chaos.yaml:1: 'seeed' is unknown; accepted: seed, faults"),
        ("faults: 3", "a list of faults is needed"),
        ("", "a list of faults is needed"),
        ("faults:\n  - status: 500\n    status: 501", "chaos.yaml:3: 'status' stands twice"),
        ("a: &x 1\nfaults: [*x]", "chaos.yaml:1: anchors and aliases are not accepted"),
        ("faults: !!python/object:os.system {}", "chaos.yaml:1: could not determine a constructor"),
        ("faults: [", "chaos.yaml:1"),
        ("[" * 5000, "nested too deeply"),
        ("x" * 1_000_001, "at most 1000000 are accepted"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, text: str, told: str) -> None:
    path = tmp_path / "chaos.yaml"
    path.write_text(text)
    with pytest.raises(ChaosError) as caught:
        faults_from_file(path)
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(told) or told in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(ChaosError, match="cannot be read: No such file"):
        faults_from_file(tmp_path / "x.yaml")


def test_the_commands_turn_down_a_file_that_cannot_be_used(tmp_path, capsys) -> None:
    path = tmp_path / "chaos.yaml"
    path.write_text("- status: 7")
    assert command(["emulator", "--faults", str(path)]) == 2
    assert "chaos.yaml:1: status: 7 was given" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        module(["--faults", str(path)])
    assert "chaos.yaml:1: status: 7 was given" in capsys.readouterr().err


# Over HTTP


def control(wire, method: str, path: str = "/control/faults", **options):
    return wire.http.request(method, wire.emulator.origin + path, **options)


def test_faults_come_and_go(wire) -> None:
    added = control(
        wire,
        "POST",
        json={
            "seed": 5,
            "faults": [{"status": 503, "when": {"times": 1}}, {"status": {"code": 502}}],
        },
    )
    assert (added.status_code, added.json()) == (201, {"numbers": [1, 2], "seed": 5})
    assert control(wire, "POST", json={"socket": "reset", "when": {"api": "models"}}).json()[
        "numbers"
    ] == [3]
    assert [wire.post(*CHAT).status_code for _ in range(2)] == [503, 502]
    told = control(wire, "GET").json()
    assert told["faults"][0] == {
        "number": 1,
        "fault": {"status": {"code": 503}, "when": {"times": 1}},
        "fitted": 2,
        "struck": 1,
    }
    assert [strike["number"] for strike in told["strikes"]] == [1, 2]
    assert [post["status"] for post in control(wire, "GET", "/control/posts").json()["posts"]] == [
        503,
        502,
    ]
    assert control(wire, "DELETE", "/control/faults/2").status_code == 204
    assert control(wire, "DELETE", "/control/faults/2").status_code == 404
    assert wire.post(*CHAT).status_code == 200
    assert control(wire, "DELETE").status_code == 204
    assert control(wire, "GET").json()["faults"] == []
    assert len(wire.emulator.requests) == 3  # the control endpoints are none of the API


def test_what_is_listed_can_be_added_again(wire) -> None:
    text = faults_from_file(EXAMPLE)
    wire.emulator.faults.add(*text)
    listed = [entry["fault"] for entry in control(wire, "GET").json()["faults"]]
    assert list(faults_from_text(json.dumps(listed))) == list(text)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content": "{"}, 400),
        ({"json": {"faults": [{"statsu": 1}]}}, 400),
        ({"content": "[]", "headers": {"content-type": "text/plain"}}, 415),
        ({"content": b" " * 1_000_001, "headers": {"content-type": "application/json"}}, 413),
        ({"json": [], "headers": {"origin": "https://evil.example"}}, 403),
        ({"json": [], "headers": {"host": "evil.example"}}, 403),
    ],
)
def test_what_control_refuses(wire, options: dict, status: int) -> None:
    options.setdefault("headers", {"content-type": "application/json"})
    answer = control(wire, "POST", **options)
    assert answer.status_code == status
    assert len(wire.emulator.faults) == 0
    if options.get("json"):
        assert (
            "'" not in answer.json()["error"]["message"]
            or "statsu" in answer.json()["error"]["message"]
        )
