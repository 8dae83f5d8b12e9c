"""The reply of one turn of the model: it is decoded as it arrives, its pictures are collected, and
the run grows by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping

from agentkit import wire
from agentkit._log import logger
from agentkit.budget import Hold
from agentkit.errors import ProtocolError, RunError, StreamInterrupted
from agentkit.events import (
    ImageFailed,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    TurnFinished,
)
from agentkit.images.collector import Collector, go_on
from agentkit.images.outcome import Outcome
from agentkit.images.retriever import Downloads
from agentkit.images.words import WordSpool
from agentkit.loop.context import RunContext
from agentkit.loop.missing_pictures import missing_picture
from agentkit.loop.reply_cost import priced
from agentkit.loop.reply_files import fetched, ref_of
from agentkit.loop.reply_parts import ParsedReply, may_ask_again, parse, refusal_of
from agentkit.loop.reply_words import ReplyWords
from agentkit.openrouter.billing import Told
from agentkit.openrouter.client import Exchange
from agentkit.openrouter.paid_call import PaidCall
from agentkit.run import Run
from agentkit.run.history import parents
from agentkit.run.state import Broken
from agentkit.stream import EventLog
from agentkit.values import (
    File,
    Image,
    ImageFailure,
    Invocation,
    Message,
    ParsedFile,
    Pieces,
    Source,
    ToolCall,
    Usage,
    replace,
)
from agentkit.wire import echo
from agentkit.wire.body import cut
from agentkit.wire.common import without
from agentkit.wire.files import files_of
from agentkit.wire.generation import Generation, completed
from agentkit.wire.json import as_object, as_text, write
from agentkit.wire.retold import LOST, retold
from agentkit.wire.types import (
    Decoder,
    ImageKey,
    ImageRef,
    NewFilter,
    Preview,
    Reply,
    ServerCall,
    Signal,
    Unfiltered,
    Words,
)


class ReplyReader:
    """What arrives of one turn of the model: the reader of its reply."""

    def __init__(
        self, run: Run, context: RunContext, log: EventLog, call: PaidCall | None = None
    ) -> None:
        self.run, self._context, self._log = run, context, log
        self._call = call
        self._services = context.services
        self._before = run
        self._now = asyncio.get_running_loop().time
        self._began = self._now()
        self._decoder: Decoder | None = None
        self.looked_up: Generation | None = None
        self._collector: Collector | None = None
        self._parsed: ParsedReply | None = None
        self._named: dict[ImageKey, Image] = {}
        self._started: dict[str, float] = {}
        said = any(message.role == "assistant" and message.text for message in run.added)
        self._words = ReplyWords(log, context.services.fetcher, "\n\n" if said else "")
        self._used: Usage | None = None
        """The usage of the whole reply."""
        self._downloads: Downloads | None = None
        self._filed: dict[str, tuple[File | Image, ...]] = {}
        """The files of the reply, by the id of the call that left them; and those of them that are
        pictures.
        """
        self._is_left = False
        """Whether the turn has ended, and its downloads go on."""

    def _new_decoder(self, new_filter: NewFilter = Unfiltered) -> Decoder:
        tools = [tool.name for tool in self._context.tools.server]
        return wire.decoder(self.run.api, tools, new_filter)

    @property
    def decoder(self) -> Decoder:
        """What turns the events of the reply into signals; before a reply has begun, an empty
        one.
        """
        if self._decoder is None:
            self._decoder = self._new_decoder()
        return self._decoder

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self.decoder.reply().parts)

    @property
    def id_in_body(self) -> str | None:
        """The id that the reply itself tells."""
        return self.decoder.reply().id

    @property
    def labels(self) -> Mapping[str, object]:
        """What log lines say of the request."""
        return {"run": self.run.id}

    def begin(self, exchange: Exchange) -> None:
        """Make ready for the pictures of the reply, whose headers are there."""
        self._log.generation_id = exchange.generation_id
        self._decoder = self._new_decoder(lambda: WordSpool(exchange.spool))
        self._downloads = exchange.downloads
        self._collector = self._words.collector = Collector(
            exchange.spool,
            self._services.store,
            self._services.fetcher,
            self.run.model,
            self._outcome,
            self._services.client.container_file,
            exchange.downloads,
        )

    @property
    def _ends_with_done(self) -> bool:
        """Whether a stream that is whole ends with `[DONE]`."""
        return self.run.api == "chat" or self._services.client.service.ends_responses_with_done

    async def finish(self, exchange: Exchange, closing: str | None) -> Run:
        """The run with the whole reply. Raises the error that the reply holds, and
        `StreamInterrupted` or `ProtocolError` where it is not whole.
        """
        decoder = self.decoder
        reply = decoder.reply()
        generation_id = exchange.generation_id or reply.id
        if reply.error is not None:
            reply.error.generation_id = reply.error.generation_id or generation_id
            raise reply.error
        if not decoder.finished:
            raise (
                StreamInterrupted(
                    "the stream ended before the reply was whole", generation_id=generation_id
                )
                if exchange.is_stream
                else ProtocolError("the reply holds no answer", generation_id=generation_id)
            )
        if exchange.is_stream and not exchange.done and self._ends_with_done:
            logger().info("stream_without_done", run=self.run.id, generation=generation_id)
        run = await self._grown(reply, closing)
        logger().info(
            "request",
            run=run.id,
            agent=self._services.name,
            api=run.api,
            model=reply.model,
            generation=generation_id,
            finish=reply.finish,
            seconds=round(self._now() - self._began, 3),
            cost_usd=run.spent[-1].cost_usd,
        )
        return run

    def hear(self, signal: Signal) -> None:
        """Take what one event told."""
        if isinstance(signal, Words):  # as almost all are
            if self._log.is_heard:
                self._words.take(signal)
            return
        collector = self._collector
        if collector is None:
            return
        match signal:
            case ImageRef():
                collector.see(signal)
            case Preview():
                if (preview := collector.preview(signal)) is not None:
                    self._log.tell(replace(preview, item=self._item(preview.item)))
            case ServerCall(invocation=invocation, phase=phase):
                self._server_call(invocation, phase)

    def _item(self, key: ImageKey | str) -> str:
        """What events call a picture of this reply: keys begin anew with each reply of a run."""
        return f"turn {self._before.turns + 1}:{key}"

    def _server_call(self, invocation: Invocation, phase: str | None) -> None:
        if invocation.id not in self._started:
            self._started[invocation.id] = time.time()
            self._log.tell(
                InvocationStarted(
                    replace(
                        invocation,
                        status="running",
                        started_at=self._started[invocation.id],
                        result=None,  # it may hold URLs that nobody is to be shown
                    )
                )
            )
        if phase is not None:
            self._log.tell(InvocationProgress(self._timed(invocation), phase))

    def _timed(self, invocation: Invocation) -> Invocation:
        began = self._started.get(invocation.id)
        seconds = (
            time.time() - began
            if began is not None and invocation.status not in {"pending", "running"}
            else None
        )
        return replace(invocation, started_at=began, seconds=seconds)

    def _outcome(self, ref: ImageRef, outcome: Outcome) -> None:
        """One picture more, or one failure; told in the order in which they were first seen."""
        if self._is_left and self._log.run is not None:
            self.run = self._log.run  # which has what became of the turn since
        if isinstance(outcome, Image):
            self._arrived(ref, outcome)
            return
        is_told = ref.place == "text" and outcome.url in {each.url for each in self.run.failures}
        if ref.optional or is_told:
            return
        self._log.run = self.run = replace(self.run, failures=(*self.run.failures, outcome))
        self._log.tell(ImageFailed(outcome, self._item(ref.key)))
        logger().warning("image_failed", run=self.run.id, place=ref.place, reason=outcome.reason)

    def _arrived(self, ref: ImageRef, image: Image) -> None:
        before = len(self.run.arrived)
        self.run, named = self.run.with_image(self._painted(image, ref))
        self._log.run = self.run  # whoever saves it now has the picture's handle
        self._named[ref.key] = named
        if len(self.run.arrived) == before:
            return
        self._log.tell(ImageReady(named, self._item(ref.key)))
        logger().info(
            "image",
            run=self.run.id,
            image=named.name,
            sha256=named.sha256,
            media_type=named.media_type,
            size=named.size,
        )

    def _painted(self, image: Image, ref: ImageRef) -> Image:
        """The picture with the model that painted it: a server tool's is another than the one that
        answers, and sees none.
        """
        tool = self._context.image_tool
        if not ref.invocation_id and ref.place != "text" and self._context.sees:
            image = replace(
                image,
                parents=parents(self.run.shared_messages, self.run.start, self.run.images, image),
            )
        if tool is None or not (ref.invocation_id or ref.place == "text"):
            return image
        model = tool.parameters.get("model")
        return replace(image, model=model if isinstance(model, str) else None)

    async def _grown(self, reply: Reply, closing: str | None) -> Run:
        """The whole reply as a message, once each of its pictures has its outcome."""
        collector = self._collector
        assert collector is not None  # noqa: S101 - `begin` has made it
        parsed = self._see_all(reply, collector)
        collector.spool.close()
        if collector.has_pictures:
            await collector.finish()
            collector.see_unclaimed("item", parsed.references_elsewhere())
            await collector.finish()
        await self._take_files(reply)
        self._words.take_rest()
        self._miss_picture(parsed, closing=closing is not None)
        raw, read = tuple([(item,) for item in reply.raw]), ()
        handles: dict[str, str] = {}
        if collector.has_pictures:
            handles = collector.names(self._named, LOST)
            raw = await self._with_stored(reply.raw, handles, collector)
        if reply.parsed:
            read = await self._read_out(reply, collector)
        parts = parsed.parts(self._named)
        declared = self._context.declared(self.run.model)
        asked = declared.audience.sole
        message = Message("assistant", parts, raw, self.run.api, reply.model, asked, read)
        server: tuple[Invocation, ...] = ()
        if reply.server_calls:
            taken = {each.id for each in self.run.invocations}
            server = parsed.invocations(
                self._named, handles, taken, self._timed, self.run.turns, self._filed
            )
        run = self._with_reply(reply, message, server, closing, declared.repeatable)
        self._tell(run, message, server)
        return run

    def _with_reply(
        self,
        reply: Reply,
        message: Message,
        server: tuple[Invocation, ...],
        closing: str | None,
        repeatable: Collection[str],
    ) -> Run:
        """The run with the reply, and with what it cost."""
        before = self.run
        images = len(before.arrived) - sum([each.images for each in before.spent])
        usage = priced(reply, reply.usage, images, before.model, self._context)
        if reply.tells_cache and (saved := self._context.cache_saved) is not None:
            usage = replace(usage, cache_saved_usd=saved(usage))
        self._used = usage
        is_cut = False
        if reply.finish == "length":
            is_cut = any(call.fault for call in message.calls)
            if closing is None and not may_ask_again(before, message):
                closing = "max_tokens"
        self._log.run = run = before.with_reply(
            message,
            usage,
            server_calls=server,
            closing=closing,
            repeatable=repeatable,
            cut=is_cut,
            refusal=refusal_of(reply, message, before),
            cost_usd=self.told.cost_usd or 0.0,
        )
        return run

    def _tell(self, run: Run, message: Message, server: tuple[Invocation, ...]) -> None:
        """The events of a whole reply, after which the run is this one."""
        log = self._log
        if not log.is_heard:
            return
        for invocation in server:
            if invocation.id not in self._started:
                log.tell(InvocationStarted(replace(invocation, status="running", result=None)))
            given = tuple([run.file(name) for name in invocation.files])
            log.tell(InvocationFinished(invocation, given))
        log.tell(TurnFinished(message, run.spent[-1]))
        for invocation in run.invocations[len(self.run.invocations) + len(server) :]:
            if invocation.status == "cancelled":
                log.tell(InvocationFinished(invocation))

    async def _with_stored(
        self, raw: tuple[bytes, ...], handles: Mapping[str, str], collector: Collector
    ) -> tuple[Pieces, ...]:
        """The raw items with the stored pictures in the places of what stood for them."""
        items = retold(without(raw, collector.failed_values()), handles)
        refs = await collector.blob_refs(items)
        return tuple([echo.as_kept(cut(item, refs)) for item in items])

    async def _take_files(self, reply: Reply, grace: float | None = None) -> None:
        """Keep the files that server tools left, and say which of them cannot be had. What no call
        says to be its own is the last call's.
        """
        refs = files_of(reply)
        if not refs:
            return
        calls = [each.id for each in reply.server_calls]
        outcomes = await fetched(refs, self._services, self._downloads, grace)
        for ref, outcome in zip(refs, outcomes, strict=True):
            call_id = ref.invocation_id or (calls[-1] if calls else None)
            if isinstance(outcome, ImageFailure):
                if outcome not in self.run.failures:
                    self._outcome(replace(ref_of(ref), place="file"), outcome)
                continue
            known = {each.sha256 for each in self.run.files}
            if isinstance(outcome, Image):
                image = replace(outcome, model=self.run.model, invocation_id=call_id)
                self._arrived(picture := replace(ref_of(ref), invocation_id=call_id), image)
                named: File | Image = self._named[picture.key]
            else:
                file, is_new = replace(outcome, invocation_id=call_id), outcome.sha256 not in known
                self.run, named = self.run.with_file(file, arrived=is_new)
                self._log.run = self.run
            if call_id is not None:
                before = self._filed.get(call_id, ())
                self._filed[call_id] = tuple(dict.fromkeys((*before, named)))

    async def _read_out(self, reply: Reply, collector: Collector) -> tuple[ParsedFile, ...]:
        """What was read out of the files, to be sent again with them. The pictures in it are the
        file's, and are kept with it.
        """
        items = tuple([write(each) for each in reply.parsed])
        refs = await collector.blob_refs(items) if items else {}
        names = [as_text(as_object(each.get("file")).get("name")) or "" for each in reply.parsed]
        cut_up = [cut(item, refs) for item in items]
        return tuple([ParsedFile(*each) for each in zip(names, cut_up, strict=True)])

    def _miss_picture(self, parsed: ParsedReply, *, closing: bool) -> None:
        """Tell of a picture that the reply speaks of, and that stands nowhere in it."""
        before = self._before
        found = len(self.run.arrived) + len(self.run.failures)
        if found > len(before.arrived) + len(before.failures) or self._named:
            return
        context, reply = self._context, parsed.reply
        tool = None if closing else context.image_tool
        if tool is None and not (reply.server_calls or reply.usage.image_tokens):
            return  # nothing was to be drawn, and nothing says that it was
        choice = context.settings.tool_choice if self.run.turns == 0 else None
        reason = missing_picture(
            parsed,
            tool,
            self._services.client.service,
            others=len(context.tools.functions) + len(context.tools.server) - 1,
            forced=tool is not None and choice == tool.name,
        )
        if reason is None or any(each.reason == reason for each in self.run.failures):
            return
        failure = ImageFailure(Source("item"), None, reason)
        self.run = replace(self.run, failures=(*self.run.failures, failure))
        self._log.tell(ImageFailed(failure, self._item("missing")))
        logger().warning("image_failed", run=self.run.id, place="item", reason=reason)

    def _see_all(self, reply: Reply, collector: Collector) -> ParsedReply:
        """See every picture of the whole reply, those that its words point to at last."""
        self._parsed = parsed = parse(reply, collector.spool)
        if not parsed.may_have_pictures:
            return parsed
        for ref in parsed.image_refs():
            is_link = ref.place == "text"
            if not is_link or self._words.may_be_picture(ref.values[0], bare=ref.optional):
                collector.see(ref)
        return parsed

    async def rescue(self, grace: float | None = None) -> None:
        """Store the pictures that had arrived, so that none of them is lost. Downloads have `grace`
        seconds, if given.
        """
        collector = self._collector
        if collector is None:
            return
        self._see_rest(collector)
        # Side by side: both have the same time.
        files = self._take_files(self.decoder.reply(), grace)
        await asyncio.gather(collector.finish(grace), files)
        self._words.take_rest()

    def _see_rest(self, collector: Collector) -> None:
        """See every picture of a reply that broke off."""
        self._see_all(self.decoder.reply(), collector)
        is_chat = self.run.api == "chat"
        collector.see_unclaimed("images" if is_chat else "image_generation_call")

    def leave(self, grace: float) -> bool:
        """Leave the downloads to the conversation, which has their pictures when they are there.
        False where there are none, it is nobody's, or files are to be had: these are waited for,
        since another turn might give their handles to other files.
        """
        collector, later = self._collector, self._log.later
        if collector is None or later is None or not grace:
            return False
        self._see_rest(collector)
        if not collector.is_downloading or files_of(self.decoder.reply()):
            return False
        self._is_left = True
        later(go_on(collector, grace), collector.pending)
        return True

    @property
    def told(self) -> Told:
        """What is known of the cost by now. A stream that broke off told the cost so far."""
        is_left = self._is_left or self.looked_up is not None
        if self._used is not None and not is_left and self._services.client.service.tells_cost:
            return Told.of(self._used, len(self.run.arrived) - len(self._before.arrived))
        if self._collector is None and self.looked_up is None:
            return Told()
        images = len(self.run.arrived) - len(self._before.arrived)
        if self._is_left and self._collector is not None:
            images += self._collector.pending
        return Told.of(self._usage(), images)

    def _usage(self) -> Usage:
        reply = self.decoder.reply() if self._parsed is None else self._parsed.reply
        usage = completed(reply.usage, self.looked_up)
        images = len(self.run.arrived) - len(self._before.arrived)
        usage = priced(reply, usage, images, self.run.model, self._context)
        if self.looked_up is None and not self.decoder.finished:
            usage = replace(usage, priced_requests=0)
        return usage

    def settled(self, run: Run, uncertain_usd: float) -> Run:
        """The run whose last request may have cost so much beside what was told."""
        last = replace(run.spent[-1], uncertain_usd=uncertain_usd)
        self._log.run = run = run.replace(spent=(*run.spent[:-1], last))
        return run

    def hand_on(self, error: RunError | None, hold: Hold) -> None:
        """The run with what has come of this reply; no call of it can be run. A request whose cost
        is open counts as one, also where nobody knows its price.
        """
        parsed = self._parsed or parse(self.decoder.reply(), None)
        reply = parsed.reply
        parts = tuple(part for part in parsed.parts(self._named) if not isinstance(part, ToolCall))
        partial = Message("assistant", parts, (), self.run.api, reply.model) if parts else None
        spent = self.run.spent
        if self._collector is not None or self.looked_up is not None:
            spent = (*spent, replace(self._usage(), uncertain_usd=hold.uncertain_usd))
        elif hold.uncertain_usd or hold.is_uncertain:
            spent = (*spent, Usage(requests=1, uncertain_usd=hold.uncertain_usd))
        broken, key = self.run.broken, None if self._call is None else self._call.key
        if key is not None and len(spent) > len(self.run.spent):
            broken = (*broken, Broken(key, len(spent) - 1))
        run = replace(self.run, partial=partial, spent=spent, broken=broken)
        self._log.run = run = self._with_highest_cost(run)
        if error is not None:
            error.run = run

    def _with_highest_cost(self, run: Run) -> Run:
        """The run that knows what its costliest request cost."""
        cost_usd = self.told.cost_usd or 0.0
        if cost_usd <= run.highest_cost_usd:
            return run
        return replace(run, highest_cost_usd=cost_usd)

    async def close(self) -> None:
        """Stop the downloads that still go on."""
        if self._collector is not None and not self._is_left:
            await self._collector.close()
