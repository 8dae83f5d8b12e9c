"""The form of a demo script, as pydantic models: what each field may hold. `script.read` makes a
`Script` of it; `schema` describes it to editors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from agentkit.answer import AnswerStatus
from agentkit.demo.colours import Colour, css_colour
from agentkit.demo.json_rules import check_schema
from agentkit.demo.replies import ONE_REPLY_SCHEMA, ScriptedReply, reply_from
from agentkit.values import APIS, Api

_TYPE = r"[a-z0-9_]+:[a-z0-9_.-]+"
REFERENCE = re.compile(r"[^:\s][^:]*:[A-Za-z_][\w.]*")
"""`FILE.py:NAME` or `package.module:NAME`."""
LAST_IMAGE = "last_image"
"""In `refs` and in `expect`: the newest picture before the turn."""
_HANDLE = re.compile(rf"img_[1-9]\d*|{LAST_IMAGE}")


class Part(BaseModel):
    """A mapping of a script: no unknown keys, no conversions."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _one_or_more(item: Mapping[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [dict(item), {"type": "array", "items": dict(item)}]})


_WORDS_SCHEMA: Mapping[str, Any] = {"type": "string", "minLength": 1}


def _pattern(text: str) -> str:
    if is_pattern(text):
        try:
            re.compile(text[1:-1])
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
    return text


def is_pattern(text: str) -> bool:
    """`/…/` is a regular expression; anything else is looked for as it is."""
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _handle(value: object) -> object:
    if isinstance(value, str) and not _HANDLE.fullmatch(value):
        raise ValueError("accepted is the handle of a picture, such as img_1, or last_image")
    return value


def _ratio(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[1-9]\d{0,3}:[1-9]\d{0,3}", value):
        raise ValueError('accepted is width to height, such as "16:9"')
    if isinstance(value, int):  # YAML 1.1 reads an unquoted 16:9 as a number of minutes
        raise ValueError('accepted is width to height in quotes, such as "16:9"')
    return value


def _css(value: object) -> object:
    if isinstance(value, str):
        css_colour(value)
    return value


def _json_schema(value: object) -> object:
    check_schema(value)
    return value


Count = Annotated[int, Field(ge=0, le=1000)]
Pixels = Annotated[int, Field(ge=1, le=100_000)]
Amount = Annotated[float, Field(gt=0, le=1_000_000)]
Seconds = Annotated[float, Field(ge=0, le=3600)]
Words = Annotated[str, Field(min_length=1)]
Pattern = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(lambda value: _pattern(value) if isinstance(value, str) else value),
]
Patterns = Annotated[list[Pattern], BeforeValidator(_listed), _one_or_more(_WORDS_SCHEMA)]
Names = Annotated[list[Words], BeforeValidator(_listed), _one_or_more(_WORDS_SCHEMA)]
Handle = Annotated[str, BeforeValidator(_handle)]
Handles = Annotated[
    list[Handle],
    BeforeValidator(_listed),
    _one_or_more({"type": "string", "pattern": f"^({_HANDLE.pattern})$"}),
]
Came = Literal["tool", "image", "text"]


@dataclass(frozen=True, slots=True)
class Other:
    """A picture to compare with, and how far apart the two are at most (`similar_to`), or farther
    than which (`differs_from`).
    """

    name: str
    """A handle, `last_image`, or a file beside the script."""
    distance: int
    """Bits of 64 in which the two dHashes differ."""


DISTANCE = 10
"""Up to how many bits of 64 two pictures are alike, if the script does not say."""


def _other(value: object) -> object:
    if isinstance(value, str) and value:
        return Other(value, DISTANCE)
    if isinstance(value, Mapping):
        given = cast("Mapping[str, object]", value)
        name, distance = given.get("image"), given.get("distance")
        if len(given) == 2 and isinstance(name, str) and isinstance(distance, int):
            is_right = bool(name) and not isinstance(distance, bool) and 0 <= distance <= 64
            if is_right:
                return Other(name, distance)
    raise ValueError(
        "accepted is a handle such as img_1, last_image, a file beside the script, or "
        "{image: img_1, distance: 12} with a distance from 0 to 64"
    )


