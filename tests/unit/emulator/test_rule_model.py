"""The rules: what they answer, which tools they call with what, what they draw and remember."""

import base64
import io
import json

import pytest
from PIL import Image

from tests.conftest import spread


def function(name: str, description: str, required: tuple[str, ...] = (), **properties) -> dict:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"name": name, "description": description, "parameters": schema}


TEXT = {"type": "string"}
WEATHER = function(
    "weather",
    "Today's weather in a city.",
    ("city",),
    city=TEXT,
    unit={"enum": ["celsius", "fahrenheit"], "default": "celsius"},
)
PALETTE = function(
    "palette",
    "Colours that suit a mood.",
    ("mood",),
    mood={**TEXT, "description": "a mood such as calm"},
)
CLOCK = function("local_time", "The time of day in a city.", ("city",), city=TEXT)
DICE = function(
    "roll_dice",
    "Roll dice.",
    ("sides",),
    sides={"type": "integer"},
    count={"type": "integer", "default": 1},
)
FLIGHT = function(
    "book_flight",
    "Book a flight.",
    ("origin", "destination", "date"),
    origin=TEXT,
    destination=TEXT,
    date={**TEXT, "format": "date"},
    passengers={"type": "integer", "minimum": 1},
)
MAIL = function(
    "send_email", "Send an email.", ("to", "message"), to={**TEXT, "format": "email"}, message=TEXT
)
CROP = function(
    "crop",
    "Crop a picture.",
    ("image",),
    image={**TEXT, "description": "the handle of an image, such as img_1"},
)
ALL = [WEATHER, PALETTE, CLOCK, DICE, FLIGHT, MAIL, CROP]

CASES = [
    ("What's the weather in Oslo?", [("weather", {"city": "Oslo"})]),
    (
        "Weather in Oslo in fahrenheit, please",
        [("weather", {"city": "Oslo", "unit": "fahrenheit"})],
    ),
    (
        "What's the weather in Oslo and which colours suit a calm mood?",
        [("weather", {"city": "Oslo"}), ("palette", {"mood": "calm"})],
    ),
    (
        "What's the weather in Oslo and what time is it in Tokyo?",
        [("weather", {"city": "Oslo"}), ("local_time", {"city": "Tokyo"})],
    ),
    (
        "What is the weather in Oslo and Bergen?",
        [("weather", {"city": "Oslo"}), ("weather", {"city": "Bergen"})],
    ),
    ("what is the weather in oslo", [("weather", {"city": "Oslo"})]),
    ("Will it rain in São Paulo?", [("weather", {"city": "São Paulo"})]),
    ("Roll 3 dice with 20 sides", [("roll_dice", {"sides": 20, "count": 3})]),
    ("Roll two d6", [("roll_dice", {"sides": 6, "count": 2})]),
    (
        "Book a flight from Oslo to New York on 2027-03-05 for 2 passengers",
        [
            (
                "book_flight",
                {
                    "origin": "Oslo",
                    "destination": "New York",
                    "date": "2027-03-05",
                    "passengers": 2,
                },
            )
        ],
    ),
    (
        'Send an email to ada@example.com: "See you soon"',
        [("send_email", {"to": "ada@example.com", "message": "See you soon"})],
    ),
    ("Crop img_2", [("crop", {"image": "img_2"})]),
    ("Tell me a story about a bear", []),
    ("Hello!", []),
]


@pytest.mark.parametrize(("prompt", "wanted"), CASES, ids=lambda value: str(value)[:40])
def test_tools_are_chosen_and_their_arguments_filled(wire, prompt: str, wanted) -> None:
    found = wire.calls(prompt, ALL)
    assert [name for name, _ in found] == [name for name, _ in wanted]
    for (_, arguments), (_, least) in zip(found, wanted, strict=True):
        assert arguments | least == arguments


def test_a_missing_argument_is_asked_for(wire) -> None:
    tools = [{"type": "function", "function": WEATHER}]
    assert (
        wire.text("What is the weather?", tools=tools)
        == "I can do that with weather. Which city do you mean?"
    )


