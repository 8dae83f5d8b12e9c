"""A long conversation: the page holds what is near, and finds the rest in its place."""

from __future__ import annotations

import pytest

from agentkit.emulator import Draw, Reply, Say
from tests.web_page.conftest import Window

TURNS = 200
MOST_ELEMENTS = 4000
MOST_MESSAGES = 60

COUNT = (
    "() => [document.querySelectorAll('*').length, document.querySelectorAll('.message').length]"
)
MOVE = "by => { const box = document.querySelector('.scroller'); box.scrollTop += by; return box.scrollTop; }"


@pytest.mark.slow
def test_two_hundred_turns_with_a_hundred_pictures_stay_small(window: Window) -> None:
    site, page = window.site, window.page
    words = "A paragraph of **words**.\n\n- one\n- two\n\n" * 5
    site.talk(
        "long",
        (
            (
                f"Question {turn}",
                [
                    Reply(
                        [
                            Say(f"Answer {turn}. {words}"),
                            *([Draw(f"fox {turn % 5}", size=(64, 48))] if turn % 2 else []),
                        ]
                    )
                ],
            )
            for turn in range(TURNS)
        ),
    )
    window.open()
    page.goto(f"{site.url}#long")
    window.wait(f".answer >> text=Answer {TURNS - 1}.")
    most = [0, 0]
    for _ in range(400):
        counted = page.evaluate(COUNT)
        most = [max(pair) for pair in zip(most, counted, strict=True)]
        if page.evaluate(MOVE, -1500) == 0:
            break
    window.wait(".answer >> text=Answer 0.")
    assert most[0] <= MOST_ELEMENTS, most
    assert 4 <= most[1] <= MOST_MESSAGES, most
    page.click("button[aria-label='To the end']")
    window.wait(f".answer >> text=Answer {TURNS - 1}.")
    assert page.locator(".slot").count() == 2 * TURNS
