"""Prices that the user tells, for services that tell none: what a request costs by its usage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import fsum
from types import MappingProxyType
from typing import cast

from agentkit._check import check_number, refused
from agentkit._log import logger
from agentkit.values import Usage, replace
from agentkit.wire.catalogue import ChatModel

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in USD: for a million tokens, and for a picture. `Price()` is that of a
    server which costs nothing. Raises `UsageError` for what is no price.

    >>> Price(input=1.25, output=10.0).of(Usage(input_tokens=2000, output_tokens=100))
    0.0035
    """

    input: float = 0.0
    """For a million tokens of a request."""
    output: float = 0.0
    """For a million tokens of a reply, reasoning included."""
    image: float | None = None
    """For each picture that a reply brings; the tokens of pictures are then no output. None:
    pictures cost what their tokens do.
    """
    cached_input: float | None = None
    """For a million tokens that were read from the prompt cache; None: as `input`."""
    cache_write: float | None = None
    """For a million tokens that were written to the prompt cache; None: as `input`."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value: object = getattr(self, name)
            may_be_none = name in {"image", "cached_input", "cache_write"}
            if value is not None or not may_be_none:
                also = ", or None" if may_be_none else ""
                check_number(f"Price({name}={{!r}})", value, least=0, unit="USD", also=also)

    def of(self, usage: Usage) -> float:
        """USD for what was used."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        written = min(usage.cache_write_tokens, usage.input_tokens - cached)
        shown = min(usage.image_tokens, usage.output_tokens) if self.image is not None else 0
        cheaper = self.input if self.cached_input is None else self.cached_input
        dearer = self.input if self.cache_write is None else self.cache_write
        tokens = (
            (usage.input_tokens - cached - written) * self.input,
            cached * cheaper,
            written * dearer,
            (usage.output_tokens - shown) * self.output,
        )
        return fsum((fsum(tokens) / _MILLION, usage.images * (self.image or 0.0)))

    @property
    def by_tokens(self) -> bool:
        """Whether tokens cost anything."""
        return self.input > 0 or self.output > 0

    def as_model(self, name: str) -> ChatModel:
        """The model as a catalogue with these prices would list it."""
        read = self.input if self.cached_input is None else self.cached_input
        write = self.input if self.cache_write is None else self.cache_write
        told = {"prompt": self.input, "completion": self.output}
        told |= {"input_cache_read": read, "input_cache_write": write}
        prices = {name: price / _MILLION for name, price in told.items()}
        return ChatModel(name, prices=prices)


class PriceList(Mapping[str, Price]):
    """The prices of one client by model, and which of them were asked for."""

    def __init__(self, where: str, prices: object) -> None:
        accepted = "is a mapping of models to Price(…), such as {'gpt-5.2': Price(input=1.25)}"
        given: object = {} if prices is None else prices
        if not isinstance(given, Mapping):
            raise refused(where, prices, accepted)
        known = dict(cast("Mapping[object, object]", given))
        for name, price in known.items():
            if not isinstance(name, str) or not name.strip() or not isinstance(price, Price):
                raise refused(where, {name: price}, accepted)
        self._prices = MappingProxyType(cast("dict[str, Price]", known))
        self._asked: set[str] = set()

    def __getitem__(self, model: str) -> Price:
        return self._prices[model]

    def __iter__(self) -> Iterator[str]:
        return iter(self._prices)

    def __len__(self) -> int:
        return len(self._prices)

    def of(self, model: str) -> Price | None:
        """The price of a model that is asked now; None where it has none. A line in the log says
        so once, if others have one.
        """
        found = self._prices.get(model)
        if model not in self._asked:
            self._asked.add(model)
            if found is None and self._prices:
                logger().warning("no_price", model=model, prices=list(self._prices))
        return found

    def of_painter(self, *names: object) -> Price | None:
        """The price of the first of these models that has one: of a model that draws for another,
        whose own price may tell what a picture costs.
        """
        for name in names:
            if isinstance(name, str) and name in self._prices:
                return self.of(name)
        return None

    def tell_unused(self) -> None:
        """A line in the log names the models that have a price and were never asked."""
        unused = [name for name in self._prices if name not in self._asked]
        if unused and self._asked:
            logger().warning("prices_not_used", models=unused, asked=sorted(self._asked))


def with_price(usage: Usage, price: Price | None, *, tells_cost: bool) -> Usage:
    """The usage of one request, with what it costs by this price where its reply does not say.
    `tells_cost`: replies of this service say it; if not, a request without a price is unmetered.
    """
    if usage.cost_usd is not None or not usage.requests:
        return usage
    if price is None:
        return usage if tells_cost else replace(usage, unmetered_requests=usage.requests)
    is_told = bool(usage.input_tokens or usage.output_tokens)
    whole = is_told or not price.by_tokens
    return replace(usage, cost_usd=price.of(usage), priced_requests=usage.requests if whole else 0)


def with_drawing(
    usage: Usage, drawing: Usage | None, price: Price | None, painter: Price | None
) -> Usage:
    """The usage of one request whose tool drew, with what its words cost by `price`, and its
    pictures by the price of the `painter`, the model that drew them, or else by `price.image`.
    `drawing` is what the tool used beside `usage`.

    Where nobody has a price for the pictures, what is known is not the whole cost.
    """
    tokens = 0 if drawing is None else drawing.output_tokens
    if painter is not None:
        words = with_price(replace(usage, images=0), price, tells_cost=False)
        pictures = painter.of(replace(drawing or Usage(), images=usage.images, image_tokens=tokens))
        cost = fsum((words.cost_usd or 0.0, pictures))
        whole = drawing is not None or not painter.by_tokens
        priced = words.priced_requests if whole else 0
        usage = replace(words, images=usage.images, cost_usd=cost, priced_requests=priced)
    else:
        usage = with_price(usage, price, tells_cost=False)
        if price is not None and price.image is None:
            usage = replace(usage, priced_requests=0)
    return replace(usage, image_tokens=tokens)
