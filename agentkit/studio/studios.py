"""`Studio`: OpenRouter's Image API. It draws, edits, streams, tells what models can do and what
they cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Unpack

from agentkit import _check
from agentkit._log import logger
from agentkit._sync import check_asyncio, run_sync
from agentkit.budget import Budget
from agentkit.errors import BadRequest, RunError, UsageError
from agentkit.images.drafts import check_room
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.ingest import InputLimits
from agentkit.images.outgoing import Outgoing
from agentkit.images.store import ImageStore, checked_store
from agentkit.images.stores import default_store
from agentkit.loop.capabilities import suggest_drawer
from agentkit.loop.live import Cancellation
from agentkit.openrouter.catalogue import TTL, Catalogue
from agentkit.openrouter.client import OpenRouter, shared_client
from agentkit.openrouter.ledger import Ledger
from agentkit.openrouter.paid_call import PaidCall
from agentkit.openrouter.prices import price
from agentkit.studio.calls import named_call, opened
from agentkit.studio.checks import check_model, check_prompt, check_rules, with_moderators
from agentkit.studio.options import Options, request_of
from agentkit.studio.references import (
    References,
    names_of,
    pictures_counted,
    pictures_of,
    pictures_or_none,
    stored,
)
from agentkit.studio.request import DrawingRequest, StudioContext
from agentkit.studio.reserve import price_told, reserve
from agentkit.studio.services import for_service
from agentkit.studio.stream import DrawingLog, DrawingStream, Work
from agentkit.studio.tools import tools_of
from agentkit.studio.values import Drawing
from agentkit.tools import Tool
from agentkit.values import Image
from agentkit.wire.catalogue import ImageEndpoint, ImageModel
from agentkit.wire.images import ImageRequest

DEFAULT_MODEL = "openai/gpt-5-image"


class Studio:
    """OpenRouter's Image API. A studio holds no state of a request, so one can serve many at once.

    - `model` is the model that draws, unless a request names another.
    - `client` (`OpenRouter`) is the connection to use; by default one that is shared.
    - `store` is where pictures are kept; by default a folder in the user's cache.
    - `fetch` (`FetchPolicy`) says from where pictures may be downloaded, and how large they may be.
    - `inputs` (`InputLimits`) bounds the pictures to start from.
    - `budget` (`Budget`) counts what is drawn. Agents and other studios may share it.
    - `checks=False` sends requests without a look at the catalogue.
    - `seconds` is the time for one request, retries included.
    - `ttl` is for how many seconds the catalogue is kept.
    - `ledger` (`agentkit.Ledger`) writes each request and its reply to the disk. A drawing that is
      given a name, `call="poster"`, is bought once: asked for again by another process, it is read
      from there.

    What is drawn, and how, is told to `draw`, `edit` and `stream`: see `Options`.

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
        budget: Budget | None = None,
        checks: bool = True,
        seconds: float = 900.0,
        ttl: float = TTL,
        ledger: Ledger | None = None,
    ) -> None:
        self.model = _check.check_model("Studio(model={!r})", model)
        self.fetch = _check.check_kind(
            "Studio(fetch={!r})",
            FetchPolicy() if fetch is None else fetch,
            FetchPolicy,
            "FetchPolicy(…)",
        )
        self.inputs = _check.check_kind(
            "Studio(inputs={!r})",
            InputLimits() if inputs is None else inputs,
            InputLimits,
            "InputLimits(…)",
        )
        self.budget = _check.check_optional("budget={!r}", budget, Budget, "Budget(…)")
        self.checks = _check.check_kind("Studio(checks={!r})", checks, bool, "True or False")
        _check.check_number("Studio(seconds={!r})", seconds, above=0, unit="seconds")
        _check.check_number("Studio(ttl={!r})", ttl, least=0, unit="seconds")
        self.seconds, self._ttl = seconds, ttl
        self._client = (
            None
            if client is None
            else _check.check_kind("Studio(client={!r})", client, OpenRouter, "OpenRouter(…)")
        )
        self._store = None if store is None else checked_store("Studio", store)
        self.outgoing = Outgoing()
        self.ledger = _check.check_optional(
            "Studio(ledger={!r})", ledger, Ledger, "Ledger('folder')"
        )

    def __repr__(self) -> str:
        return f"Studio({self.model!r})"

    @property
    def client(self) -> OpenRouter:
        """The client that was given; without one, the shared client for the key and address that
        the environment names now.
        """
        return shared_client() if self._client is None else self._client

    @property
    def store(self) -> ImageStore:
        """The store that was given; without one, the folder that the environment names now."""
        return default_store() if self._store is None else self._store

    @property
    def catalogue(self) -> Catalogue:
        """OpenRouter's list of models, kept for `ttl` seconds."""
        return Catalogue(self.client, ttl=self._ttl)

    async def draw(
        self,
        prompt: str,
        *,
        budget: Budget | None = None,
        checks: bool | None = None,
        call: object = None,
        **options: Unpack[Options],
    ) -> Drawing:
        """Draw from words.

        Before anything is sent, it raises `UsageError` for what no model accepts, `Unsupported` for
        what this model does not accept, and `BudgetExceeded` if the highest known price, or `n`, is
        more than is left of `budget` and the studio's. If the request stops, it raises a `RunError`
        whose `drawing` has what had arrived. `checks` overrides the studio's.

        With a ledger, `call` names the drawing: asked for once more under this name, by another
        process too, it is read from there. Where a process died and nobody knows whether it was
        carried out, it raises `OutcomeUnknown`: see `Ledger.decide`. In a tool, `call` is
        `context.drawing`.
        """
        work = self._work("draw", prompt, (), options, budget=budget, checks=checks, call=call)
        return await work(DrawingLog())

    async def edit(
        self,
        images: References,
        prompt: str,
        *,
        scale: bool = False,
        budget: Budget | None = None,
        checks: bool | None = None,
        call: object = None,
        **options: Unpack[Options],
    ) -> Drawing:
        """Draw from words and up to 16 pictures: images, or http and https URLs, which are
        downloaded here.

        Each picture is looked at before anything is sent. One that is larger than `inputs` allows
        is refused, or made smaller with `scale=True`. `parents` of the new pictures name those that
        were given. Raises `ImageError` for a picture that cannot be used; otherwise it raises as
        `draw` does.
        """
        work = self._work(
            "edit",
            prompt,
            pictures_of("edit", images),
            options,
            scale=scale,
            budget=budget,
            checks=checks,
            call=call,
        )
        return await work(DrawingLog())

    def stream(
        self,
        prompt: str,
        images: References = (),
        *,
        scale: bool = False,
        budget: Budget | None = None,
        checks: bool | None = None,
        call: object = None,
        **options: Unpack[Options],
    ) -> DrawingStream:
        """Draw with events while it runs: `async with studio.stream("…") as stream`. With `images`,
        as `edit`; otherwise as `draw`.

        A model that sends no previews gives its pictures at once.
        """
        pictures = pictures_or_none("stream", images)
        work = self._work(
            "stream",
            prompt,
            pictures,
            options,
            scale=scale,
            budget=budget,
            checks=checks,
            call=call,
            stream=True,
        )
        return DrawingStream(work)

    def draw_sync(
        self,
        prompt: str,
        *,
        budget: Budget | None = None,
        checks: bool | None = None,
        call: object = None,
        **options: Unpack[Options],
    ) -> Drawing:
        """`draw` for code that is not async."""
        work = self.draw(prompt, budget=budget, checks=checks, call=call, **options)
        return run_sync(work, grace=self.fetch.grace)

    def edit_sync(
        self,
        images: References,
        prompt: str,
        *,
        scale: bool = False,
        budget: Budget | None = None,
        checks: bool | None = None,
        call: object = None,
        **options: Unpack[Options],
    ) -> Drawing:
        """`edit` for code that is not async."""
        work = self.edit(
            images, prompt, scale=scale, budget=budget, checks=checks, call=call, **options
        )
        return run_sync(work, grace=self.fetch.grace)

    async def models(self) -> tuple[ImageModel, ...]:
        """The models of the Image API and what they accept. Raises a `RunError` if the catalogue
        is not available, and `UsageError` for a service that has none.
        """
        return await self._catalogue_for("models").image_models()

    async def endpoints(self, model: str | None = None) -> tuple[ImageEndpoint, ...]:
        """The providers of a model (by default the studio's), what each accepts, and what it bills.

        Raises `BadRequest` for an unknown model, and another `RunError` if the catalogue cannot be
        had, and `UsageError` for a service that has none.
        """
        given = "endpoints(model={!r})", self.model if model is None else model
        return await self._catalogue_for("endpoints").image_endpoints(_check.check_model(*given))

    def _catalogue_for(self, method: str) -> Catalogue:
        service = self.client.service
        if not service.lists_abilities:
            raise UsageError(
                f"Studio.{method}(): {service.label} has no list of what its models accept; only "
                "OpenRouter has one"
            )
        return self.catalogue

    async def price(
        self,
        slug: str | None = None,
        /,
        *,
        prompt: str = "",
        images: int | Sequence[Image] = 0,
        **options: Unpack[Options],
    ) -> float | None:
        """The highest price in USD that such a request can have, as the catalogue tells, or
        `OpenRouter(prices=…)`. None if nobody tells.

        `images` is what the request starts from: the pictures, or only their number, which does not
        tell the price of pictures that are billed by size. What the options leave open (the
        provider, the quality) counts at its highest price, and `n` in full. Raises `UsageError` for
        options that no model accepts, and nothing else.
        """
        given: dict[str, Any] = dict(options)
        if slug is not None:
            given["model"] = slug
        references = pictures_counted("price", images)
        request = request_of("price", prompt, given, model=self.model, references=references)
        check_rules("price", request)
        if (told := price_told(request, self.client)) is not None:
            return told
        if not self.client.service.lists_abilities:
            return None
        found = await self.catalogue.image_model(request.model)
        return None if found is None else price(found.endpoints, request, datetime.now(UTC))

    def tools(self, **options: Unpack[Options]) -> list[Tool[..., Any]]:
        """`draw_image` and `edit_image` for an agent, which draw with these options.

        They keep to the limits of the run, to its `Budget` and to the studio's. What they spend is
        in the run's usage, and their pictures are in its answer.
        """
        check_rules("tools", request_of("tools", "", options, model=self.model))

        def work(
            prompt: str,
            images: Sequence[Image] | None,
            budget: Budget | None,
            given: Options,
            call: object,
        ) -> Work:
            if images is None:
                return self._work("draw", prompt, (), given, budget=budget, call=call)
            pictures = pictures_of("edit", images)
            return self._work("edit", prompt, pictures, given, budget=budget, call=call)

        return tools_of(work, options)

    def _work(
        self,
        owner: str,
        prompt: str,
        pictures: Sequence[Image],
        options: Mapping[str, Any],
        *,
        scale: bool = False,
        budget: Budget | None = None,
        checks: bool | None = None,
        call: object = None,
        stream: bool = False,
    ) -> _Work:
        """The request, as far as it can be checked without waiting, ready to be sent."""
        _check.check_kind(_check.argument(owner, "scale"), scale, bool, "True or False")
        checking = (
            self.checks
            if checks is None
            else _check.check_kind(_check.argument(owner, "checks"), checks, bool, "True or False")
        )
        request = request_of(owner, prompt, options, model=self.model, references=pictures)
        check_prompt(owner, request)
        if checking:
            check_rules(owner, request)
        shared = Budget(
            within=[self.budget, _check.check_optional("budget={!r}", budget, Budget, "Budget(…)")]
        )
        return _Work(
            self,
            owner,
            replace(request, stream=stream),
            shared,
            scale=scale,
            checking=checking,
            call=named_call(owner, call, self.ledger),
        )


