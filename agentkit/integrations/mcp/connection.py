"""The connection to one server of MCP: begun when it is needed, and begun anew where it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from mcp import Client, StdioServerParameters
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    Implementation,
    InputRequiredResult,
    InputResponses,
    PaginatedRequestParams,
    ReadResourceResult,
    Tool,
    ToolListChangedNotification,
)
from pydantic import TypeAdapter, ValidationError

from agentkit._log import logger
from agentkit._redact import redacted
from agentkit._version import __version__
from agentkit.errors import AgentkitError
from agentkit.integrations.mcp.asking import (
    OpenCalls,
    Returned,
    is_modern,
    left_as_it_ended,
    question_of,
)
from agentkit.integrations.mcp.http_client import http_transport
from agentkit.integrations.mcp.limits import MOST_PAGES, MOST_TOOLS, TooLong
from agentkit.integrations.mcp.stdio import process_transport
from agentkit.show.plain import line
from agentkit.tools.asking import Answers

START_SECONDS = 60.0
"""How long a server may take until it can be asked: a command may have to be downloaded."""
LIST_SECONDS = 30.0
READ_SECONDS = 30.0
_STOP_SECONDS = 15.0
"""How long a connection may take to end by itself; a process takes ten at most."""

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]
"""Answers what a server asks a person, in the place of a pause of the run: its words, and the JSON
Schema of the answer. None says no.
"""


class ServerError(AgentkitError):
    """A server of MCP that failed. The message is told to the model."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a server is."""

    label: str
    """Its name in errors and logs: never more than the command, or the host."""
    given: Any
    """A URL, `StdioServerParameters`, or what else the SDK's client takes."""
    headers: Mapping[str, str]

    def transport(self) -> Any:
        """What the SDK's client is made of."""
        if isinstance(self.given, str):
            return http_transport(self.given, self.headers)
        if isinstance(self.given, StdioServerParameters):
            return process_transport(self.given)
        return self.given


