"""Dictated replies: failures in all their forms, bytes, delays, breaks; and what each costs."""

import time
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from agentkit.emulator import CallTool, Draw, Emulator, Failure, Raw, RawReply, Reply, Say


def test_the_script_comes_first_then_the_rules(wire) -> None:
    wire.emulator.play([Reply([Say("one")]), Reply([Say("two")])])
    assert [wire.text("What is 2 + 2?") for _ in range(3)] == ["one", "two", "2 + 2 = 4"]


def test_a_request_that_is_turned_down_uses_no_reply(wire) -> None:
    wire.emulator.play(Reply([Say("one")]))
    wire.error("/chat/completions", {"messages": []})
    assert wire.text("hi") == "one"


def test_http_failures_are_not_billed(wire) -> None:
    failure = Failure("Slow down", 429, metadata={"raw": "wait", "provider_name": "X"})
    wire.emulator.play([Reply([Draw("a fox")], error=failure, headers={"Retry-After": "7"})] * 2)
    answer = wire.post("/responses", {"input": "hi", "stream": True})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == {
        "error": {
            "message": "Slow down",
            "code": 429,
            "metadata": {"raw": "wait", "provider_name": "X"},
        }
    }
    assert (
        wire.error("/chat/completions", {"messages": [{"role": "user", "content": "hi"}]})[0] == 429
    )
    assert wire.emulator.ledger == []


def test_an_error_inside_a_200(wire) -> None:
    reply = Reply([Say("Half a")], error=Failure("It broke", 502, form="choice"))
    wire.emulator.play([reply] * 4)
    choice = wire.chat("hi")["choices"][0]
    assert choice["finish_reason"] == "error"
    assert choice["error"] == {"code": 502, "message": "It broke"}
    assert choice["message"]["content"] == "Half a"
    assert wire.chat("hi", stream=True)[-1]["choices"][0]["error"]["message"] == "It broke"
    result = wire.responses("hi")
    assert (result["status"], result["error"]["message"], result["error_type"]) == (
        "failed",
        "It broke",
        "provider_unavailable",
    )
    assert wire.responses("hi", stream=True)[-1]["type"] == "response.failed"
    assert len(wire.emulator.ledger) == 4


def test_a_body_that_is_an_error(wire) -> None:
    wire.emulator.play([Reply(error=Failure("No", 402, form="body"))] * 4)
    for stream in (False, True):
        for found in (wire.chat("hi", stream=stream), wire.responses("hi", stream=stream)):
            assert (found[0] if stream else found) == {"error": {"code": 402, "message": "No"}}


def test_an_error_in_mid_stream(wire) -> None:
    wire.emulator.play(
        [
            Reply(
                [Say("Half a")],
                error=Failure("Token limit reached", 400, form="stream", event=event),
            )
            for event in ("response.failed", "response.failed", "response.error", "error")
        ]
    )
    last = wire.chat("hi", stream=True)[-1]
    assert last["error"] == {"code": 400, "message": "Token limit reached"}
    assert last["choices"][0]["finish_reason"] is None
    assert last["usage"]["cost"] > 0
    assert [wire.responses("hi", stream=True)[-1]["type"] for _ in range(3)] == [
        "response.failed",
        "response.error",
        "error",
    ]


def test_a_silent_error(wire) -> None:
    wire.emulator.play([Reply(error=Failure(form="silent"))] * 2)
    choice = wire.chat("hi")["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (
        "error",
        "MALFORMED_FUNCTION_CALL",
    )
    assert "error" not in choice
    assert wire.responses("hi")["error"] is None


def test_unknown_items_and_events(wire) -> None:
    item = {"type": "openrouter:hologram", "id": "h_1", "status": "completed", "depth": 3}
    other = {"type": "hologram", "id": "h_2"}
    wire.emulator.play(
        [
            Reply(
                [
                    Raw(responses=item, responses_event={"type": "response.hologram.spun"}),
                    Raw(responses=other),
                    Say("x"),
                ]
            )
        ]
        * 2
    )
    events = wire.responses("hi", stream=True)
    assert any(event["type"] == "response.hologram.spun" for event in events)
    output = wire.responses("hi")["output"]
    assert output[:2] == [item, other]
    assert (
        wire.responses(
            [{"role": "user", "content": "hi"}, *output, {"role": "user", "content": "and?"}]
        )["status"]
        == "completed"
    )


