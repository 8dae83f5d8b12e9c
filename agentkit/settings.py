"""Settings of an agent: how the model is asked (`ModelSettings`), and how far a run may go
(`Limits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Literal, cast

from agentkit._check import argument, check_choice, check_kind, check_number, check_session, refused

CACHES = ("auto", "off", "5m", "1h")
_LISTS = ("stop", "models", "plugins", "modalities")
"""Settings that are tuples; a list is turned into one."""
_MAPPINGS = ("provider", "image_config", "trace", "metadata", "deferred_tools", "extra")
_STRINGS = ("tool_choice", "preset", "service_tier", "user", "prompt_cache_key")
_BOUNDS = (
    ("temperature", 0.0, 2.0),
    ("top_p", 0.0, 1.0),
    ("frequency_penalty", -2.0, 2.0),
    ("presence_penalty", -2.0, 2.0),
)
_COUNTS = (("max_tokens", 1), ("seed", -inf), ("top_k", 0))
_KINDS: tuple[tuple[tuple[str, ...], Any, str], ...] = (
    (_LISTS, tuple, "a list or tuple"),
    (_MAPPINGS, Mapping, "a mapping"),
    (("reasoning",), (str, Mapping), "an effort, or a mapping"),
    (("cache_control",), (str, Mapping), "how long to keep the cache, such as '1h', or a mapping"),
    (_STRINGS, str, "a string"),
    (("parallel_tool_calls",), bool, "True or False"),
)
_MEMBERS: tuple[tuple[str, type, str], ...] = (
    ("stop", str, "a list of strings"),
    ("models", str, "a list of strings"),
    ("plugins", Mapping, "a list of mappings"),
    ("modalities", str, "a list of strings"),
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
        self._check_count("turns", least=1)
        self._check_count("tool_calls", least=0)
        self._check_count("parallel", least=1)
        check_number("Limits(seconds={!r})", self.seconds, above=0)
        if self.images is not None:
            self._check_count("images", least=0)
        if self.cost_usd is not None:
            check_number("Limits(cost_usd={!r})", self.cost_usd, above=0)
        if self.output_tokens is not None:
            self._check_count("output_tokens", least=1)

    def _check_count(self, name: str, *, least: int) -> None:
        check_number(argument("Limits", name), getattr(self, name), whole=True, least=least)


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
    """Texts at which a reply ends."""
    top_k: int | None = None
    """Choose each token from so many of the likeliest only."""
    frequency_penalty: float | None = None
    """-2 to 2: how much less likely a token becomes each time it was used."""
    presence_penalty: float | None = None
    """-2 to 2: how much less likely a token becomes once it was used."""
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
    pdf_engine: str | None = None
    """What OpenRouter reads PDFs with: `native` (the model itself, by its price for input),
    `cloudflare-ai` (free), `mistral-ocr` (also scans; 2 USD for 1,000 pages). By default `native`
    where the catalogue says that the model takes files, else `cloudflare-ai`. It is always told.
    """
    preset: str | None = None
    """The slug of a preset."""
    modalities: tuple[str, ...] | None = None
    """`("image", "text")` makes a model that can draw do so by itself."""
    image_config: Mapping[str, Any] | None = None
    """Options of a model that draws by itself."""
    session_id: str | Literal[False] | None = None
    """At most 256 characters. A conversation makes one, which keeps it on one provider and its
    prompt cache; False sends none.
    """
    service_tier: str | None = None
    """How fast and at what price to be served: `flex`, `priority`, `ultrafast`, …"""
    cache: Literal["auto", "off", "5m", "1h"] | None = None
    """Whether the prompt is marked for the provider's prompt cache, and for how long it is kept
    there. `auto`, which None stands for, marks it in conversations and in runs with tools, for five
    minutes. `docs/prompt-caching.md` says what becomes of it with which model.
    """
    cache_control: str | Mapping[str, Any] | None = None
    """Instead of `cache`, the field of the whole request: cache the prompt up to its last part that
    can be cached, for how long (`5m`, `1h`), or the whole object, such as `{"type": "ephemeral"}`.
    """
    prompt_cache_key: str | None = None
    """Requests with the same key share a prompt cache, where the provider has such keys."""
    user: str | None = None
    """A stable name for the person who asks, so that abuse by one does not stop all."""
    trace: Mapping[str, Any] | None = None
    """What observability tools are told: `trace_id`, `span_name`, …, and keys of your own."""
    metadata: Mapping[str, str] | None = None
    """At most 16 texts to find the request by."""
    deferred_tools: Mapping[str, Any] | None = None
    """OpenRouter's protocol for tools that are found when they are needed."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further keys of the request's body. They win over all others; one whose value is None is left
    out, such as `{"stop_server_tools_when": None}`.
    """

    def __post_init__(self) -> None:
        for name in _LISTS:
            self._make_tuple(name)
        for name, least, most in _BOUNDS:
            self._check_number(name, least=least, most=most)
        for name, least in _COUNTS:
            self._check_number(name, whole=True, least=least)
        for names, kind, accepted in _KINDS:
            for name in names:
                self._check_kind(name, kind, accepted)
        for name, kind, accepted in _MEMBERS:
            self._check_members(name, kind, accepted)
        self._check_session()
        self._check_cache()

    def _check_session(self) -> None:
        given: object = self.session_id
        if given is not None and given is not False:
            check_session(_where("session_id"), given, ", or False")

    def _check_cache(self) -> None:
        if self.cache is None:
            return
        check_choice(_where("cache"), self.cache, CACHES)
        if self.cache_control is not None:
            raise refused(_where("cache"), self.cache, "is not given together with cache_control")

    def _check_number(self, name: str, **bounds: Any) -> None:
        if (value := getattr(self, name)) is not None:
            check_number(_where(name), value, **bounds)

    def _make_tuple(self, name: str) -> None:
        value: object = getattr(self, name)
        if isinstance(value, str):
            raise refused(_where(name), value, "is a list or tuple, not a string")
        if isinstance(value, Sequence):
            members = tuple(cast("Sequence[object]", value))
            object.__setattr__(self, name, members)

    def _check_kind(self, name: str, kind: Any, accepted: str) -> None:
        value: object = getattr(self, name)
        if value is not None or name == "extra":
            check_kind(_where(name), value, kind, accepted)

    def _check_members(self, name: str, kind: type, accepted: str) -> None:
        members = cast("tuple[object, ...]", getattr(self, name) or ())
        if not all(isinstance(each, kind) for each in members):
            raise refused(_where(name), members, f"is {accepted}")

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


def _where(name: str) -> str:
    return argument("ModelSettings", name)
