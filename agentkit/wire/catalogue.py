"""The catalogue as values: what a model accepts and what it costs. Pure: JSON in, values out.

A record that is not as expected is passed over rather than refused: the catalogue is asked for
advice, never for permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import fsum, inf
from typing import cast

from agentkit.values import Usage
from agentkit.wire.json import as_count, as_object, as_objects, as_text
from agentkit.wire.price_overrides import PriceOverride, dollars, exact, highest, overrides_of
from agentkit.wire.types import JsonObject

CHAT_MODELS = "/models?output_modalities=all&limit=1000"
PLAIN_MODELS = "/models"
"""The list of names that any other service has."""
IMAGE_MODELS = "/images/models"
_MOST = 1e15
"""A number that is as large is a mistake of the catalogue."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What one parameter may be: one of `values` (`enum`), a number from `low` to `high` (`range`),
    anything (`boolean`).
    """

    type: str
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def accepts(self, value: object) -> bool:
        """Whether this value is among them; a descriptor of a type that is not known here accepts
        any.
        """
        if self.type == "enum":
            return not self.values or str(value) in self.values
        if self.type == "range" and isinstance(value, int | float):
            low = -inf if self.low is None else self.low
            high = inf if self.high is None else self.high
            return low <= value <= high
        return True

    def __str__(self) -> str:
        if self.type == "enum" and self.values:
            return ", ".join(self.values)
        if self.type == "range" and self.high is not None:
            return f"{self.low or 0:g} to {self.high:g}"
        return "any"


@dataclass(frozen=True, slots=True)
class Price:
    """One line of what an endpoint bills: `cost_usd` for each `unit` (image, megapixel, token,
    request) of `billable`.
    """

    billable: str
    unit: str
    cost_usd: float
    variant: str | None = None
    """The resolution or quality of the only requests that the price is for; None for all."""
    overrides: tuple[PriceOverride, ...] = ()

    def highest(self, when: datetime | None) -> float:
        """The highest `cost_usd` that it may have at this time; None: at any."""
        return highest("cost_usd", self.cost_usd, self.overrides, when) or 0.0


@dataclass(frozen=True, slots=True)
class ImageEndpoint:
    """What one provider accepts for a model of the Image API, and what it bills. A parameter
    without a capability is not supported.
    """

    provider: str
    slug: str
    tag: str | None = None
    parameters: Mapping[str, Capability] = field(default_factory=dict[str, Capability], hash=False)
    passthrough: tuple[str, ...] = ()
    """Options that it takes under `provider={"options": {SLUG: {…}}}`."""
    streams: bool = False
    prices: tuple[Price, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """By which `provider={"only": […]}` may call it, in lower case."""
        names = (self.provider, self.slug, self.tag)
        return frozenset([each.lower() for each in names if each])


@dataclass(frozen=True, slots=True)
class ImageModel:
    """A model of the Image API. `parameters` is what some endpoint of it accepts; the endpoints say
    it each for itself.
    """

    id: str
    name: str = ""
    description: str = ""
    inputs: tuple[str, ...] = ()
    """`text`, `image`, …"""
    outputs: tuple[str, ...] = ()
    parameters: Mapping[str, Capability] = field(default_factory=dict[str, Capability], hash=False)
    streams: bool = False
    """Whether some endpoint sends previews; others answer a stream with JSON, which is taken
    too.
    """
    endpoints: tuple[ImageEndpoint, ...] = ()
    """Empty where they were not asked for, or could not be had."""


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model of Chat Completions and Responses."""

    id: str
    name: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    parameters: tuple[str, ...] | None = None
    """Names of the request's parameters that it supports: `tools`, `reasoning`, …; None where the
    catalogue does not say.
    """
    context_length: int | None = None
    """Tokens, of prompt and reply together."""
    max_output_tokens: int | None = None
    prices: Mapping[str, float] = field(default_factory=dict[str, float], hash=False)
    """USD by what is billed: `prompt` and `completion` for a token, `request`, `image`, … for one.
    A price that varies is left out.
    """
    overrides: tuple[PriceOverride, ...] = ()
    """Prices of some days, times of day, or long prompts."""

    def highest_price(self, name: str, when: datetime | None, tokens: float) -> float:
        """USD for one of what is billed under this name, at most, in a request at this time with
        about so many tokens of prompt; 0 where it has no price.
        """
        return highest(name, self.prices.get(name), self.overrides, when, tokens) or 0.0

    def cache_saved(self, usage: Usage, when: datetime, *, hour: bool = False) -> float | None:
        """USD that the prompt cache saved in one request at this time, less than 0 where it cost
        more; None where a price is not known. `hour`: what it wrote is kept for an hour.
        """
        write = "input_cache_write_1h" if hour else "input_cache_write"
        if not self.prices.keys() & {"input_cache_read", write}:
            return None
        counts = {"input_cache_read": usage.cached_tokens, write: usage.cache_write_tokens}
        saved: list[float] = []
        for name, count in counts.items():
            if not count:
                continue
            tokens = usage.input_tokens
            fresh, price = (self._exact(each, when, tokens) for each in ("prompt", name))
            if fresh is None or price is None:
                return None
            saved.append(count * (fresh - price))
        return fsum(saved)

    def _exact(self, name: str, when: datetime, tokens: int) -> float | None:
        return exact(name, self.prices.get(name), self.overrides, when, tokens)

    # What a catalogue does not say is not known, and is taken for possible.

    @property
    def sees(self) -> bool:
        return not self.inputs or "image" in self.inputs

    @property
    def takes_files(self) -> bool | None:
        """Whether it takes files; None where the catalogue does not say what it takes."""
        return "file" in self.inputs if self.inputs else None

    @property
    def draws(self) -> bool:
        """Whether it surely draws."""
        return "image" in self.outputs

    @property
    def may_draw(self) -> bool:
        return not self.outputs or self.draws

    @property
    def calls_tools(self) -> bool:
        return self.parameters is None or "tools" in self.parameters


