"""Request bodies as a ledger keeps them: what is written of each, and that each can be had again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.openrouter.ledger_requests import flat, joined, pieces, segments
from agentkit.values import BlobRef

REF = BlobRef("ab" * 32, "image/png", "data_url")


def test_pictures_are_references() -> None:
    body = (b'{"image":"', REF, b'","same":"', BlobRef("cd" * 32, "image/webp", "file"), b'\0"}')
    data = flat(body)
    assert len(data) < 300
    assert pieces(data) == body


@given(st.lists(st.binary(max_size=300)), st.binary(max_size=400))
def test_any_body_is_had_again(words: list[bytes], other: bytes) -> None:
    earlier = b"".join(words)
    for data in (earlier + other, other + earlier, earlier[:200] + other + earlier[200:]):
        parts, literal = segments(data, earlier)
        assert joined(parts, literal, earlier) == data


def test_what_is_written_does_not_grow_with_the_conversation() -> None:
    def body(turn: int) -> bytes:
        messages = b",".join(
            b'{"role":"user","content":"turn %d, and so on"}' % n for n in range(turn)
        )
        return b'{"model":"m","left":%d,"messages":[%b]}' % (1000 - turn, messages)

    sizes = [len(segments(body(turn + 1), body(turn))[1]) for turn in range(10, 500)]
    assert max(sizes) < 200


@pytest.mark.parametrize("parts", [[(0, 10)], [(-1, 4)], [(2, -1)]])
def test_segments_that_do_not_fit(parts: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="outside"):
        joined(parts, b"abc", b"earlier")
