"""A broken script is refused at once: by file, line and field."""

from pathlib import Path

import pytest

from agentkit import ImageGeneration, ModelSettings, OpenRouter, ServerTool, Tool
from agentkit.demo.document import ScriptError
from agentkit.demo.script import Script, load, read
from agentkit.demo.tools import StudioTools, load_tools, named_tools
from agentkit.images.store import MemoryImageStore

GOOD = """\
name: A demo
model: openai/gpt-5.2
turns:
  - say: Hello
    expect:
      images: 1
"""
FOX = Path(__file__).parents[3] / "examples" / "fox.demo.yaml"


def script(text: str, folder: Path = Path()) -> Script:
    return read(text, "demo.yaml", folder=folder)


def with_expect(line: str) -> str:
    return GOOD.replace("images: 1", line)


def test_a_small_script_has_sensible_defaults() -> None:
    made = script(GOOD)
    assert made.apis == ("chat", "responses")
    assert made.turns[0].expect.status == "completed"
    assert made.turns[0].expect.failures == 0
    assert made.tools == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "demo.yaml:1: given nothing, accepted is a mapping"),
        ("- a", "demo.yaml:1: given ['a'], accepted is a mapping"),
        ("name: x\nturns: [{say: x}]", "demo.yaml:1: field model: missing; it is required"),
        (
            with_expect("images: two"),
            'demo.yaml:6: field turns[0].expect.images: given "two", accepted is a whole number',
        ),
        (
            with_expect("images: 1.5"),
            "demo.yaml:6: field turns[0].expect.images: given 1.5, accepted is a whole number",
        ),
        (
            with_expect("images: yes"),
            "demo.yaml:6: field turns[0].expect.images: given true, accepted is a whole number",
        ),
        (
            with_expect("images: -1"),
            "demo.yaml:6: field turns[0].expect.images: given -1, accepted is a whole number from 0 to 1000",
        ),
        (
            with_expect("picture: 1"),
            "demo.yaml:6: field turns[0].expect.picture: unknown, accepted are: status, text,",
        ),
        (
            with_expect("status: done"),
            'demo.yaml:6: field turns[0].expect.status: given "done", accepted is completed, paused',
        ),
        (
            with_expect("text: /(/"),
            'demo.yaml:6: field turns[0].expect.text[0]: given "/(/", no regular expression: missing )',
        ),
        (
            with_expect("tools: {weather: 1}"),
            "demo.yaml:6: field turns[0].expect.tools.weather: no such tool in `tools:`, accepted are: none",
        ),
        (GOOD + "  - say: no\n", "demo.yaml:7: field turns[1].say: given false, accepted is text"),
        (GOOD + "  - hello\n", 'demo.yaml:7: field turns[1]: given "hello", accepted is a mapping'),
        (GOOD + "  - expect: {}\n", "demo.yaml:7: field turns[1].say: missing; it is required"),
        (
            GOOD + "  - say: ''\n",
            'demo.yaml:7: field turns[1].say: given "", accepted is text that is not empty',
        ),
        (
            GOOD + "api: chat\n",
            "demo.yaml:7: field api: unknown, accepted are: name, about, model,",
        ),
        (
            GOOD + "apis: [chat, soap]\n",
            'demo.yaml:7: field apis[1]: given "soap", accepted is chat or responses',
        ),
        (
            GOOD + "apis: [chat, chat]\n",
            "demo.yaml:7: field apis: given ['chat', 'chat'], accepted is each API once",
        ),
        (GOOD + "apis: []\n", "demo.yaml:7: field apis: given 0, accepted are 1 or more"),
        (GOOD + "name: twice\n", "demo.yaml:7: field name: given twice"),
        (
            GOOD + "tools:\n  - fine.py:f\n  - 3\n",
            "demo.yaml:9: field tools[1]: given 3, accepted is FILE.py:NAME",
        ),
        (
            GOOD + "settings: {temperature: 9}\n",
            "demo.yaml:7: field settings.temperature: given 9, accepted is a number from 0.0 to 2.0",
        ),
        (
            GOOD + "settings: {temprature: 1}\n",
            "demo.yaml:7: field settings.temprature: unknown, accepted are: temperature,",
        ),
        (
            GOOD + "limits: {turns: 0}\n",
            "demo.yaml:7: field limits.turns: given 0, accepted is a whole number of at least 1",
        ),
        (GOOD + "about: 2026-02-31\n", "demo.yaml:7: field about: day is out of range for month"),
        (
            GOOD + "about: !!python/name:os.system x\n",
            "demo.yaml:7: field about: could not determine a constructor",
        ),
        (GOOD + "? [a]\n: b\n", "demo.yaml:7: a key in the script is no plain text"),
        (GOOD + "about: [a\n", "demo.yaml:8: this is no YAML: while parsing a flow sequence"),
        (GOOD + "about: \x07\n", "demo.yaml:7: this is no YAML: unacceptable character U+0007"),
        (
            GOOD + "variables: [a]\n",
            "demo.yaml:7: field variables: given ['a'], accepted is a mapping",
        ),
        (
            GOOD + "variables: {a: [1]}\n",
            "demo.yaml:7: field variables.a: given [1], accepted is text or a number",
        ),
        ("turns: " + "[" * 40, "demo.yaml:1: nested more than 24 deep"),
        (
            GOOD + "settings: !!python/object:os.system {}\n",
            "demo.yaml:7: field settings: could not determine a constructor for the tag",
        ),
        ("turns: &a [*a]", "demo.yaml:1: more than 10000 values or 24 levels, aliases expanded"),
        (
            "\n".join(
                [
                    "a: &a [" + "x," * 99 + "x]",
                    "b: &b [" + "*a," * 99 + "*a]",
                    "c: [" + "*b," * 99 + "*b]",
                ]
            ),
            "aliases expanded",
        ),
        (
            "name: " + "x" * 300_000,
            "demo.yaml:1: the script has 300006 characters; accepted are at most 262144",
        ),
    ],
)
def test_a_broken_script_names_file_line_and_field(text: str, message: str) -> None:
    with pytest.raises(ScriptError) as error:
        script(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_first_error_of_the_file_is_told() -> None:
    with pytest.raises(ScriptError, match=r"demo\.yaml:2: field model"):
        script(GOOD.replace("openai/gpt-5.2", "5").replace("images: 1", "images: two"))


def test_a_script_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"none\.yaml: the script cannot be read: No such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: x\nmodel: é".encode("latin-1"))
    with pytest.raises(ScriptError, match=r"latin\.yaml:2: the script is not UTF-8"):
        load(tmp_path / "latin.yaml")


