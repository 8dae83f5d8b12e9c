"""`GET /models`: the chat catalogue, filtered, sorted and paged by the query."""

from collections.abc import Callable, Mapping
from typing import Any

from agentkit.emulator.catalogue import Catalogue
from agentkit.emulator.listed_model import Model
from agentkit.emulator.tables import word_list
from agentkit.emulator.wire.errors import invalid

_CATEGORIES = word_list(
    """
    programming roleplay marketing marketing/seo technology science translation legal finance
    health trivia academia
    """
)
_MODALITIES = word_list(
    """
    text image embeddings audio video rerank speech transcription file all
    """
)
_SORTS: dict[str, Callable[[Model], float]] = {
    "pricing-low-to-high": lambda model: model.prompt_price + model.completion_price,
    "pricing-high-to-low": lambda model: -model.prompt_price - model.completion_price,
    "context-high-to-low": lambda model: -model.context,
}
_OTHER_SORTS = word_list(
    """
    most-popular newest top-weekly throughput-high-to-low latency-low-to-high
    intelligence-high-to-low coding-high-to-low agentic-high-to-low design-arena-elo-high-to-low
    """
)
_WORDS = {
    "category": _CATEGORIES,
    "sort": (*_SORTS, *_OTHER_SORTS),
    "distillable": ("true", "false"),
    "zdr": ("true",),
    "region": ("eu", "us"),
}


def list_models(catalogue: Catalogue, query: Mapping[str, str]) -> dict[str, Any]:
    for name, values in _WORDS.items():
        if name in query and query[name] not in values:
            raise invalid(f"Invalid {name}: {query[name]!r}; expected one of {', '.join(values)}")
    low = _number(query, "min_price", 0.0)
    high = _number(query, "max_price", float("inf"))
    least = _number(query, "context", 0.0)
    found = [
        model
        for model in catalogue.models
        if _fits(model, query)
        and low <= model.prompt_price * 1e6 <= high
        and model.context >= least
    ]
    key = _SORTS.get(query.get("sort", ""))
    if key is not None:
        found.sort(key=key)
    offset = int(_number(query, "offset", 0.0))
    limit = int(_number(query, "limit", 1000.0 if "offset" not in query else 500.0))
    if not 1 <= limit <= 1000:
        raise invalid("Invalid limit: a number from 1 to 1000 is required")
    following = (
        f"/api/v1/models?offset={offset + limit}&limit={limit}"
        if offset + limit < len(found)
        else None
    )
    page = [model.record() for model in found[offset : offset + limit]]
    return {"data": page, "total_count": len(found), "links": {"next": following}}


def _number(query: Mapping[str, str], name: str, default: float) -> float:
    text = query.get(name)
    if text in (None, "null"):
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0 or value == float("inf"):
        raise invalid(f"Invalid {name}: {text!r}; a number of at least 0 is required")
    return value


def _split(query: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in query.get(name, "").split(",") if word.strip()]


def _fits(model: Model, query: Mapping[str, str]) -> bool:
    outputs = _split(query, "output_modalities") or ["text"]
    unknown = [
        word for word in (*outputs, *_split(query, "input_modalities")) if word not in _MODALITIES
    ]
    if unknown:
        raise invalid(
            f"Invalid modality: {unknown[0]!r}; expected some of {', '.join(_MODALITIES)}"
        )
    if "all" not in outputs and not set(outputs) & set(model.outputs):
        return False
    if not set(_split(query, "input_modalities")) <= set(model.inputs):
        return False
    if not set(_split(query, "supported_parameters")) <= set(model.parameters):
        return False
    authors = _split(query, "model_authors")
    if authors and model.id.partition("/")[0] not in authors:
        return False
    words = query.get("q", "").lower()
    return words in model.name.lower() or words in model.id
