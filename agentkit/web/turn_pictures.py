"""The pictures and previews of turns that go on, for those who may see them, until the database has
them.
"""

from __future__ import annotations

from agentkit.events import Event, ImageReady, InvocationProgress
from agentkit.run import Run
from agentkit.web.pictures import Pictures
from agentkit.web.previews import Previews
from agentkit.web.telling import previews_in


class TurnPictures:
    """A `Shelf`."""

    def __init__(self, pictures: Pictures, previews: Previews) -> None:
        self._pictures, self._previews = pictures, previews

    def begin(self, user: str | None, run: Run) -> None:
        """A turn has begun: the pictures of its prompt can be seen."""
        for image in run.messages[run.start].images:
            self._pictures.seen(user, run.id, image)

    def show(self, user: str | None, run: Run, event: Event) -> None:
        """Keep what an event brings."""
        found = previews_in(event)
        if found is not None:
            item, preview = found
            self._previews.put(user, run.id, item, preview.index, preview.data, preview.media_type)
        inner: Event | None = event
        while isinstance(inner, InvocationProgress):  # of a sub-agent
            inner = inner.event
        if isinstance(inner, ImageReady):
            self._pictures.seen(user, run.id, inner.image)

    def clear(self, run: Run) -> None:
        """The turn is over, and written down."""
        self._pictures.drop(run.id)
        self._previews.drop(run.id)
