"""Tools that OpenRouter runs on its side: the model calls them, their results come with its reply.

Values are checked when a tool is made, so that a wrong one costs no request. Parameters that are
None are not sent, and OpenRouter's own defaults hold. The parameters are those of the spec's
`…ServerToolConfig` schemas.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

from agentkit._check import (
    argument,
    check_json,
    check_mapping,
    check_number,
    check_pattern,
    check_text,
    check_word,
    refused,
)
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

_TYPE = re.compile(r"openrouter:[a-z0-9_.-]{1,100}")


@dataclass(frozen=True, slots=True)
class ServerTool:
    """Any server tool by its type, which OpenRouter runs:
    `ServerTool("openrouter:advisor", {"model": "…"})`.

    Raises `UsageError` for a type that cannot be one, and for parameters that are no JSON.
    """

    type: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        known = isinstance(self.type, str) and (
            self.type in RESPONSES_TYPES or _TYPE.fullmatch(self.type)
        )
        if not known:
            names = ", ".join(sorted(RESPONSES_TYPES))
            raise refused("ServerTool(type={!r})", self.type, f"is openrouter:…, or one of {names}")
        copied = check_json("ServerTool(parameters={!r})", self.parameters)
        object.__setattr__(self, "parameters", copied)

    @property
    def name(self) -> str:
        """What its calls are named in an answer: its type."""
        return self.type

    def to_wire(self) -> dict[str, Any]:
        """Its entry in the `tools` of a request. It is the same in both APIs."""
        if not self.type.startswith(PREFIX):
            return {**self.parameters, "type": self.type}
        if not self.parameters:
            return {"type": self.type}
        return {"type": self.type, "parameters": dict(self.parameters)}


class _Named(ServerTool):
    """A server tool with parameters of its own."""

    __slots__ = ()

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({given})"


class Draws(Protocol):
    """A `Studio`, which can take the place of the server tool that draws."""

    @property
    def tools(self) -> Callable[..., Sequence[Any]]:
        """Makes the tools, given the options that they draw with."""
        ...


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
        **further: str | float | Sequence[Any] | None,
    ) -> None:
        given = {
            "model": model,
            "quality": quality,
            "size": size,
            "aspect_ratio": aspect_ratio,
            "background": background,
            "output_format": output_format,
            "output_compression": output_compression,
            "moderation": moderation,
        }
        parameters = _checked("ImageGeneration", _IMAGE_GENERATION, given)
        for name, value in further.items():
            if value is not None:
                parameters[name] = _further(name, value)
        _check_format("ImageGeneration", parameters)
        ServerTool.__init__(self, f"{PREFIX}image_generation", parameters)
        object.__setattr__(self, "fallback", fallback)
        if fallback is not None:
            _check_fallback(fallback, self.parameters)


def _check_format(owner: str, parameters: Mapping[str, object]) -> None:
    output_format = parameters.get("output_format")
    compression = parameters.get("output_compression")
    if parameters.get("background") == "transparent" and output_format in {"jpeg", "svg"}:
        raise UsageError(
            f"{owner}(background='transparent', output_format={output_format!r}): "
            "transparent needs png or webp"
        )
    if compression is not None and output_format in {"png", "svg"}:
        raise UsageError(
            f"{owner}(output_compression={compression}, output_format={output_format!r}): "
            "compression needs jpeg or webp"
        )


def _check_fallback(fallback: Draws, parameters: Mapping[str, Any]) -> None:
    """The tools of a fallback are made in the middle of a run, if ever. Whether they can be made
    is checked at once.
    """
    if not callable(getattr(fallback, "tools", None)):
        accepted = "is a Studio of agentkit.studio"
        raise refused("ImageGeneration(fallback={!r})", fallback, accepted)
    try:
        stand_ins(fallback, parameters)
    except UsageError as error:
        raise UsageError(
            f"ImageGeneration(fallback=…): the studio cannot draw like this: {error}"
        ) from error


def stand_ins(fallback: Draws, parameters: Mapping[str, Any]) -> Sequence[Any]:
    """The tools that take the place of a server tool with these parameters. Raises `UsageError`
    where they do not fit.
    """
    shared = {name: parameters[name] for name in _IMAGE_GENERATION if name in parameters}
    return fallback.tools(**shared)


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
        given = {
            "engine": engine,
            "max_results": max_results,
            "max_total_results": max_total_results,
            "search_context_size": search_context_size,
            "allowed_domains": allowed_domains,
            "excluded_domains": excluded_domains,
            "user_location": user_location,
        }
        parameters = _checked("WebSearch", _WEB_SEARCH, given)
        if allowed_domains and excluded_domains:
            raise UsageError(
                "WebSearch(allowed_domains=…, excluded_domains=…): accepted is one of the two"
            )
        ServerTool.__init__(self, f"{PREFIX}web_search", parameters)


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
        given = {
            "engine": engine,
            "max_uses": max_uses,
            "max_content_tokens": max_content_tokens,
            "allowed_domains": allowed_domains,
            "blocked_domains": blocked_domains,
        }
        ServerTool.__init__(self, f"{PREFIX}web_fetch", _checked("WebFetch", _WEB_FETCH, given))


class Datetime(_Named):
    """OpenRouter's tool that tells date and time (`openrouter:datetime`), in UTC or in an IANA time
    zone such as `Europe/Oslo`. Raises `UsageError` for a wrong value.
    """

    __slots__ = ()

    def __init__(self, timezone: str | None = None) -> None:
        parameters = _checked("Datetime", _DATETIME, {"timezone": timezone})
        ServerTool.__init__(self, f"{PREFIX}datetime", parameters)


_Check = Callable[[str, object], object]
"""Checks the value of one parameter, given `where` it stands (see `agentkit._check`), and returns
it as it is sent.
"""


def _checked(
    owner: str, checks: Mapping[str, _Check], given: Mapping[str, object]
) -> dict[str, object]:
    """The parameters that are not None, checked. Raises `UsageError`."""
    return {
        name: checks[name](argument(owner, name), value)
        for name, value in given.items()
        if value is not None
    }


def _one_of(*words: str) -> _Check:
    return lambda where, value: check_word(where, value, words)


def _matching(pattern: str, accepted: str) -> _Check:
    compiled = re.compile(pattern)
    return lambda where, value: check_pattern(where, value, compiled, accepted)


def _whole(least: int, most: float = math.inf) -> _Check:
    def check(where: str, value: object) -> object:
        check_number(where, value, whole=True, least=least, most=most)
        return value

    return check


def _domains(where: str, value: object) -> object:
    accepted = "a list of domains such as example.com, without https://"
    if not isinstance(value, list | tuple) or not value:
        raise refused(where, cast("object", value), f"is {accepted}")
    domains = cast("Sequence[object]", value)
    return [check_pattern(where, each, _DOMAIN, accepted) for each in domains]


def _location(where: str, value: object) -> object:
    accepted = "a mapping with some of city, region, country, timezone"
    parts = check_mapping(where, value, accepted)
    if not parts or not _LOCATION.issuperset(parts):
        raise refused(where, value, f"is {accepted}")
    location: dict[str, object] = {"type": "approximate", **parts}
    are_texts = all(isinstance(each, str) and each for each in location.values())
    if not are_texts or location["type"] != "approximate":
        accepted = 'text for each key, and for "type" only "approximate"'
        raise refused(where, value, f"is {accepted}")
    return location


def _further(name: str, value: object) -> object:
    """A parameter of `ImageGeneration` that has no name here, as it is sent. Raises `UsageError`
    for a name that looks like one of those that are known, mistyped: `aspect`, `qualty`.
    """
    where = argument("ImageGeneration", name)
    for known in (*_IMAGE_GENERATION, "fallback"):
        if _is_mistyped(name, known):
            raise UsageError(
                f"ImageGeneration({name}={value!r}): there is no such parameter; "
                f"did you mean {known}?"
            )
    if isinstance(value, list | tuple):
        return list(cast("Sequence[object]", value))
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, str | int) and not isinstance(value, bool):
        return value
    raise refused(where, value, "is text, a finite number or a list")


def _is_mistyped(name: str, known: str) -> bool:
    """Whether a name was probably meant to be the known one: it has some of its words, or is
    spelled almost like it.
    """
    from difflib import SequenceMatcher  # rarely needed

    words, known_words = set(name.split("_")), set(known.split("_"))
    if words < known_words:
        return True
    return not words > known_words and SequenceMatcher(None, known, name).ratio() >= _ALIKE


_ALIKE = 0.75
"""How alike two names are, from 0 to 1, of which one is taken for the other, mistyped."""
_DOMAIN = re.compile(r"[^\s:/]+(\.[^\s:/]+)+(/\S*)?")
_LOCATION = {"city", "region", "country", "timezone", "type"}
_PIXELS = r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}"
_SIDE = r"[1-9][0-9]{0,3}(\.[0-9]{1,2})?"

_IMAGE_GENERATION: Mapping[str, _Check] = {
    "model": check_text,
    "quality": _one_of("auto", "low", "medium", "high"),
    "size": _matching(
        rf"auto|512|[124]K|{_PIXELS}", "auto, 512, 1K, 2K, 4K, or WIDTHxHEIGHT such as 1024x1536"
    ),
    "aspect_ratio": _matching(rf"auto|{_SIDE}:{_SIDE}", "WIDTH:HEIGHT such as 16:9, or auto"),
    "background": _one_of("auto", "transparent", "opaque"),
    "output_format": _one_of("png", "jpeg", "webp", "svg"),
    "output_compression": _whole(0, 100),
    "moderation": check_text,
}
"""The Image API has these parameters too, so a `fallback` draws with them."""
_WEB_SEARCH: Mapping[str, _Check] = {
    "engine": _one_of("auto", "native", "exa", "parallel", "firecrawl", "perplexity"),
    "max_results": _whole(1),
    "max_total_results": _whole(1),
    "search_context_size": _one_of("low", "medium", "high"),
    "allowed_domains": _domains,
    "excluded_domains": _domains,
    "user_location": _location,
}
_WEB_FETCH: Mapping[str, _Check] = {
    "engine": _one_of("auto", "native", "openrouter", "exa", "parallel", "firecrawl"),
    "max_uses": _whole(1),
    "max_content_tokens": _whole(1),
    "allowed_domains": _domains,
    "blocked_domains": _domains,
}
_DATETIME: Mapping[str, _Check] = {
    "timezone": _matching(
        r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", "an IANA name such as Europe/Oslo"
    ),
}