def endpoints_path(slug: str) -> str:
    """Where the endpoints of an image model are told."""
    from urllib.parse import quote

    return f"{IMAGE_MODELS}/{quote(slug, safe='/')}/endpoints"


def chat_models(body: JsonObject) -> tuple[ChatModel, ...]:
    """The models in the body of `GET /models`."""
    return tuple([_chat_model(each) for each in _records(body)])


def is_foreign(body: JsonObject) -> bool:
    """Whether this is no catalogue of OpenRouter's: it lists models, and says of none what it can
    do, or lists none in this form.
    """
    models = _records(body)
    known = ("architecture", "supported_parameters", "pricing")
    if not models:
        return not isinstance(body.get("data"), list)
    return not any(name in model for model in models for name in known)


def _records(body: JsonObject) -> list[JsonObject]:
    """The models of a list that have an id."""
    return [each for each in as_objects(body.get("data")) if as_text(each.get("id"))]


def _chat_model(record: JsonObject) -> ChatModel:
    architecture, top = as_object(record.get("architecture")), as_object(record.get("top_provider"))
    pricing, parameters = as_object(record.get("pricing")), record.get("supported_parameters")
    prices = {name: dollars(price) for name, price in pricing.items()}
    return ChatModel(
        id=as_text(record.get("id")) or "",
        name=as_text(record.get("name")) or "",
        inputs=_strings(architecture.get("input_modalities")),
        outputs=_strings(architecture.get("output_modalities")),
        parameters=None if parameters is None else _strings(parameters),
        context_length=as_count(record.get("context_length")) or None,
        max_output_tokens=as_count(top.get("max_completion_tokens")) or None,
        prices={name: price for name, price in prices.items() if price is not None},
        overrides=overrides_of(pricing),
    )


def image_models(body: JsonObject) -> tuple[ImageModel, ...]:
    """The models in the body of `GET /images/models`, without their endpoints."""
    return tuple([_image_model(each) for each in _records(body)])


def _image_model(record: JsonObject) -> ImageModel:
    architecture = as_object(record.get("architecture"))
    return ImageModel(
        id=as_text(record.get("id")) or "",
        name=as_text(record.get("name")) or "",
        description=as_text(record.get("description")) or "",
        inputs=_strings(architecture.get("input_modalities")),
        outputs=_strings(architecture.get("output_modalities")),
        parameters=_capabilities(record.get("supported_parameters")),
        streams=record.get("supports_streaming") is True,
    )


def image_endpoints(body: JsonObject) -> tuple[ImageEndpoint, ...]:
    """The endpoints in the body of `GET /images/models/{author}/{slug}/endpoints`."""
    return tuple([_image_endpoint(each) for each in as_objects(body.get("endpoints"))])


def _image_endpoint(record: JsonObject) -> ImageEndpoint:
    prices = map(_price, as_objects(record.get("pricing")))
    return ImageEndpoint(
        provider=as_text(record.get("provider_name")) or "",
        slug=as_text(record.get("provider_slug")) or "",
        tag=as_text(record.get("provider_tag")),
        parameters=_capabilities(record.get("supported_parameters")),
        passthrough=_strings(record.get("allowed_passthrough_parameters")),
        streams=record.get("supports_streaming") is True,
        prices=tuple([price for price in prices if price is not None]),
    )


def _price(line: JsonObject) -> Price | None:
    billable, unit = as_text(line.get("billable")), as_text(line.get("unit"))
    cost = dollars(line.get("cost_usd"))
    if billable is None or unit is None or cost is None:
        return None
    return Price(billable, unit, cost, as_text(line.get("variant")), overrides_of(line))


def _capabilities(value: object) -> dict[str, Capability]:
    descriptors = {name: as_object(each) for name, each in as_object(value).items()}
    return {name: _capability(each) for name, each in descriptors.items() if each}


def _capability(descriptor: JsonObject) -> Capability:
    return Capability(
        as_text(descriptor.get("type")) or "",
        _strings(descriptor.get("values")),
        _number(descriptor.get("min")),
        _number(descriptor.get("max")),
    )


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    known = [each for each in cast("list[object]", value) if isinstance(each, str | int)]
    return tuple([str(each) for each in known if each != ""])


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if abs(value) < _MOST else None