def turn(role: str, text: str) -> dict:
    return {"role": role, "content": text}


def after(prompt: str, *calls: tuple[str, dict, str]) -> list[dict]:
    made = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for n, (name, arguments, _) in enumerate(calls)
    ]
    results = [
        {"role": "tool", "tool_call_id": f"call_{n}", "content": result}
        for n, (_, _, result) in enumerate(calls)
    ]
    return [
        turn("user", prompt),
        {"role": "assistant", "content": None, "tool_calls": made},
        *results,
    ]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ("light snow, -3 °C", "The weather in Oslo: light snow, -3 °C."),
        ("It is snowing in Oslo, and cold.", "It is snowing in Oslo, and cold."),
        (
            '{"city": "Oslo", "temperature_c": -3, "conditions": "light snow"}',
            "The weather in Oslo: light snow, temperature -3 °C.",
        ),
        ("21", "The weather in Oslo is 21."),
        ('["sun", "wind", "rain"]', "The weather in Oslo: sun, wind and rain."),
        ("Error: no such city", "I could not get the weather in Oslo: no such city."),
        ('{"error": "no such city"}', "I could not get the weather in Oslo: no such city."),
        ("Denied by the user", "I was not allowed to use weather, so I go on without it."),
        ("", "The weather in Oslo came back empty."),
    ],
)
def test_results_are_woven_into_sentences(wire, result: str, told: str) -> None:
    messages = after("What's the weather in Oslo?", ("weather", {"city": "Oslo"}, result))
    assert wire.text(messages, tools=[{"type": "function", "function": WEATHER}]) == told


def test_a_call_is_made_once(wire) -> None:
    messages = after("What's the weather in Oslo?", ("weather", {"city": "Oslo"}, "snow"))
    assert wire.calls(messages, ALL) == []


def test_one_call_at_a_time(wire) -> None:
    prompt = "What is the weather in Oslo and Bergen?"
    first = wire.calls(prompt, [WEATHER], parallel_tool_calls=False)
    assert len(first) == 1
    second = wire.calls(after(prompt, (*first[0], "snow")), [WEATHER], parallel_tool_calls=False)
    assert [arguments["city"] for _, arguments in first + second] == ["Oslo", "Bergen"]


def test_a_later_turn_can_mean_the_same_tool(wire) -> None:
    messages = [
        *after("What's the weather in Oslo?", ("weather", {"city": "Oslo"}, "snow")),
        turn("assistant", "Snow."),
        turn("user", "And in Bergen?"),
    ]
    assert [(name, arguments["city"]) for name, arguments in wire.calls(messages, ALL)] == [
        ("weather", "Bergen")
    ]


def test_tool_choice(wire) -> None:
    assert wire.calls("What's the weather in Oslo?", ALL, tool_choice="none") == []
    assert len(wire.calls("Hello!", ALL, tool_choice="required")) == 1
    named = {"type": "function", "function": {"name": "palette"}}
    assert [
        name for name, _ in wire.calls("What's the weather in Oslo?", ALL, tool_choice=named)
    ] == ["palette"]
    assert wire.drawn("Hello!", tool_choice={"type": "openrouter:image_generation"}) == ["Hello!"]
    assert wire.drawn("Draw a fox", tool_choice="none") == []
    tools = [{"type": "openrouter:image_generation", "parameters": {"size": "64x64"}}]
    assert (
        wire.responses("A fox", tools=tools, tool_choice="required")["output"][-1]["type"]
        == "openrouter:image_generation"
    )