_OTHER_SCHEMA: Mapping[str, Any] = {
    "anyOf": [
        _WORDS_SCHEMA,
        {
            "type": "object",
            "properties": {
                "image": _WORDS_SCHEMA,
                "distance": {"type": "integer", "minimum": 0, "maximum": 64},
            },
            "required": ["image", "distance"],
            "additionalProperties": False,
        },
    ]
}


def _as_list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]


def _as_mapping(value: object) -> Mapping[Any, Any] | None:
    return cast("Mapping[Any, Any]", value) if isinstance(value, Mapping) else None


Others = Annotated[
    list[Annotated[Other, BeforeValidator(_other)]],
    BeforeValidator(_as_list),
    _one_or_more(_OTHER_SCHEMA),
]


class ImageExpect(Part):
    """What must be true of the pictures of a turn: `count` of their number, the rest of each."""

    count: Count | None = None
    min_width: Pixels | None = None
    """Pixels."""
    aspect_ratio: Annotated[str, BeforeValidator(_ratio)] | None = None
    """Width to height, within 2 %: `"16:9"`."""
    has_alpha: bool | None = None
    """Whether some pixel is not opaque."""
    differs_from: Others = []
    similar_to: Others = []
    dominant_colour: Annotated[str, BeforeValidator(_css)] | None = None
    """A CSS colour; the most frequent one of the picture is within ΔE 20 (CIEDE2000) of it."""


class Expect(Part):
    """What must be true of a turn's answer. What is left out may be as it likes, but for `status`
    and `failures`.
    """

    status: AnswerStatus = "completed"
    text: Patterns = []
    """Each must be found in the answer's words, upper or lower case; `/…/` is a regular
    expression.
    """
    not_text: Patterns = []
    """None may be found in the answer's words."""
    json_schema: Annotated[Mapping[str, Any], BeforeValidator(_json_schema)] | None = None
    """The answer's words are JSON that fits this schema."""
    tools: Mapping[Words, Count] | None = None
    """How often each of the user's tools ran, and no other ran: `{weather: 2}`."""
    together: bool = False
    """All of the user's tools were called in one reply."""
    server_tools: Count | None = None
    images: Count | None = None
    image: ImageExpect | None = None
    """What must be true of the pictures."""
    parents: Names = []
    """Names of earlier pictures from which one of this turn was made."""
    prompt: Patterns = []
    """Each must be found in what one picture of this turn was drawn from, as `text` is."""
    colours: Annotated[
        list[Colour],
        BeforeValidator(_listed),
        _one_or_more({"enum": list(Colour.__args__)}),
    ] = []
    """Each must be seen in one picture of this turn."""
    order: Annotated[list[Came], Field(min_length=1, max_length=20)] | None = None
    """Kinds that began in this order, among whatever else came."""
    cost_below: Amount | None = None
    """USD."""
    seconds_below: Amount | None = None
    failures: Count = 0
    """Pictures that were announced and could not be had."""


STUDIO = "studio"
"""In `tools:`, the Image API's own: `studio: {model: …, quality: low}`."""
STUDIO_TOOLS = ("draw_image", "edit_image")


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """One of `tools:`. `name` is a reference (`tools.py:weather`, `package.module:weather`), a
    server tool's type, or `studio`.
    """

    name: str
    parameters: Mapping[str, Any] | None = None
    """Of a server tool or the studio; None for a reference."""

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the user's tools that it stands for."""
        if self.name == STUDIO:
            return STUDIO_TOOLS
        return (self.name.partition(":")[2].rpartition(".")[2],) if self.parameters is None else ()


def _tool(value: object) -> object:
    entry = _as_mapping(value)
    if entry is not None and len(entry) == 1:
        (name, given), *_ = entry.items()
        is_known = isinstance(name, str) and (name == STUDIO or re.fullmatch(_TYPE, name))
        parameters = _as_mapping(given)
        if is_known and (given is None or parameters is not None):
            return ToolEntry(name, dict(parameters or {}))
    elif isinstance(value, str) and (value == STUDIO or value.startswith("openrouter:")):
        return ToolEntry(value, {})
    elif isinstance(value, str) and REFERENCE.fullmatch(value):
        return ToolEntry(value)
    raise ValueError(
        "accepted is FILE.py:NAME, package.module:NAME, a server tool such "
        "as openrouter:image_generation: {…}, "
        "or studio: {model: …}"
    )


