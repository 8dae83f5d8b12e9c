"""The chat page in Chromium: how soon the first words are in the page after the model's first byte,
and what a long conversation costs while it is scrolled.
"""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from agentkit.emulator import Draw, Reply, Say
from tests.security.browser import CHROMIUM
from tests.web_page.conftest import Site, Window

TITLE = "chat page"
FIRST_GOAL, TASK_GOAL = 100.0, 200.0
"""Milliseconds."""
WATCH_WORDS = """() => {
    window.first = 0;
    new MutationObserver(() => {
        if (!window.first && document.querySelector('.streaming .markdown')?.textContent) window.first = Date.now();
    }).observe(document.querySelector('.transcript'), {subtree: true, childList: true, characterData: true});
}"""
WATCH_TASKS = """() => {
    window.longest = 0;
    new PerformanceObserver(list => {
        for (const each of list.getEntries()) window.longest = Math.max(window.longest, each.duration);
    }).observe({entryTypes: ['longtask']});
}"""
SCROLL = """by => new Promise(done => {
    const box = document.querySelector('.scroller');
    box.scrollTop += by;
    requestAnimationFrame(() => setTimeout(() => done([box.scrollTop, document.querySelectorAll('*').length])));
})"""


@dataclass(frozen=True)
class Seen:
    """The figures."""

    first: float
    """Milliseconds from the model's first byte to the first words in the page: the median."""
    task: float
    """Milliseconds of the longest task while a long conversation was scrolled; 0: none over 50."""
    elements: int
    """Most elements in the page meanwhile."""


def measured(turns: int, samples: int) -> Seen:
    """Measure. Half of the turns have a picture."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        site = Site(Path(folder))
        site.start()
        stack.callback(site.close)
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM)
        stack.callback(browser.close)
        window = Window(browser.new_page(), site)
        window.open()
        first = median(_first_words(window, number) for number in range(samples))
        site.talk("long", ((f"Question {turn}", [_reply(turn)]) for turn in range(turns)))
        return Seen(first, *_scrolled(window, turns))


def _reply(turn: int) -> Reply:
    words = Say(f"Answer {turn}. " + "A paragraph of **words**.\n\n- one\n- two\n\n" * 5)
    picture = Draw(f"fox {turn % 5}", size=(64, 48))
    return Reply([words, picture] if turn % 2 else [words])


def _first_words(window: Window, number: int) -> float:
    site, page = window.site, window.page
    page.evaluate(WATCH_WORDS)
    site.emulator.play(Reply([Say("word " * 200)], delay=0.3, pause=0.01, chunk=5))
    begun = len(site.emulator.posts)
    at: list[float] = []

    def watch() -> None:
        while True:
            posts = site.emulator.posts[begun:]
            if posts and posts[0].status is not None:
                at.append(time.time() * 1000)
                return
            time.sleep(0.001)

    thread = threading.Thread(target=watch)
    thread.start()
    window.ask("Tell me")
    window.answered(number + 1)
    thread.join()
    return float(page.evaluate("() => window.first")) - at[0]


def _scrolled(window: Window, turns: int) -> tuple[float, int]:
    page: Any = window.page
    page.goto(f"{window.site.url}#long")
    window.wait(f".answer >> text=Answer {turns - 1}.")
    page.evaluate(WATCH_TASKS)
    most = 0
    for _ in range(turns * 4):
        top, elements = page.evaluate(SCROLL, -600)
        most = max(most, elements)
        if top == 0:
            break
    return float(page.evaluate("() => window.longest")), most


def report(turns: int = 200, samples: int = 5) -> None:
    """Measure, and print the rows; or say why not."""
    if CHROMIUM is None:
        print(f"{TITLE}: no Chromium, see CONTRIBUTING.md")
        return
    seen = measured(turns, samples)
    print(f"{TITLE}, a conversation of {turns} turns with {turns // 2} pictures")
    rows = [
        ("first words after the model's first byte", seen.first, FIRST_GOAL),
        ("longest task while it is scrolled", seen.task, TASK_GOAL),
    ]
    for title, value, goal in rows:
        met = "hit" if value <= goal else f"missed by {value - goal:.0f}"
        print(f"  {title:<50} {value:10.0f} ms   ≤ {goal:g}  {met}")
    print(f"  {'most elements in the page':<50} {seen.elements:10}")


if __name__ == "__main__":
    report()
