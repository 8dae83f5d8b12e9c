"""The words of a reply, told as they arrive, without the links to pictures that stand in them."""

from __future__ import annotations

import asyncio

from agentkit.events import ReasoningDelta, TextDelta
from agentkit.images.collector import Collector
from agentkit.images.fetch import Fetcher
from agentkit.images.inspect import Stored
from agentkit.stream import EventLog
from agentkit.wire.markdown_stream import TextFilter
from agentkit.wire.types import Words


class ReplyWords:
    """Tells the words of one reply. `before` is told before the first of them."""

    def __init__(self, log: EventLog, fetcher: Fetcher, before: str) -> None:
        self._log, self._fetcher, self._before = log, fetcher, before
        self.collector: Collector | None = None
        """Of the pictures of the reply, once it has begun."""
        self._filter: TextFilter | None = None
        self._waited: frozenset[str] = frozenset()

    def take(self, words: Words) -> None:
        """Tell what came, but for what may be the beginning of a link to a picture."""
        if words.what == "reasoning":
            self._log.tell(ReasoningDelta(words.text))
            return
        found = self._filter
        if found is None:
            self._filter = found = TextFilter(self._had, self._before)
        if text := found.more(words.text, words.part):
            self._log.tell(TextDelta(text))

    def take_rest(self) -> None:
        """Tell what was held back, at the end of the words."""
        if self._filter is not None:
            self._say(self._filter.rest())

    def may_be_picture(self, url: str, *, bare: bool) -> bool:
        """Whether a URL in the words may be fetched, or is another place of a known picture."""
        if self._fetcher.in_prose(url, bare=bare):
            return True
        return self.collector is not None and self.collector.knows(url)

    def _say(self, text: str) -> None:
        if text:
            self._log.tell(TextDelta(text))

    def _had(self, url: str, bare: bool) -> bool | None:
        """True: stored. False: not an image. None: still downloading; the text held back is
        released when it ends.
        """
        collector = self.collector
        if collector is not None and collector.spool.is_reference(url):
            return True  # it goes from the words, whatever becomes of it
        if collector is None or not self.may_be_picture(url, bare=bare):
            return False
        task = collector.download(url)
        if task.done():
            return collector.stored(url) is not None
        if url not in self._waited:
            self._waited |= {url}
            task.add_done_callback(self._say_more)
        return None

    def _say_more(self, download: asyncio.Task[Stored]) -> None:
        """Tell the words that waited for this picture."""
        if self._filter is not None and not download.cancelled():
            self._say(self._filter.more())