Entry = Annotated[
    ToolEntry,
    BeforeValidator(_tool),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^(studio|[^:\s][^:]*:.+)$"},
                {"type": "object", "minProperties": 1, "maxProperties": 1},
            ]
        }
    ),
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person says to a call that waits: yes, no and why, or yes with other arguments."""

    approved: bool
    reason: str = ""
    edit: Mapping[str, Any] | None = None
    """The arguments that replace those of the model."""


def _verdict(value: object) -> object:
    if isinstance(value, bool):
        return Verdict(value)
    if isinstance(value, str) and value.strip():
        return Verdict(approved=False, reason=value)
    given = _as_mapping(value)
    if given is not None and list(given) == ["edit"] and (edit := _as_mapping(given["edit"])):
        return Verdict(approved=True, edit=dict(edit))
    raise ValueError(
        "accepted is true, a text that says why not, or {edit: {…}} with the arguments that "
        "replace those of the model"
    )


_VERDICT_SCHEMA = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "properties": {"edit": {"type": "object", "minProperties": 1}},
            "required": ["edit"],
            "additionalProperties": False,
        },
    ]
}
Decision = Annotated[Verdict, BeforeValidator(_verdict), WithJsonSchema(_VERDICT_SCHEMA)]
Replies = list[
    Annotated[ScriptedReply, BeforeValidator(reply_from), WithJsonSchema(ONE_REPLY_SCHEMA)]
]


class Turn(Part):
    """What the user says, how it is asked where that is not as in the rest of the script, and what
    is to come of it.
    """

    say: Words
    attach: Names = []
    """Files of pictures beside the script that the user sends."""
    refs: Handles = []
    """Pictures of the conversation that the user sends again."""
    model: Words | None = None
    api: Api | None = None
    """In place of the API of the play."""
    settings: Mapping[str, Any] = {}
    """Over those of the script."""
    tools: list[Entry] | None = None
    """In place of those of the script."""
    approve: Mapping[Words, Decision] = {}
    """What the user says to calls that wait for an approval, by the tool."""
    wait: Seconds = 0.0
    """Seconds before the prompt is sent."""
    replies: Replies = []
    """What the emulator's model answers in this turn, one for each request."""
    expect: Expect = Expect()


class BudgetShape(Part):
    """What all turns of one play may cost together."""

    cost_usd: Amount | None = None
    images: Count | None = None


def _budget(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"cost_usd": value} if is_number else value


def _reference(value: object) -> object:
    if isinstance(value, str) and not REFERENCE.fullmatch(value):
        raise ValueError("accepted is FILE.py:NAME or package.module:NAME")
    return value


class Form(Part):
    """A script as it stands in its file."""

    name: Words
    about: str = ""
    model: Words | None = None
    agent: Annotated[str, BeforeValidator(_reference)] | None = None
    """An `Agent`, or a function that returns one: `FILE.py:NAME`, `package.module:NAME`."""
    instructions: str = ""
    apis: Annotated[list[Literal["chat", "responses"]], Field(min_length=1, max_length=2)] = list(
        APIS
    )
    tools: list[Entry] = []
    settings: Mapping[str, Any] = {}
    limits: Mapping[str, Any] = {}
    budget: Annotated[
        BudgetShape,
        BeforeValidator(_budget),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "number", "exclusiveMinimum": 0},
                    {
                        "type": "object",
                        "properties": {
                            "cost_usd": {"type": "number", "exclusiveMinimum": 0},
                            "images": {"type": "integer", "minimum": 0},
                        },
                        "additionalProperties": False,
                    },
                ]
            }
        ),
    ] = BudgetShape()
    variables: Mapping[str, str | int | float] = {}
    """What stands for `{name}` in the rest of the script."""
    replies: Replies = []
    """What the emulator's model answers, one for each request, in order."""
    turns: Annotated[list[Turn], Field(min_length=1, max_length=100)]
