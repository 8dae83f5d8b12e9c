"""The recorder itself, on traffic of a server that tells too much, and on a fresh recording."""

import json
import random
import zlib
from base64 import b64decode, b64encode
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import httpx2
import PIL.Image
import pytest

from agentkit import Agent, Answer, ImageGeneration, OpenRouter
from agentkit.emulator import Emulator
from tests.cassettes import washing
from tests.cassettes.conftest import cut_off
from tests.cassettes.placeholders import in_text, placeholder
from tests.cassettes.recorder import file_of, play, player, record
from tests.cassettes.washing import ORIGIN
from tests.conftest import picture


async def draw(client: OpenRouter) -> Answer:
    agent = Agent("openai/gpt-5.2", tools=[ImageGeneration(size="256x256")], client=client)
    async with agent.stream("Draw a lighthouse") as stream:
        return await stream.finish()


async def test_what_was_recorded_is_played_without_a_network(tmp_path: Path) -> None:
    with Emulator() as emulator:
        with record("lighthouse", source="a test", folder=tmp_path) as tape:
            async with OpenRouter(
                api_key=emulator.api_key, base_url=emulator.base_url, transport="httpx2"
            ) as client:
                recorded = await draw(client)
        assert len(tape) == 4  # the models, the tools, the reply, the picture
        origin = emulator.origin
    with cut_off(), play("lighthouse", tmp_path) as tape:
        async with player() as client:
            played = await draw(client)
    assert tape.all_played

    text = file_of("lighthouse", tmp_path).read_text(encoding="utf-8")
    assert text.startswith("# Recorded by `make record` from a test")
    assert origin not in text
    assert emulator.api_key not in text
    assert played.text == recorded.text
    assert played.usage == recorded.usage
    assert [call.name for call in played.invocations] == [
        call.name for call in recorded.invocations
    ]
    [one], [other] = recorded.images, played.images
    assert (one.media_type, one.width, one.height) == (other.media_type, other.width, other.height)
    assert other.size < 300 < one.size
    assert [source.place for source in one.sources] == [source.place for source in other.sources]


async def test_of_the_catalogue_only_the_models_stay_that_are_spoken_of(tmp_path: Path) -> None:
    slugs = [
        "a/asked:free",
        "a/asked",
        "b/second",
        "c/painter",
        "d/printed",
        "e/of-no-use",
        "f/looked-up",
    ]
    models = [{"id": slug, "description": "long " * 2000} for slug in slugs]

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST" or request.url.path.endswith("endpoints"):
            return httpx2.Response(200, json={"data": [{"id": "e/of-no-use"}]})
        return httpx2.Response(200, json={"data": models, "total_count": len(models)})

    said = StringIO("try d/printed\n")
    with record("many", source="a test", folder=tmp_path, said=said):
        async with httpx2.AsyncClient(
            transport=httpx2.MockTransport(answer), base_url="https://api.test/api/v1"
        ) as client:
            await client.get("/models?limit=1000")
            await client.get("/images/models")
            await client.get("/images/models/f/looked-up/endpoints")
            tool = {"type": "openrouter:image_generation", "parameters": {"model": "c/painter"}}
            await client.post(
                "/chat/completions",
                json={"model": "a/asked:free", "models": ["b/second"], "tools": [tool]},
            )
    with cut_off(), play("many", tmp_path):
        async with httpx2.AsyncClient(base_url=f"{ORIGIN}/api/v1") as client:
            chat, images = [
                (await client.get(path)).json() for path in ("/models?limit=1000", "/images/models")
            ]
            untouched = (await client.get("/images/models/f/looked-up/endpoints")).json()
    assert [model["id"] for model in chat["data"]] == [
        "a/asked",
        "b/second",
        "c/painter",
        "d/printed",
        "f/looked-up",
    ]
    assert (chat["total_count"], images) == (5, chat)
    assert untouched == {"data": [{"id": "e/of-no-use"}]}


async def test_a_recording_that_fails_leaves_the_cassette_alone(tmp_path: Path) -> None:
    file_of("kept", tmp_path).write_text("as it was")
    with pytest.raises(ZeroDivisionError), record("kept", source="a test", folder=tmp_path):
        async with httpx2.AsyncClient(
            transport=httpx2.MockTransport(lambda _: httpx2.Response(200))
        ) as client:
            await client.get("https://api.test/")
        raise ZeroDivisionError
    assert file_of("kept", tmp_path).read_text() == "as it was"


