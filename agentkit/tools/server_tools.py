"""Tools that OpenRouter runs on its side: the model calls them, their results come with its reply.

Values are checked when a tool is made, so that a wrong one costs no request. Parameters that are
None are not sent, and OpenRouter's own defaults hold. The parameters are those of the spec's
`…ServerToolConfig` schemas.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

from agentkit.errors import UsageError

PREFIX = "openrouter:"

RESPONSES_TYPES = frozenset(
    {
        "apply_patch",
        "code_interpreter",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "shell",
        "web_search",
        "web_search_2025_08_26",
        "web_search_preview",
        "web_search_preview_2025_03_11",
    }
)
"""Hosted tools of the Responses API that have a name of their own. Their parameters lie flat beside
the type.
"""

_DRAWING = (
    "model",
    "quality",
    "size",
    "aspect_ratio",
    "background",
    "output_format",
    "output_compression",
    "moderation",
    "fallback",
)
"""The parameters of `ImageGeneration` that have a name."""
_CLOSE = 0.75
"""How alike two names are, from 0 to 1, of which one is taken for the other, mistyped."""

_TYPE = re.compile(r"openrouter:[a-z0-9_.-]{1,100}\Z")
_SIZE = re.compile(r"auto|512|[124]K|[1-9][0-9]{0,4}x[1-9][0-9]{0,4}")
_DOMAIN = re.compile(r"[^\s:/]+(\.[^\s:/]+)+(/\S*)?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_RATIO = re.compile(r"auto|[1-9][0-9]{0,3}(\.[0-9]{1,2})?:[1-9][0-9]{0,3}(\.[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class ServerTool:
    """Any server tool by its type, which OpenRouter runs:
    `ServerTool("openrouter:advisor", {"model": "…"})`.

    Raises `UsageError` for a type that cannot be one, and for parameters that are no JSON.
    """

    type: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.type, str) or not (
            _TYPE.match(self.type) or self.type in RESPONSES_TYPES
        ):
            raise UsageError(
                f"ServerTool(type={self.type!r}): accepted is openrouter:…, or one of "
                f"{', '.join(sorted(RESPONSES_TYPES))}"
            )
        if not isinstance(self.parameters, Mapping):
            raise UsageError(f"ServerTool(parameters={self.parameters!r}): accepted is a mapping")
        try:
            copied = json.loads(json.dumps(dict(self.parameters), allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(
                f"ServerTool(parameters={self.parameters!r}): accepted are JSON values ({error})"
            ) from None
        object.__setattr__(self, "parameters", copied)

    @property
    def name(self) -> str:
        """What its calls are named in an answer: its type."""
        return self.type

    def to_wire(self) -> dict[str, Any]:
        """Its entry in the `tools` of a request. It is the same in both APIs."""
        if not self.type.startswith(PREFIX):
            return {**self.parameters, "type": self.type}
        return (
            {"type": self.type, "parameters": dict(self.parameters)}
            if self.parameters
            else {"type": self.type}
        )


class _Named(ServerTool):
    """A server tool with parameters of its own."""

    __slots__ = ()

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({given})"


class Draws(Protocol):
    """What can take the place of the server tool that draws: a `Studio`."""

    @property
    def tools(self) -> Callable[..., Sequence[Any]]:
        """Makes the tools, given the options that they draw with."""
        ...


_SHARED = (
    "model",
    "quality",
    "size",
    "aspect_ratio",
    "background",
    "output_format",
    "output_compression",
    "moderation",
)
"""Parameters that the Image API has, too."""


class ImageGeneration(_Named):
    """OpenRouter's tool that draws (`openrouter:image_generation`), from words alone. Without
    `model`, OpenRouter draws with `openai/gpt-5-image`.

    - `quality` is `auto`, `low`, `medium` or `high`.
    - `size` is `auto`, `512`, `1K`, `2K`, `4K`, or pixels such as `1024x1536`.
    - `aspect_ratio` is like `16:9`, or `auto`.
    - `background` is `auto`, `transparent` or `opaque`. Transparent needs png or webp.
    - `output_format` is `png`, `jpeg`, `webp` or `svg`.
    - `output_compression` is 0 to 100, for jpeg and webp.
    - `moderation` is a text that the model's provider defines.
    - `fallback` is a `Studio`. Its `draw_image` and `edit_image` take the place of this tool where
      OpenRouter refuses it.

    Any further parameter of an image model may be given too, as text, a number or a list. Raises
    `UsageError` for a wrong value.
    """

    __slots__ = ("fallback",)
    fallback: Draws | None

    def __init__(
        self,
        model: str | None = None,
        *,
        quality: Literal["auto", "low", "medium", "high"] | None = None,
        size: str | None = None,
        aspect_ratio: str | None = None,
        background: Literal["auto", "transparent", "opaque"] | None = None,
        output_format: Literal["png", "jpeg", "webp", "svg"] | None = None,
        output_compression: int | None = None,
        moderation: str | None = None,
        fallback: Draws | None = None,
        **further: str | float | Sequence[Any],
    ) -> None:
        check = _Check("ImageGeneration")
        if fallback is not None and not callable(getattr(fallback, "tools", None)):
            raise UsageError(
                f"ImageGeneration(fallback={fallback!r}): accepted is a Studio of agentkit.studio"
            )
        for name, value in further.items():
            check.known(name, value, _DRAWING)
        given = {
            "model": check.text("model", model),
            "quality": check.one_of("quality", quality, "auto", "low", "medium", "high"),
            "size": check.matching(
                "size", size, _SIZE, "auto, 512, 1K, 2K, 4K, or WIDTHxHEIGHT such as 1024x1536"
            ),
            "aspect_ratio": check.matching(
                "aspect_ratio", aspect_ratio, _RATIO, "WIDTH:HEIGHT such as 16:9, or auto"
            ),
            "background": check.one_of("background", background, "auto", "transparent", "opaque"),
            "output_format": check.one_of(
                "output_format", output_format, "png", "jpeg", "webp", "svg"
            ),
            "output_compression": check.whole("output_compression", output_compression, 0, 100),
            "moderation": check.text("moderation", moderation),
            **{name: check.further(name, value) for name, value in further.items()},
        }
        if background == "transparent" and output_format in {"jpeg", "svg"}:
            raise UsageError(
                "ImageGeneration(background='transparent', "
                f"output_format={output_format!r}): transparent needs png or webp"
            )
        if output_compression is not None and output_format in {"png", "svg"}:
            raise UsageError(
                f"ImageGeneration(output_compression={output_compression}, "
                f"output_format={output_format!r}): compression needs jpeg or webp"
            )
        ServerTool.__init__(self, f"{PREFIX}image_generation", _given(given))
        object.__setattr__(self, "fallback", fallback)
        if fallback is not None:
            # Its tools are made in the middle of a run, if ever: whether they can be is seen now.
            try:
                stand_ins(fallback, self.parameters)
            except UsageError as error:
                raise UsageError(
                    f"ImageGeneration(fallback=…): the studio cannot draw like this: {error}"
                ) from error


def stand_ins(fallback: Draws, parameters: Mapping[str, Any]) -> Sequence[Any]:
    """The tools that take the place of a server tool with these parameters. Raises `UsageError`
    where they do not fit.
    """
    return fallback.tools(**{name: parameters[name] for name in _SHARED if name in parameters})


class WebSearch(_Named):
    """OpenRouter's tool that searches the web (`openrouter:web_search`).

    `max_results` is for each search, `max_total_results` for all searches of a request. Domains are
    either allowed or excluded. `user_location` has some of `city`, `region`, `country` and
    `timezone`. Raises `UsageError` for a wrong value.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        engine: Literal["auto", "native", "exa", "parallel", "firecrawl", "perplexity"]
        | None = None,
        max_results: int | None = None,
        max_total_results: int | None = None,
        search_context_size: Literal["low", "medium", "high"] | None = None,
        allowed_domains: Sequence[str] | None = None,
        excluded_domains: Sequence[str] | None = None,
        user_location: Mapping[str, str] | None = None,
    ) -> None:
        check = _Check("WebSearch")
        given = {
            "engine": check.one_of(
                "engine", engine, "auto", "native", "exa", "parallel", "firecrawl", "perplexity"
            ),
            "max_results": check.whole("max_results", max_results, 1),
            "max_total_results": check.whole("max_total_results", max_total_results, 1),
            "search_context_size": check.one_of(
                "search_context_size", search_context_size, "low", "medium", "high"
            ),
            "allowed_domains": check.domains("allowed_domains", allowed_domains),
            "excluded_domains": check.domains("excluded_domains", excluded_domains),
            "user_location": _location(check, user_location),
        }
        if allowed_domains and excluded_domains:
            raise UsageError(
                "WebSearch(allowed_domains=…, excluded_domains=…): accepted is one of the two"
            )
        ServerTool.__init__(self, f"{PREFIX}web_search", _given(given))