def test_one_text_may_stand_without_a_list() -> None:
    made = script(with_expect("text: hello\n      parents: img_1"))
    assert made.turns[0].expect.text == ["hello"]
    assert made.turns[0].expect.parents == ["img_1"]


def test_tools_of_all_three_kinds(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        'def twice(number: int) -> int:\n    """Twice a number."""\n    return 2 * number\n'
    )
    made = script(
        GOOD + "tools:\n  - own.py:twice\n  - agentkit.show.plain:kilobytes\n"
        "  - openrouter:image_generation: {quality: low}\n  - openrouter:datetime\n  - openrouter:advisor: {model: x/y}\n",
        tmp_path,
    )
    own, module, draw, clock, advisor = load_tools(made).shared
    assert isinstance(own, Tool)
    assert own(21) == 42
    assert module.name == "kilobytes"
    assert draw == ImageGeneration(quality="low")
    assert clock.name == "openrouter:datetime"
    assert advisor == ServerTool("openrouter:advisor", {"model": "x/y"})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "own.py:none",
            "demo.yaml:8: field tools[0]: own.py has no function none, accepted are: fine",
        ),
        ("own.py:_hidden", ""),
        (
            "absent.py:fine",
            "demo.yaml:8: field tools[0]: absent.py cannot be imported: FileNotFoundError: there is no file",
        ),
        (
            "broken.py:fine",
            "demo.yaml:8: field tools[0]: broken.py cannot be imported: ZeroDivisionError: division by zero",
        ),
        (
            "no.such.module:fine",
            "demo.yaml:8: field tools[0]: no.such.module cannot be imported: ModuleNotFoundError",
        ),
        ("own.py:untyped", "demo.yaml:8: field tools[0]: "),
        (
            "openrouter:image_generation: {quality: 3}",
            "field tools[0].openrouter:image_generation: ImageGeneration(quality=3)",
        ),
        ("openrouter:datetime: {zone: UTC}", "field tools[0].openrouter:datetime: "),
        ("studio: {n: 20}", "demo.yaml:8: field tools[0].studio: tools(n=20): accepted is 1 to 10"),
        (
            "studio: {colour: red}",
            "demo.yaml:8: field tools[0].studio: tools(colour='red'): there is no such parameter",
        ),
    ],
)
def test_a_tool_that_cannot_be_had(tmp_path: Path, entry: str, message: str) -> None:
    (tmp_path / "own.py").write_text(
        "def fine(a: int) -> int:\n    return a\ndef _hidden(a: int) -> int:\n    return a\ndef untyped(*a):\n    return a\n"
    )
    (tmp_path / "broken.py").write_text("1 / 0\n")
    made = script(GOOD + f"tools:\n  - {entry}\n", tmp_path)
    if not message:
        assert load_tools(made)
        return
    with pytest.raises(ScriptError) as error:
        load_tools(made)
    assert message in str(error.value)


