"""What a user settles beforehand: how the model is asked (`ModelSettings`), and how far a run may
go (`Limits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Literal, cast

from agentkit.errors import UsageError


def _refuse(owner: str, argument: str, given: object, accepted: str) -> UsageError:
    return UsageError(f"{owner}({argument}={given!r}): accepted is {accepted}")


_KINDS: tuple[tuple[tuple[str, ...], type | tuple[type, ...], str], ...] = (
    (("stop", "models", "plugins", "modalities"), tuple, "a list or tuple"),
    (("provider", "image_config", "extra"), Mapping, "a mapping"),
    (("reasoning",), (str, Mapping), "an effort, or a mapping"),
    (("tool_choice", "preset", "session_id"), str, "a string"),
    (("parallel_tool_calls",), bool, "True or False"),
)
_MEMBERS: tuple[tuple[str, type, str], ...] = (
    ("stop", str, "a list of strings"),
    ("models", str, "a list of strings"),
    ("plugins", Mapping, "a list of mappings"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a run may go. Each is checked before the step that would break it; `None` means no
    limit.

    When one is reached and the model still wants tools, one last turn without tools closes the
    answer in words; where not even that can be paid for, the run stops with what it had.
    `answer.limit` names the limit. Runs that are to share what they may spend get one `Budget`.
    """

    turns: int = 16
    """Replies of the model in one run."""
    tool_calls: int = 64
    """Calls of the user's tools and of server tools, together."""
    parallel: int = 8
    """Tool calls that run at once."""
    seconds: float = 900
    images: int | None = None
    """Pictures that models and tools give in one run. Once there are so many, the run is closed in
    words, where no tool may draw. One reply can bring more than were left only where OpenRouter
    cannot be told (a model that draws by itself)."""
    cost_usd: float | None = None
    """USD. A request is sent if its worst known price is left, and that of the closing turn where
    one may follow: what the catalogue implies, or the dearest such request so far. So the limit is
    passed at most by what the last request cost more than was known. A cost that the wire does not
    tell counts as what was known of it beforehand."""
    output_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("turns", "tool_calls", "parallel", "images", "output_tokens"):
            value: object = getattr(self, name)
            if value is None and name in {"images", "output_tokens"}:
                continue
            lowest = 0 if name in {"tool_calls", "images"} else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise _refuse("Limits", name, value, f"a whole number of at least {lowest}")
        for name in ("seconds", "cost_usd"):
            value = getattr(self, name)
            if value is None and name == "cost_usd":
                continue
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not isfinite(value)
                or value <= 0
            ):
                raise _refuse("Limits", name, value, "a finite number above 0")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How the model is asked, in both APIs. What is None is not sent; `extra` goes into the body as
    it is, and wins.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """Of each reply (`max_tokens` in chat, `max_output_tokens` in Responses)."""
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    """Chat only: Responses has no such parameter."""
    reasoning: str | Mapping[str, Any] | None = None
    """An effort (`minimal`, `low`, `medium`, `high`, …), or the whole object: `{"max_tokens":
    2000}`.
    """
    tool_choice: str | None = None
    """`auto`, `none`, `required`, or a tool's name; a server tool's too
    (`openrouter:image_generation`).
    """
    parallel_tool_calls: bool | None = None
    provider: Mapping[str, Any] | None = None
    """Provider routing: `{"order": […], "allow_fallbacks": False}`."""
    models: tuple[str, ...] | None = None
    """Fallbacks, tried in order after the agent's model."""
    plugins: tuple[Mapping[str, Any], ...] | None = None
    preset: str | None = None
    """A preset's slug."""
    modalities: tuple[Literal["text", "image"], ...] | None = None
    """`("image", "text")` makes an image-output model draw by itself."""
    image_config: Mapping[str, Any] | None = None
    session_id: str | None = None
    """At most 256 characters. A `Conversation` makes one, which keeps it on one provider and its
    prompt cache.
    """
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        for name in ("stop", "models", "plugins", "modalities"):
            value: object = getattr(self, name)
            if isinstance(value, str):
                raise _refuse("ModelSettings", name, value, "a list or tuple, not a string")
            if isinstance(value, Sequence):
                object.__setattr__(self, name, tuple(value))  # pyright: ignore[reportUnknownArgumentType]
        self._check_numbers()
        self._check_kinds()
        for modality in self.modalities or ():
            if modality not in ("text", "image"):
                raise _refuse("ModelSettings", "modalities", self.modalities, '"text" and "image"')
        if self.session_id is not None and not 0 < len(self.session_id) <= 256:
            raise _refuse("ModelSettings", "session_id", self.session_id, "1 to 256 characters")

    def _check_numbers(self) -> None:
        for name, low, high in (("temperature", 0.0, 2.0), ("top_p", 0.0, 1.0)):
            value: object = getattr(self, name)
            if value is not None and (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not low <= value <= high
            ):
                raise _refuse("ModelSettings", name, value, f"a number from {low} to {high}")
        for name, lowest in (("max_tokens", 1), ("seed", None)):
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool)
                or not isinstance(value, int)
                or (lowest is not None and value < lowest)
            ):
                least = "" if lowest is None else f" of at least {lowest}"
                raise _refuse("ModelSettings", name, value, f"a whole number{least}")

    def _check_kinds(self) -> None:
        for names, kind, accepted in _KINDS:
            for name in names:
                value: object = getattr(self, name)
                if not isinstance(value, kind) and (value is not None or name == "extra"):
                    raise _refuse("ModelSettings", name, value, accepted)
        for name, kind, accepted in _MEMBERS:
            for each in cast("tuple[object, ...]", getattr(self, name) or ()):
                if not isinstance(each, kind):
                    raise _refuse("ModelSettings", name, getattr(self, name), accepted)

    def merged(self, over: ModelSettings | None) -> ModelSettings:
        """These settings, with each that `over` sets in its place; `extra` is merged by key."""
        if over is None:
            return self
        changed = {
            name: value
            for name in self.__dataclass_fields__
            if name != "extra" and (value := getattr(over, name)) is not None
        }
        return replace(self, **changed, extra={**self.extra, **over.extra})
