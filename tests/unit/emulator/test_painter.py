"""The painter: the same words give the same picture, other words another one, and no words break
it.
"""

import io
import random
from itertools import product
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageChops, ImageStat

from agentkit.emulator.painter import paint, paint_svg, preview
from agentkit.emulator.painter.pen import points_of
from tests.conftest import examples, spread

SMALL = (160, 160)


def picture(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.copy()


def painted(prompt: str, size: tuple[int, int] = SMALL, **options: object) -> Image.Image:
    return picture(paint(prompt, size=size, **options)).convert("RGB")  # type: ignore[arg-type]


def brightness(image: Image.Image) -> float:
    return ImageStat.Stat(image.convert("L")).mean[0]


def redness(image: Image.Image) -> float:
    red, green, blue = ImageStat.Stat(image).mean
    return red - (green + blue) / 2


def difference(a: Image.Image, b: Image.Image) -> float:
    """The mean difference of two pictures, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(a, b)).mean) / 3


def changed(a: Image.Image, b: Image.Image) -> float:
    """The part of the picture in which the two differ visibly."""
    mask = (
        ImageChops.difference(a, b).convert("L").point([255 if i > 24 else 0 for i in range(256)])
    )
    return ImageStat.Stat(mask).mean[0] / 255


def foreign() -> bytes:
    """A picture that the painter did not paint."""
    image = Image.linear_gradient("L").resize((240, 200))
    out = io.BytesIO()
    Image.merge("RGB", (image, image.rotate(180), Image.new("L", image.size, 150))).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "style", ["", "watercolour of ", "oil painting of ", "pixel art of ", "ink sketch of "]
)
def test_same_words_size_and_seed_give_the_same_bytes(style: str) -> None:
    prompt = f"{style}a red fox in the snow at dusk"
    assert paint(prompt, size=SMALL, seed=7) == paint(prompt, size=SMALL, seed=7)


def test_another_seed_gives_another_picture_of_the_same() -> None:
    one, two = painted("a fox in the forest", seed=1), painted("a fox in the forest", seed=2)
    assert difference(one, two) > 2


@pytest.mark.parametrize("size", [(1, 1), (17, 400), (640, 90), (256, 256), (333, 211)])
def test_size_is_what_was_asked(size: tuple[int, int]) -> None:
    assert picture(paint("a lighthouse by the sea", size=size)).size == size


@pytest.mark.parametrize(
    ("encoding", "signature"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")]
)
def test_format_is_what_was_asked(encoding: str, signature: bytes) -> None:
    data = paint("a cat", size=SMALL, format=encoding)
    assert data.startswith(signature)
    assert picture(data).size == SMALL


def test_lower_quality_takes_fewer_bytes() -> None:
    assert len(paint("a cat", size=SMALL, format="jpeg", quality=10)) < len(
        paint("a cat", size=SMALL, format="jpeg")
    )


@pytest.mark.parametrize("encoding", ["png", "webp"])
def test_transparent_gives_the_subject_alone(encoding: str) -> None:
    alpha = picture(
        paint("a fox in the forest", size=SMALL, transparent=True, format=encoding)
    ).getchannel("A")
    assert alpha.getpixel((3, 3)) == 0
    assert alpha.getpixel((80, 110)) == 255
    covered = ImageStat.Stat(alpha).mean[0] / 255
    assert 0.05 < covered < 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 10)}, "size is 0x10"),
        ({"size": (90_000, 90_000)}, "size is 90000x90000"),
        ({"format": "gif"}, "format is 'gif'; accepted are png, jpeg, webp"),
        ({"quality": 101}, "quality is 101"),
        ({"format": "jpeg", "transparent": True}, "png or webp"),
        ({"source": b"not a picture"}, r"source \(13 bytes\) is not a picture"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paint("a cat", **options)  # type: ignore[arg-type]


def test_night_is_darker_than_dusk_and_dusk_than_day() -> None:
    night, dusk, day = (
        brightness(painted(f"a fox in a meadow {time}"))
        for time in ("at night", "at dusk", "by day")
    )
    assert night + 15 < dusk < day - 15


def test_a_colour_goes_to_its_noun() -> None:
    red, blue = (
        painted("a red cat", seed=3, transparent=True),
        painted("a blue cat", seed=3, transparent=True),
    )
    assert redness(red) > redness(blue) + 5
    cat = paint("a cat in a meadow", size=SMALL)
    in_red, in_blue = painted("add a red hat", source=cat), painted("add a blue hat", source=cat)
    assert redness(in_red) > redness(in_blue) + 0.5
    assert changed(in_red, in_blue) < 0.1


def test_winter_is_whiter_than_summer_and_autumn_redder() -> None:
    winter, summer, autumn = (
        painted(f"a hill in {season}", seed=1) for season in ("winter", "summer", "autumn")
    )
    assert brightness(winter) > brightness(summer) + 10
    assert redness(autumn) > redness(summer) + 10


def test_styles_look_different() -> None:
    plain = painted("a fox in a meadow", seed=1)
    for style in (
        "watercolour",
        "ink sketch",
        "pixel art",
        "poster",
        "oil painting",
        "blueprint",
        "monochrome",
        "sepia",
    ):
        assert difference(plain, painted(f"a fox in a meadow, {style}", seed=1)) > 2, style
    grey = painted("a fox, black and white")
    assert abs(redness(grey)) < 1
    assert len(painted("a fox, pixel art").getcolors(100_000) or []) <= 32


KNOWN = """fox cat dog wolf rabbit bear panda koala mouse squirrel lion tiger raccoon monkey owl penguin bird duck
chicken frog horse unicorn zebra deer cow sheep pig elephant giraffe dinosaur camel dragon fish whale
dolphin octopus turtle hedgehog snail butterfly robot person child wizard astronaut snowman ghost house
castle lighthouse windmill church tree pine palm flower mushroom cactus boat ship car train bicycle
balloon airship rocket plane cake cup teapot book heart apple pumpkin gift umbrella lantern hat crown
star tent bridge planet campfire kite guitar ball"""


def test_every_subject_is_seen() -> None:
    for subject in KNOWN.split():
        alpha = picture(paint(f"a {subject}", size=(64, 64), seed=1, transparent=True)).getchannel(
            "A"
        )
        assert 0.01 < ImageStat.Stat(alpha).mean[0] / 255 < 0.9, subject


def test_more_subjects_cover_more_of_the_picture() -> None:
    one, three = (
        picture(paint(f"{n}", size=SMALL, transparent=True)).getbbox()
        for n in ("a cat", "three cats")
    )
    assert one is not None
    assert three is not None
    assert three[2] - three[0] > one[2] - one[0]


def test_an_emoji_is_a_word() -> None:
    assert difference(painted("🦊", transparent=True), painted("fox face", transparent=True)) < 12


def test_an_unknown_subject_is_lettered_on_a_card() -> None:
    assert difference(painted("a toaster", seed=1), painted("a democracy", seed=1)) > 0.4


EDITS = ["put a blue hat on it", "add a green scarf", "give it glasses", "it holds a lantern"]


@pytest.mark.parametrize(("words", "encoding"), spread(product(EDITS, ["png", "jpeg", "webp"]), 5))
def test_an_edit_keeps_the_picture_and_changes_what_was_asked(words: str, encoding: str) -> None:
    before = paint("a red fox in a meadow", size=SMALL, format=encoding)
    after = painted(words, source=before)
    assert 0.001 < changed(picture(before).convert("RGB"), after) < 0.2


def test_an_edit_is_the_same_as_having_asked_for_all_of_it() -> None:
    before = paint("a fox in a meadow", size=SMALL, seed=4)
    with_hat = paint("put a red hat on the fox", size=SMALL, source=before)
    without = paint("remove the hat", size=SMALL, source=with_hat)
    assert picture(without).tobytes() == picture(before).tobytes()


def test_edits_follow_one_another() -> None:
    day = paint("a fox in a meadow by day", size=SMALL)
    night = paint("now at night", size=SMALL, source=day)
    snow = paint("let it snow", size=SMALL, source=night)
    assert brightness(picture(night)) + 30 < brightness(picture(day))
    assert brightness(picture(snow)) > brightness(picture(night))
    cat = paint("replace the fox with a cat", size=SMALL, source=day)
    assert 0.01 < changed(picture(day), picture(cat)) < 0.3


def test_an_edit_in_words_that_mean_nothing_still_changes_a_little() -> None:
    before = paint("a fox in a meadow", size=SMALL)
    after = painted("make it nicer, please", source=before)
    assert 0.5 < difference(picture(before), after) < 60


@pytest.mark.parametrize(
    "words",
    [
        "make it night",
        "add rain",
        "add a cat",
        "put a hat on it",
        "as a watercolour",
        "make it blue",
        "hmm",
    ],
)
def test_a_picture_from_elsewhere_is_changed_and_kept(words: str) -> None:
    plain = Image.open(io.BytesIO(foreign())).convert("RGB").resize((240, 200))
    after = painted(words, (240, 200), source=foreign())
    assert 0.3 < difference(plain, after) < 100


def test_a_forged_scene_is_taken_for_a_picture_from_elsewhere() -> None:
    for note in (
        "{",
        "{}",
        '{"seed":1}',
        "[" * 5000,
        '{"seed":"","actors":[{"kind":"fox","x":1e999}]}',
    ):
        exif = Image.Exif()
        exif[ExifTags.Base.ImageDescription] = note
        out = io.BytesIO()
        Image.new("RGB", (40, 40), "white").save(out, "PNG", exif=exif)
        assert picture(paint("add a cat", size=(40, 40), source=out.getvalue())).size == (40, 40)


CREW = paint("two cats on a boat", size=(24, 18))
SAID = """a red fox hat without no replace with and , on boat two snow night the make it blue cats holding umbrella city
"Hi" change to remove sea ink 99"""
WORDS = SAID.split()


@settings(max_examples=examples(6), deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)))
def test_any_words_are_painted_and_edited(prompt: str) -> None:
    size = (24, 18)
    first = paint(prompt, size=size)
    assert picture(paint(prompt, size=size, source=first)).size == size
    assert picture(paint(prompt, size=size, source=CREW)).size == size
    assert ET.fromstring(paint_svg(prompt, size)).tag.endswith("svg")


@pytest.mark.parametrize("prompt", ["change cats to boat", "replace the cats with a lighthouse"])
def test_what_takes_the_place_of_the_crew_is_not_aboard(prompt: str) -> None:
    assert picture(paint(prompt, size=(24, 18), source=CREW)).size == (24, 18)


@pytest.mark.parametrize(
    "prompt",
    ["", "fox " * 2500, "שועל אדום בשלג", "\ud83d", "\x00\x1b[31m", "字" * 10_000, '"' * 999],
)
def test_hostile_prompts_are_painted(prompt: str) -> None:
    assert picture(paint(prompt, size=(48, 32))).size == (48, 32)


def test_the_svg_is_the_same_each_time_and_holds_no_markup_of_the_prompt() -> None:
    svg = paint_svg("a fox <script>alert(1)</script> & a cat \x00", (200, 100), 5)
    assert svg == paint_svg("a fox <script>alert(1)</script> & a cat \x00", (200, 100), 5)
    root = ET.fromstring(svg)
    assert (root.get("width"), root.get("height")) == ("200", "100")
    assert not [
        node for node in root.iter() if node.tag.endswith(("script", "image", "foreignObject"))
    ]
    assert len([node for node in root.iter() if node.tag.endswith("path")]) > 100


def test_previews_come_nearer_to_the_picture() -> None:
    data = paint("a fox in a meadow", size=(320, 240))
    full = picture(data)
    steps = [picture(preview(data, step, 3)) for step in range(3)]
    assert all(step.size == full.size for step in steps)
    far, nearer, near = (difference(full, step) for step in steps)
    assert far > nearer > near > 0.5


def test_chance_of_others_does_not_matter() -> None:
    random.seed(1)
    one = paint("rain over the sea", size=SMALL)
    random.seed(2)
    assert paint("rain over the sea", size=SMALL) == one


def test_outlines_are_read_as_svg_writes_them() -> None:
    assert points_of("0,0.9 -0.24,.5\n  1,2") == ((0.0, 0.9), (-0.24, 0.5), (1.0, 2.0))
    assert points_of("") == ()
