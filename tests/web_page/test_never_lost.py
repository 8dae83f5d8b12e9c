"""What goes wrong beside a conversation is said, and nothing of it is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agentkit.emulator import CallTool, Draw, Reply, Say
from tests.clock import GUARD
from tests.conftest import picture, spread
from tests.web_page.conftest import LONG, Site, Window, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCRIPT = Reply(
    [Say("Drawing."), Draw("a fox", size=(64, 64)), CallTool("look_up", {"words": "fox"})]
)
GIVE = """([kind, files]) => {
    const data = new DataTransfer();
    for (const [name, type, size] of files)
        data.items.add(new File([new Uint8Array(size)], name, {type}));
    document.querySelector('.composer textarea').dispatchEvent(
        new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


def drop(window: Window, *files: tuple[str, str, int]) -> None:
    """Drops files of these names, types and sizes, all of zeros."""
    window.page.evaluate(GIVE, ["drop", [list(each) for each in files]])


def notice(window: Window) -> str:
    window.wait(".notice")
    return " ".join(window.page.locator(".notice").all_inner_texts())


def test_a_reload_in_mid_answer_goes_on_where_it_was(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(SCRIPT, "Done.")
    window.open()
    window.ask("Draw a fox")
    assert site.gate.reached.wait(GUARD)
    window.wait(".frame img.final.shown")
    page.reload()
    window.wait(".frame img.final.shown")
    assert page.inner_text(".bubble") == "Draw a fox"
    assert "Drawing." in page.inner_text(".answer")
    assert page.is_visible("button[aria-label='Stop the answer']")
    site.gate.opened.set()
    window.answered()
    assert "Done." in page.inner_text(".answer")
    assert page.locator(".answer, .prompt").count() == 2
    assert len(site.emulator.posts) == 2


@pytest.mark.slow
def test_a_phone_that_slept_in_mid_answer_catches_up(window: Window) -> None:
    """Its connection is silent for longer than the server ever is."""
    site, page = window.site, window.page
    site.emulator.play(SCRIPT, "Done.")
    page.clock.install()
    window.open()
    window.ask("Draw a fox")
    assert site.gate.reached.wait(GUARD)
    window.wait(".answer >> text=Drawing.")
    with page.expect_request("**/stream", timeout=LONG):
        page.clock.fast_forward(60_000)
        page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
        page.clock.run_for(5_000)
    site.gate.opened.set()
    window.until("() => document.querySelector('.answer').innerText.includes('Done.')")
    assert page.locator(".answer, .prompt").count() == 2
    assert len(site.emulator.posts) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "kept"),
    [
        ((8000, 5000), (8000, 5000)),
        pytest.param((10_000, 4000), (8192, 3277), id="a side too long"),
    ],
)
def test_a_picture_of_forty_megapixels_is_taken_and_shown_small(
    window: Window, size: tuple[int, int], kept: tuple[int, int]
) -> None:
    """It goes to the model as it is, or made smaller where a side is longer than models take. The
    page loads a smaller one.
    """
    site, page = window.site, window.page
    site.emulator.play("Seen.")
    window.open()
    large = {"name": "large.png", "mimeType": "image/png", "buffer": picture("red", size=size)}
    page.set_input_files(".composer input[type=file]", large)
    window.wait(".chip.done")
    window.ask("Look")
    window.answered()
    assert page.locator(".notice").count() == 0
    shown = page.wait_for_selector(".prompt img.final.shown", timeout=LONG)
    assert shown is not None
    assert shown.evaluate("each => each.naturalWidth") <= 1536
    assert [int(shown.get_attribute(name) or 0) for name in ("width", "height")] == list(kept)
    sent = str(site.emulator.requests[-1].body)
    assert "data:image/" in sent


def test_what_was_not_sent_survives_a_reload(window: Window) -> None:
    page = window.page
    window.open()
    page.fill(".composer textarea", "Half a thou")
    page.reload()
    window.until("() => document.querySelector('.composer textarea').value == 'Half a thou'")


def test_a_server_that_went_away_is_tried_again(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play("One.", "Two.", "Three.")
    window.open()
    window.ask("one")
    window.answered()
    site.stop()
    window.ask("two")
    window.wait(".banner:not([hidden]) >> text=cannot be reached")
    assert "two" in page.inner_text(".prompt >> nth=1")
    site.start()
    page.click(".banner >> text=Try now")
    window.until("() => document.body.innerText.includes('Two.')")
    window.answered(2)
    assert not page.is_visible(".banner")
    assert page.locator(".prompt").count() == 2
    assert len(site.emulator.posts) == 2


@pytest.mark.slow
def test_a_message_to_a_server_that_is_away_is_given_back_after_a_reload(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play("One.")
    window.open()
    window.ask("one")
    window.answered()
    site.stop()
    window.ask("two")
    window.wait(".banner:not([hidden])")
    site.start()
    page.reload()
    window.until("() => document.querySelector('.composer textarea').value == 'two'")
    assert "was not sent" in notice(window)
    assert page.locator(".prompt").count() == 1


@pytest.mark.slow
def test_a_second_tab_catches_up_when_it_is_looked_at(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play("One.", "Two.")
    window.open()
    window.ask("one")
    window.answered()
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(".answer >> text=One.")
    window.ask("two")
    window.answered(2)
    assert other.locator(".answer").count() == 1
    other.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    other.wait_for_selector(".answer >> text=Two.")
    other.close()


@pytest.mark.slow
def test_a_conversation_that_was_deleted_elsewhere_is_said(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play("One.")
    window.open()
    window.ask("one")
    window.answered()
    page.evaluate(
        "() => fetch(`api/chat/${location.hash.slice(1)}`, {method: 'DELETE'}).then(each => each.status)"
    )
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    window.wait(".banner:not([hidden]) >> text=is not there any more")
    # What was read stays until one leaves it.
    assert "One." in page.inner_text(".answer")
    page.click(".banner >> text=New conversation")
    window.until("() => !document.querySelector('.answer')")


def test_a_turn_in_another_tab_refuses_a_second_message_and_gives_it_back(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(SCRIPT, "Done.")
    window.open()
    window.ask("Draw a fox")
    assert site.gate.reached.wait(GUARD)
    status = page.evaluate(
        """() => fetch('api/chat', {method: 'POST', headers: {'content-type': 'application/json'},
            body: JSON.stringify({id: location.hash.slice(1), messages: [{id: 'a', role: 'user', parts: [{type: 'text', text: 'b'}]}]})})
            .then(each => each.status)"""
    )
    assert status == 409
    site.gate.opened.set()
    window.answered()
    assert page.locator(".prompt").count() == 1


@pytest.mark.parametrize(
    ("files", "words"),
    spread(
        [
            ([("a.pdf", "application/pdf", 10)], "a.pdf: This cannot be used: it is no PDF"),
            ([("none.png", "image/png", 0)], "none.png is empty"),
            ([("big.png", "image/png", 21 << 20)], "big.png has 22 MB"),
            ([("none.pdf", "application/pdf", 0)], "none.pdf is empty"),
            ([("zeros.png", "image/png", 5000)], "zeros.png"),
        ],
        2,
    ),
)
def test_what_cannot_be_used_is_refused_with_words(window: Window, files: Any, words: str) -> None:
    window.open()
    drop(window, *files)
    assert words in notice(window)
    window.until("() => !document.querySelector('.chip')")


@pytest.mark.slow
def test_two_hundred_files_are_not_all_taken(window: Window) -> None:
    page = window.page
    window.open()
    many = [(f"{number}.txt", "text/plain", 0) for number in range(200)]
    drop(window, *many)
    words = notice(window)
    assert "0.txt is empty" in words
    assert "197 more files of 200" in words
    page.set_input_files(
        ".composer input[type=file]",
        [
            {"name": f"{number}.png", "mimeType": "image/png", "buffer": picture()}
            for number in range(20)
        ],
    )
    window.until("() => document.querySelectorAll('.chip.done').length == 16")
    assert "4 of 20 were left out" in notice(window)


@pytest.mark.slow
def test_a_megabyte_of_text_is_pasted_sent_and_read(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play("Long.")
    window.open()
    words = "All work and no play. " * 46_000
    page.fill(".composer textarea", "Read this:")
    page.evaluate(
        "text => { const data = new DataTransfer(); data.setData('text/plain', text);"
        " document.querySelector('.composer textarea').dispatchEvent("
        "new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})); }",
        words,
    )
    assert page.inner_text(".chip-name") == "Text of 1,012,000 characters"
    page.click("button[aria-label='Send']")
    window.answered()
    assert page.locator(".bubble").count() == 1
    assert len(page.inner_text(".bubble")) < 2000
    assert "Long." in page.inner_text(".answer")
    assert page.input_value(".composer textarea") == ""
    assert page.locator(".chip").count() == 0
    sent = str(site.emulator.requests[-1].body)
    assert "Read this:" in sent
    assert len(sent) > len(words) * 0.99


@pytest.mark.slow
def test_emoji_and_writing_from_the_right_are_kept(window: Window) -> None:
    site, page = window.site, window.page
    words = "ارسم ثعلبًا 🦊👩‍👩‍👧 שועל\nzwei"
    site.emulator.play("ثعلب")
    window.open()
    page.fill(".composer textarea", words)
    page.press(".composer textarea", "Enter")
    window.answered()
    assert page.inner_text(".bubble") == words
    assert page.get_attribute(".bubble", "dir") == "auto"
    assert (
        page.eval_on_selector(".answer .markdown p", "each => getComputedStyle(each).direction")
        == "rtl"
    )


@pytest.mark.slow
def test_a_wrong_clock_changes_no_day(chromium: Browser, site: Site) -> None:
    site.emulator.play("One.")
    context = chromium.new_context(service_workers="block")
    broken: list[str] = []
    watched(context, site, broken)
    page = context.new_page()
    page.clock.install(time="2001-01-01T00:00:00Z")
    window = Window(page, site)
    window.open()
    window.ask("one")
    page.clock.run_for(5000)
    window.wait(".chats h2 >> text=Today")
    context.close()
    assert broken == []


@pytest.mark.slow
def test_the_page_opens_without_a_network(chromium: Browser, site: Site) -> None:
    """The service worker keeps the page itself, and nothing that was said."""
    context = chromium.new_context(service_workers="allow")
    page = context.new_page()
    window = Window(page, site)
    site.emulator.play("A secret.")
    window.open()
    window.ask("one")
    window.answered()
    page.wait_for_function("() => navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    window.answered()
    kept = page.evaluate(
        "async () => (await (await caches.open('agentkit-page')).keys()).map(each => new URL(each.url).pathname)"
    )
    assert sorted(kept) == [
        "/",
        "/page/app.webmanifest",
        "/page/icon.svg",
        "/page/page.css",
        "/page/page.js",
    ]
    site.stop()
    page.goto(site.url)
    window.wait(".composer textarea")
    assert "cannot be reached" in page.inner_text("body")
    site.start()
    context.close()
