"""What a script can say beside its prompts: pictures, approvals, replies, a budget, variables, an
agent; and what it can expect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from agentkit.demo.checks import Check
from agentkit.demo.document import ScriptError
from agentkit.demo.live import TerminalView
from agentkit.demo.played import Played
from agentkit.demo.player import PlayOptions, play
from agentkit.demo.script import Script, load, read
from agentkit.demo.tools import load_tools
from agentkit.emulator import Emulator
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import OpenRouter
from agentkit.values import Api

TOOLS = """\
from agentkit import Agent, tool

@tool(approve=True)
def pay(euros: int) -> str:
    "Pays."
    return f"paid {euros}"

def agent():
    return Agent("openai/gpt-5.2", instructions="Be brief.", tools=[pay])

not_an_agent = 5

def broken():
    raise RuntimeError("no such luck")
"""
PAY = {"call": {"pay": {"euros": 3}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "pays.py").write_text("raise ImportError('nothing here')")
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)")
    picture = Pillow.new("RGB", (64, 36), "tomato")
    picture.paste("navy", (0, 0, 20, 36))
    picture.save(tmp_path / "own.png")
    Pillow.new("RGBA", (64, 64), (0, 0, 255, 90)).save(tmp_path / "clear.png")
    (tmp_path / "words.png").write_text("no picture")
    return tmp_path


def script(folder: Path, *turns: Mapping[str, Any], **fields: Any) -> Script:
    data = {"name": "x", "model": "openai/gpt-5.2", "apis": ["chat"], "turns": turns, **fields}
    data = {name: value for name, value in data.items() if value is not None}
    # YAML 1.1 takes 1e-05 for a text
    return read(json.dumps(data).replace("1e-05", "0.00001"), "x.yaml", folder=folder)


async def played(
    made: Script, emulator: Emulator, client: OpenRouter, *, api: Api = "chat", **options: Any
) -> Played:
    given = PlayOptions(emulator=emulator, **options)
    view, store = TerminalView(), MemoryImageStore()
    return await play(made, api, load_tools(made), view, client=client, store=store, options=given)


def unmet(found: Played) -> list[str]:
    return [check.line for turn in found.turns for check in turn.checks if check.is_unmet]


def expectation(found: Played, field: str) -> Check:
    return next(check for check in found.turns[-1].checks if check.field == field)


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_replies_are_what_the_model_says_draws_and_calls(
    api: Api, folder: Path, emulator: Emulator, client: OpenRouter
) -> None:
    made = script(
        folder,
        {"say": "Pay.", "replies": [PAY, "Paid."], "approve": {"pay": True}},
        {
            "say": "Draw.",
            "replies": [[{"say": "Here: ", "draw": {"prompt": "a boat", "size": "64x36"}}]],
            "tools": ["openrouter:image_generation"],
            "expect": {"images": 1, "prompt": "a boat", "text": "Here", "order": ["image"]},
        },
        {"say": "Own.", "replies": [{"draw": {"prompt": "mine", "file": "own.png"}}], "tools": []},
        tools=["tools.py:pay"],
    )
    found = await played(made, emulator, client, api=api)
    assert found.failed == ()
    first, second, third = (turn.answer for turn in found.turns)
    assert first and second and third  # noqa: PT018
    assert (first.text, first.invocations[0].result) == ("Paid.", "paid 3")
    assert (second.images[0].width, second.images[0].height) == (64, 36)
    assert third.images[0].bytes() == (folder / "own.png").read_bytes()


async def test_replies_for_the_whole_script_and_replies_that_are_left(
    folder: Path, emulator: Emulator, client: OpenRouter
) -> None:
    turns = [{"say": "One"}, {"say": "Two"}]
    good = script(folder, *turns, replies=["First.", "Second."])
    found = await played(good, emulator, client)
    assert [turn.answer and turn.answer.text for turn in found.turns] == ["First.", "Second."]
    assert found.failed == ()
    long = script(folder, *turns, replies=["First.", "Second.", "Third."])
    found = await played(long, emulator, client)
    assert unmet(found) == ["expected every reply of the script to be asked for, came 1 too many"]


@pytest.mark.parametrize(
    ("verdict", "status", "said"),
    [
        (True, "completed", "paid 3"),
        ({"edit": {"euros": 1}}, "completed", "paid 1"),
        ("too dear", "denied", None),
        (False, "denied", None),
    ],
)
async def test_an_approval_is_what_the_script_says(
    verdict: object,
    status: str,
    said: str | None,
    folder: Path,
    emulator: Emulator,
    client: OpenRouter,
) -> None:
    turn = {"say": "Pay.", "replies": [PAY, "Well."], "approve": {"pay": verdict}}
    found = await played(script(folder, turn, tools=["tools.py:pay"]), emulator, client)
    assert found.failed == ()
    answer = found.turns[0].answer
    assert answer is not None
    assert (answer.invocations[0].status, answer.invocations[0].result) == (status, said)
    assert [each.call.arguments for each in found.turns[0].decided] == [{"euros": 3}]


async def test_an_approval_that_nobody_asked_for_and_one_that_is_missing(
    folder: Path, emulator: Emulator, client: OpenRouter
) -> None:
    idle = {"say": "Pay.", "replies": ["No."], "approve": {"pay": True}}
    found = await played(script(folder, idle, tools=["tools.py:pay"]), emulator, client)
    assert unmet(found) == ["expected a call of pay that waits for an approval, came nothing"]
    waits = {"say": "Pay.", "replies": [PAY], "expect": {"status": "paused"}}
    after = {"say": "And now?", "replies": ["Now."]}
    found = await played(script(folder, waits, after, tools=["tools.py:pay"]), emulator, client)
    assert found.failed == ()


async def test_pictures_are_sent_and_sent_again(
    folder: Path, emulator: Emulator, client: OpenRouter
) -> None:
    made = script(
        folder,
        {"say": "Mine.", "attach": "own.png", "replies": ["Yours."]},
        {"say": "Other.", "attach": ["clear.png"], "replies": ["Fine."]},
        {"say": "Again.", "refs": ["img_1", "last_image"], "replies": ["Both."]},
    )
    found = await played(made, emulator, client)
    assert found.failed == ()
    sent = [[image.name for image in turn.attached] for turn in found.turns]
    assert sent == [["img_1"], ["img_2"], ["img_1", "img_2"]]
    missing = await played(script(folder, {"say": "x", "refs": "img_9"}), emulator, client)
    assert missing.turns[0].error == (
        "UsageError: turns[0].refs: there is no picture img_9, there are: none"
    )


async def test_an_agent_a_budget_an_api_and_a_wait(
    folder: Path, emulator: Emulator, client: OpenRouter
) -> None:
    made = script(
        folder,
        {
            "say": "Pay.",
            "replies": [PAY, "Paid."],
            "approve": {"pay": True},
            "expect": {"tools": {"pay": 1}},
        },
        {"say": "Hello", "api": "responses", "wait": 0.01, "replies": ["Hello."]},
        agent="tools.py:agent",
        model=None,
    )
    found = await played(made, emulator, client)
    assert found.failed == ()
    assert found.model == "openai/gpt-5.2"
    asked = [each.path for each in emulator.requests if each.method == "POST"]
    assert [path.rpartition("/")[2] for path in asked] == [
        "completions",
        "completions",
        "responses",
    ]
    assert any("Be brief." in told for told in emulator.told)
    draw = {"say": "Draw a fox", "tools": ["openrouter:image_generation"]}
    poor = script(folder, draw, budget={"images": 0})
    found = await played(poor, emulator, client)
    assert found.turns[0].answer is not None
    assert found.turns[0].answer.status == "limited"


def test_variables_stand_for_their_values(folder: Path) -> None:
    text = 'name: For {who}\nmodel: a/b\nvariables: {who: Ida, n: 3}\nturns:\n- say: "{{x}} {who} {n}"\n  expect: {text: "/{who}/"}\n'
    made = read(text, "x", folder=folder)
    assert (made.name, made.turns[0].say, made.turns[0].expect.text) == (
        "For Ida",
        "{x} Ida 3",
        ["/Ida/"],
    )
    other = read(text, "x", folder=folder, variables={"who": "Bo"})
    assert other.name == "For Bo"
    plain = read("name: '{who}'\nmodel: a/b\nturns: [{say: '{n}'}]", "x", folder=folder)
    assert (plain.name, plain.turns[0].say) == ("{who}", "{n}")
    with pytest.raises(ScriptError, match="there is no variable 'whom', accepted are: who, n"):
        read(text, "x", folder=folder, variables={"whom": "Bo"})
    with pytest.raises(ScriptError, match="the script has no variables, so a cannot be set"):
        read("name: x\nmodel: a/b\nturns: [{say: x}]", "x", folder=folder, variables={"a": "b"})


def drawing(**expect: Any) -> dict[str, Any]:
    return {
        "say": "Draw.",
        "replies": [{"say": "Here.", "draw": {"prompt": "mine", "file": "own.png"}}],
        "expect": {"image": expect},
    }


@pytest.mark.parametrize(
    ("expect", "came"),
    [
        ({"count": 1}, None),
        ({"count": 2}, "expected 2 images, came 1"),
        ({"min_width": 64}, None),
        ({"min_width": 65}, "expected images at least 65 pixels wide, came 64×36 (img_2)"),
        ({"aspect_ratio": "16:9"}, None),
        ({"aspect_ratio": "1:1"}, "expected images of 1:1, came 64×36 (img_2)"),
        ({"has_alpha": False}, None),
        ({"has_alpha": True}, "expected images with transparent pixels, came none (img_2)"),
        ({"dominant_colour": "tomato"}, None),
        ({"dominant_colour": "#ff5040"}, None),
        (
            {"dominant_colour": "navy"},
            "expected images of mostly navy, came #ff6347, ΔE 60 from it (img_2)",
        ),
        ({"similar_to": "own.png"}, None),
        (
            {"differs_from": {"image": "img_1", "distance": 30}},
            "expected images other than img_1 (dHash distance more than 30), came distance 24 (img_2)",
        ),
        ({"differs_from": {"image": "img_1", "distance": 4}}, None),
        (
            {"similar_to": [{"image": "clear.png", "distance": 4}]},
            "expected images like clear.png (dHash distance at most 4), came distance 24 (img_2)",
        ),
        (
            {"similar_to": "img_7"},
            "expected images like img_7 (dHash distance at most 10), came no picture img_7 to compare with",
        ),
        (
            {"similar_to": "last_image"},
            "expected images like last_image (dHash distance at most 10), came distance 24 (img_2)",
        ),
    ],
    ids=str,
)
async def test_pictures_are_measured(
    expect: dict[str, Any], came: str | None, folder: Path, emulator: Emulator, client: OpenRouter
) -> None:
    first = {"say": "Look.", "attach": "clear.png", "replies": ["I see."]}
    made = script(folder, first, drawing(**expect))
    found = await played(made, emulator, client)
    assert unmet(found) == ([came] if came else [])
    if set(expect) - {"count", "min_width", "aspect_ratio"}:
        flat = await played(made, emulator, client, is_replayed=True)
        assert unmet(flat) == []
        assert [
            check.outcome for check in flat.turns[-1].checks if check.field.startswith("image.")
        ] == ["skipped"]


@pytest.mark.parametrize(
    ("reply", "expect", "came"),
    [
        ("Snow in Oslo", {"not_text": ["rain", "/su.n/"]}, None),
        ("Snow in Oslo", {"not_text": "SNOW"}, "expected no text 'SNOW', came 'Snow in Oslo'"),
        ('{"a": 1}', {"json_schema": {"type": "object", "required": ["a"]}}, None),
        (
            '```json\n{"a": 1}\n```',
            {"json_schema": {"properties": {"a": {"type": "integer"}}}},
            None,
        ),
        (
            '{"a": 1}',
            {"json_schema": {"required": ["b"]}},
            "expected JSON that fits the schema, came $.b is missing",
        ),
        (
            "words",
            {"json_schema": {}},
            "expected JSON that fits the schema, came no JSON: Expecting value: line 1 column 1 (char 0)",
        ),
        ("x", {"cost_below": 1}, None),
        ("x", {"cost_below": 0.00001}, "expected a cost below $1e-05, came $0.00"),
        ("x", {"seconds_below": 100}, None),
        ("x", {"seconds_below": 0.00001}, "expected less than 1e-05 s, came "),
        ("x", {"order": ["text"]}, None),
        ("x", {"order": ["tool", "text"]}, "expected the order tool, text, came text"),
    ],
    ids=str,
)
async def test_what_else_can_be_expected(
    reply: str,
    expect: dict[str, Any],
    came: str | None,
    folder: Path,
    emulator: Emulator,
    client: OpenRouter,
) -> None:
    found = await played(
        script(folder, {"say": "x", "replies": [reply], "expect": expect}), emulator, client
    )
    lines = unmet(found)
    assert [line[: len(came or "")] for line in lines] == ([came] if came else [])


def turn_with(**fields: Any) -> dict[str, Any]:
    return {"turns": [{"say": "x", **fields}]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (turn_with(attach="none.png"), "field turns[0].attach: there is no file"),
        (turn_with(attach="words.png"), "field turns[0].attach: "),
        (turn_with(attach="x" * 3000), "field turns[0].attach: there is no file"),
        (turn_with(attach=5), "field turns[0].attach: given 5, accepted is a list"),
        (turn_with(refs="fox"), 'field turns[0].refs[0]: given "fox", accepted is the handle of a picture'),
        (turn_with(approve={"pay": True}), "field turns[0].approve.pay: no such tool in `tools:`, accepted are: none"),
        (turn_with(approve={"pay": 5}), "field turns[0].approve.pay: given 5, accepted is true, a text"),
        (turn_with(approve={"pay": {"edit": {}}}), "field turns[0].approve.pay: given {'edit': {}}, accepted is true"),
        (turn_with(approve={"pay": {"change": {"euros": 1}}}), "field turns[0].approve.pay: "),
        (turn_with(api="soap"), 'field turns[0].api: given "soap", accepted is chat or responses'),
        (turn_with(wait=-1), "field turns[0].wait: given -1, accepted is seconds from 0 to 3600"),
        (turn_with(wait="long"), 'field turns[0].wait: given "long", accepted is a number'),
        (turn_with(replies=[{"sing": "la"}]), "field turns[0].replies[0]: "),
        (turn_with(replies=[{"draw": {"prompt": "x", "size": "huge"}}]), "field turns[0].replies[0]: "),
        (turn_with(replies=[{"draw": {"prompt": "x", "file": "none.png"}}]), "field turns[0].replies[0]: there is no file"),
        (turn_with(replies=[{"call": "pay"}]), "field turns[0].replies[0]: given {'call': 'pay'}, call: accepted is {TOOL:"),
        (turn_with(replies=[[]]), "field turns[0].replies[0]: "),
        (turn_with(expect={"image": {"dominant_colour": "reddish"}}), 'field turns[0].expect.image.dominant_colour: given "reddish", accepted is a CSS colour'),
        (turn_with(expect={"image": {"aspect_ratio": "wide"}}), 'field turns[0].expect.image.aspect_ratio: given "wide", accepted is width to height'),
        (turn_with(expect={"image": {"aspect_ratio": 969}}), "field turns[0].expect.image.aspect_ratio: given 969, accepted is width to height in quotes"),
        (turn_with(expect={"image": {"min_width": 0}}), "field turns[0].expect.image.min_width: given 0, accepted is a whole number from 1 to 100000"),
        (turn_with(expect={"image": {"colour": "red"}}), "field turns[0].expect.image.colour: unknown, accepted are: count, min_width"),
        (turn_with(expect={"image": {"similar_to": "none.png"}}), "field turns[0].expect.image.similar_to: there is no file"),
        (turn_with(expect={"image": {"similar_to": {"image": "img_1", "distance": 99}}}), "field turns[0].expect.image.similar_to[0]: "),
        (turn_with(expect={"json_schema": {"$ref": "x"}}), "field turns[0].expect.json_schema: "),
        (turn_with(expect={"json_schema": {"properties": {"a": {"type": "colour"}}}}), "field turns[0].expect.json_schema: "),
        (turn_with(expect={"json_schema": {"pattern": "("}}), "field turns[0].expect.json_schema: "),
        (turn_with(expect={"order": ["song"]}), 'field turns[0].expect.order[0]: given "song", accepted is tool, image or text'),
        (turn_with(expect={"cost_below": 0}), "field turns[0].expect.cost_below: given 0, accepted is USD, more than 0"),
        (turn_with(expect={"not_text": "/(/"}), "field turns[0].expect.not_text[0]: "),
        ({"agent": "tools.py"}, 'field agent: given "tools.py", accepted is FILE.py:NAME'),
        ({"agent": "tools.py:nobody"}, "field agent: tools.py has no agent nobody"),
        ({"agent": "tools.py:not_an_agent"}, "field agent: tools.py has no agent not_an_agent"),
        ({"agent": "tools.py:broken"}, "field agent: tools.py:broken raised RuntimeError: no such luck"),
        ({"agent": "pays.py:agent"}, "field agent: pays.py cannot be imported: ImportError: nothing here"),
        ({"agent": "leaves.py:agent"}, "field agent: leaves.py cannot be imported: SystemExit: 3"),
        ({"agent": "none.py:agent"}, "field agent: none.py cannot be imported: FileNotFoundError"),
        ({"agent": "tools.py:agent", **turn_with(expect={"tools": {"py": 1}})}, "field turns[0].expect.tools.py: no such tool in `tools:`, accepted are: pay"),
        ({"budget": 0}, "field budget.cost_usd: given 0, accepted is USD, more than 0"),
        ({"budget": "much"}, 'field budget: given "much", accepted is a mapping'),
        ({"budget": {"euros": 3}}, "field budget.euros: unknown, accepted are: cost_usd, images"),
        ({"variables": {"a": [1]}}, "field variables.a: given [1], accepted is text or a number"),
        ({"variables": {"a b": 1}}, "field variables.a b: accepted are names of letters"),
        ({"variables": {"a": 1}, **turn_with(expect={"text": "{b}"})}, "field turns[0].expect.text: {b} is no variable, accepted are: a"),
        ({"replies": ["x"], **turn_with(replies=["x"])}, "field turns[0].replies: the script has `replies` for all turns"),
        ({"replies": "x"}, 'field replies: given "x", accepted is a list'),
        ({"model": None}, "field model: missing; it is required"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_told_by_field(fields: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(ScriptError) as error:
        load_tools(script(folder, {"say": "x"}, **fields))
    where, _, why = str(error.value).partition(": ")
    assert where == "x.yaml:1"
    assert why.startswith(message)


def test_a_cycle_and_a_large_file_are_refused(tmp_path: Path) -> None:
    cyclic = tmp_path / "cyclic.yaml"
    cyclic.write_text("name: x\nturns: &a\n  - *a\n")
    with pytest.raises(ScriptError, match=r"cyclic.yaml:"):
        load(cyclic)
    large = tmp_path / "large.yaml"
    large.write_text("name: " + "x" * 10_000_000)
    with pytest.raises(ScriptError, match=r"large.yaml:1: the script has more than"):
        load(large)


def test_a_picture_is_measured_as_css_and_hashes_say() -> None:
    from agentkit.demo.colours import delta_e, dhash, distance, dominant_colour, has_alpha

    # from the table of Sharma, Wu and Dalal (2005), turned into sRGB within half a unit
    assert delta_e((0, 0, 0), (255, 255, 255)) == pytest.approx(100, abs=0.1)
    assert delta_e((255, 0, 0), (255, 0, 0)) == 0
    assert delta_e((255, 0, 0), (0, 255, 0)) == pytest.approx(86.6, abs=0.2)
    assert delta_e((255, 0, 0), (0, 0, 255)) == pytest.approx(52.9, abs=0.2)
    gradient = Pillow.linear_gradient("L").rotate(90)
    assert distance(dhash(gradient), dhash(gradient.resize((500, 90)))) == 0
    assert distance(dhash(gradient), dhash(gradient.rotate(180))) == 64
    data = BytesIO()
    Pillow.new("RGBA", (8, 8), (255, 0, 0, 0)).save(data, "PNG")
    clear = Pillow.open(data)
    assert has_alpha(clear)
    assert dominant_colour(clear) == (255, 0, 0)