DRAWINGS = [
    ("Draw a red fox in the snow", ["a red fox in the snow"]),
    ("Could you please paint me a picture of a lighthouse at dusk?", ["a lighthouse at dusk"]),
    ("A picture of an owl, please.", ["an owl"]),
    ("Sketch a cat", ["a cat"]),
    ("Please generate an image of a castle on a hill.", ["a castle on a hill"]),
    (
        "Draw two pictures: one of an owl in a tree and one of a lighthouse at dusk.",
        ["an owl in a tree", "a lighthouse at dusk"],
    ),
    (
        "Draw two pictures of the fox: one in spring and one in winter",
        ["the fox in spring", "the fox in winter"],
    ),
    (
        "Paint a fox twice, once in spring and once in winter",
        ["a fox in spring", "a fox in winter"],
    ),
    ("Draw a cat and another of a dog", ["a cat", "a dog"]),
    ("Draw a cat, then paint a dog", ["a cat", "a dog"]),
    ("Draw two foxes", ["two foxes"]),
    ("Draw a fox and an owl", ["a fox and an owl"]),
    ("Tell me about owls and draw one", ["an owl"]),
    ("Draw a fox in 16:9 as a webp", ["a fox"]),
    ("Don't draw anything, just say hello", []),
    ("What did you draw?", []),
    ("How do people draw foxes?", []),
    ("Tell me about foxes", []),
]


@pytest.mark.parametrize(
    ("prompt", "wanted"), spread(DRAWINGS, 10), ids=[case[0][:40] for case in DRAWINGS]
)
def test_what_is_drawn(wire, prompt: str, wanted) -> None:
    assert wire.drawn(prompt) == wanted


CHANGES = [
    ("Now at night.", "a red fox in the snow at night"),
    ("Make it blue", "a blue fox in the snow"),
    ("Put a hat on it!", "a red fox in the snow wearing a hat"),
    ("Please add a moon in the sky", "a red fox in the snow with a moon in the sky"),
    ("Give him a scarf", "a red fox in the snow wearing a scarf"),
    ("Can you turn it into a watercolour?", "a red fox in the snow as a watercolour"),
    ("In the rain, please", "a red fox in the rain"),
    ("The same, but in summer", "a red fox in summer"),
    ("Draw it again at dawn", "a red fox in the snow at dawn"),
    ("change img_1 to a sketch", "a red fox in the snow as a sketch"),
    ("Draw the fox again, but with a balloon", "a red fox in the snow with a balloon"),
]


@pytest.mark.parametrize(
    ("prompt", "wanted"), spread(CHANGES, 5), ids=[case[0] for case in CHANGES]
)
def test_an_earlier_picture_is_changed(wire, prompt: str, wanted: str) -> None:
    tools = [{"type": "openrouter:image_generation", "parameters": {"size": "64x64"}}]
    before = wire.message("Draw a red fox in the snow", tools=tools)
    messages = [turn("user", "Draw a red fox in the snow"), before, turn("user", prompt)]
    assert wire.drawn(messages) == [wanted]
    items = wire.responses("Draw a red fox in the snow", tools=tools)["output"]
    output = wire.responses(
        [turn("user", "Draw a red fox in the snow"), *items, turn("user", prompt)], tools=tools
    )["output"]
    assert [item["prompt"] for item in output if item["type"] != "message"] == [wanted]


def test_changes_follow_changes(wire) -> None:
    messages: list[dict] = []
    tools = [{"type": "openrouter:image_generation", "parameters": {"size": "64x64"}}]
    drawn: list[list[str]] = []
    for prompt in (
        "Draw a fox wearing a hat",
        "Now draw an owl",
        "Put a scarf on the fox",
        "Remove the hat",
        "Make the first picture green",
    ):
        messages.append(turn("user", prompt))
        drawn.append(wire.drawn(messages))
        messages.append({"role": "assistant", **wire.message(messages, tools=tools)})
    assert drawn == [
        ["a fox wearing a hat"],
        ["an owl"],
        ["a fox wearing a hat wearing a scarf"],
        ["a fox wearing a scarf"],
        ["a green fox wearing a hat"],
    ]


def test_the_same_subject_comes_again(wire) -> None:
    tools = [{"type": "openrouter:image_generation", "parameters": {"size": "64x64"}}]
    before = wire.message("Draw a red fox in the snow", tools=tools)
    prompt = "Draw two pictures of the fox: one in spring and one at night"
    messages = [turn("user", "Draw a red fox in the snow"), before, turn("user", prompt)]
    assert wire.drawn(messages) == ["a red fox in spring", "a red fox in the snow at night"]


