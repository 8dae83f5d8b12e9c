"""The examples, played from their cassettes without a network; what the cassettes may hold; how the
player refuses.
"""

import asyncio
import re
import socket
import tempfile
from pathlib import Path

import PIL.ImageOps
import pytest

from agentkit import Agent, Image, ImageGeneration
from agentkit.errors import NotRecorded
from agentkit.testing.tape_file import read
from tests.cassettes.conftest import NetworkUsed
from tests.cassettes.recorder import (
    EXAMPLES,
    FOLDER,
    MAX_BYTES,
    ROOT,
    example,
    file_of,
    play,
    player,
)

SCRIPTS = ROOT / "examples"
BOAT = SCRIPTS / "boat.jpg"
MUST_NOT_BE_KEPT = {
    "a key": r"sk-[A-Za-z0-9]{2}|\bBearer\b|api[_-]?key",
    "a cookie": r"cookie",
    "an authorization": r"authorization",
    "an address of loopback": r"127\.0\.0\.1|localhost|\[::1\]",
    "a path of a machine": r"/(?:home|root|tmp|var|Users|private)/\w",
    "an account": r"\b(?:user|org|wks)_[A-Za-z0-9]{16,}|\"(?:user|org|account|workspace)_id\":\"(?!redacted)",
    "a signed address": r"[?&](?:token|sig|signature|expires|X-Amz-\w+)=(?!redacted)",
    "a mail address": r"[\w.]+@[\w-]+\.[a-z]{2,}",
    "a date": r"gen-\d{2,}|\"created(?:_at)?\":[1-9]|\b20\d\d-\d\d-\d\dT",
    "a YAML object": r"!!python",
}


@pytest.mark.usefixtures("no_network")
async def test_weather_picture(tmp_path: Path) -> None:
    with play("weather_picture") as tape:
        async with player() as client:
            answer = await example("weather_picture").main(client, tmp_path)
    assert not tape.unplayed

    assert answer.text == "In Oslo there is light snow, -3 °C. This is how I picture it:"
    weather, drawing = answer.invocations
    assert (weather.name, weather.arguments, weather.status) == (
        "weather",
        {"city": "Oslo"},
        "completed",
    )
    assert weather.result == "In Oslo there is light snow, -3 °C."
    assert (drawing.name, drawing.executor, drawing.images) == (
        "openrouter:image_generation",
        "server",
        ("img_1",),
    )
    assert sizes(answer.images) == [("image/png", 1024, 576)]
    assert answer.usage.requests == 2
    assert answer.usage.cost_usd == pytest.approx(0.043, abs=0.001)
    assert not answer.failures
    assert (tmp_path / "images" / "img_1.png").read_bytes() == answer.images[0].bytes()
    assert answer.images[0].to_pillow().size == (1024, 576)


@pytest.mark.usefixtures("no_network")
async def test_conversation(tmp_path: Path) -> None:
    with play("conversation") as tape:
        async with player() as client:
            card, wish, hat, name = await example("conversation").main(client, tmp_path)
    assert not tape.unplayed

    assert "Ida" in card.text
    assert wish.text == "The birthday wish for Norwegian: Gratulerer med dagen!"
    assert hat.text.endswith("an owl with a balloon wearing a red hat:")
    assert name.text.endswith("Your name is Ida.")
    assert [answer.run.api for answer in (card, wish, hat, name)] == [
        "responses",
        "responses",
        "chat",
        "chat",
    ]
    assert [(call.name, call.arguments) for call in wish.invocations] == [
        ("birthday_wish", {"language": "Norwegian"})
    ]
    assert [answer.usage.requests for answer in (card, wish, hat, name)] == [1, 2, 1, 1]
    assert [sizes(answer.images) for answer in (card, wish, hat, name)] == [
        [("image/png", 1024, 1024)],
        [],
        [("image/png", 1024, 1024)],
        [],
    ]
    assert card.images[0].sha256 != hat.images[0].sha256
    assert [image.name for image in name.run.images] == ["img_1", "img_2"]


@pytest.mark.usefixtures("no_network")
async def test_mcp_server(tmp_path: Path) -> None:
    with play("mcp_server") as tape:
        async with player() as client:
            files = await example("mcp_server").main(client, tmp_path)
    assert not tape.unplayed
    assert [file.name for file in files] == ["img_1.png", "img_2.png"]
    first, second = (Image.from_file(file) for file in files)
    assert first.sha256 != second.sha256