OTHER = """\
  - say: Again
    model: google/gemini-2.5-flash-image
    settings: {modalities: [image, text], seed: 7}
    tools: [studio: {quality: low}, openrouter:datetime]
    expect: {tools: {edit_image: 1}}
"""


def test_a_turn_may_ask_another_model_in_another_way_with_other_tools(
    client: OpenRouter, store: MemoryImageStore
) -> None:
    made = script(
        GOOD + OTHER + "settings: {seed: 1, temperature: 0}\ntools: [openrouter:image_generation]\n"
    )
    plain, other = made.turns
    assert [made.model_of(turn) for turn in made.turns] == [
        "openai/gpt-5.2",
        "google/gemini-2.5-flash-image",
    ]
    assert made.settings_of(plain) == ModelSettings(seed=1, temperature=0)
    assert made.settings_of(other) == ModelSettings(
        seed=7, temperature=0, modalities=("image", "text")
    )
    box = load_tools(made)
    assert [each.name for each in box.tools(1, client, store)] == ["openrouter:image_generation"]
    assert [each.name for each in box.tools(2, client, store)] == [
        "draw_image",
        "edit_image",
        "openrouter:datetime",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{edit_image: 1}",
            "{weather: 1}",
            "demo.yaml:11: field turns[1].expect.tools.weather: no such tool in `tools:`, accepted are: draw_image, edit_image",
        ),
        (
            "seed: 7",
            "seed: x",
            'demo.yaml:9: field turns[1].settings.seed: given "x", accepted is a whole number',
        ),
        (
            "seed: 7",
            "colour: 7",
            "demo.yaml:9: field turns[1].settings.colour: unknown, accepted are: temperature",
        ),
        (
            "image, text]",
            "5]",
            "demo.yaml:9: field turns[1].settings.modalities: given [5], accepted is a list of strings",
        ),
        (
            "model: google",
            "model: 5 #",
            "demo.yaml:8: field turns[1].model: given 5, accepted is text",
        ),
        (
            "studio: {quality: low}",
            "studio: low",
            "demo.yaml:10: field turns[1].tools[0]: given {'studio': 'low'}, accepted is FILE.py:NAME",
        ),
    ],
)
def test_what_is_wrong_in_a_turn_of_its_own(old: str, new: str, message: str) -> None:
    with pytest.raises(ScriptError) as error:
        load_tools(script(GOOD + OTHER.replace(old, new)))
    assert str(error.value).startswith(message)


def test_tools_without_a_script(
    client: OpenRouter, store: MemoryImageStore, tmp_path: Path
) -> None:
    box = named_tools(["studio", "openrouter:web_search"], tmp_path)
    assert [each.name for each in box.tools(1, client, store)] == [
        "draw_image",
        "edit_image",
        "openrouter:web_search",
    ]
    with pytest.raises(ScriptError, match=r"field tools\[0\]: absent.py cannot be imported"):
        named_tools(["absent.py:fine"], tmp_path)


def test_a_file_of_tools_is_run_once(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "class Mark: ...\nmark = Mark()\ndef a() -> str:\n    return str(id(mark))\ndef b() -> str:\n    return str(id(mark))\n"
    )
    a, b = load_tools(script(GOOD + "tools: ['own.py:a', 'own.py:b']\n", tmp_path)).shared
    assert a() == b()  # type: ignore[operator]


def test_the_example_does_what_it_promises() -> None:
    fox = load(FOX)
    box = load_tools(fox)
    assert len(box.shared) == 4
    assert [type(each) for turn in box.own.values() for each in turn] == [StudioTools]
    assert {turn.model for turn in fox.turns if turn.model} == {"google/gemini-2.5-flash-image"}
    expected = [turn.expect for turn in fox.turns]
    assert fox.apis == ("chat", "responses")
    assert any(each.together and each.tools and sum(each.tools.values()) == 2 for each in expected)
    assert any(each.images == 2 for each in expected)
    assert any(each.tools == {} and each.images == 0 and each.text for each in expected)