def test_a_change_keeps_the_size(wire, decode) -> None:
    fields = {"model": "google/gemini-2.5-flash-image", "modalities": ["image", "text"]}
    first = wire.message("Draw a fox, 128x64", **fields)
    messages = [
        turn("user", "Draw a fox, 128x64"),
        {"role": "assistant", "content": "", "images": first["images"]},
        turn("user", "Now at night"),
    ]
    changed = wire.message(messages, **fields)
    assert Image.open(io.BytesIO(decode(changed["images"][0]["image_url"]["url"]))).size == (
        128,
        64,
    )
    assert "at night" in changed["content"]


def test_a_given_picture_is_changed(wire) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 90, 200)).save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    prompt = {
        "role": "user",
        "content": [
            {"type": "text", "text": "Put a hat on it"},
            {"type": "image_url", "image_url": {"url": url}},
        ],
    }
    message = wire.message(
        [prompt],
        model="google/gemini-2.5-flash-image",
        modalities=["image", "text"],
        image_config={"size": "64x64"},
    )
    found = Image.open(
        io.BytesIO(base64.b64decode(message["images"][0]["image_url"]["url"].partition(",")[2]))
    )
    red, _, blue = found.convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert blue > red + 60
    assert "hat" in message["content"]


def test_an_attached_picture_is_meant_whatever_others_show(wire, decode) -> None:
    fields = {"model": "google/gemini-2.5-flash-image", "modalities": ["image", "text"]}
    fox = wire.message("Draw a red fox, 128x64", **fields)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 96), (0, 90, 200)).save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    messages = [
        turn("user", "Draw a red fox, 128x64"),
        {"role": "assistant", "content": "", "images": fox["images"]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "The same at night, with a red fox on board."},
                {"type": "image_url", "image_url": {"url": url}},
            ],
        },
    ]
    changed = wire.message(messages, **fields)["images"][0]["image_url"]["url"]
    assert Image.open(io.BytesIO(decode(changed))).size == (64, 96)


def test_results_are_drawn(wire) -> None:
    tools = [
        {"type": "function", "function": WEATHER},
        {"type": "openrouter:image_generation", "parameters": {"size": "64x64"}},
    ]
    prompt = "Draw today's weather in Oslo"
    assert wire.message(prompt, tools=tools)["tool_calls"][0]["function"]["name"] == "weather"
    assert wire.drawn(after(prompt, ("weather", {"city": "Oslo"}, "light rain")), tools=tools) == [
        "today's weather in Oslo: light rain"
    ]


def test_models_that_draw_themselves(wire, decode) -> None:
    fields = {
        "model": "google/gemini-3.1-flash-image-preview",
        "image_config": {"aspect_ratio": "16:9", "image_size": "512"},
    }
    message = wire.message("Draw a fox", modalities=["image", "text"], **fields)
    assert Image.open(io.BytesIO(decode(message["images"][0]["image_url"]["url"]))).size == (
        512,
        288,
    )
    assert "reasoning_details" not in message
    alone = wire.message("a fox", modalities=["image"], **fields)
    assert (alone["content"], len(alone["images"])) == ("", 1)
    assert "images" not in wire.message("Draw a fox", modalities=["text"], **fields)
    item = wire.responses("Draw a fox", modalities=["image", "text"], **fields)["output"][-1]
    assert item["type"] == "image_generation_call"
    assert Image.open(io.BytesIO(decode(item["result"]))).size == (512, 288)


def test_by_default_each_dialect_has_its_own_place(wire) -> None:
    tools = [{"type": "openrouter:image_generation", "parameters": {"size": "64x64"}}]
    message = wire.message("Draw a fox", tools=tools)
    url = json.loads(message["reasoning_details"][0]["result"])["imageUrl"]
    assert f"]({url})" in message["content"]
    item = wire.responses("Draw a fox", tools=tools)["output"][-1]
    assert set(item) == {"id", "type", "status", "prompt", "imageUrl"}


