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
    """How far one run may go. Each limit is checked before the step that would pass it; `None`
    means no limit.

    When a limit is reached and the model still wants tools, one last request without tools closes
    the answer in words. If even that cannot be paid for, the run ends with what it has.
    `answer.limit` names the limit. For a limit that several runs share, see `Budget`.
    """

    turns: int = 16
    """Replies of the model in one run."""
    tool_calls: int = 64
    """Calls of the user's tools and of server tools together."""
    parallel: int = 8
    """Tool calls that run at once."""
    seconds: float = 900
    """Working time. Waiting for a person does not count."""
    images: int | None = None
    """Pictures that models and tools give in one run. One reply can bring more than were left if
    the model draws by itself, since OpenRouter cannot be told of the limit then.
    """
    cost_usd: float | None = None
    """USD. A request is sent only if its highest known price is left, and that of the closing
    request if one may follow. The highest known price is what the catalogue implies, or the most
    expensive such request so far. So the limit is passed at most by what the last request cost more
    than was known. A cost that is not told counts as its known price.
    """
    output_tokens: int | None = None
    """Tokens of all replies together."""

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
    """How the model is asked, in both APIs. What is None is not sent."""

    temperature: float | None = None
    """0 to 2."""
    top_p: float | None = None
    """0 to 1."""
    max_tokens: int | None = None
    """Tokens of each reply (`max_tokens` in Chat Completions, `max_output_tokens` in Responses)."""
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    """Texts at which a reply ends. Chat Completions only: Responses has no such parameter."""
    reasoning: str | Mapping[str, Any] | None = None
    """An effort (`minimal`, `low`, `medium`, `high`, …), or the whole object, such as
    `{"max_tokens": 2000}`.
    """
    tool_choice: str | None = None
    """`auto`, `none`, `required`, or the name of a tool, such as `openrouter:image_generation`. All
    but `none` hold for the first request of a run only.
    """
    parallel_tool_calls: bool | None = None
    """Whether the model may call several tools in one reply."""
    provider: Mapping[str, Any] | None = None
    """OpenRouter's provider routing, such as `{"order": […], "allow_fallbacks": False}`."""
    models: tuple[str, ...] | None = None
    """Models to try, in order, if the agent's model fails."""
    plugins: tuple[Mapping[str, Any], ...] | None = None
    """OpenRouter's plugins."""
    preset: str | None = None
    """The slug of a preset."""
    modalities: tuple[Literal["text", "image"], ...] | None = None
    """`("image", "text")` makes a model that can draw do so by itself."""
    image_config: Mapping[str, Any] | None = None
    """Options of a model that draws by itself."""
    session_id: str | None = None
    """At most 256 characters. A conversation makes one, which keeps it on one provider and its
    prompt cache.
    """
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further keys of the request's body. They win over all others."""

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
        """These settings, with each field that `over` sets in its place. `extra` is merged key by
        key.
        """
        if over is None:
            return self
        changed = {
            name: value
            for name in self.__dataclass_fields__
            if name != "extra" and (value := getattr(over, name)) is not None
        }
        return replace(self, **changed, extra={**self.extra, **over.extra})
