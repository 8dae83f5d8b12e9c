"""Whether the last event of a stream is there: told by its bytes, however they are sliced."""

from __future__ import annotations

import pytest

from agentkit.wire.stream_end import StreamEnd

COMPLETED = b'data: {"type":"response.completed","response":{"output":[]}}\n\n'
NAMED = b"event: response.completed\r\n" + COMPLETED.replace(b"\n", b"\r\n")
DELTA = b'data: {"type":"response.output_text.delta","delta":"data: [DONE]\\n\\nevent: response.completed"}\n\n'


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("last", [COMPLETED, NAMED, b"data: [DONE]\n\n", b"data: [DONE]"])
def test_the_end_comes_with_the_last_event(last: bytes, size: int) -> None:
    end, stream = StreamEnd(), DELTA * 3 + last
    told = [end.feed(stream[at : at + size]) for at in range(0, len(stream), size)]
    assert (told.index(True) + 1) * size >= len(stream.rstrip())
    assert told[-1]


def test_a_stream_that_is_not_at_its_end() -> None:
    end = StreamEnd()
    assert not end.feed(DELTA)
    assert not end.feed(COMPLETED[:-1])
    assert not StreamEnd().feed(b'{"type":"response.completed"}')