@pytest.mark.parametrize(
    "fields",
    [
        {"stop_server_tools_when": [{"type": "step_count_is", "step_count": 1}]},
        {
            "stop_server_tools_when": [
                {"type": "has_tool_call", "tool_name": "openrouter:image_generation"}
            ]
        },
        {"stop_server_tools_when": [{"type": "max_cost", "max_cost_in_dollars": 0.01}]},
        {"max_tool_calls": 1},
    ],
    ids=str,
)
def test_limits_on_server_tools(wire, fields) -> None:
    assert wire.drawn("Draw two pictures: one of a fox and one of an owl", **fields) == ["a fox"]


def test_no_server_tool_calls_at_all(wire) -> None:
    tools = [{"type": "openrouter:image_generation"}]
    assert "may not draw" in wire.text("Draw a fox", tools=tools, max_tool_calls=0)


def test_the_conversation_is_remembered(wire) -> None:
    said = [
        turn("user", "Hello! My name is Ada."),
        turn("assistant", "Nice to meet you, Ada."),
        turn("user", "My favourite colour is teal."),
        turn("assistant", "I will remember that."),
    ]
    for question, answer in (
        ("What is my name?", "Your name is Ada."),
        ("What's my favourite colour?", "Your favourite colour is teal."),
        ("What did I ask first?", "The first thing that you asked was: “Hello! My name is Ada”."),
        (
            "What did I say just before this?",
            "Just before this you asked: “My favourite colour is teal”.",
        ),
        ("How many pictures did you draw?", "There are zero pictures in our conversation."),
        (
            "Please sum up our conversation.",
            "So far you asked for two things: “Hello! My name is Ada” and “My favourite colour is teal”.",
        ),
    ):
        assert wire.text([*said, turn("user", question)]) == answer
        output = wire.responses([*said, turn("user", question)])["output"]
        assert output[0]["content"][0]["text"] == answer
    assert wire.text("What is my name?") == "You have not told me your name yet."


def test_words(wire) -> None:
    assert wire.text("What is 17 * (2 + 1)?") == "17 * (2 + 1) = 51"
    assert wire.text("How much is 7 divided by 2?") == "7 / 2 = 3.5"
    assert wire.text("What is the capital of Norway?") == "The capital of Norway is Oslo."
    assert wire.text('Say "abc".') == "abc"
    assert "fox" in wire.text("Tell me about foxes.").lower()
    assert "no language model" in wire.text("Who are you?")


SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "count": {"type": "integer", "minimum": 1},
        "kind": {"enum": ["bird", "mammal"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "place": {"$ref": "#/$defs/Place"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["title", "count", "kind", "tags", "place"],
    "$defs": {
        "Place": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        }
    },
}


def test_answers_follow_a_schema(wire) -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    prompt = 'List 3 facts titled "Foxes at dusk" about a mammal in Oslo'
    chat = wire.text(
        prompt,
        response_format={"type": "json_schema", "json_schema": {"name": "facts", "schema": SCHEMA}},
    )
    text = {"format": {"type": "json_schema", "name": "facts", "schema": SCHEMA}}
    responses = wire.responses(prompt, text=text)["output_text"]
    assert chat == responses
    value = json.loads(chat)
    jsonschema_rs.validate(SCHEMA, value)
    assert (value["title"], value["count"], value["kind"], value["place"]) == (
        "Foxes at dusk",
        3,
        "mammal",
        {"city": "Oslo"},
    )
    assert isinstance(json.loads(wire.text(prompt, response_format={"type": "json_object"})), dict)


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_of_tokens_cuts_the_answer(wire, stream: bool) -> None:
    found = wire.chat("Tell me about foxes.", max_tokens=5, stream=stream)
    choice = (found[-1] if stream else found)["choices"][0]
    assert choice["finish_reason"] == "length"
    result = wire.responses("Tell me about foxes.", max_output_tokens=5, stream=stream)
    result = result[-1]["response"] if stream else result
    assert (result["status"], result["incomplete_details"]) == (
        "incomplete",
        {"reason": "max_output_tokens"},
    )
    assert len(result["output_text"]) == 20


def test_a_call_can_be_cut_by_the_limit(wire) -> None:
    choice = wire.chat(
        "What's the weather in Oslo?",
        tools=[{"type": "function", "function": WEATHER}],
        max_tokens=4,
    )["choices"][0]
    assert choice["finish_reason"] == "length"
    with pytest.raises(ValueError):
        json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])


