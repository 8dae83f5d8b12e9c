"""What the model is told of whatever a tool returned."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import PIL.Image
import pydantic.dataclasses
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_serializer

from agentkit.errors import AgentkitError
from agentkit.tools import ToolResultError, encode_result
from agentkit.values import Image, Source, Text


def png(colour: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    PIL.Image.new(mode, (3, 2), colour).save(file, "PNG")
    return file.getvalue()


RED, BLUE = Image.from_bytes(png("red")), Image.from_bytes(png("blue"))


def text(value: object) -> str:
    (part,) = encode_result(value).parts()
    assert isinstance(part, Text)
    return part.text


def numbered(*images: Image) -> Any:
    """A run that has these pictures, and names the others from img_7 on."""
    known = {image.sha256: image for image in images}
    return lambda image: known.setdefault(
        image.sha256, dataclasses.replace(image, name=f"img_{7 + len(known) - len(images)}")
    )


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Word(str, Enum):  # noqa: UP042 — as older code has it
    YES = "yes"


@dataclasses.dataclass
class Point:
    x: int
    when: date


class Model(BaseModel):
    name: str = Field(serialization_alias="Name")
    secret: str = Field("x", exclude=True)
    day: date = date(2026, 1, 2)

    @field_serializer("name")
    def loud(self, name: str) -> str:
        return name.upper()


class Plain(BaseModel):
    name: str


@pydantic.dataclasses.dataclass
class Typed:
    x: int
    y: str


Pair = namedtuple("Pair", "a b")  # noqa: PYI024


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('as it is\n"quoted"', 'as it is\n"quoted"'),
        ("", ""),
        ("a\ud83eb\ud83e\udd8a", "a\ufffdb🦊"),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (10**30, str(10**30)),
        (1.5, "1.5"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        ([float("nan"), 1.0], '["nan",1.0]'),
        ({"ä": [1, None, "x"], "b": {}}, '{"ä":[1,null,"x"],"b":{}}'),
        (OrderedDict(a=(1, 2)), '{"a":[1,2]}'),
        ({1: "a", date(2026, 1, 2): "b", Colour.RED: "c"}, '{"1":"a","2026-01-02":"b","red":"c"}'),
        ({"\ud83e": "\ud83e"}, '{"\ufffd":"\ufffd"}'),
        (frozenset([1]), "[1]"),
        (Pair(1, [2]), "[1,[2]]"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (timedelta(seconds=90), "PT1M30S"),
        ([Decimal("1.10"), UUID(int=1)], '["1.10","00000000-0000-0000-0000-000000000001"]'),
        (PurePosixPath("/tmp/x"), "/tmp/x"),
        (Colour.RED, "red"),
        (Level.HIGH, "3"),
        ([Word.YES], '["yes"]'),
        (Point(1, date(2026, 1, 2)), '{"x":1,"when":"2026-01-02"}'),
        (Model(name="fox"), '{"Name":"FOX","day":"2026-01-02"}'),
        ([Model(name="fox")], '[{"Name":"FOX","day":"2026-01-02"}]'),
        (Model(name="\ufffd"), '{"Name":"\ufffd","day":"2026-01-02"}'),
        (Plain.model_construct(name="a\ud83e"), '{"name":"a\ufffd"}'),
        ([Typed(3, "x")], '[{"x":3,"y":"x"}]'),
        (Text("words"), "words"),
    ],
)
def test_values(value: object, expected: str):
    assert text(value) == expected
    text(value).encode()


class Foreign:
    pass


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Foreign(), "the result is a Foreign"),
        ({"a": [1, Foreign()]}, r"the result\['a'\]\[1\] is a Foreign"),
        (Pair(1, Foreign()), r"the result\[1\] is a Foreign"),
        (lambda: 3, "is a function"),
        (b"\x00\x01\x02", "3 bytes that are no picture"),
        ({"data": b"text"}, r"\['data'\] is 4 bytes"),
        ((each for each in range(3)), "is a generator"),
        (iter([1]), "list_iterator"),
        (LOOP, "deeper than 64"),
        ({(1, Foreign()): 2}, "has the key"),
        (Foreign, "is a type"),
    ],
)
def test_what_cannot_be_told(value: object, said: str):
    with pytest.raises(ToolResultError, match=said) as caught:
        encode_result(value)
    assert isinstance(caught.value, AgentkitError)
    assert len(str(caught.value)) < 800


def test_a_picture_alone():
    encoded = encode_result(RED)
    assert [image.sha256 for image in encoded.images] == [RED.sha256]
    words, image = encoded.parts(numbered())
    assert words == Text("img_7")
    assert isinstance(image, Image)
    assert (image.name, image.sha256, image.sources) == ("img_7", RED.sha256, (Source("tool"),))
    assert image.bytes() == png("red")


def test_pictures_in_containers_leave_their_handles():
    kept = dataclasses.replace(BLUE, name="img_2")
    value = {
        "before": kept,
        "after": [RED, {"again": kept}],
        "note": "img_2 became\udc800\udc81 red",
    }
    words, *images = encode_result(value).parts(numbered(kept))
    assert words == Text(
        '{"before":"img_2","after":["img_7",{"again":"img_2"}],"note":"img_2 became\ufffd0\ufffd red"}'
    )
    assert [image.name for image in images if isinstance(image, Image)] == ["img_2", "img_7"]
    assert images[0] == kept, "a picture of the conversation stays as it is"


def test_pictures_in_models_and_dataclasses():
    class Album(BaseModel):
        title: str
        cover: Image

    @pydantic.dataclasses.dataclass
    class Frame:
        around: Any

    @dataclasses.dataclass
    class Page:
        picture: Image
        albums: tuple[Album, ...]
        frame: Frame

    page = Page(
        RED, (Album(title="A", cover=BLUE), Album(title="B", cover=RED)), Frame({"it": BLUE})
    )
    words, *images = encode_result(page).parts(numbered())
    albums = '[{"title":"A","cover":"img_8"},{"title":"B","cover":"img_7"}]'
    assert words == Text(
        f'{{"picture":"img_7","albums":{albums},"frame":{{"around":{{"it":"img_8"}}}}}}'
    )
    assert len(images) == 2


def test_a_picture_that_could_not_be_had():
    far = Image.from_url("https://example.com/a.png")
    encoded = encode_result([far, RED])
    assert encoded.images[0].sources == (Source("tool", "https://example.com/a.png"),)
    words, *images = encoded.parts(
        lambda image: dataclasses.replace(image, name="img_1") if image.sha256 else None
    )
    assert words == Text('["(a picture that could not be had)","img_1"]')
    assert len(images) == 1
    mirrors = encode_result([far, Image.from_url("https://mirror.example/a.png")])
    words, *images = mirrors.parts(
        lambda image: dataclasses.replace(RED, name="img_1", sources=image.sources)
    )
    assert words == Text('["img_1","img_1"]'), "two links to the same bytes are one picture"
    assert len(images) == 1


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_bytes_that_are_a_picture(kind: Any):
    (image,) = encode_result({"picture": kind(png("red"))}).images
    assert (image.media_type, image.sha256) == ("image/png", RED.sha256)


@pytest.mark.parametrize(
    "mode",
    [
        "1",
        "L",
        "LA",
        "P",
        "RGB",
        "RGBA",
        "CMYK",
        "YCbCr",
        "HSV",
        "LAB",
        "I",
        "F",
        "I;16",
        "PA",
        "RGBa",
    ],
)
def test_pillow_images_become_png(mode: str):
    (image,) = encode_result([PIL.Image.new(mode, (3, 2))]).images
    assert image.media_type == "image/png"
    assert image.to_pillow().size == (3, 2)


def test_pillow_is_not_imported():
    code = "import sys, agentkit.tools as t; t.encode_result({'a': [1, object.__doc__]}); print('PIL' in sys.modules, 'openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_long_result_is_cut():
    told = text("x" * 250_000)
    assert told.startswith("x" * 100_000 + "\n[cut here: 100,000 of 250,000 characters]")
    assert len(told) < 100_100
    assert len(text(list(range(100_000)))) < 100_100
    assert text("x" * 100_000) == "x" * 100_000


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(exclude_categories=()))
        | st.binary(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text(st.characters(exclude_categories=())) | st.integers(), inner)
        ),
        max_leaves=10,
    )
)
def test_any_value_is_told_or_refused(value: object):
    try:
        (part, *_) = encode_result(value).parts()
    except ToolResultError:
        return
    assert isinstance(part, Text)
    part.text.encode()
    if isinstance(value, list | dict):
        json.loads(part.text)
