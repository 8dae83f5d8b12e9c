"""`Studio`: OpenRouter's Image API. It draws, edits, streams, tells what models can do and what they cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, TypeVar, Unpack

from agentkit.background import run_sync
from agentkit.errors import UsageError
from agentkit.images.fetch import Fetcher, FetchPolicy
from agentkit.images.fit import InputLimits
from agentkit.images.store import FileImageStore, ImageStore
from agentkit.openrouter.catalogue import TTL, Catalogue
from agentkit.openrouter.client import OpenRouter
from agentkit.openrouter.prices import price
from agentkit.openrouter.shared import shared_client
from agentkit.stream import EventLog
from agentkit.studio.checks import check_model, check_prompt, check_rules, with_moderators
from agentkit.studio.options import Options, request_of
from agentkit.studio.references import References, names_of, pictures_of, stored
from agentkit.studio.request import Desk, Sitting
from agentkit.studio.stream import DrawingStream
from agentkit.studio.tools import tools_of
from agentkit.studio.values import Drawing
from agentkit.tools import Tool
from agentkit.values import Image
from agentkit.wire.image_api import ImageRequest
from agentkit.wire.models import ImageEndpoint, ImageModel

DEFAULT_MODEL = "openai/gpt-5-image"
_T = TypeVar("_T")


class Studio:
    """Draws by OpenRouter's Image API. It holds no state of a request, so one serves many at once.

    `client` defaults to one that is shared, `store` to a folder in the user's cache. `checks=False` sends what was asked
    without a look at what the catalogue says of the model. `seconds` is for one request, retries included; `ttl` is how long
    the catalogue is kept. `inputs` bounds pictures to start from. What is drawn, and how, is said to `draw`, `edit` and
    `stream`: their options are those of `Options`.

    >>> Studio("black-forest-labs/flux.2-pro")
    Studio('black-forest-labs/flux.2-pro')
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        client: OpenRouter | None = None,
        store: ImageStore | None = None,
        fetch: FetchPolicy | None = None,
        inputs: InputLimits | None = None,
        checks: bool = True,
        seconds: float = 900.0,
        ttl: float = TTL,
    ) -> None:
        self.model = request_of("Studio", "", {"model": model}, model=model).model
        self.fetch = _checked("fetch", fetch or FetchPolicy(), FetchPolicy, "FetchPolicy(…)")
        self.inputs = _checked("inputs", inputs or InputLimits(), InputLimits, "InputLimits(…)")
        self.checks = _checked("checks", checks, bool, "True or False")
        self.seconds = _checked_seconds("seconds", seconds, least="above 0", fits=seconds != 0)
        self._ttl = _checked_seconds("ttl", ttl, least="of at least 0")
        self._client = None if client is None else _checked("client", client, OpenRouter, "OpenRouter(…)")
        self._store = store

    def __repr__(self) -> str:
        return f"Studio({self.model!r})"

    @property
    def client(self) -> OpenRouter:
        """The one that was given, else the shared one for what the environment says now."""
        return self._client or shared_client()

    @property
    def store(self) -> ImageStore:
        """The one that was given, else the folder that the environment says now."""
        return FileImageStore() if self._store is None else self._store

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.client, ttl=self._ttl)

    async def draw(self, prompt: str, *, checks: bool | None = None, **options: Unpack[Options]) -> Drawing:
        """Pictures from words.

        Raises `UsageError` for what no model accepts, `Unsupported` for what this one does not, before anything is sent; then a
        `RunError` (`agentkit.errors`) whose `drawing` holds what had arrived. `checks` overrules the studio's.
        """
        work = self._work("draw", prompt, (), options, checks=checks)
        return await work(EventLog())

    async def edit(
        self,
        images: References,
        prompt: str,
        *,
        scale: bool = False,
        checks: bool | None = None,
        **options: Unpack[Options],
    ) -> Drawing:
        """Pictures from words and up to 16 pictures: Images, or http(s) URLs, which are fetched here.

        Each is looked at before anything is sent. With `scale`, one that is larger than `inputs` allows is made smaller, else
        it is refused. `parents` of the new pictures name those that were given. Raises `ImageError` for a picture that
        cannot be used, else as `draw`.
        """
        work = self._work("edit", prompt, pictures_of("edit", images), options, scale=scale, checks=checks)
        return await work(EventLog())

    def stream(
        self,
        prompt: str,
        images: References = (),
        *,
        scale: bool = False,
        checks: bool | None = None,
        **options: Unpack[Options],
    ) -> DrawingStream:
        """As `draw`, or with `images` as `edit`, watched while it goes on: `async with studio.stream("…") as stream`.

        A model that sends no previews gives its pictures at once.
        """
        pictures = pictures_of("stream", images) if images else ()
        return DrawingStream(self._work("stream", prompt, pictures, options, scale=scale, checks=checks, stream=True))

    def draw_sync(self, prompt: str, *, checks: bool | None = None, **options: Unpack[Options]) -> Drawing:
        """`draw` for code that is not async."""
        return run_sync(self.draw(prompt, checks=checks, **options))

    def edit_sync(
        self,
        images: References,
        prompt: str,
        *,
        scale: bool = False,
        checks: bool | None = None,
        **options: Unpack[Options],
    ) -> Drawing:
        """`edit` for code that is not async."""
        return run_sync(self.edit(images, prompt, scale=scale, checks=checks, **options))

    async def models(self) -> tuple[ImageModel, ...]:
        """The models of the Image API and what they accept, from a catalogue that is kept for a while.

        Raises a `RunError` where it cannot be had.
        """
        return await self.catalogue.image_models()

    async def endpoints(self, model: str | None = None) -> tuple[ImageEndpoint, ...]:
        """The providers of a model (by default the studio's), what each accepts, and what it bills.

        Raises `BadRequest` for a model that is not known, another `RunError` where the catalogue cannot be had.
        """
        return await self.catalogue.image_endpoints(model or self.model)

    async def price(
        self, slug: str | None = None, /, *, prompt: str = "", images: int = 0, **options: Unpack[Options]
    ) -> float | None:
        """USD that a request to this model with these options costs at most, as the catalogue tells it; None where it does not tell.

        `images` is how many pictures it starts from. What the options leave open (the provider, the quality) counts at its
        highest price, and `n` in full. Raises `UsageError` for options that no model accepts, and nothing else.
        """
        given: dict[str, Any] = {**options, "model": slug or options.get("model")}
        request = request_of("price", prompt, given, model=self.model, references=(Image("", "", 0),) * images)
        check_rules("price", request)
        found = await self.catalogue.image_model(request.model)
        return None if found is None else price(found.endpoints, request)

    def tools(self, **options: Unpack[Options]) -> list[Tool[..., Any]]:
        """`draw_image` and `edit_image` for an agent, which draw with these options.

        They keep to the limits of the run, and to its `Budget`. What they spend is in its usage, their pictures are in its answer.
        """
        check_rules("tools", request_of("tools", "", options, model=self.model))
        return tools_of(self, options)

    def _work(
        self,
        owner: str,
        prompt: str,
        pictures: Sequence[Image],
        options: Mapping[str, Any],
        *,
        scale: bool = False,
        checks: bool | None = None,
        stream: bool = False,
    ) -> _Work:
        """The request, as far as it can be checked without waiting, ready to be sent."""
        _checked("scale", scale, bool, "True or False", owner=owner)
        checking = self.checks if checks is None else _checked("checks", checks, bool, "True or False", owner=owner)
        request = request_of(owner, prompt, options, model=self.model, references=pictures)
        check_prompt(owner, request)
        if checking:
            check_rules(owner, request)
        return _Work(self, owner, replace(request, stream=stream), scale=scale, checking=checking)


