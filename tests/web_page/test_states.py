"""What a conversation can look like beside its plain course: cut off, held, nested, branched, limited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agentkit import Budget
from agentkit.emulator import CallTool, Draw, Fault, Reply, Say, Socket, When
from tests.clock import GUARD
from tests.web_page.conftest import Mortal, Site, Window, looking_at

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOX = Draw("a red fox", size=(96, 64))
ORDER = CallTool("order_prints", {"address": "Kirkegata 12", "copies": 3})
CUT = Fault(socket=Socket("stall", at="event", event=12), when=When(nth=(1,), times=1))


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    made = Mortal(tmp_path, faults=[CUT])
    made.start()
    yield made
    made.close()


def cut_off(window: Window) -> None:
    """A server that is killed while a picture is being drawn, and its successor."""
    site = window.site
    site.emulator.play(Reply([Say("Drawing."), Draw("a red fox", size=(96, 64), preview_count=2)]))
    window.open()
    window.page.select_option("select[name=api]", "responses")
    window.ask("Draw a red fox")
    window.wait(".picture[data-status=preview] img.preview.shown")
    site.stop()
    window.wait(".banner:not([hidden]) >> text=cannot be reached")
    site.start()
    window.wait(".note >> text=This answer was interrupted")


def test_a_picture_that_was_cut_off_is_bought_again_only_on_a_yes(
    chromium: Browser, mortal: Mortal
) -> None:
    with looking_at(chromium, mortal) as window:
        page = window.page
        cut_off(window)
        page.click(".note >> text=Go on")
        window.wait(".approval")
        assert len(mortal.emulator.posts) == 1
        assert "Nobody knows what became of a request" in page.inner_text(".approval")
        page.click(".approval >> text=Send it again")
        window.wait(".frame img.final.shown")
        window.answered()
        assert page.locator(".answer").count() == 1
        assert page.locator(".note, .picture[data-status=making]").count() == 0
        # The picture that came has a place of its own, and the request is not told to have failed.
        states = page.eval_on_selector_all(
            ".picture", "all => all.map(each => each.dataset.status)"
        )
        assert states == ["failed", "ready"]
        assert "was sent again" in page.inner_text(".call:has-text('A request that broke off')")
        before = page.inner_text(".answer-body")
        page.reload()
        window.wait(".frame img.final.shown")
        assert page.inner_text(".answer-body") == before
        assert len(mortal.emulator.posts) == 2


@pytest.mark.slow
def test_an_answer_that_was_cut_off_is_left(chromium: Browser, mortal: Mortal) -> None:
    with looking_at(chromium, mortal) as window:
        page = window.page
        cut_off(window)
        page.click(".note >> text=Leave it")
        window.wait(".note >> text=This answer broke off")
        window.until("() => !document.querySelector('.chats .dot')")
        mortal.emulator.play("Good morning.")
        window.ask("Hello")
        window.wait(".answer >> text=Good morning.")
        assert len(mortal.emulator.posts) == 2


def test_previews_become_the_picture(chromium: Browser, tmp_path: Path) -> None:
    """The last preview stays until the picture itself can be shown."""
    pause = Fault(socket=Socket("stall", at="event", event=6, seconds=10), when=When(nth=(1,)))
    site = Site(tmp_path, faults=[pause])
    site.start()
    with looking_at(chromium, site) as window:
        page = window.page
        drawn = Draw("a red fox", size=(96, 64), preview_count=2)
        site.emulator.play(Reply([drawn, CallTool("look_up", {"words": "fox"})]), "Done.")
        held: list[Any] = []
        page.route("**/images/*", lambda route: held.append(route))
        window.open()
        page.select_option("select[name=api]", "responses")
        window.ask("Draw a red fox")
        window.wait(".picture[data-status=preview] img.preview.shown")
        assert page.is_visible(".frame .elapsed")
        page.evaluate("() => document.querySelector('.picture').dataset.first = 'yes'")
        window.wait(".picture[data-status=ready] img.preview.shown")
        window.wait(".picture[data-first] img.final", state="attached")
        for route in held:
            route.continue_()
        page.unroute("**/images/*")
        window.wait(".picture[data-first] img.final.shown")
        window.until("() => !document.querySelector('.preview, .shimmer, .making')")
        site.gate.opened.set()
        window.answered()
        assert page.locator(".picture").count() == 1
    site.close()


@pytest.mark.slow
def test_the_calls_of_a_sub_agent_stand_inside_its_own(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(
        Reply([Say("I ask."), CallTool("helper", {"prompt": "find foxes"})]),
        Reply([Say("Looking."), CallTool("look_up", {"words": "foxes"}), FOX]),
        "Here is one.",
        "That is a fox.",
    )
    window.open()
    window.ask("A fox, please")
    assert site.gate.reached.wait(GUARD)
    # While it works, its words and its picture are seen; its calls where one unfolds it.
    window.wait(".call-progress >> text=Looking.")
    window.wait(".picture[data-status=ready] img.final.shown")
    page.click(".call >> nth=0 >> summary >> nth=0")
    window.wait(".call .call-inner > .call[data-state=input-available] >> text=look_up")
    site.gate.opened.set()
    window.answered()
    window.wait(".call .call-inner > .call[data-state=output-available] >> text=look_up")
    assert page.locator(".answer-body > .call").count() == 1
    assert page.locator(".picture").count() == 1
    page.reload()
    window.answered()
    page.click(".call >> nth=0 >> summary >> nth=0")
    window.wait(".call .call-inner > .call >> text=look_up")
    page.click(".call-inner > .call:has-text('look_up') > summary")
    window.wait(".call-inner pre >> text=Found: foxes.")
    assert page.locator(".answer-body > .call").count() == 1


@pytest.mark.slow
def test_what_is_left_of_a_budget_is_shown_and_ends_an_answer(
    chromium: Browser, tmp_path: Path
) -> None:
    budget = Budget(cost_usd=1.0, images=1)
    site = Site(tmp_path, budget=lambda _: budget)
    site.start()
    with looking_at(chromium, site) as window:
        page = window.page
        site.emulator.play(FOX)
        window.open()
        window.wait(".cost >> text=$1.00 left · 1 picture left")
        window.ask("Draw a red fox")
        window.answered()
        window.wait(".cost >> text=0 pictures left")
        spent = page.inner_text(".cost")
        assert spent.startswith("$0.")
        assert "$1.00" not in spent
        window.ask("Draw another one")
        window.answered(2)
        window.wait(".answer >> nth=1 >> .note >> text=ended at a limit: pictures")
        assert page.locator(".picture[data-status=ready]").count() == 1
    site.close()


@pytest.mark.slow
def test_an_svg_is_a_card_and_never_a_picture(window: Window, tmp_path: Path) -> None:
    site, page = window.site, window.page
    site.emulator.play(Reply([Say("A logo."), Draw("a logo", format="svg")]))
    window.open()
    window.ask("Draw a logo")
    for _ in range(2):
        window.answered()
        window.wait(".answer .file-card >> text=img_1")
        assert "SVG" in page.inner_text(".file-card")
        assert page.locator(".answer img, .answer svg image, .answer object").count() == 0
        page.reload()
    page.click(".gallery-button")
    window.wait(".gallery .thumb")
    page.click(".gallery .thumb")
    window.wait(".lightbox[open] .file-card")
    assert page.locator("img").count() == 0
    # What no model takes is not offered as a reference.
    assert (
        page.locator("button:has-text('Use as reference'), button[aria-label$=reference]").count()
        == 0
    )
    with page.expect_download() as download:
        page.click(".lightbox .file-card button")
    download.value.save_as(tmp_path / "kept")
    assert download.value.suggested_filename.endswith(".svg")
    assert b"<svg" in (tmp_path / "kept").read_bytes()[:400]


@pytest.mark.slow
def test_the_model_and_the_api_are_changed_between_two_turns(
    chromium: Browser, tmp_path: Path
) -> None:
    site = Site(tmp_path, models=["anthropic/claude-sonnet-4.6"])
    site.start()
    with looking_at(chromium, site) as window:
        page = window.page
        site.emulator.play("One.", "Two.", "Three.")
        window.open()
        window.ask("one")
        window.answered()
        page.select_option("select[name=model]", "anthropic/claude-sonnet-4.6")
        page.select_option("select[name=api]", "responses")
        window.ask("two")
        window.answered(2)
        page.reload()
        window.answered(2)
        assert page.input_value("select[name=model]") == "anthropic/claude-sonnet-4.6"
        assert page.input_value("select[name=api]") == "responses"
        assert "claude-sonnet-4.6" in page.inner_text(".answer >> nth=1 >> .facts")
        page.select_option("select[name=model]", "openai/gpt-5.2")
        page.select_option("select[name=api]", "chat")
        window.ask("three")
        window.answered(3)
        sent = [each for each in site.emulator.requests if each.method == "POST"]
        assert [(each.path.rsplit("/", 1)[1], each.body["model"]) for each in sent] == [
            ("completions", "openai/gpt-5.2"),
            ("responses", "anthropic/claude-sonnet-4.6"),
            ("completions", "openai/gpt-5.2"),
        ]
        assert all(words in str(sent[2].body) for words in ("one", "One.", "two", "Two.", "three"))
    site.close()


def test_enter_never_allows_a_call(window: Window) -> None:
    """Wherever the focus is in the card, and with whatever is held down beside it."""
    site, page = window.site, window.page
    site.emulator.play(Reply([ORDER]), "As you like.")
    window.open()
    window.ask("Order prints")
    window.wait(".approval")
    for step in ("asked", "changed", "invalid"):
        if step == "changed":
            page.click(".approval >> text=Change")
        if step == "invalid":
            page.fill(".approval textarea[aria-label=copies]", "two")
        fields = page.locator(".approval input, .approval textarea")
        yes = page.locator(".approval .primary")
        for place in [page.locator(".approval"), yes, *fields.all()]:
            for key in ("Enter", "Shift+Enter", "Control+Enter", "Meta+Enter", "NumpadEnter"):
                place.focus()
                page.keyboard.press(key)
                assert page.locator(".approval").count() == 1
    assert len(site.emulator.posts) == 1
    # The held Enter that sent a message changes nothing either.
    window.ask("And now?")
    page.keyboard.press("Enter")
    assert site.ordered == []
    page.fill(".approval-reason", "too dear")
    page.click(".approval >> text=Don’t allow")
    window.wait(".answer >> text=As you like.")
    window.answered()
    for _ in range(2):
        # It is told the same when it is loaded again.
        window.wait(".call[data-state=output-denied] >> text=not allowed")
        page.click(".call summary")
        window.wait(".call-body >> text=too dear")
        assert "Kirkegata 12" in page.inner_text(".call-body")
        page.reload()
        window.answered()
    assert site.ordered == []


@pytest.mark.slow
def test_the_answer_before_a_retry_is_gone_back_to(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(Reply([Say("A first try."), FOX]), "A second try.", "Thanks.")
    window.open()
    window.ask("Draw a red fox")
    window.answered()
    page.hover(".answer")
    page.click("button[aria-label='Try again']")
    window.wait(".answer >> text=A second try.")
    window.answered()
    assert page.locator(".picture").count() == 0
    page.click(".menu summary")
    page.click(".menu button")
    window.wait(".answer >> text=A first try.")
    window.wait(".frame img.final.shown")
    assert "A second try." not in page.inner_text(".transcript")
    # It goes on from there, and the way back is there too.
    window.ask("Nice")
    window.answered(2)
    page.click(".menu summary")
    page.click(".menu button")
    window.wait(".answer >> text=A second try.")
    assert page.locator(".prompt").count() == 1
