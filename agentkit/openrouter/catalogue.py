"""What a model can do, as OpenRouter's catalogue tells it: fetched when it is first asked for, kept
for a while. Those of other services list names alone.

The catalogue gives advice. Where it cannot be had, an answer is "not known" and a warning in the
log, never an error: no request fails because of it. Only who asks for a list itself is told why
there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

from agentkit._check import check_number
from agentkit._log import logger
from agentkit._recorder import recorder
from agentkit._redact import redacted
from agentkit._sync import check_asyncio, in_background
from agentkit.errors import AgentkitError, APIError, DeadlineExceeded, ProtocolError, UsageError
from agentkit.openrouter.client import OpenRouter
from agentkit.openrouter.service import is_openrouter
from agentkit.wire import catalogue, tool_list
from agentkit.wire.catalogue import ChatModel, ImageEndpoint, ImageModel
from agentkit.wire.tool_list import ToolInfo
from agentkit.wire.types import JsonObject

T = TypeVar("T")
TTL = 300.0
FAILURE_TTL = 20.0
"""Seconds for which a catalogue that could not be had is not asked for again."""
PATIENCE = 10.0
"""Seconds that one look into the catalogue may take: a request waits for it."""


_HINT = "if this is not OpenRouter: OpenRouter(service='openai'), or service='compatible'"


@dataclass(slots=True)
class _Flight:
    """A fetch that is going on, and how many wait for it."""

    task: asyncio.Task[object]
    waiting: int = 0


Flights = WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Flight]]


@dataclass(slots=True)
class _Shelf:
    """What was fetched through one client: by path, when and what, an error included.

    What was fetched outside of a recording is not used within, and the reverse: a cassette holds
    all that its test needs, whichever tests ran before.
    """

    kept: dict[str, tuple[float, object]] = field(default_factory=dict[str, tuple[float, object]])
    flights: Flights = field(
        default_factory=WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Flight]]
    )
    recording: object | None = None
    """The one that went on when this was fetched."""

    warned: set[str] = field(default_factory=set[str])
    """Events of which the log has a warning."""

    def of_this_recording(self) -> dict[str, tuple[float, object]]:
        if (now := recorder()) is not self.recording:
            self.recording = now
            self.kept.clear()
        return self.kept


_shelves: WeakKeyDictionary[OpenRouter, _Shelf] = WeakKeyDictionary()


class Catalogue:
    """The models that OpenRouter offers. All catalogues of one client share what was fetched; `ttl`
    is in seconds.

    One fetch of a kind goes on at a time; whoever asks meanwhile waits for it.
    """

    def __init__(self, client: OpenRouter, *, ttl: float = TTL) -> None:
        if ttl != float("inf"):  # which never expires
            check_number("Catalogue(ttl={!r})", ttl, least=0, unit="seconds")
        self._client, self._ttl = client, ttl
        self._shelf = _shelves.setdefault(client, _Shelf())
        is_own = client.service.lists_abilities
        self._models = catalogue.CHAT_MODELS if is_own else catalogue.PLAIN_MODELS

    async def chat_model(self, slug: str) -> ChatModel | None:
        """What is known of a model of Chat Completions and Responses; None where nothing is. Never
        raises.
        """
        found = await self._known(self._models, catalogue.chat_models)
        return _named(slug, found or ())

    async def image_model(self, slug: str) -> ImageModel | None:
        """What is known of a model of the Image API, its endpoints included; None where nothing is.
        Never raises.
        """
        found = await self._known(catalogue.IMAGE_MODELS, catalogue.image_models)
        model = _named(slug, found or ())
        if model is None:
            return None
        endpoints = await self._known(catalogue.endpoints_path(model.id), catalogue.image_endpoints)
        return replace(model, endpoints=endpoints or ())

    async def server_tools(self) -> tuple[ToolInfo, ...]:
        """The tools that OpenRouter runs; none where they are not known. Never raises."""
        return await self._known(tool_list.PATH, tool_list.tool_infos) or ()

    async def all_chat_models(self) -> tuple[ChatModel, ...]:
        """As `chat_models`; none where they are not known. Never raises."""
        return await self._known(self._models, catalogue.chat_models) or ()

    async def all_image_models(self) -> tuple[ImageModel, ...]:
        """Every model of the Image API, without its endpoints; none where they are not known. Never
        raises.
        """
        return await self._known(catalogue.IMAGE_MODELS, catalogue.image_models) or ()

    async def image_models(self) -> tuple[ImageModel, ...]:
        """As `all_image_models`. Raises what kept the catalogue from being had."""
        return await self._asked(catalogue.IMAGE_MODELS, catalogue.image_models)

    async def chat_models(self) -> tuple[ChatModel, ...]:
        """Every model of Chat Completions and Responses. Raises what kept the catalogue from being
        had.
        """
        return await self._asked(self._models, catalogue.chat_models)

    async def image_endpoints(self, slug: str) -> tuple[ImageEndpoint, ...]:
        """The endpoints of an image model. Raises what kept them from being had: `BadRequest` for
        an unknown model.
        """
        if not slug.strip("/"):
            raise UsageError(
                f"endpoints({slug!r}): accepted is the slug of a model, "
                "such as 'openai/gpt-5-image'"
            )
        return await self._asked(catalogue.endpoints_path(_plain(slug)), catalogue.image_endpoints)

    async def _known(self, path: str, parse: Callable[[JsonObject], T]) -> T | None:
        found = await self._look(path, parse, errors_too=True)
        return None if isinstance(found, AgentkitError) else found

    async def _asked(self, path: str, parse: Callable[[JsonObject], T]) -> T:
        """An error that was kept is no answer to a person who asks: the fetch is tried anew."""
        found = await self._look(path, parse, errors_too=False)
        if isinstance(found, AgentkitError):
            raise found
        return found

    async def _look(
        self, path: str, parse: Callable[[JsonObject], T], *, errors_too: bool
    ) -> T | AgentkitError:
        check_asyncio()
        if (kept := self._shelf.of_this_recording().get(path)) is not None:
            since, found = kept
            failed = isinstance(found, AgentkitError)
            fresh = time.monotonic() - since < (
                min(FAILURE_TTL, self._ttl) if failed else self._ttl
            )
            if fresh and (errors_too or not failed):
                return cast("T | AgentkitError", found)
        return cast("T | AgentkitError", await self._join(path, parse))

    async def _join(self, path: str, parse: Callable[[JsonObject], object]) -> object:
        """Wait for the fetch that goes on, or begin one. It is stopped when the last who waits for
        it goes.
        """
        flights = self._shelf.flights.setdefault(asyncio.get_running_loop(), {})
        flight = flights.get(path)
        if flight is None:
            flight = flights[path] = _Flight(in_background(self._fetch(path, parse)))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and flights.get(path) is flight:
                del flights[path]
                if not flight.task.done():
                    flight.task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await flight.task

    async def _fetch(self, path: str, parse: Callable[[JsonObject], object]) -> object:
        """The parsed catalogue, or the error that kept it from being had; either is kept."""
        found: object
        try:
            await self._client.prepare()  # on a busy machine it takes longer than the catalogue
            async with asyncio.timeout(PATIENCE):
                body = await self._client.get(path)
            found = parse(body)
            if path == catalogue.CHAT_MODELS and catalogue.is_foreign(body):
                write = self._write_once("catalogue_is_foreign")
                write("catalogue_is_foreign", path=path, address=self._address, hint=self._hint())
        except UsageError as error:  # no key, say: mended sooner than any time to live
            return error.with_traceback(None)
        except TimeoutError:
            found = DeadlineExceeded(
                f"the catalogue {path} did not come within {PATIENCE:g} seconds"
            )
        except AgentkitError as error:
            found = error.with_traceback(None)
        if isinstance(found, AgentkitError):
            write = self._write_once("catalogue_not_had")
            hint = self._hint() if _is_elsewhere(found) else None
            write(
                "catalogue_not_had", path=path, address=self._address, reason=str(found), hint=hint
            )
        self._shelf.kept[path] = (time.monotonic(), found)
        return found

    def _write_once(self, event: str) -> Callable[..., object]:
        """One warning for each client: what cannot be had now is not worth one every time."""
        if event in self._shelf.warned:
            return logger().info
        self._shelf.warned.add(event)
        return logger().warning

    @property
    def _address(self) -> str:
        return redacted(self._client.base_url)

    def _hint(self) -> str | None:
        """Which setting may be meant, for those who may have another service there than they
        said.
        """
        is_sure = is_openrouter(self._client.base_url) or not self._client.service.lists_abilities
        return None if is_sure else _HINT


def listed_models(client: OpenRouter) -> object | None:
    """What stands for the list of chat models as `Catalogue` would give it now, without a look at
    the network: another object whenever it was fetched anew; None where it has to be fetched.
    """
    shelf = _shelves.get(client)
    kept = None if shelf is None else shelf.of_this_recording().get(catalogue.CHAT_MODELS)
    if kept is None or isinstance(kept[1], AgentkitError) or time.monotonic() - kept[0] >= TTL:
        return None
    return kept[1]


def _is_elsewhere(error: AgentkitError) -> bool:
    """Whether the server has no such catalogue, or has something else in its place."""
    not_there = isinstance(error, APIError) and error.status in (404, 405)
    return not_there or isinstance(error, ProtocolError)


M = TypeVar("M", ChatModel, ImageModel)


def _named(slug: str, found: tuple[M, ...]) -> M | None:
    """The model with this slug; a variant (`:free`, `:nitro`) that is not listed is its model."""
    by_id = {model.id: model for model in found}
    return by_id.get(slug) or by_id.get(_plain(slug))


def _plain(slug: str) -> str:
    return slug.partition(":")[0]