class _Work:
    """A request that waits to be sent."""

    def __init__(self, studio: Studio, owner: str, request: ImageRequest, *, scale: bool, checking: bool) -> None:
        self._studio, self._owner, self._request = studio, owner, request
        self._scale, self._checking = scale, checking

    async def __call__(self, log: EventLog) -> Drawing:
        studio, request = self._studio, self._request
        client, store = studio.client, studio.store
        model = await self._known_model() if self._checking else None
        request = with_moderators(request, model)
        await asyncio.to_thread(
            lambda: store.create().discard()
        )  # a store that cannot be written is told before money is spent
        fetcher = Fetcher(studio.fetch, store, origin=client.origin)
        try:
            references = await stored(request.references, store, fetcher, studio.inputs, scale=self._scale)
            parents = names_of(_originals(request.references, references))
            desk = Desk(client, store, fetcher, studio.seconds)
            return await Sitting(replace(request, references=references), parents, desk, log).take()
        finally:
            await fetcher.close()

    async def _known_model(self) -> ImageModel | None:
        """What the catalogue says of the model. Raises `Unsupported` where that is not what is asked."""
        catalogue = self._studio.catalogue
        model = await catalogue.image_model(self._request.model)
        if model is not None:
            check_model(self._owner, self._request, model, await catalogue.all_image_models())
        return model


def _originals(given: Sequence[Image], sent: Sequence[Image]) -> list[Image]:
    """The pictures as the user knows them; one that was only a URL, as it was fetched."""
    return [one if one.sha256 or one.name else other for one, other in zip(given, sent, strict=True)]


def _checked(argument: str, value: _T, kind: type[_T], accepted: str, *, owner: str = "Studio") -> _T:
    if not isinstance(value, kind):
        raise UsageError(f"{owner}({argument}={value!r}): accepted is {accepted}")
    return value


def _checked_seconds(argument: str, value: object, *, least: str, fits: bool = True) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0 or not fits:
        raise UsageError(f"Studio({argument}={value!r}): accepted is a finite number of seconds {least}")
    return value