@pytest.mark.usefixtures("no_network")
async def test_mcp_tools(tmp_path: Path) -> None:
    with play("mcp_tools") as tape:
        async with player() as client:
            drawn, painted = await example("mcp_tools").main(client, tmp_path)
    assert not tape.unplayed
    (chart,) = drawn.images
    assert (chart.name, chart.width, chart.height) == ("img_1", 120, 120)
    assert [image.parents for image in painted.images] == [("img_1",)]


@pytest.mark.usefixtures("no_network")
async def test_image_model(tmp_path: Path) -> None:
    with play("image_model") as tape:
        async with player() as client:
            night, snow = await example("image_model").main(client, tmp_path)
    assert not tape.unplayed

    assert "night" in night.text
    assert "snow" in snow.text
    assert [image.name for image in snow.run.images] == ["img_1", "img_2", "img_3"]
    given, *drawn = snow.run.images
    assert given.sha256 == Image.from_file(BOAT).sha256
    assert sizes([given]) == [("image/jpeg", 720, 480)]
    assert sizes(drawn) == [("image/png", 720, 480)] * 2
    assert len({image.sha256 for image in snow.run.images}) == 3
    assert not night.invocations
    assert not night.failures


@pytest.mark.usefixtures("no_network")
async def test_studio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with play("studio") as tape:
        async with player() as client:
            drafts, night, boat = await example("studio").main(client, tmp_path)
    assert not tape.unplayed

    said = capsys.readouterr().out
    assert "not sent, not paid for: resolution may be 1K; others: google/" in said
    assert "preview 1:" in said
    assert [sizes(drawing.images) for drawing in (drafts, night, boat)] == [
        [("image/png", 1024, 672)] * 2,
        [("image/png", 1024, 672)],
        [("image/png", 1024, 1024)],
    ]
    assert night.image.parents == (drafts.images[0].sha256,)
    assert drafts.usage.cost_usd == pytest.approx(0.021, abs=0.001)
    assert (tmp_path / "night.png").read_bytes() == night.image.bytes()
    assert (tmp_path / "boat.png").read_bytes() == boat.image.bytes()


@pytest.mark.usefixtures("no_network")
async def test_edit_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with play("edit_a_picture") as tape:
        async with player() as client:
            pictures = await example("edit_a_picture").main(client, tmp_path)
    assert not tape.unplayed

    *made, hat = pictures
    cat = made[0].sha256
    assert [(image.name, image.parents) for image in made] == [
        ("img_1", ()),
        ("img_2", ("img_1",)),
        ("img_3", ("img_2",)),
    ] * 2
    assert (made[3].sha256, hat.parents) == (cat, (cat,))
    assert [len({image.sha256 for image in way}) for way in (made[:3], made[3:])] == [3, 3]
    assert sizes(pictures) == [("image/png", 1024, 672)] * 7
    assert [image.cost_usd for image in made[4:]] == [pytest.approx(0.013, abs=0.001)] * 2
    assert Image.from_file(tmp_path / "studio" / "hat.png").sha256 == hat.sha256
    assert "img_3: 1024×672, made from img_2" in capsys.readouterr().out


@pytest.mark.usefixtures("no_network")
async def test_approve(tmp_path: Path) -> None:
    with play("approve") as tape:
        async with player() as client:
            paused, yes, no = await example("approve").main(client, tmp_path)
    assert not tape.unplayed

    assert paused.status == "paused"
    [waits] = paused.pending
    assert (waits.name, waits.arguments) == ("order_print", {"picture": "img_1", "copies": 3})
    assert (yes.status, yes.text) == ("completed", "3 of img_1 ordered, they arrive on Friday.")
    assert [call.status for call in no.invocations] == ["denied"]
    assert "too dear" in no.text
    assert (tmp_path / "run.json").exists()


@pytest.mark.usefixtures("no_network")
async def test_budget(tmp_path: Path) -> None:
    with play("budget") as tape:
        async with player() as client:
            budget, (story, poster, late) = await example("budget").main(client, tmp_path)
    assert not tape.unplayed

    assert [answer.status for answer in (story, poster, late)] == [
        "completed",
        "completed",
        "limited",
    ]
    assert (late.limit, late.images) == ("images", ())
    assert [call.executor for call in story.invocations] == ["client", "server"]
    assert [len(answer.images) for answer in (story, poster)] == [1, 1]
    costs = [answer.usage.cost_usd for answer in (story, poster, late)]
    assert budget.spent_usd == pytest.approx(sum(costs))
    assert (budget.spent_images, budget.remaining_images, budget.uncertain_usd) == (2, 0, 0)