class _Work:
    """A request that waits to be sent."""

    def __init__(
        self,
        studio: Studio,
        owner: str,
        request: ImageRequest,
        budget: Budget,
        *,
        scale: bool,
        checking: bool,
        call: str | PaidCall | None,
    ) -> None:
        self._studio, self._owner, self._request, self._budget = studio, owner, request, budget
        self._scale, self._checking, self._call = scale, checking, call

    async def __call__(self, log: DrawingLog) -> Drawing:
        check_asyncio()
        studio, request = self._studio, self._request
        client, store = studio.client, studio.store
        request = for_service(self._owner, request, client.service)
        has_catalogue = client.service.lists_abilities
        model = await self._known_model() if self._checking and has_catalogue else None
        request = with_moderators(request, model)
        await asyncio.to_thread(check_room, store, request.n or 1)
        fetcher = client.fetcher(studio.fetch, store)
        try:
            masks = () if request.mask is None else (request.mask,)
            ready = await stored(
                (*request.references, *masks),
                store,
                fetcher,
                studio.outgoing,
                studio.inputs,
                scale=self._scale,
            )
            references = ready[: len(request.references)]
            parents = names_of(_originals(request.references, references))
            mask = ready[-1] if masks else None
            request = replace(request, references=references, mask=mask)
            context = StudioContext(client, store, fetcher, studio.outgoing, studio.seconds)
            async with opened(self._call, studio.ledger) as call:
                return await self._drawn(request, parents, context, log, call)
        except BadRequest as error:
            if self._checking and has_catalogue:
                await suggest_drawer(error, request.model, studio.catalogue)
            raise
        finally:
            await fetcher.close()

    async def _drawn(
        self,
        request: ImageRequest,
        parents: tuple[str, ...],
        context: StudioContext,
        log: DrawingLog,
        call: PaidCall | None,
    ) -> Drawing:
        """The drawing; sent once more where the ledger has a request that was not billed."""
        client, catalogue = context.client, self._studio.catalogue
        cancellation = Cancellation()
        while True:
            stored = None if call is None else await call.stored()
            sent = stored is not None and stored.is_open
            drawing = DrawingRequest(request, parents, context, log, call)
            held = await reserve(request, self._budget, client, catalogue, sent=sent, call=call)
            async with held as hold:
                try:
                    drawn = await drawing.take(hold)
                    break
                except RunError as error:
                    if not sent or error.billed is not False:
                        raise
                    told = {"call": error.call, "generation": error.generation_id}
                    logger().warning("request_repeated", **told, reason="it was not billed")
        cancellation.check()
        return drawn

    async def _known_model(self) -> ImageModel | None:
        """What the catalogue says of the model. Raises `Unsupported` where that is not what is
        asked.
        """
        catalogue = self._studio.catalogue
        model = await catalogue.image_model(self._request.model)
        if model is not None:
            check_model(self._owner, self._request, model, await catalogue.all_image_models())
        return model


def _originals(given: Sequence[Image], sent: Sequence[Image]) -> list[Image]:
    """The pictures as the user knows them; one that was only a URL, as it was fetched."""
    return [
        one if one.sha256 or one.name else other for one, other in zip(given, sent, strict=True)
    ]
