"""Tools that OpenRouter runs on its side: the model calls them, their results come with its reply.

The form of each parameter is checked when a tool is made, so that a mistake costs no request. Which
values are accepted is OpenRouter's to say: before a run, its catalogue is asked (`GET /tools`, and
`GET /images/models` for a tool that draws), and what it does not know is sent as it was given.
Parameters that are None are not sent, and OpenRouter's own defaults hold. The parameters are those
of the `…ServerToolConfig` types of OpenRouter's SDK, version 1.3.84.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from agentkit._check import check_json, refused
from agentkit.errors import UsageError
from agentkit.tools.openai_drawing import openai_entry
from agentkit.tools.server_parameters import (
    DATETIME,
    IMAGE_GENERATION,
    WEB_FETCH,
    WEB_SEARCH,
    checked,
)

PREFIX = "openrouter:"

_TYPE = re.compile(r"[a-z][a-z0-9_.:/-]{0,100}")
_RUN_HERE = frozenset({"function", "custom", "namespace"})
"""Types of tools that a client runs."""


@dataclass(frozen=True, slots=True)
class ServerTool:
    """Any server tool by its type, which OpenRouter runs:
    `ServerTool("openrouter:advisor", {"model": "…"})`.

    A type or a parameter that is not known here is sent as it was given. The parameters of a type
    that begins with `openrouter:` go under `parameters`. In Responses, those of other types (`mcp`,
    `code_interpreter`, `web_search`, …) lie beside the type.

    Raises `UsageError` for a type that cannot be one, and for parameters that are no JSON.
    """

    type: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.type, str) or not _TYPE.fullmatch(self.type):
            accepted = "is a type such as openrouter:web_search, image_generation or mcp"
            raise refused("ServerTool(type={!r})", self.type, accepted)
        if self.type in _RUN_HERE or self.type == PREFIX:
            accepted = (
                "is a tool that OpenRouter runs, such as openrouter:web_search or "
                "image_generation; a tool that runs here is a Python function, see agentkit.tool"
            )
            raise refused("ServerTool(type={!r})", self.type, accepted)
        copied = check_json("ServerTool(parameters={!r})", self.parameters)
        object.__setattr__(self, "parameters", copied)

    @property
    def name(self) -> str:
        """What its calls are named in an answer: its type."""
        return self.type

    def to_wire(self) -> dict[str, Any]:
        """Its entry in the `tools` of a request to Responses. Chat Completions gets parameters that
        lie beside the type under `parameters` (`agentkit.wire.chat.encode`).
        """
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
    `model`, OpenRouter draws with `openai/gpt-5-image`. At OpenAI, in Responses, it is OpenAI's own
    tool (`image_generation`), which also changes pictures of the conversation.

    - `quality` is a word such as `auto`, `low`, `high` or `max`.
    - `size` is `auto`, a tier such as `512`, `1K`, `1.5K` or `4K`, or pixels such as `1024x1536`.
    - `aspect_ratio` is like `16:9`, or `auto`.
    - `background` is a word such as `auto`, `transparent` or `opaque`. Transparent needs png or
      webp.
    - `output_format` is a word such as `png`, `jpeg`, `webp` or `svg`.
    - `output_compression` is 0 to 100, for jpeg and webp.
    - `moderation` is a text that the model's provider defines.
    - `fallback` is a `Studio`. Its `draw_image` and `edit_image` take the place of this tool where
      the service refuses it, or has none.

    OpenAI's tool gets `aspect_ratio` as a size in pixels, and takes `input_fidelity`, `action`,
    `partial_images` (previews of a stream, billed) and others by their names. What it has no
    parameter for is refused by name before the first request.

    Which values a model takes, OpenRouter's catalogue says before a run. Any further parameter may
    be given by its name, and goes as it is; `extra` is for one whose name looks like a mistake, and
    wins over all others. Raises `UsageError` for a value of a wrong form.
    """

    __slots__ = ("_extra", "fallback")
    fallback: Draws | None
    _extra: frozenset[str]

    def __init__(
        self,
        model: str | None = None,
        *,
        quality: str | None = None,
        size: str | None = None,
        aspect_ratio: str | None = None,
        background: str | None = None,
        output_format: str | None = None,
        output_compression: int | None = None,
        moderation: str | None = None,
        fallback: Draws | None = None,
        extra: Mapping[str, Any] | None = None,
        **others: Any,
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
        parameters = checked("ImageGeneration", IMAGE_GENERATION, given, extra, others)
        _check_format("ImageGeneration", parameters)
        ServerTool.__init__(self, f"{PREFIX}image_generation", parameters)
        object.__setattr__(self, "fallback", fallback)
        object.__setattr__(self, "_extra", frozenset(extra or ()))
        if fallback is not None:
            _check_fallback(fallback, self.parameters)

    def __getstate__(self) -> tuple[object, ...]:
        return (self.type, self.parameters, self.fallback, self._extra)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        names = ("type", "parameters", "fallback", "_extra")
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    def to_openai(self, service: str, *, stream: bool) -> dict[str, Any]:
        """Its entry in the `tools` of a request to OpenAI's Responses, as `image_generation`.
        `service` is what errors call the service. Raises `Unsupported` that names the parameters
        which have no counterpart there.
        """
        extra = {name: self.parameters[name] for name in self._extra}
        return openai_entry(self.parameters, extra, service, stream=stream)


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
    shared = {name: parameters[name] for name in IMAGE_GENERATION if name in parameters}
    return fallback.tools(**shared)


class WebSearch(_Named):
    """OpenRouter's tool that searches the web (`openrouter:web_search`).

    - `engine` is a word such as `auto`, `native`, `exa`, `parallel`, `firecrawl` or `perplexity`.
    - `max_results` is for each search, `max_total_results` for all searches of a request;
      `max_uses` is how many searches there may be, `max_characters` bounds each result's text.
    - `mode` is how thorough the engine is, such as `fast` or `deep`.
    - `search_context_size` is a word such as `low`, `medium` or `high`.
    - Domains are either allowed or excluded.
    - `user_location` has some of `city`, `region`, `country` and `timezone`.
    - `x_search` are options for searching X, such as `{"allowed_x_handles": ["nasa"]}`; `from_date`
      and `to_date` may be dates.

    `extra` is sent as it is, and wins over all others. Raises `UsageError` for a value of a wrong
    form.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        engine: str | None = None,
        max_results: int | None = None,
        max_total_results: int | None = None,
        max_uses: int | None = None,
        max_characters: int | None = None,
        mode: str | None = None,
        search_context_size: str | None = None,
        allowed_domains: Sequence[str] | None = None,
        excluded_domains: Sequence[str] | None = None,
        user_location: Mapping[str, str] | None = None,
        x_search: Mapping[str, Any | date] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        given = {
            "engine": engine,
            "max_results": max_results,
            "max_total_results": max_total_results,
            "max_uses": max_uses,
            "max_characters": max_characters,
            "mode": mode,
            "search_context_size": search_context_size,
            "allowed_domains": allowed_domains,
            "excluded_domains": excluded_domains,
            "user_location": user_location,
            "x_search": x_search,
        }
        parameters = checked("WebSearch", WEB_SEARCH, given, extra)
        if allowed_domains and excluded_domains:
            raise UsageError(
                "WebSearch(allowed_domains=…, excluded_domains=…): accepted is one of the two"
            )
        ServerTool.__init__(self, f"{PREFIX}web_search", parameters)


class WebFetch(_Named):
    """OpenRouter's tool that reads a page or a PDF at a URL (`openrouter:web_fetch`). `engine` is a
    word such as `auto`, `native` or `exa`; `max_uses` is for one request. `extra` is sent as it is,
    and wins over all others. Raises `UsageError` for a value of a wrong form.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        engine: str | None = None,
        max_uses: int | None = None,
        max_content_tokens: int | None = None,
        allowed_domains: Sequence[str] | None = None,
        blocked_domains: Sequence[str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        given = {
            "engine": engine,
            "max_uses": max_uses,
            "max_content_tokens": max_content_tokens,
            "allowed_domains": allowed_domains,
            "blocked_domains": blocked_domains,
        }
        parameters = checked("WebFetch", WEB_FETCH, given, extra)
        ServerTool.__init__(self, f"{PREFIX}web_fetch", parameters)


class Datetime(_Named):
    """OpenRouter's tool that tells date and time (`openrouter:datetime`), in UTC or in an IANA time
    zone such as `Europe/Oslo`. `extra` is sent as it is, and wins. Raises `UsageError` for a value
    of a wrong form.
    """

    __slots__ = ()

    def __init__(
        self, timezone: str | None = None, *, extra: Mapping[str, Any] | None = None
    ) -> None:
        parameters = checked("Datetime", DATETIME, {"timezone": timezone}, extra)
        ServerTool.__init__(self, f"{PREFIX}datetime", parameters)
