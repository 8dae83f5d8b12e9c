"""Replies that are cut, and that come in slices. `python -m tests.faults --cuts` cuts at every
byte.
"""

from __future__ import annotations

import random

import pytest

from agentkit.errors import ProviderFailed
from tests.conftest import examples
from tests.faults.cuts import try_cuts, try_slices, whole
from tests.faults.replay import Heard, cut_is_right, ears
from tests.faults.streams import Recorded, recorded
from tests.unit.openrouter.peer import PEM

ALL = recorded()
CUTS = examples(4)


@pytest.fixture(autouse=True)
def few_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))


def test_there_are_enough() -> None:
    assert sum(one.stream for one in ALL) >= 20
    assert len({str(one) for one in ALL}) == len(ALL)
    assert {str(one) for one in ALL} >= set(QUICK)
    assert {one.api for one in ALL} == {"chat", "responses", "images"}
    assert sum(len(one.pictures) for one in ALL) >= 10


QUICK = (
    "tools-chat-streamed",
    "tools-responses-streamed",
    "server tool-chat-streamed",
    "CRLF-responses-streamed",
    "split data-chat-streamed",
    "two pictures-chat-streamed",
    "image_generation_call-responses-streamed",
    "partial_image-responses-streamed",
    "two-images-streamed",
    "an error at the end-chat-streamed",
    "an error at the end-responses-streamed",
    "whole-chat-buffered",
    "whole-responses-buffered",
    "whole-images-buffered",
)
"""One of each kind; the others, where time does not count."""


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(one, id=str(one), marks=[pytest.mark.slow] * (str(one) not in QUICK))
        for one in ALL
    ],
)
async def test_cut_anywhere(one: Recorded) -> None:
    """A typed error with what had arrived, or the answer where its finish had been seen: at a few
    bytes, and around those that matter.
    """
    chance = random.Random(str(one))
    critical = [
        one.finish + step for step in (-2, -1, 0, 1) if 0 <= one.finish + step < len(one.body)
    ]
    ends = [end + step for end, _ in one.pictures for step in (-2, 0)]
    cuts = sorted(
        {*chance.sample(range(len(one.body)), CUTS), *critical, *ends, 0, 1, len(one.body) - 1}
    )
    async with ears(4) as hearing:
        full = await whole(hearing, one)
        assert isinstance(full.error, ProviderFailed) if one.fails else full.error is None
        wrong = await try_cuts(one, cuts, hearing=hearing)
        wrong += await try_cuts(one, cuts[::2], hearing=hearing, clean=True)
        wrong += await try_slices(one, seed=1, times=1, hearing=hearing)
    assert wrong == []


async def test_a_wrong_answer_is_seen() -> None:
    """The judge itself: it would see a success without a finish, a picture lost, a tool that
    ran.
    """
    one = next(one for one in ALL if one.stream and one.pictures and one.api == "chat")
    async with ears(1) as hearing:
        full = await whole(hearing, one)
        cut = one.finish - 5
        half = await hearing.hear(one.api, [one.body[:cut]], stream=True, length=len(one.body))
    assert cut_is_right(one, full, cut, half, clean=False) is None
    assert cut_is_right(one, full, cut, full, clean=False) == "success without a finish"
    assert "lost" in str(
        cut_is_right(one, full, cut, Heard(error=half.error, posts=1), clean=False)
    )
    assert "tool ran" in str(
        cut_is_right(
            one, full, cut, Heard(error=half.error, posts=1, ran=1, store=half.store), clean=False
        )
    )
    assert "ValueError" in str(
        cut_is_right(one, full, cut, Heard(error=ValueError("x")), clean=False)
    )
    assert "though the finish was there" in str(
        cut_is_right(one, full, len(one.body), half, clean=False)
    )
