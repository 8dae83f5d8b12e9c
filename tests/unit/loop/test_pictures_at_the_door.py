"""Pictures as people have them: what is sent of each stands upright, shows its colours, is of a
kind that models take, and does not tell where it was taken. What was given stays as it was given.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import struct
import sys
from typing import Any

import PIL.Image
import pytest

from agentkit import Image, Run, tool
from agentkit.emulator import CallTool, Draw, Reply, Say
from agentkit.errors import AgentkitError
from agentkit.images import FileImageStore
from tests.conftest import Bench
from tests.unit.images.photos import (
    GPS,
    PLACE,
    SIZE,
    has_heic,
    heic,
    opened,
    photo,
    saved,
    scene,
    wrong_corners,
)

TAKEN = {"image/png", "image/jpeg", "image/webp", "image/gif"}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'
_DATA_URL = re.compile(r"data:(image/[\w.+-]+);base64,([\w+/=]+)")


def sent(bench: Bench, number: int = -1) -> list[bytes]:
    """The pictures of a request. Each has to be of a kind that models take."""
    posts = [each for each in bench.emulator.requests if each.method == "POST"]
    found = _DATA_URL.findall(json.dumps(posts[number].body))
    assert {kind for kind, _ in found} <= TAKEN
    return [base64.b64decode(text) for _, text in found]


async def look(bench: Bench, *given: Image, **options: Any) -> Any:
    """The conversation after one turn with these pictures."""
    bench.emulator.play([Reply([Say("I see.")])])
    chat = bench.agent(**options).conversation()
    await bench.ask(chat, ["Look", *given])
    return chat


async def test_photos_stand_upright(bench: Bench) -> None:
    """Of a tall photo, the eight ways to hold a camera."""
    given = [photo(orientation) for orientation in range(1, 9)]
    chat = await look(bench, *map(Image.from_bytes, given))
    assert [image.bytes() for image in chat.images.values()] == given
    assert sent(bench)[0] == given[0]
    for image, data in zip(chat.images.values(), sent(bench), strict=True):
        assert (image.width, image.height) == SIZE
        assert wrong_corners(image.to_pillow()) == []
        assert wrong_corners(opened(data)) == []
        assert opened(data).format == "JPEG"


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "AVIF"])
async def test_other_kinds_stand_upright_too(bench: Bench, form: str) -> None:
    given = [photo(orientation, form) for orientation in (1, 3, 6, 7)]
    chat = await look(bench, *map(Image.from_bytes, given))
    assert [image.bytes() for image in chat.images.values()] == given
    for image, data in zip(chat.images.values(), sent(bench), strict=True):
        assert (image.width, image.height) == SIZE
        assert wrong_corners(opened(data)) == wrong_corners(image.to_pillow()) == []


async def test_a_photo_that_is_made_smaller_stands_upright(bench: Bench) -> None:
    given = [photo(each, size=(9000, 600), located=True, quality=30) for each in (6, 8)]
    chat = await look(bench, *map(Image.from_bytes, given), scale=True)
    for image, data in zip(chat.images.values(), sent(bench), strict=True):
        assert (image.width, image.height) == (8192, 546) == opened(data).size
        assert wrong_corners(opened(data)) == []
        assert PLACE not in data
        assert not opened(data).getexif()


async def test_kinds_that_models_do_not_take_are_converted(bench: Bench) -> None:
    given = [photo(form=form) for form in ("BMP", "TIFF", "AVIF")]
    given += [heic(scene())] if has_heic() else []
    chat = await look(bench, *map(Image.from_bytes, given))
    assert [image.bytes() for image in chat.images.values()] == given
    assert [wrong_corners(opened(data)) for data in sent(bench)] == [[]] * len(given)
    assert wrong_corners(chat.images["img_1"].to_pillow()) == []


async def test_kinds_that_models_take_go_byte_for_byte(bench: Bench) -> None:
    frames = [PIL.Image.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    moving = {"save_all": True, "append_images": frames}
    given = [photo(form=form) for form in ("PNG", "JPEG", "WEBP", "GIF")]
    given += [saved(scene(), form, **moving) for form in ("GIF", "WEBP", "PNG")]
    await look(bench, *map(Image.from_bytes, given))
    assert sent(bench) == given


async def test_it_is_converted_once(bench: Bench, tmp_path: Any) -> None:
    """Not on every turn, nor for the next run, nor again after a run was saved and read."""
    store = FileImageStore(tmp_path)
    bench.emulator.play([Reply([Say("Yes.")]) for _ in range(4)])
    agent = bench.agent(store=store)
    chat = agent.conversation()
    answer = await bench.ask(chat, ["Look", Image.from_bytes(photo(6))])
    files = sorted(tmp_path.rglob("*.jpg"))
    assert len(files) == 2
    times = [file.stat().st_mtime_ns for file in files]
    await bench.ask(chat, "And now?")
    await bench.ask(agent, ["Look", Image.from_bytes(photo(6))])
    again = Run.from_json(answer.run.to_json(), blobs=store)
    await bench.ask(bench.agent(store=store).conversation(run=again), "And now?")
    assert sorted(tmp_path.rglob("*.jpg")) == files
    assert [file.stat().st_mtime_ns for file in files] == times
    assert len({data for number in range(4) for data in sent(bench, number)}) == 1


async def test_a_copy_that_was_deleted_is_made_again(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Yes.")]) for _ in range(3)])
    chat = bench.agent().conversation()
    await bench.ask(chat, ["Look", Image.from_bytes(photo(6))])
    (first,) = sent(bench)
    assert bench.store.delete(Image.from_bytes(first).sha256)
    await bench.ask(chat, "And now?")
    assert sent(bench) == [first]
    assert bench.store.delete(chat.images["img_1"].sha256)
    await bench.ask(chat, "And now?")
    assert sent(bench) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (SVG, r"it is SVG, which no model takes.*PNG or JPEG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", r"HEIC.*(pip install|cut off|broken)"),
        (photo(form="TIFF")[:-2000], "TIFF is cut off"),
        (photo(6)[:-40], "JPEG is cut off"),
    ],
    ids=["SVG", "HEIC", "TIFF", "JPEG"],
)
@pytest.mark.parametrize("scale", [False, True])
async def test_what_cannot_be_sent_is_refused_by_name(
    bench: Bench, data: bytes, words: str, scale: bool
) -> None:
    with pytest.raises(AgentkitError, match=f"picture 2 of the prompt.*{words}"):
        await look(bench, Image.from_bytes(photo()), Image.from_bytes(data), scale=scale)
    assert not [each for each in bench.emulator.requests if each.method == "POST"]


async def test_without_a_decoder_the_line_to_install_one_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    phone = Image.from_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    with pytest.raises(AgentkitError, match=r"HEIC.*pip install pillow-heif"):
        await look(bench, phone)


async def test_a_bomb_is_refused_by_its_header(bench: Bench) -> None:
    tiff = bytearray(saved(PIL.Image.new("1", (16, 16)), "TIFF"))
    for tag in (256, 257):
        place = tiff.index(struct.pack("<HHII", tag, 4, 1, 16))
        struct.pack_into("<I", tiff, place + 8, 50_000)
    for scale in (False, True):
        with pytest.raises(AgentkitError, match=r"TIFF has too many pixels \(50000×50000"):
            await look(bench, Image.from_bytes(bytes(tiff)), scale=scale)


async def test_one_that_is_too_large_as_it_would_be_sent_is_refused(bench: Bench) -> None:
    wide = saved(PIL.Image.new("L", (9000, 20)), "PNG")
    words = r"picture 1 of the prompt.*9000×20 pixels.*8192×8192 pixels and 20 MiB.*scale=True"
    with pytest.raises(AgentkitError, match=words):
        await look(bench, Image.from_bytes(wide))
    bitmap = saved(PIL.Image.new("RGB", (3000, 2500)), "BMP")
    assert len(bitmap) > 20 << 20
    await look(bench, Image.from_bytes(bitmap))
    assert opened(sent(bench)[0]).size == (3000, 2500)


async def test_where_a_photo_was_taken_is_not_sent(bench: Bench) -> None:
    """Its pixels are the same to the last bit where they stand right."""
    forms = ["JPEG", "PNG", "WEBP"]
    given = [photo(1, form, located=True) for form in forms]
    given += [photo(6, form, located=True) for form in forms]
    await look(bench, *map(Image.from_bytes, given))
    for before, after in zip(given, sent(bench), strict=True):
        assert GPS in opened(before).getexif()
        assert not opened(after).getexif()
        assert wrong_corners(opened(after)) == []
    for before, after in list(zip(given, sent(bench), strict=True))[:3]:
        assert opened(before).tobytes() == opened(after).tobytes()


async def test_an_svg_of_a_models_is_told_as_a_line(bench: Bench) -> None:
    """It is kept under its handle, whichever model is asked next."""
    bench.emulator.play([Reply([Draw("a logo", data=SVG, format="svg")]), Reply([Say("Yes.")])])
    chat = bench.agent(model="google/gemini-2.5-flash-image").conversation()
    answer = await bench.ask(chat, "Draw a logo")
    assert [image.bytes() for image in answer.images] == [SVG]
    for model in ("google/gemini-2.5-flash-image", "openai/gpt-5.2"):
        chat.model = model
        bench.emulator.play([Reply([Say("Yes.")])])
        await bench.ask(chat, "Is img_1 good?")
        told = json.dumps(bench.emulator.requests[-1].body)
        assert "image/svg" not in told
        assert "img_1 (SVG" in told


async def test_a_models_picture_of_another_kind_is_converted(bench: Bench) -> None:
    for data in (photo(form="AVIF"), photo(form="TIFF")):
        bench.emulator.play([Reply([Draw("a flag", data=data)]), Reply([Say("Yes.")])])
        chat = bench.agent(model="google/gemini-2.5-flash-image").conversation()
        answer = await bench.ask(chat, "Draw a flag")
        assert answer.images[0].bytes() == data
        await bench.ask(chat, "Do you see it?")
        assert [wrong_corners(opened(each)) for each in sent(bench)] == [[]]


async def test_what_a_tool_returns_goes_through_the_same_door(bench: Bench) -> None:
    @tool
    def scan() -> list[Image]:
        """Scans."""
        pages = (
            SVG,
            photo(form="TIFF"),
            photo(6, located=True),
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        )
        return [Image.from_bytes(page) for page in pages[:3]]

    bench.emulator.play([Reply([CallTool("scan", id="s")]), Reply([Say("Three.")])])
    answer = await bench.ask(bench.agent(tools=[scan]), "Scan")
    assert [image.media_type for image in answer.images] == [
        "image/svg+xml",
        "image/tiff",
        "image/jpeg",
    ]
    assert answer.failures == ()
    assert [wrong_corners(opened(each)) for each in sent(bench)] == [[], []]
    assert PLACE not in b"".join(sent(bench))
    assert "img_1 (SVG" in json.dumps(bench.emulator.requests[-1].body)


async def test_the_event_loop_is_free_meanwhile(bench: Bench) -> None:
    big = Image.from_bytes(photo(6, size=(4000, 3000), quality=60))
    asleep: list[float] = []

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0)
            asleep.append(loop.time() - before)

    watching = asyncio.create_task(watch())
    await look(bench, big)
    watching.cancel()
    assert len(asleep) > 100
