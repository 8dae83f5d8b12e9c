"""What is billed, to whom, and what `GET /generation` and `GET /key` tell of it."""

import time
from math import fsum

import httpx2
import pytest

from agentkit.emulator import Draw, Failure, Reply, Say
from tests.clock import GUARD


def wait_for(condition) -> None:
    until = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.01)


def test_every_reply_is_billed_once_at_the_price_that_it_tells(wire, png) -> None:
    wire.emulator.play(Reply([Say("x"), Draw("a", data=png), Draw("b", data=png, quality="low")]))
    found = wire.chat("hi")
    (charge,) = wire.emulator.ledger
    assert (charge.generation_id, charge.model, charge.images, charge.kind) == (
        found["id"],
        "openai/gpt-5.2",
        2,
        "chat",
    )
    assert found["usage"]["cost"] == charge.cost_usd == pytest.approx(0.042 * 1.25, rel=0.02)
    assert found["usage"]["server_tool_use_details"] == {
        "tool_calls_requested": 2,
        "tool_calls_executed": 2,
    }


def test_native_pictures_cost_image_tokens(wire, png) -> None:
    wire.emulator.play(Reply([Draw("a", data=png)]))
    usage = wire.chat("hi", model="google/gemini-2.5-flash-image", modalities=["image", "text"])[
        "usage"
    ]
    assert usage["completion_tokens_details"]["image_tokens"] == usage["completion_tokens"] == 1290
    assert "server_tool_use_details" not in usage


def test_a_stream_that_the_client_leaves_bills_what_was_produced(wire_to, png) -> None:
    from agentkit.emulator import Emulator

    with Emulator(chunk_delay=0.02) as emulator:
        wire = wire_to(emulator)
        emulator.play(Reply([Draw("a", data=png), Say("x" * 4000), Draw("b", data=png)], chunk=10))
        with wire.http.stream(
            "POST", f"{emulator.base_url}/responses", json={"input": "hi", "stream": True}
        ) as answer:
            generation = answer.headers["x-generation-id"]
            next(piece for piece in answer.iter_text() if "output_text.delta" in piece)
        wait_for(lambda: emulator.ledger)
        (charge,) = emulator.ledger
        assert (charge.generation_id, charge.images) == (generation, 1)
        told = wire.get(f"/generation?id={generation}").json()["data"]
        assert (told["cancelled"], told["streamed"], told["total_cost"]) == (
            True,
            True,
            charge.cost_usd,
        )


def test_a_buffered_reply_bills_in_full_even_if_the_client_left(wire) -> None:
    wire.emulator.play(Reply([Say("hello")], delay=0.5))
    with pytest.raises(httpx2.ReadTimeout):
        wire.post("/responses", {"input": "hi"}, timeout=0.1)
    wait_for(lambda: wire.emulator.ledger)


def test_a_failure_by_http_can_bill_what_ran(wire) -> None:
    wire.emulator.play(
        Reply([Say("x")], error=Failure(code=500, billed=True), usage={"cost": 0.05})
    )
    generation = wire.post("/responses", {"input": "hi"}).headers["x-generation-id"]
    assert [(charge.generation_id, charge.cost_usd) for charge in wire.emulator.ledger] == [
        (generation, 0.05)
    ]


@pytest.mark.parametrize("query", ["", "?id="])
def test_a_generation_needs_an_id(wire, query: str) -> None:
    assert wire.get(f"/generation{query}").status_code == 400


def test_an_unknown_generation(wire) -> None:
    assert wire.get("/generation?id=gen-1").json()["error"]["code"] == 404


def test_the_key_tells_what_was_used(wire) -> None:
    wire.chat("hi")
    wire.responses("hi")
    used = wire.get("/key").json()["data"]["usage"]
    assert used == pytest.approx(fsum(charge.cost_usd for charge in wire.emulator.ledger))
    assert used > 0


def test_image_generations_have_ids_of_their_own(wire, png) -> None:
    wire.emulator.play(Reply([Draw("a", data=png)]))
    answer = wire.post("/images", {"model": "openai/gpt-5-image", "prompt": "a"})
    assert answer.headers["x-generation-id"].startswith("gen-img-")
    assert answer.headers["x-provider-name"] == "OpenAI"
    (charge,) = wire.emulator.ledger
    assert (charge.kind, charge.images, charge.cost_usd) == (
        "images",
        1,
        answer.json()["usage"]["cost"],
    )
