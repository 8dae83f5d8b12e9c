"""Streams that are cut at every byte, and that come in slices."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from tests.faults.replay import Ears, Heard, cut_is_right, ears, sliced, summary
from tests.faults.streams import Recorded, recorded


async def whole(hearing: Ears, one: Recorded) -> Heard:
    return await hearing.hear(one.api, [one.body], stream=one.stream, length=len(one.body))


async def try_cuts(
    one: Recorded,
    cuts: Sequence[int],
    *,
    at_once: int = 8,
    hearing: Ears | None = None,
    clean: bool = False,
) -> list[str]:
    """What is wrong at which of these bytes."""
    if hearing is None:
        async with ears(at_once) as made:
            return await try_cuts(one, cuts, at_once=at_once, hearing=made, clean=clean)
    full = await whole(hearing, one)
    wrong: list[str] = []

    async def attempt(cut: int) -> None:
        length = None if clean else len(one.body) + 1
        heard = await hearing.hear(one.api, [one.body[:cut]], stream=one.stream, length=length)
        if (why := cut_is_right(one, full, cut, heard, clean=clean)) is not None:
            wrong.append(f"{one} {'ended' if clean else 'cut'} at {cut} of {len(one.body)}: {why}")

    waiting = iter(cuts)

    async def worker() -> None:
        for cut in waiting:
            await attempt(cut)

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return wrong


async def try_slices(one: Recorded, *, seed: int, times: int = 2, hearing: Ears) -> list[str]:
    """Whether slices of one byte, and of random sizes, give what the whole gives."""
    full, chance = summary(await whole(hearing, one)), random.Random(seed)
    ways: list[tuple[str, list[bytes]]] = [
        ("one byte at a time", [one.body[at : at + 1] for at in range(len(one.body))])
    ]
    ways += [
        ("random slices", list(sliced(one.body, chance, chance.choice([3, 40, 700]))))
        for _ in range(times)
    ]
    wrong: list[str] = []
    for name, pieces in ways:
        heard = await hearing.hear(
            one.api, pieces, stream=one.stream, length=len(one.body), slow=True, seconds=60
        )
        if summary(heard) != full:
            wrong.append(f"{one}, {name}: {summary(heard)} is not {full}")
    return wrong


async def every_byte(told: Callable[[str], None]) -> list[str]:
    """Each stream cut at each byte, broken off and ended cleanly, and in slices."""
    wrong: list[str] = []
    total = 0
    async with ears(8) as hearing:
        for clean in (False, True):
            for one in recorded():
                found = await try_cuts(
                    one, range(len(one.body) + (0 if clean else 1)), hearing=hearing, clean=clean
                )
                total += len(one.body)
                wrong += found
                told(
                    f"{one}: {len(one.body):,} bytes {'ended' if clean else 'cut'} at each, {len(found)} wrong"
                )
                if not clean:
                    wrong += await try_slices(one, seed=len(wrong), times=5, hearing=hearing)
    told(f"{len(recorded())} replies, {total:,} cuts, {len(wrong)} wrong")
    return wrong
