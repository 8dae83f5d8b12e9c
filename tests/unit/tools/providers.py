"""What providers take as the schema of a tool's arguments or of an answer, as data. Each rule has
its source; nothing here is taken from agentkit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

OPENAI_GUIDE = "https://developers.openai.com/api/docs/guides/structured-outputs#supported-schemas"
ANTHROPIC_GUIDE = "https://platform.claude.com/docs/en/build-with-claude/structured-outputs"
ANTHROPIC_SDK = (
    "https://github.com/anthropics/anthropic-sdk-python/blob/main/"
    "src/anthropic/lib/_parse/_transform.py"
)
GOOGLE_SCHEMA = "https://ai.google.dev/api/caching#Schema"
GOOGLE_GUIDE = "https://ai.google.dev/gemini-api/docs/structured-output#json-schema-support"
XAI_GUIDE = "https://docs.x.ai/developers/model-capabilities/text/structured-outputs"

_PLAIN_WORDS = frozenset(
    {"type", "description", "enum", "anyOf", "items", "properties", "required"}
)
_REFERENCES = frozenset({"$ref", "$defs", "additionalProperties"})
_BOUNDS = frozenset({"minimum", "maximum", "minItems", "maxItems"})
_NINE_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)
_GRAMMAR = re.compile(r"\(\?|\\[1-9bB]")
"""Look-around, back references, word boundaries."""


@dataclass(frozen=True)
class Provider:
    """The rules of one provider for one kind of schema. `sources` has one for each field that is
    set.
    """

    name: str
    model: str
    strict: bool
    sources: Mapping[str, str]
    keywords: frozenset[str] | None = None
    """Those that it takes; None: any, since it passes over what it does not know."""
    formats: frozenset[str] | None = None
    names: re.Pattern[str] | None = None
    """What the names of properties have to match."""
    grammar: bool = False
    """Patterns are compiled to a grammar."""
    lone_references: bool = False
    """Nothing may stand beside `$ref`."""
    recursion: bool = True
    closed: bool = False
    """Each object has `additionalProperties: false`."""
    all_required: bool = False
    typed: bool = False
    """Each schema says its type, the items of arrays too."""
    has_items: bool = False
    """Each array has `items`."""
    string_enums: bool = False
    most_min_items: int | None = None


PROVIDERS = (
    Provider(
        "OpenAI, strict",
        "openai/gpt-5.2",
        strict=True,
        keywords=_PLAIN_WORDS
        | _REFERENCES
        | _BOUNDS
        | {"const", "format", "pattern", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"},
        formats=_NINE_FORMATS,
        grammar=True,
        lone_references=True,
        closed=True,
        all_required=True,
        typed=True,
        has_items=True,
        sources={
            "keywords": OPENAI_GUIDE,
            "formats": "https://github.com/cyanheads/git-mcp-server/issues/47",
            "grammar": "https://github.com/pydantic/pydantic-ai/blob/main/pydantic_ai_slim/"
            "pydantic_ai/profiles/openai.py",
            "lone_references": "https://github.com/openai/openai-python/blob/main/src/openai/lib/"
            "_pydantic.py",
            "closed": OPENAI_GUIDE,
            "all_required": OPENAI_GUIDE,
            "typed": "https://github.com/pydantic/pydantic-ai/issues/4425",
            "has_items": "https://github.com/meilisearch/meilisearch-mcp/issues/27",
        },
    ),
    Provider(
        "OpenAI",
        "openai/gpt-5.2",
        strict=False,
        formats=_NINE_FORMATS,
        has_items=True,
        sources={
            "formats": "https://github.com/BuilderIO/agent-native/pull/3085",
            "has_items": "https://github.com/PrefectHQ/fastmcp/issues/2464",
        },
    ),
    Provider(
        "Anthropic, strict",
        "anthropic/claude-sonnet-4.5",
        strict=True,
        keywords=_PLAIN_WORDS | _REFERENCES | {"const", "format", "pattern", "minItems", "default"},
        formats=_NINE_FORMATS | {"uri"},
        names=re.compile(r"[a-zA-Z0-9_.-]{1,64}\Z"),
        grammar=True,
        recursion=False,
        closed=True,
        most_min_items=1,
        sources={
            "keywords": ANTHROPIC_SDK,
            "formats": ANTHROPIC_SDK,
            "names": "https://github.com/anthropics/claude-code/issues/79418",
            "grammar": ANTHROPIC_GUIDE,
            "recursion": ANTHROPIC_GUIDE,
            "closed": ANTHROPIC_GUIDE,
            "most_min_items": ANTHROPIC_SDK,
        },
    ),
    Provider(
        "Anthropic",
        "anthropic/claude-sonnet-4.5",
        strict=False,
        names=re.compile(r"[a-zA-Z0-9_.-]{1,64}\Z"),
        sources={"names": "https://github.com/anthropics/claude-code/issues/79418"},
    ),
    Provider(
        "Google, strict",
        "google/gemini-2.5-pro",
        strict=True,
        keywords=_PLAIN_WORDS | _REFERENCES | _BOUNDS | {"format"},
        recursion=False,
        sources={
            "keywords": GOOGLE_GUIDE,
            "recursion": "https://discuss.ai.google.dev/t/recursive-schema-definition/68607",
        },
    ),
    Provider(
        "Google",
        "google/gemini-2.5-pro",
        strict=False,
        keywords=_PLAIN_WORDS
        | _REFERENCES
        | _BOUNDS
        | {"default", "format", "pattern", "minLength", "maxLength"},
        recursion=False,
        string_enums=True,
        sources={
            "keywords": GOOGLE_SCHEMA,
            "recursion": "https://discuss.ai.google.dev/t/recursive-schema-definition/68607",
            "string_enums": "https://github.com/Draculabo/AntigravityManager/pull/260",
        },
    ),
    Provider(
        "xAI, strict",
        "x-ai/grok-4",
        strict=True,
        keywords=_PLAIN_WORDS | _REFERENCES | {"const", "format", "default"},
        recursion=False,
        sources={
            "keywords": "https://gitea.pressmess.duckdns.org/admin/Moltbot/src/commit/"
            "00347bda754bbdc91f99ca25ffd94c2f4b79f216/src",
            "recursion": XAI_GUIDE,
        },
    ),
    Provider(
        "xAI",  # the same rules: the guide says that `strict` is always on
        "x-ai/grok-4",
        strict=False,
        keywords=_PLAIN_WORDS | _REFERENCES | {"const", "format", "default"},
        recursion=False,
        sources={"keywords": XAI_GUIDE, "recursion": XAI_GUIDE},
    ),
)


def faults(provider: Provider, schema: Mapping[str, Any]) -> list[str]:
    """What the provider refuses in a schema, each with its place."""
    found = [f"$: {key} at the root" for key in ("anyOf", "oneOf", "allOf") if key in schema]
    if schema.get("type") != "object":
        found.append("$: no object at the root")
    found += [
        fault for place, node in _nodes(schema, "$") for fault in _faults(provider, place, node)
    ]
    if not provider.recursion and _is_recursive(schema):
        found.append("$: it refers to itself")
    return found


def _faults(provider: Provider, place: str, node: Mapping[str, Any]) -> Iterator[str]:
    if provider.keywords is not None:
        for key in node.keys() - provider.keywords:
            yield f"{place}: {key}"
    if provider.lone_references and "$ref" in node and len(node) > 1:
        yield f"{place}: {sorted(node)} with $ref"
    if provider.formats is not None and node.get("format", "date") not in provider.formats:
        yield f"{place}: format {node['format']}"
    if provider.grammar and _GRAMMAR.search(node.get("pattern", "")):
        yield f"{place}: pattern {node['pattern']}"
    if provider.names is not None:
        for name in node.get("properties", ()):
            if not provider.names.match(name):
                yield f"{place}: the name {name}"
    if provider.typed and not {"type", "anyOf", "$ref"} & node.keys():
        yield f"{place}: no type"
    if node.get("type") == "array" and provider.has_items and "items" not in node:
        yield f"{place}: no items"
    if node.get("type") == "object":
        if provider.closed and node.get("additionalProperties") is not False:
            yield f"{place}: free keys"
        named, required = set(node.get("properties", ())), set(node.get("required", ()))
        if provider.all_required and named != required:
            yield f"{place}: not all required"
    if provider.string_enums and not all(isinstance(each, str) for each in node.get("enum", ())):
        yield f"{place}: enum {node['enum']}"
    if provider.most_min_items is not None and node.get("minItems", 0) > provider.most_min_items:
        yield f"{place}: minItems {node['minItems']}"


def _nodes(node: Mapping[str, Any], place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each schema in a schema. The definitions stand beside the root, and are no part of it."""
    yield place, {key: each for key, each in node.items() if key != "$defs"}
    for group in ("properties", "$defs"):
        for name, each in cast("Mapping[str, Any]", node.get(group, {})).items():
            yield from _nodes(each, f"{place}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from _nodes(node[key], f"{place}.{key}")
    for index, each in enumerate(node.get("anyOf", ())):
        yield from _nodes(each, f"{place}.anyOf[{index}]")


def _is_recursive(schema: Mapping[str, Any]) -> bool:
    defs = schema.get("$defs", {})
    inner = {
        name: {each["$ref"].rpartition("/")[2] for _, each in _nodes(node, "") if "$ref" in each}
        for name, node in defs.items()
    }
    for name, first in inner.items():
        reached, open_ = set[str](), set(first)
        while open_:
            reached |= open_
            open_ = {each for other in open_ for each in inner.get(other, ())} - reached
        if name in reached:
            return True
    return False