async def test_what_a_server_tells_too_much_is_not_kept(tmp_path: Path) -> None:
    reply = {
        "id": "gen-1795239448-abc",
        "created": 1795239448,
        "user_id": "somebody",
        "nested": [{"organization_id": "org-7"}],
        "text": "your key sk-or-v1-abcdef0123456789 belongs to user_2abcdefghijklmnopqrst, Bearer xyz123",
        "picture": b64encode(picture(noise=60)).decode(),
    }

    def answer(request: httpx2.Request) -> httpx2.Response:
        headers = {
            "Content-Encoding": "gzip",
            "Set-Cookie": "id=7",
            "Date": "today",
            "X-Account": "7",
            "Content-Type": "application/json",
        }
        packer = zlib.compressobj(wbits=31)
        return httpx2.Response(
            200,
            headers=headers,
            content=packer.compress(json.dumps(reply).encode()) + packer.flush(),
        )

    with record("talkative", source="a test", folder=tmp_path):
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            headers = {"Authorization": "Bearer sk-or-v1-abcdef0123456789", "Cookie": "id=7"}
            await client.post(
                "https://api.test/api/v1/x", json={"session_id": "s-1"}, headers=headers
            )
    text = file_of("talkative", tmp_path).read_text()
    for secret in (
        "sk-or",
        "Bearer",
        "ookie",
        "uthorization",
        "somebody",
        "org-7",
        "user_2",
        "17952",
        "today",
        "ccount:",
        "s-1",
        "api.test",
    ):
        assert secret not in text
    with cut_off(), play("talkative", tmp_path):
        async with httpx2.AsyncClient() as client:
            played = (
                await client.post(f"{ORIGIN}/api/v1/x", json={"session_id": "another"})
            ).json()
    assert played["text"] == "your key redacted belongs to redacted, redacted"
    assert opened(b64decode(played["picture"])).size == (40, 30)


async def test_a_reply_that_cannot_be_read_is_not_kept(tmp_path: Path) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            200, headers={"Content-Encoding": "unheard-of"}, content=b"\x00sk-or-v1-abcdef"
        )

    with (
        pytest.raises(ValueError, match="unheard-of"),
        record("packed", source="a test", folder=tmp_path),
    ):
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            await client.get("https://api.test/")
    assert not file_of("packed", tmp_path).exists()


@pytest.mark.parametrize("seed", range(20))
def test_an_address_is_replaced_however_a_stream_cuts_it(seed: int) -> None:
    old, new = "http://127.0.0.1:5001/i/a.png?token=secret", f"{ORIGIN}/pictures/1.png"
    said = f"Look: ![a fox]({old}) and [again]({old}). – The end"
    cuts = sorted(random.Random(seed).sample(range(1, len(said)), 9))
    pieces = [said[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    events: list[Any] = [
        {"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces
    ]
    stream = (
        ": WAIT\n\n"
        + "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        + "data: [DONE]\n\n"
    )

    washed = washing.body(stream.encode(), {old: new, "http://127.0.0.1:5001": ORIGIN}).decode()

    assert washed.startswith(": WAIT\n\ndata: {")
    assert washed.endswith("\n\ndata: [DONE]\n\n")
    told = [json.loads(line[6:]) for line in washed.split("\n") if line.startswith("data: {")]
    assert len(told) == len(events)
    assert "".join(event["choices"][0]["delta"]["content"] for event in told) == said.replace(
        old, new
    )


@pytest.mark.parametrize(
    "text",
    [
        "<html>sk-or-v1-abcdef0123 at http://a.test/x</html>",
        '{"cut": "sk-or-v1-abcdef0123 http://a.test/x',
    ],
)
def test_what_is_no_json_is_washed_too(text: str) -> None:
    washed = washing.body(text.encode(), {"http://a.test": ORIGIN}).decode()
    assert washed == text.replace("sk-or-v1-abcdef0123", "redacted").replace(
        "http://a.test", ORIGIN
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_a_placeholder_has_the_size_and_the_format_of_its_picture(kind: str) -> None:
    original = picture(size=(640, 360), format=kind, noise=80)
    small = placeholder(original)
    assert (opened(small).format, opened(small).size) == (kind, (640, 360))
    assert len(small) < min(len(original), 5000)
    assert opened(small).getcolors(1) is not None
    assert placeholder(small) == small
    assert placeholder(original) == small
    assert placeholder(picture(size=(640, 360), format=kind, noise=90)) != small


def test_other_base64_is_no_picture() -> None:
    sealed = b64encode(random.Random(1).randbytes(3000)).decode()
    document = b64encode(b"%PDF-1.7" + bytes(400)).decode()
    assert (
        in_text(f"{sealed} {document} {'A' * 400}", placeholder)
        == f"{sealed} {document} {'A' * 400}"
    )
    assert placeholder(b"<svg/>") == b"<svg/>"


def test_a_washed_body_stays_as_it_is() -> None:
    data = b64encode(picture(size=(300, 200), noise=50)).decode()
    url = f"data:image/png;base64,{data}"
    body = json.dumps(
        {
            "id": "gen-1795239448-a",
            "session_id": "x",
            "a": [url, {"result": json.dumps({"imageB64": data})}],
        }
    )
    once = washing.body(body.encode(), {})
    assert washing.body(once, {}) == once
    assert len(once) < 1000


def opened(data: bytes) -> PIL.Image.Image:
    return PIL.Image.open(BytesIO(data))