def test_unknown_fields_of_a_message(wire, fold) -> None:
    wire.emulator.play(
        [
            Reply(
                [
                    Say("x"),
                    Raw(chat={"hologram": [1]}, chat_chunk={"object": "hologram", "choices": []}),
                ]
            )
        ]
        * 2
    )
    assert wire.message("hi")["hologram"] == [1]
    chunks = wire.chat("hi", stream=True)
    assert {"object": "hologram", "choices": []} in chunks


@pytest.mark.parametrize("arguments", ["", "{", '"{\\"city\\": 1}"', '{"a": NaN}'])
def test_arguments_go_out_as_they_are(wire, fold, arguments: str) -> None:
    wire.emulator.play([Reply([CallTool("weather", arguments, id="call_1")])] * 3)
    assert wire.message("hi")["tool_calls"][0]["function"]["arguments"] == arguments
    assert fold(wire.chat("hi", stream=True))["tool_calls"][0]["arguments"] == arguments
    assert wire.responses("hi")["output"][0]["arguments"] == arguments


def test_usage_and_finish_reason_can_be_dictated(wire) -> None:
    reply = Reply(
        [Say("x")],
        finish_reason="content_filter",
        native_finish_reason="SAFETY",
        usage={"cost": 0.5, "prompt_tokens": 7},
    )
    wire.emulator.play([reply, reply])
    found = wire.chat("hi")
    assert (found["usage"]["cost"], found["usage"]["prompt_tokens"]) == (0.5, 7)
    assert found["choices"][0]["native_finish_reason"] == "SAFETY"
    assert wire.emulator.ledger[0].cost_usd == 0.5
    result = wire.responses("hi")
    assert (result["status"], result["incomplete_details"]) == (
        "incomplete",
        {"reason": "content_filter"},
    )


def test_raw_bytes(wire) -> None:
    chunks = [b'data: {"a"', b': "\xf0\x9f', b'\xa6\x8a"}\r\n\r\n']
    wire.emulator.play(
        [
            RawReply(200, b"<html>", "text/html", {"X-Generation-Id": "gen-1"}),
            RawReply(200, content_type="text/event-stream", chunks=chunks),
        ]
    )
    answer = wire.post("/chat/completions", {"messages": [{"role": "user", "content": "hi"}]})
    assert (answer.content, answer.headers["content-type"], answer.headers["x-generation-id"]) == (
        b"<html>",
        "text/html",
        "gen-1",
    )
    assert wire.post("/responses", {"input": "hi"}).content == b"".join(chunks)
    assert wire.emulator.ledger == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_can_break_off(wire, stream: bool) -> None:
    wire.emulator.play(Reply([Say("x" * 500)], cut_after=120))
    received: list[bytes] = []
    body = {"input": "hi", "stream": stream}
    url = wire.emulator.base_url + "/responses"
    with (
        wire.http.stream("POST", url, json=body) as answer,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        received.extend(answer.iter_raw())
    assert len(b"".join(received)) == 120


@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_can_hang(wire, stream: bool) -> None:
    wire.emulator.play(Reply([Say("hello")], hang=True))
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": stream}
    with pytest.raises(httpx2.ReadTimeout):
        wire.post("/chat/completions", body, timeout=0.3)
    assert wire.emulator.ledger[0].cost_usd > 0


def test_a_delay(wire) -> None:
    wire.emulator.play(Reply([Say("hello")], delay=0.2))
    started = time.monotonic()
    wire.text("hi")
    assert time.monotonic() - started >= 0.2


def test_text_comes_in_pieces_of_the_asked_size(wire) -> None:
    wire.emulator.play(Reply([Say("abcdefgh")], chunk=3))
    deltas = [
        event["delta"]
        for event in wire.responses("hi", stream=True)
        if event["type"].endswith("text.delta")
    ]
    assert deltas == ["abc", "def", "gh"]


def test_a_piece_needs_a_character() -> None:
    with pytest.raises(ValueError, match="chunk: 0 was given"):
        Reply([], chunk=0)


def test_what_is_one_thing_stands_for_its_reply(wire) -> None:
    wire.emulator.play(CallTool("weather", {"city": "Oslo"}), "Snow.", [Failure("busy", 429), "a"])
    assert wire.message("hi")["tool_calls"][0]["function"]["name"] == "weather"
    assert wire.text("hi") == "Snow."
    assert len(wire.emulator.unplayed) == 2
    assert wire.error("/responses", {"input": "hi"})[0] == 429
    assert (wire.text("hi"), wire.emulator.unplayed) == ("a", [])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda emulator: emulator.play("one", {"text": "two"}), "play: .*'two'.* accepted are"),
        (lambda emulator: emulator.play([["one"]]), r"play: \['one'\] was given"),
        (lambda _: Reply("words"), "content: 'words' was given; accepted is a list"),
        (lambda _: Reply(["words"]), r"\(words go as Say\('words'\)\)"),
        (lambda _: Reply([], error="busy"), r"error: 'busy' was given; accepted is Failure"),
        (lambda _: Reply([], delay=-1), "delay: -1 was given; seconds from 0"),
        (lambda _: Reply([], pause=float("nan")), "pause: nan was given"),
        (lambda _: RawReply(delay="2"), "delay: '2' was given"),
        (lambda _: RawReply(cut_after=-5), "cut_after: -5 was given; bytes from 0"),
    ],
)
def test_what_cannot_be_played_is_refused_at_once(emulator, wrong, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=told):
        wrong(emulator)
    assert emulator.unplayed == []