class WebFetch(_Named):
    """OpenRouter's tool that reads a page or a PDF at a URL (`openrouter:web_fetch`). `max_uses` is
    for one request. Raises `UsageError` for a wrong value.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        engine: Literal["auto", "native", "openrouter", "exa", "parallel", "firecrawl"]
        | None = None,
        max_uses: int | None = None,
        max_content_tokens: int | None = None,
        allowed_domains: Sequence[str] | None = None,
        blocked_domains: Sequence[str] | None = None,
    ) -> None:
        check = _Check("WebFetch")
        given = {
            "engine": check.one_of(
                "engine", engine, "auto", "native", "openrouter", "exa", "parallel", "firecrawl"
            ),
            "max_uses": check.whole("max_uses", max_uses, 1),
            "max_content_tokens": check.whole("max_content_tokens", max_content_tokens, 1),
            "allowed_domains": check.domains("allowed_domains", allowed_domains),
            "blocked_domains": check.domains("blocked_domains", blocked_domains),
        }
        ServerTool.__init__(self, f"{PREFIX}web_fetch", _given(given))


class Datetime(_Named):
    """OpenRouter's tool that tells date and time (`openrouter:datetime`), in UTC or in an IANA time
    zone such as `Europe/Oslo`. Raises `UsageError` for a wrong value.
    """

    __slots__ = ()

    def __init__(self, timezone: str | None = None) -> None:
        checked = _Check("Datetime").matching(
            "timezone", timezone, _ZONE, "an IANA name such as Europe/Oslo"
        )
        ServerTool.__init__(self, f"{PREFIX}datetime", _given({"timezone": checked}))


@dataclass(frozen=True, slots=True)
class _Check:
    """Each method gives the value back, or raises `UsageError`; None passes."""

    owner: str

    def refuse(self, name: str, value: object, accepted: str) -> UsageError:
        return UsageError(f"{self.owner}({name}={value!r}): accepted is {accepted}")

    def known(self, name: str, value: object, names: Sequence[str]) -> None:
        """A further parameter may have any name but one that is meant for another: `aspect`,
        `qualty`.
        """
        from difflib import SequenceMatcher  # rarely needed

        parts = name.split("_")
        for each in names:
            words = each.split("_")
            part_of = set(parts) < set(words)
            more = set(parts) > set(words)
            if part_of or (not more and SequenceMatcher(None, each, name).ratio() >= _CLOSE):
                raise UsageError(
                    f"{self.owner}({name}={value!r}): there is no such "
                    f"parameter; did you mean {each}?"
                )

    def text(self, name: str, value: object) -> object:
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.refuse(name, value, "text that is not empty")
        return value

    def one_of(self, name: str, value: object, *accepted: str) -> object:
        if value is not None and value not in accepted:
            raise self.refuse(name, value, f"one of {', '.join(accepted)}")
        return value

    def matching(self, name: str, value: object, pattern: re.Pattern[str], accepted: str) -> object:
        if value is not None and (not isinstance(value, str) or not pattern.fullmatch(value)):
            raise self.refuse(name, value, accepted)
        return value

    def whole(self, name: str, value: object, low: int, high: int | None = None) -> object:
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or value < low
            or (high is not None and value > high)
        ):
            raise self.refuse(
                name,
                value,
                f"a whole number from {low} to {high}"
                if high is not None
                else f"a whole number of at least {low}",
            )
        return value

    def domains(self, name: str, value: object) -> object:
        if value is None:
            return None
        given: list[object] = (
            list(cast("list[object]", value)) if isinstance(value, list | tuple) else []
        )
        if not given or not all(
            isinstance(each, str) and _DOMAIN.fullmatch(each) for each in given
        ):
            raise self.refuse(
                name,
                cast("object", value),
                "a list of domains such as example.com, without https://",
            )
        return given

    def further(self, name: str, value: object) -> object:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return value
        if isinstance(value, list | tuple):
            return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        raise self.refuse(name, value, "text, a finite number or a list")


def _location(check: _Check, value: Mapping[str, str] | None) -> object:
    if value is None:
        return None
    accepted = {"city", "region", "country", "timezone", "type"}
    if not isinstance(value, Mapping) or not value or not accepted.issuperset(value):
        raise check.refuse(
            "user_location", value, "a mapping with some of city, region, country, timezone"
        )
    given: dict[str, object] = {"type": "approximate", **value}
    if given["type"] != "approximate" or not all(
        isinstance(each, str) and each for each in given.values()
    ):
        raise check.refuse(
            "user_location", value, 'text for each key, and for "type" only "approximate"'
        )
    return given


def _given(parameters: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in parameters.items() if value is not None}
