"""The server tools that the emulator knows, as `GET /tools` lists them.

The shapes are those of `ServerTool` in OpenRouter's SDK, version 1.3.84. Schemas, prices and counts
are made up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Format = Literal["responses", "chat-completions", "anthropic-messages"]
EVERYWHERE: tuple[Format, ...] = ("responses", "chat-completions", "anthropic-messages")
RESPONSES: tuple[Format, ...] = ("responses",)
_BOTH: tuple[Format, ...] = ("responses", "chat-completions")
_DOCS = "https://openrouter.ai/docs/guides/features/server-tools"


@dataclass(frozen=True, slots=True)
class Alias:
    """Another type by which a tool is asked for."""

    type: str
    formats: Sequence[Format] = RESPONSES


@dataclass(frozen=True, slots=True)
class ToolRecord:
    """One server tool. `engines` maps an engine to what one use of it costs in USD, and to whom
    that is; `parameters` are the properties of the schema of its parameters.
    """

    id: str
    name: str
    summary: str
    parameters: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]]
    )
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    formats: Sequence[Format] = EVERYWHERE
    aliases: Sequence[Alias] = ()
    engines: Mapping[str, float] = field(default_factory=dict[str, float])
    default_engine: str | None = None

    def types(self, api_format: str) -> frozenset[str]:
        """By which it may be asked for in this API."""
        own = {self.id} if api_format in self.formats else set[str]()
        return frozenset(own | {each.type for each in self.aliases if api_format in each.formats})

    def record(self, *, with_models: bool = False) -> dict[str, Any]:
        """As it is listed; its own entry names the models that run it natively."""
        native = "native" in self.engines
        support: dict[str, Any] = {"endpoint_count": 2 * native, "model_count": 2 * native}
        if with_models:
            support["models"] = (
                [{"slug": "openai/gpt-5.2", "providers": ["openai"]}] if native else []
            )
        aliases = [Alias(self.id, self.formats), *self.aliases]
        return {
            "id": self.id,
            "name": self.name,
            "summary": self.summary,
            "status": "active",
            "tool_description": self.summary,
            "docs_url": f"{_DOCS}/{self.id.rpartition(':')[2].replace('_', '-')}",
            "supported_api_formats": list(self.formats),
            "aliases": [_alias(each, self.id) for each in aliases],
            "engines": [_engine(name, price) for name, price in self.engines.items()],
            "default_engine": self.default_engine,
            "fallback_engine": None,
            "parameters_schema": _schema(self.parameters),
            "input_schema": _schema(self.inputs),
            "output_schema": None,
            "native_support": support,
        }


def _alias(alias: Alias, canonical: str) -> dict[str, Any]:
    outputs = [
        {"api_format": api_format, "type": canonical}
        for api_format in alias.formats
        if api_format == "responses"
    ]
    return {"type": alias.type, "api_formats": list(alias.formats), "output_names": outputs}


def _engine(name: str, price: float) -> dict[str, Any]:
    unit = {"mode": None, "price": f"{price:g}", "unit": "call", "max_units_per_call": 1}
    return {
        "id": name,
        "name": name.capitalize(),
        "executed_by": "provider" if name == "native" else "openrouter",
        "byok": "none",
        "data_regions": ["global"],
        "default_mode": None,
        "pricing": [unit] if price else [],
        "pricing_doc_url": None,
        "pricing_source": "openrouter" if price else "none",
    }


def _schema(properties: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {name: dict(schema) for name, schema in properties.items()},
    }


def _text(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)} if words else {"type": "string"}


_COUNT = {"type": "integer", "minimum": 1}
_DOMAINS = {"type": "array", "items": {"type": "string"}}
_MODEL = {"model": _text(), "instructions": _text(), "max_completion_tokens": _COUNT}
_CONTAINER = {"engine": _text("auto", "openrouter"), "environment": {"type": "object"}}
_SEARCH = ("web_search", "web_search_preview", "web_search_preview_2025_03_11")

TOOLS: tuple[ToolRecord, ...] = (
    ToolRecord(
        "openrouter:image_generation",
        "Image generation",
        "Draws a picture from words.",
        parameters={
            "model": _text(),
            "quality": _text("auto", "low", "medium", "high", "xhigh", "max"),
            "size": _text(),
            "aspect_ratio": _text(),
            "background": _text("auto", "transparent", "opaque"),
            "output_format": _text("png", "jpeg", "webp", "svg"),
            "output_compression": {"type": "integer", "minimum": 0, "maximum": 100},
            "moderation": _text("auto", "low"),
        },
        inputs={"prompt": _text()},
        aliases=(Alias("image_generation"),),
        engines={"openrouter": 0.0},
        default_engine="openrouter",
    ),
    ToolRecord(
        "openrouter:web_search",
        "Web search",
        "Searches the web.",
        parameters={
            "engine": _text("auto", "native", "exa", "parallel", "firecrawl", "perplexity"),
            "max_results": {"type": "integer", "minimum": 1, "maximum": 25},
            "max_total_results": _COUNT,
            "max_uses": _COUNT,
            "max_characters": _COUNT,
            "mode": _text(
                "instant",
                "fast",
                "auto",
                "deep-lite",
                "deep",
                "deep-reasoning",
                "turbo",
                "basic",
                "advanced",
            ),
            "search_context_size": _text("low", "medium", "high"),
            "allowed_domains": _DOMAINS,
            "excluded_domains": _DOMAINS,
            "user_location": {"type": "object"},
            "x_search": {"type": "object"},
        },
        inputs={"query": _text()},
        aliases=(
            *(Alias(name, _BOTH) for name in _SEARCH),
            Alias("web_search_2025_08_26", _BOTH),
        ),
        engines={"native": 0.01, "exa": 0.004, "parallel": 0.004},
        default_engine="exa",
    ),
    ToolRecord(
        "openrouter:web_fetch",
        "Web fetch",
        "Reads a page or a PDF.",
        parameters={
            "engine": _text("auto", "native", "openrouter", "exa", "parallel", "firecrawl"),
            "max_uses": _COUNT,
            "max_content_tokens": _COUNT,
            "allowed_domains": _DOMAINS,
            "blocked_domains": _DOMAINS,
        },
        inputs={"url": _text()},
        engines={"openrouter": 0.0},
        default_engine="openrouter",
    ),
    ToolRecord(
        "openrouter:datetime",
        "Date and time",
        "Tells date and time.",
        parameters={"timezone": _text()},
        engines={"openrouter": 0.0},
        default_engine="openrouter",
    ),
    ToolRecord("openrouter:advisor", "Advisor", "Asks another model for advice.", _MODEL),
    ToolRecord("openrouter:subagent", "Sub-agent", "Lets another model do a task.", _MODEL),
    ToolRecord(
        "openrouter:fusion",
        "Fusion",
        "Asks several models and compares what they say.",
        {"model": _text(), "analysis_models": {"type": "array", "items": _text()}},
    ),
    ToolRecord(
        "openrouter:tool_search",
        "Tool search",
        "Finds tools that are loaded when they are needed.",
        {"max_results": _COUNT},
    ),
    ToolRecord(
        "openrouter:experimental__search_models",
        "Model search",
        "Searches the models of OpenRouter.",
        {"max_results": _COUNT},
    ),
    ToolRecord(
        "openrouter:shell",
        "Shell",
        "Runs commands in a container.",
        _CONTAINER,
        aliases=(Alias("shell"), Alias("local_shell")),
        engines={"openrouter": 0.03},
        default_engine="openrouter",
    ),
    ToolRecord("openrouter:bash", "Bash", "Runs commands in a container.", _CONTAINER),
    ToolRecord("openrouter:files", "Files", "Reads and writes files.", {}),
    ToolRecord("openrouter:browser_use", "Browser", "Uses a browser.", {}),
    ToolRecord(
        "openrouter:code_interpreter",
        "Code interpreter",
        "Runs Python in a container.",
        {"container": {"type": "object"}},
        aliases=(Alias("code_interpreter"),),
        engines={"native": 0.03},
        default_engine="native",
    ),
    ToolRecord(
        "openrouter:apply_patch",
        "Apply patch",
        "Changes files by a patch.",
        {"engine": _text("auto", "native", "openrouter")},
        aliases=(Alias("apply_patch"),),
    ),
    ToolRecord("openrouter:mcp", "MCP", "Calls a remote MCP server.", {}, aliases=(Alias("mcp"),)),
    ToolRecord(
        "openrouter:file_search",
        "File search",
        "Searches files.",
        {},
        aliases=(Alias("file_search"),),
    ),
    ToolRecord(
        "openrouter:computer_use",
        "Computer use",
        "Uses a computer.",
        {},
        formats=RESPONSES,
        aliases=(Alias("computer_use_preview"),),
    ),
)
CLIENT_RUN = frozenset({"custom", "namespace"})
"""Types of tools in Responses that the client runs."""


def tool_types(api_format: str, tools: Sequence[ToolRecord] = TOOLS) -> frozenset[str]:
    """Every type that a request to this API may name."""
    return frozenset[str]().union(*(each.types(api_format) for each in tools))


def find_tool(name: str, tools: Sequence[ToolRecord] = TOOLS) -> ToolRecord | None:
    """The tool with this id, with or without `openrouter:`."""
    return next((each for each in tools if name in (each.id, each.id.rpartition(":")[2])), None)


def list_tools(api_format: str | None, offset: int, limit: int | None) -> dict[str, Any]:
    """A page of `GET /tools`; all of them without a limit."""
    found = [each for each in TOOLS if api_format is None or each.types(api_format)]
    page = found[offset:] if limit is None else found[offset : offset + limit]
    end = offset + len(page)
    following = f"/api/v1/tools?offset={end}&limit={limit}" if page and end < len(found) else None
    return {
        "data": [each.record() for each in page],
        "total_count": len(found),
        "links": {"next": following},
    }
