"""The page for those who see otherwise, work without a mouse, or hold a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agentkit.emulator import CallTool, Draw, Reply, Say, Think
from tests.web_clients.node import HERE
from tests.web_page.conftest import LONG, Site, Window, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
WORDS = "# Foxes\n\nThey are **red**, see <https://example.org>.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1\n```"
DRAWN = Reply([Think("Hm."), Say(WORDS), Draw("a fox", size=(64, 48))])
ASKED = CallTool("order_prints", {"address": "Kirkegata 12", "copies": 3})


def judged(window: Window) -> list[str]:
    """What axe finds wrong, the slight things left out."""
    if not AXE.exists():
        pytest.skip("axe-core is missing: make clients installs it")
    found: dict[str, Any] = window.page.evaluate(
        f"() => {{ {AXE.read_text('utf-8')}; return axe.run(document, {{resultTypes: ['violations']}}); }}"
    )
    return [
        f"{each['id']}: {node['html'][:120]} {node['failureSummary'][:300]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing_serious(chromium: Browser, site: Site, scheme: Any) -> None:
    site.emulator.play(DRAWN, ASKED, "Done.")
    context = chromium.new_context(
        color_scheme=scheme, service_workers="block", reduced_motion="reduce"
    )
    broken: list[str] = []
    watched(context, site, broken)
    window = Window(context.new_page(), site)
    page = window.page
    window.open()
    found = {"at the start": judged(window)}
    window.ask("Draw a fox")
    window.answered()
    window.wait(".frame img.final.shown")
    page.click(".call summary")
    found["an answer"] = judged(window)
    page.click(".gallery-button")
    window.wait(".gallery .thumb")
    found["the gallery"] = judged(window)
    page.click(".gallery .thumb")
    window.wait(".lightbox[open] img")
    found["a picture"] = judged(window)
    page.keyboard.press("Escape")
    page.click("button[aria-label='Close the pictures']")
    window.ask("Order")
    window.wait(".approval")
    found["an approval"] = judged(window)
    page.click(".approval >> text=Change")
    found["a changed approval"] = judged(window)
    context.close()
    assert {where: each for where, each in found.items() if each} == {}
    assert broken == []


def test_everything_is_reached_by_keyboard_alone(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(DRAWN, ASKED, "Done.")
    window.open()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the message"
    page.keyboard.press("Enter")
    page.keyboard.type("Draw a fox")
    page.keyboard.press("Enter")
    window.answered()
    window.wait(".frame img.final.shown")

    def tab_to(label: str, key: str = "Tab") -> None:
        for _ in range(60):
            page.keyboard.press(key)
            seen = page.evaluate(
                "() => document.activeElement.ariaLabel || document.activeElement.innerText"
            )
            if label in (seen or ""):
                ring = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
                assert ring == "solid", label
                return
        raise AssertionError(f"{label} is not reached")

    tab_to("Enlarge img_1", "Shift+Tab")
    page.keyboard.press("Enter")
    window.wait(".lightbox[open] img")
    tab_to("Use as reference")
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.tagName") == "TEXTAREA"
    page.keyboard.type("Order it")
    page.keyboard.press("Enter")
    window.wait(".approval")
    tab_to("Allow", "Shift+Tab")
    page.keyboard.press("Enter")
    assert site.ordered == []
    page.keyboard.press("Space")
    window.until("() => document.body.innerText.includes('Done.')")
    assert site.ordered == [("Kirkegata 12", 3)]


@pytest.mark.slow
def test_a_screen_reader_is_told_what_happens(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(DRAWN)
    window.open()
    window.ask("Draw a fox")
    window.until(
        "() => document.querySelector('[aria-live=polite]').textContent.includes('The answer is complete.')"
    )
    told = page.inner_text("[aria-live=polite]")
    assert "They are **red**" in told
    assert "Picture img_1" in told
    assert page.get_attribute(".frame img.final", "alt")


@pytest.mark.parametrize("width", [360, pytest.param(768, marks=pytest.mark.slow)])
def test_nothing_is_wider_than_the_window(chromium: Browser, site: Site, width: int) -> None:
    long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
    site.emulator.play(
        Reply([Say(f"{WORDS}\n\n`{long}` {long}"), Draw("a fox", size=(640, 200))]), ASKED
    )
    context = chromium.new_context(
        viewport={"width": width, "height": 740},
        has_touch=True,
        is_mobile=True,
        service_workers="block",
    )
    window = Window(context.new_page(), site)
    page = window.page
    wide = "() => document.documentElement.scrollWidth > innerWidth || document.querySelector('.scroller').scrollWidth > innerWidth"
    window.open()
    # A phone has no Enter that sends: a button does.
    page.fill(".composer textarea", long)
    page.press(".composer textarea", "Enter")
    assert page.locator(".prompt").count() == 0
    page.tap("button[aria-label='Send']")
    window.answered()
    window.wait(".frame img.final.shown")
    assert not page.evaluate(wide)
    page.fill(".composer textarea", "Order")
    page.tap("button[aria-label='Send']")
    window.wait(".approval")
    assert not page.evaluate(wide)
    page.tap("button[aria-label='Show or hide the conversations']")
    page.wait_for_selector(".chats a", state="visible", timeout=LONG)
    page.tap(".chats a")
    page.wait_for_selector(".side", state="hidden", timeout=LONG)
    page.tap(".gallery-button")
    window.wait(".gallery .thumb")
    page.tap(".gallery .thumb")
    window.wait(".lightbox[open] img")
    assert not page.evaluate("() => document.querySelector('.lightbox').scrollWidth > innerWidth")
    context.close()