def test_stop_sequences(wire) -> None:
    assert wire.text("What is 2 + 2?", stop=["="]) == "2 + 2 "


@pytest.mark.parametrize(
    ("model", "kind"),
    [("anthropic/claude-sonnet-4.6", "reasoning.text"), ("openai/gpt-5.2", "reasoning.encrypted")],
)
def test_models_that_reason(wire, model: str, kind: str) -> None:
    details = wire.message("hi", model=model, reasoning={"effort": "low"})["reasoning_details"]
    assert details[-1]["type"] == kind
    assert (
        wire.chat("hi", model=model, reasoning={"effort": "low"})["usage"][
            "completion_tokens_details"
        ]["reasoning_tokens"]
        > 0
    )
    assert "reasoning_details" not in wire.message("hi", model=model, reasoning={"effort": "none"})


def test_other_server_tools(wire) -> None:
    found = wire.responses("What time is it now?", tools=[{"type": "openrouter:datetime"}])
    assert found["output"][0]["type"] == "openrouter:datetime"
    assert "UTC" in found["output_text"]
    chat = wire.chat("Search the web for foxes", tools=[{"type": "openrouter:web_search"}])
    assert chat["choices"][0]["message"]["annotations"][0]["type"] == "url_citation"
    assert chat["usage"]["server_tool_use_details"]["web_search_requests"] == 1


def test_pictures_in_the_conversation_are_recognised(wire) -> None:
    tools = [{"type": "openrouter:image_generation", "parameters": {"size": "64x64"}}]
    url = wire.responses("Draw a red fox", tools=tools)["output"][-1]["imageUrl"]
    data = f"data:image/png;base64,{base64.b64encode(wire.http.get(url).content).decode()}"
    content = [
        {"type": "text", "text": "What do you see in this picture?"},
        {"type": "image_url", "image_url": {"url": data}},
    ]
    assert wire.text([{"role": "user", "content": content}]) == "I see a red fox."


def test_a_picture_that_follows_a_result_belongs_to_it(wire) -> None:
    messages = after("Crop img_1", ("crop", {"image": "img_1"}, "Done: img_2"))
    shown = {
        "role": "user",
        "content": [
            {"type": "text", "text": "img_2:"},
            {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}},
        ],
    }
    assert wire.calls([*messages, shown], [CROP]) == []


def test_the_same_conversation_gets_the_same_answer(wire) -> None:
    assert len({wire.text("Tell me something about quarks.") for _ in range(3)}) == 1


PAINTER = function(
    "painter",
    "A painter who makes posters.",
    ("prompt",),
    prompt=TEXT,
    pictures={
        "anyOf": [{"type": "array", "items": TEXT}, {"type": "null"}],
        "description": "The pictures that it needs to see (the handle of a picture in this conversation, such as img_2)",
        "default": None,
    },
)


@pytest.mark.parametrize(
    "prompt",
    [
        "Ask the painter for a poster of Oslo and owls",
        'Ask the painter for a poster of "Oslo", owls and img_7',
    ],
)
def test_pictures_are_handles_that_the_conversation_holds(wire, prompt: str) -> None:
    ((name, arguments),) = wire.calls(prompt, [PAINTER])
    assert name == "painter"
    assert not arguments.get("pictures")


def test_pictures_of_the_conversation_are_passed_by_their_handles(wire) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 90, 200)).save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    parts = [{"type": "text", "text": "Ask the painter for a poster of img_1, img_9 and Oslo"}]
    shown = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}, *parts]}
    ((_, arguments),) = wire.calls([shown], [PAINTER])
    assert arguments["pictures"] == ["img_1"]