def test_without_rules_only_the_script_answers(wire) -> None:
    wire.emulator.rules = False
    wire.emulator.play("one")
    assert wire.text("hi") == "one"
    status, error = wire.error("/responses", {"input": "And a third"})
    assert (status, error["message"][:55]) == (
        400,
        "The script has no reply left for the user's 'And a thir",
    )
    body = {"model": "openai/gpt-5-image", "prompt": "a fox"}
    assert "a picture of 'a fox'" in wire.error("/images", body)[1]["message"]
    assert wire.emulator.unscripted == ["the user's 'And a third'", "a picture of 'a fox'"]
    assert wire.emulator.ledger[1:] == []
    wire.emulator.rules = True
    assert wire.text("What is 2 + 2?") == "2 + 2 = 4"


def test_a_model_of_your_own_is_asked_before_the_rules(wire) -> None:
    def model(told: str, body: Mapping[str, Any]) -> str | None:
        return f"{body['model']} was told {told!r}" if "paint" in told else None

    wire.emulator.rules = model
    assert "was told 'user: paint'" in wire.text("paint")
    assert wire.text("What is 2 + 2?") == "2 + 2 = 4"
    wire.emulator.play("one")
    assert wire.text("paint") == "one"
    wire.emulator.rules = lambda told, _body: Draw("a fox") if "paint" in told else None
    body = {"model": "openai/gpt-5-image", "prompt": "paint"}
    assert len(wire.post("/images", body).json()["data"]) == 1


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lambda _told, _body: {}["missing"], "KeyError: 'missing'"),
        (lambda _told, _body: 7, "play: 7"),
    ],
)
def test_a_model_of_your_own_that_fails_is_told(wire, model, why) -> None:
    wire.emulator.rules = model
    status, error = wire.error(
        "/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}
    )
    assert status == 400
    assert why in error["message"]


@pytest.mark.parametrize("given", [1, "yes", None])
def test_what_is_no_rule(given: Any) -> None:
    with pytest.raises(TypeError, match="accepted are True, False, and a function"):
        Emulator(rules=given)


def test_any_model_answers_where_that_is_asked_for(wire_to) -> None:
    body = {"model": "acme/of-tomorrow:free", "messages": [{"role": "user", "content": "hi"}]}
    with Emulator() as strict, Emulator(any_model=True) as lenient:
        assert wire_to(strict).error("/chat/completions", body)[0] == 400
        assert wire_to(lenient).post("/chat/completions", body).json()["model"] == (
            "acme/of-tomorrow"
        )
        listed = [model["id"] for model in wire_to(lenient).get("/models").json()["data"]]
    assert "openai/gpt-5.2" in listed
    assert "acme/of-tomorrow" not in listed


def test_a_pause_between_two_pieces(wire) -> None:
    wire.emulator.play(Reply([Say("abcd")], chunk=1, pause=0.05))
    started = time.monotonic()
    wire.chat("hi", stream=True)
    assert time.monotonic() - started >= 0.2