class Connection:
    """One server. The SDK wants that one task opens and closes a connection: that task is here."""

    def __init__(self, source: Source, ask: Ask | None) -> None:
        self.source = source
        self.is_stale = True
        """Whether its tools have to be listed anew."""
        self._ask = ask
        self._calls = OpenCalls()
        self._client: Client | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._lock = asyncio.Lock()
        self._broken: str | None = None
        """Why the connection ended, as far as the transport knows."""

    async def open(self) -> Client:
        """The client; of a new connection where there is none. Raises `ServerError`."""
        async with self._lock:
            is_open = self._keeper is not None and not self._keeper.done()
            if self._client is not None and is_open and not self._end.is_set():
                return self._client
            await self._stop()
            self._end, self._broken, self.is_stale = asyncio.Event(), None, True
            ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
            self._keeper = asyncio.create_task(self._keep(ready, self._end))
            try:
                async with asyncio.timeout(START_SECONDS):
                    self._client = client = await asyncio.shield(ready)
            except TimeoutError:
                await self._stop()
                raise self.error(f"it did not start within {START_SECONDS:g} s") from None
            except asyncio.CancelledError:
                await self._stop()
                raise
            return client

    async def _keep(self, ready: asyncio.Future[Client], end: asyncio.Event) -> None:
        """Hold a connection open until it is to end. Whatever goes wrong is told to the opener."""
        try:
            client = Client(
                self.source.transport(),
                message_handler=self._hear,
                client_info=Implementation(name="agentkit", version=__version__),
                elicitation_callback=self._asked,
                cache=None,
            )
            async with client:
                ready.set_result(client)
                await self._wait(client, end)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if not ready.done():
                ready.set_exception(self.error(f"it did not start: {_first(error)}"))
            elif not isinstance(error, Exception):
                raise
        finally:
            self._client = None
            if not ready.done():
                ready.set_exception(self.error("it ended before it could be asked"))
            if ready.done() and not ready.cancelled():
                ready.exception()  # nobody may be waiting any more

    async def _wait(self, client: Client, end: asyncio.Event) -> None:
        """Wait for the end, and listen meanwhile to a server that tells when its tools change."""
        listening = asyncio.create_task(self._listen(client))
        try:
            await end.wait()
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    async def _listen(self, client: Client) -> None:
        tools = client.server_capabilities.tools
        if tools is None or not tools.list_changed or client.protocol_version < "2026":
            return  # or it tells by a notification
        with suppress(Exception):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self.is_stale = True

    async def _hear(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self.is_stale = True
        elif isinstance(message, TooLong):
            self._broken = str(message)

    async def _asked(self, context: object, params: object) -> ElicitResult:  # noqa: ARG002
        """A person's answer to what the server asks. No page is ever opened for it."""
        if self._ask is None:
            return await self._calls.answer(question_of(params, self.source.label))
        if not isinstance(params, ElicitRequestFormParams):
            return ElicitResult(action="decline")
        answer = await self._ask(line(params.message, width=4000), params.requested_schema)
        if answer is None:
            return ElicitResult(action="decline")
        try:
            return ElicitResult(action="accept", content=dict(answer))
        except (TypeError, ValueError):
            accepted = "a mapping of names to text, numbers, True, False or lists of text, or None"
            raise self.error(f"tools(ask=…) returned no answer; accepted is {accepted}") from None

    async def close(self) -> None:
        """End the connection, and the process of a server that has one."""
        async with self._lock:
            await self._stop()

    async def _stop(self) -> None:
        self._end.set()
        keeper, self._keeper = self._keeper, None
        was_open, self._client = self._client is not None, None
        if keeper is None:
            return
        if was_open:
            await asyncio.wait([keeper], timeout=_STOP_SECONDS)
        keeper.cancel()
        await asyncio.wait([keeper])

    def error(self, words: str) -> ServerError:
        """An error of this server. Secrets are taken out of the words."""
        text = redacted(words)
        for secret in self.source.headers.values():
            text = text.replace(secret, "…") if len(secret) > 3 else text
        return ServerError(f"the MCP server {self.source.label}: {line(text, width=2000)}")

    async def call(
        self,
        name: str,
        arguments: dict[str, Any],
        progress: ProgressFnT,
        answers: Answers,
    ) -> CallToolResult:
        """The result of one call. Raises `ServerError`; the next call begins a new connection where
        this one ended. Where the server asks a person and `answers` has none, it raises
        `NeedsAnswer`, unless `ask` answers.
        """
        if (ended := left_as_it_ended(answers)) is not None:
            return ended
        client = await self.open()
        if self._ask is not None or is_modern(client.protocol_version):
            return await self._called(client, name, arguments, progress, answers)
        async with self._calls.call(answers) as one:
            coming = self._called(client, name, arguments, progress, answers)
            return await one.ended(asyncio.create_task(coming))

    async def _called(
        self,
        client: Client,
        name: str,
        arguments: dict[str, Any],
        progress: ProgressFnT,
        answers: Answers,
    ) -> CallToolResult:
        params = CallToolRequestParams(name=name, arguments=arguments)
        is_going_on = is_modern(client.protocol_version) and self._ask is None
        before = Returned.before(self.source.label, answers) if is_going_on else None
        with self._failures():
            if before is not None:
                params = await self._again(params, before)
            for _ in range(_MOST_ROUNDS):
                request = CallToolRequest(params=params)
                try:
                    result: object = await client.session.send_request(
                        request, _results(), progress_callback=progress
                    )
                except MCPError as error:
                    if before is None or error.code != INVALID_PARAMS:
                        raise
                    # It was started again meanwhile, or gave up waiting: all is asked anew.
                    before, params = None, CallToolRequestParams(name=name, arguments=arguments)
                    answers.forget(0)
                    continue
                before = None
                if isinstance(result, CallToolResult):
                    return result
                if isinstance(result, InputRequiredResult):
                    params = await self._next(params, result, answers)
            raise self.error(f"it asked for more input {_MOST_ROUNDS} times")

    async def _next(
        self, params: CallToolRequestParams, result: InputRequiredResult, answers: Answers
    ) -> CallToolRequestParams:
        """The call as it is made again, with what the server has asked for."""
        if self._ask is None:
            return await self._again(params, Returned.by(result, self.source.label, answers))
        if not result.input_requests:
            await asyncio.sleep(_PAUSE)
        responses = await self._responses(result)
        return CallToolRequestParams(
            name=params.name,
            arguments=params.arguments,
            request_state=result.request_state,
            input_responses=responses,
        )

    async def _again(
        self, params: CallToolRequestParams, returned: Returned
    ) -> CallToolRequestParams:
        """The call with the answers of a person. Raises `NeedsAnswer` for one that is missing."""
        if returned.is_too_long:
            raise self.error("it wants more back than a run keeps")
        if returned.is_empty:
            await asyncio.sleep(_PAUSE)
        try:
            responses = returned.responses()
        except ValidationError:
            raise
        except ValueError as error:
            raise self.error(f"it asks for {line(str(error))}, which is not offered here") from None
        return CallToolRequestParams(
            name=params.name,
            arguments=params.arguments,
            request_state=returned.state,
            input_responses=responses,
        )

    async def _responses(self, asked: InputRequiredResult) -> InputResponses:
        """The answers of `ask` to what the server asks before it goes on."""
        requests = asked.input_requests or {}
        found: InputResponses = {}
        for key, each in requests.items():
            if not isinstance(each, ElicitRequest):
                raise self.error(f"it asks for {line(each.method)}, which is not offered here")
            found[key] = await self._asked(None, each.params)
        return found

    async def list_tools(self) -> list[Tool]:
        """All tools of the server, as it tells them. Raises `ServerError`."""
        client = await self.open()
        self.is_stale = False
        tools: list[Tool] = []
        cursor: str | None = None
        with self._failures():
            async with asyncio.timeout(LIST_SECONDS):
                for _ in range(MOST_PAGES):
                    page = await client.session.list_tools(
                        params=PaginatedRequestParams(cursor=cursor)
                    )
                    tools += page.tools
                    if len(tools) > MOST_TOOLS:
                        raise self.error(f"it has more than {MOST_TOOLS:,} tools")
                    if page.next_cursor is None or page.next_cursor == cursor:
                        return tools
                    cursor = page.next_cursor
            raise self.error(f"its list of tools has more than {MOST_PAGES} pages")

    async def read(self, uri: str) -> ReadResourceResult | None:
        """A resource of the server; None where it cannot be read."""
        client = await self.open()
        try:
            with self._failures():
                async with asyncio.timeout(READ_SECONDS):
                    found: object = await client.session.read_resource(
                        uri, allow_input_required=True
                    )
        except ServerError as error:
            logger().warning("mcp_resource_failed", server=self.source.label, reason=str(error))
            return None
        return found if isinstance(found, ReadResourceResult) else None

    @contextmanager
    def _failures(self) -> Generator[None]:
        """Whatever goes wrong becomes a `ServerError`. A connection that ended is begun anew by the
        next call.
        """
        try:
            yield
        except ServerError:
            raise
        except MCPError as error:
            if error.code != CONNECTION_CLOSED:
                raise self.error(error.message) from None
            self._end.set()
            raise self.error(
                f"{self._broken or 'it ended'}; the next call starts it again"
            ) from None
        except TimeoutError:
            raise self.error("it does not answer") from None
        except Exception as error:  # noqa: BLE001 - transports, and answers that are none
            if not isinstance(error, ValueError | RuntimeError):
                self._end.set()
            raise self.error(_first(error)) from None


_MOST_ROUNDS = 10
_PAUSE = 0.2


@cache
def _results() -> TypeAdapter[CallToolResult | InputRequiredResult]:
    return TypeAdapter(CallToolResult | InputRequiredResult)


def _first(error: BaseException) -> str:
    """The first error of a group, in words."""
    if isinstance(error, BaseExceptionGroup):
        return _first(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    if isinstance(error, ValidationError):
        return f"its answer is not one of MCP: {error.error_count()} fields are wrong"
    if isinstance(error, MCPError):
        return error.message
    words = str(error).split("\n")[0]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
