"""The pictures, previews and files of turns that go on, for those who may see them, until the
database has them.
"""

from __future__ import annotations

from agentkit.events import Event, ImageReady, InvocationFinished, InvocationProgress
from agentkit.run import Run
from agentkit.web.files import Files
from agentkit.web.pictures import Pictures
from agentkit.web.previews import Previews
from agentkit.web.telling import previews_in


class TurnPictures:
    """A `Shelf`."""

    def __init__(self, pictures: Pictures, previews: Previews, files: Files) -> None:
        self._pictures, self._previews, self._files = pictures, previews, files

    def begin(self, user: str | None, run: Run) -> None:
        """A turn has begun: the pictures and files of its prompt can be seen."""
        prompt = run.messages[run.start]
        for image in prompt.images:
            self._pictures.seen(user, run.id, image)
        for file in prompt.files:
            self._files.seen(user, run.id, file)

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
        elif isinstance(inner, InvocationFinished):
            for file in inner.files:
                self._files.seen(user, run.id, file)

    def clear(self, run: Run) -> None:
        """The turn is over, and written down."""
        self._pictures.drop(run.id)
        self._files.drop(run.id)
        self._previews.drop(run.id)