def sizes(images: list[Image] | tuple[Image, ...]) -> list[tuple[str, int | None, int | None]]:
    return [(image.media_type, image.width, image.height) for image in images]


@pytest.mark.usefixtures("no_network")
async def test_a_request_that_differs_is_refused_and_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotRecorded) as caught, play("weather_picture") as tape:
        async with player() as client:
            agent = Agent(
                "openai/gpt-5.2", tools=[ImageGeneration(aspect_ratio="1:1")], client=client
            )
            await agent.run("How is the weather in Lisbon?")
    message = str(caught.value)
    assert message.startswith("POST /api/v1/chat/completions is not in this cassette, ")
    assert "weather_picture.yaml. The nearest there differs: " in message
    assert "'How is the weather in Lisbon?', recorded is 'How is the weather in" in message
    assert "Nothing was sent or billed" in message
    assert caught.value.billed is False
    assert tape.played == 2  # the lists of models and of tools


@pytest.mark.usefixtures("no_network")
async def test_another_picture_in_a_request_is_refused(tmp_path: Path) -> None:
    picture = tmp_path / "other.jpg"
    PIL.ImageOps.mirror(Image.from_file(BOAT).to_pillow()).save(picture)  # the same size and format
    with (
        pytest.raises(NotRecorded, match=r"body\.messages\[0\]\.content\[1\]\.image_url\.url is"),
        play("image_model"),
    ):
        async with player() as client:
            await example("image_model").main(client, tmp_path, picture)


@pytest.mark.usefixtures("no_network")
async def test_each_reply_is_played_once(tmp_path: Path) -> None:
    with pytest.raises(NotRecorded, match="Left there: nothing"), play("image_model"):
        async with player() as client:
            await example("image_model").main(client, tmp_path)
            await example("image_model").main(client, tmp_path)


@pytest.mark.usefixtures("no_network")
async def test_without_a_cassette_there_is_no_network() -> None:
    with pytest.raises(NetworkUsed), socket.socket() as lonely:
        lonely.connect(("127.0.0.1", 9))
    with pytest.raises(NetworkUsed):
        socket.getaddrinfo("openrouter.example", 443)
    with pytest.raises(NetworkUsed):
        await asyncio.open_connection("127.0.0.1", 9)


def test_the_network_is_back_for_the_next_test() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
    ):
        pass


def test_every_example_has_a_cassette_and_every_cassette_an_example() -> None:
    assert sorted(file.stem for file in FOLDER.iterdir()) == sorted(EXAMPLES)
    assert {
        file.stem for file in SCRIPTS.glob("*.py") if "async def main(" in file.read_text()
    } == {*EXAMPLES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_cassette_is_small_and_says_where_it_comes_from(name: str) -> None:
    data = file_of(name).read_bytes()
    assert len(data) < MAX_BYTES
    assert re.match(
        rb"# Recorded by agentkit.testing from (agentkit's emulator, not OpenRouter|OpenRouter), for",
        data,
    )


@pytest.mark.parametrize("what", MUST_NOT_BE_KEPT)
@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_kept_that_must_not_be(name: str, what: str) -> None:
    text = file_of(name).read_text(encoding="utf-8")
    assert re.findall(MUST_NOT_BE_KEPT[what], text, re.IGNORECASE) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_of_this_machine_is_kept(name: str) -> None:
    text = file_of(name).read_text(encoding="utf-8")
    assert [
        path
        for path in (Path.cwd(), Path.home(), tempfile.gettempdir(), socket.gethostname())
        if str(path) in text
    ] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_only_plain_addresses_and_headers_are_kept(name: str) -> None:
    text = file_of(name).read_text(encoding="utf-8")
    hosts = {*re.findall(r"https?://[^/\"'\s)\\]+", text)}
    # The list of tools names the pages that describe them, and the language of their schemas.
    assert hosts - {"https://openrouter.ai", "https://json-schema.org"} == {
        "https://openrouter.test"
    }
    for interaction in read(file_of(name)) or ():
        assert {*interaction.request_headers, *interaction.headers} <= {
            "accept",
            "content-type",
            "x-generation-id",
            "x-provider-name",
        }
