"""A conversation on the page: words, pictures, tools, and what can be done with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.emulator import CallTool, Draw, Failure, Reply, Say, Think
from tests.clock import GUARD
from tests.conftest import picture
from tests.web_page.conftest import Window

PICTURE = Draw("a red fox", size=(96, 64), preview_count=2)


def test_an_answer_comes_as_it_is_written(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(
        Reply([Think("Hm."), Say("Let me see."), CallTool("look_up", {"words": "red foxes"})]),
        Reply(
            [
                Say(
                    "They are **red**, see https://example.org/fox.\n\n| a | b |\n|---|---|\n| 1 | 2 |"
                )
            ]
        ),
    )
    window.open()
    assert page.url == site.url
    assert page.inner_text(".hello")
    window.ask("What are red foxes?")
    assert site.gate.reached.wait(GUARD)
    # The answer is in the page while its tool is at work.
    window.wait(".answer >> text=Let me see.")
    window.wait(".call[data-state=input-available] >> text=red foxes")
    assert page.is_visible("button[aria-label='Stop the answer']")
    assert page.input_value(".composer textarea") == ""
    site.gate.opened.set()
    window.answered()
    # What a picture costs is told before one is asked for.
    window.wait(".picture-price >> text=a picture")
    assert page.inner_text(".answer strong") == "red"
    assert page.get_attribute(".answer a", "href") == "https://example.org/fox"
    assert page.get_attribute(".answer a", "rel") == "noopener noreferrer nofollow"
    assert page.inner_text(".answer td >> nth=1") == "2"
    page.click(".call:not(.reasoning) summary")
    window.wait(".call:not(.reasoning) >> text=Found: red foxes.")
    page.click(".reasoning summary")
    # It has an address of its own, a place in the list, and is the same when it is loaded again.
    window.wait(".chats a[aria-current]")
    window.wait(".reasoning >> text=Hm.")
    before = page.inner_text(".answer-body")
    page.reload()
    window.answered()
    page.click(".call:not(.reasoning) summary")
    page.click(".reasoning summary")
    window.until("text => document.querySelector('.answer-body').innerText == text", before)


ADDRESSES = {
    "https://münchen.de/ä b?ü=[1]#ß": "https://xn--mnchen-3ya.de/%C3%A4%20b?%C3%BC=%5B1%5D#%C3%9F",
    "https://a:ü@Example.org:8443/x%2fy%41%zz": "https://a:%C3%BC@example.org:8443/x%2fy%41%25zz",
    "http://[::1]:80/[x]": "http://[::1]:80/%5Bx%5D",
    "mailto:ä@münchen.de?subject=ü": "mailto:%C3%A4@xn--mnchen-3ya.de?subject=%C3%BC",
    "//münchen.de/x": None,
    "/x": None,
    "javascript:ü": None,
}
READ = {
    "https://example.org/%C3%A4%20%2f%25%41": "https://example.org/ä %2F%25A",
    "https://example.org/%E2%82%F5%80%80%80%ED%A0%80%e4": "https://example.org/" + "\ufffd" * 10,
    "https://xn--mnchen-3ya.de": "https://xn--mnchen-3ya.de",
}


@pytest.mark.slow
def test_addresses_are_escaped_where_they_lead_and_read_where_they_are_shown(
    window: Window,
) -> None:
    page = window.page
    links = "\n\n".join(f"[{at}](<{each}>)" for at, each in enumerate(ADDRESSES))
    window.site.emulator.play(links + "\n\n" + "\n\n".join(f"<{each}>" for each in READ))
    window.open()
    window.ask("Where?")
    window.answered()
    found = page.eval_on_selector_all(
        ".answer a", "all => all.map(each => [each.textContent, each.getAttribute('href')])"
    )
    hrefs = [[str(at), href] for at, href in enumerate(ADDRESSES.values())]
    # A scheme that runs something makes no link at all.
    assert found[:6] == hrefs[:6]
    assert "[6](<javascript:ü>)" in page.inner_text(".answer")
    assert [text for text, _ in found[6:]] == list(READ.values())


def test_a_picture_is_drawn_in_its_place(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(
        Reply([Say("Before."), PICTURE, CallTool("look_up", {"words": "fox"})]),
        Reply([Say("After.")]),
    )
    window.open()
    window.ask("Draw a red fox")
    window.wait(".frame img.final.shown")
    assert page.get_attribute(".frame img.final", "alt")
    # It can be seen while the turn goes on, and stands between the words.
    site.gate.opened.set()
    window.answered()
    kinds = page.eval_on_selector_all(
        ".answer-body > *", "all => all.map(each => each.className).filter(name => name != 'call')"
    )
    assert kinds == ["markdown", "pictures", "markdown"]
    assert "img_1" in page.inner_text(".picture figcaption")
    width, height = page.eval_on_selector(".frame", "each => [each.clientWidth, each.clientHeight]")
    assert abs(width / height - 96 / 64) < 0.05


def test_a_picture_is_looked_at_kept_and_used_again(window: Window, tmp_path: Path) -> None:
    site, page = window.site, window.page
    site.emulator.play(PICTURE, "A hat, then.")
    window.open()
    window.ask("Draw a red fox")
    window.answered()
    page.click(".gallery-button")
    window.wait(".gallery h2 >> text=1 picture")
    page.click(".gallery .thumb")
    window.wait(".lightbox[open] img.large")
    assert "96 × 64" in page.inner_text(".lightbox-side")
    with page.expect_download() as download:
        page.click(".lightbox >> text=Download >> nth=0")
    download.value.save_as(tmp_path / "kept")
    assert download.value.suggested_filename.startswith("img_1")
    assert download.value.suggested_filename.endswith(".png")
    assert (tmp_path / "kept").read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as download:
        page.click(".lightbox >> text=Its prompt as a file")
    download.value.save_as(tmp_path / "prompt")
    assert "a red fox" in (tmp_path / "prompt").read_text()
    page.click(".lightbox >> text=Use as reference")
    assert page.inner_text(".chip-name") == "img_1"
    assert not page.is_visible(".lightbox")
    window.ask("Put a hat on it")
    window.answered(2)
    assert page.locator(".prompt .frame img").count() == 1
    sent = str(site.emulator.requests[-1].body)
    assert "image_url" in sent or "input_image" in sent


@pytest.mark.slow
def test_a_picture_is_compared_with_what_it_was_made_from(window: Window) -> None:
    site, page = window.site, window.page
    again = CallTool("redraw", {"picture": "img_1", "words": "a red fox with a hat"})
    site.emulator.play(PICTURE, Reply([again]), "It has a hat.")
    window.open()
    window.ask("Draw a red fox")
    window.answered()
    window.ask("Put a hat on it")
    window.answered(2)
    assert "from img_1" in page.inner_text(".answer >> nth=1 >> figcaption")
    page.click(".gallery-button")
    window.wait(".lineage li li >> text=img_2")
    page.hover(".answer >> nth=1 >> .frame")
    page.click("button[aria-label='Compare img_2 with img_1']")
    window.wait(".lightbox[open] .comparison img.over")
    page.focus(".comparison input")
    before = page.eval_on_selector(".comparison", "each => each.style.getPropertyValue('--cut')")
    page.keyboard.press("ArrowLeft")
    after = page.eval_on_selector(".comparison", "each => each.style.getPropertyValue('--cut')")
    assert (before, after) == ("50%", "49%")
    page.click(".lightbox-parents button")
    window.wait(".lightbox[open] img.large")
    page.keyboard.press("ArrowLeft")
    window.wait(".lightbox h2 >> text=img_1")


def test_a_turn_is_stopped_and_keeps_what_came(window: Window) -> None:
    site, page = window.site, window.page
    call = CallTool("look_up", {"words": "foxes"})
    site.emulator.play(Reply([Say("One sentence came."), call]), "Another answer.")
    window.open()
    window.ask("Tell me")
    window.wait(".answer >> text=One sentence came.")
    assert site.gate.reached.wait(GUARD)
    page.click("button[aria-label='Stop the answer']")
    window.answered()
    assert "One sentence came." in page.inner_text(".answer")
    assert "You stopped this answer." in page.inner_text(".answer .note")
    window.ask("And now?")
    window.answered(2)
    assert "Another answer." in page.inner_text(".answer >> nth=1")


def test_an_error_is_said_and_tried_again(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(Failure("Insufficient credits", 402), "Here it is.")
    window.open()
    window.ask("Tell me")
    window.wait(".note.error")
    assert page.get_attribute(".note.error", "role") == "alert"
    page.click(".note.error button")
    window.until("() => document.body.innerText.includes('Here it is.')")
    window.answered()
    assert page.locator(".prompt").count() == 1
    assert page.locator(".note.error").count() == 0


def test_a_call_waits_for_a_yes_which_enter_never_is(window: Window) -> None:
    site, page = window.site, window.page
    call = CallTool("order_prints", {"address": "Kirkegata 12\u202e", "copies": 3})
    site.emulator.play(Reply([Say("I can order."), call]), "Ordered.")
    window.open()
    window.ask("Order prints")
    window.wait(".approval")
    # What would be hidden is named.
    assert "Kirkegata 12⟨U+202E⟩" in page.inner_text(".approval dl")
    page.press(".approval >> text=Allow >> nth=0", "Enter")
    window.ask("And one more thing")
    window.wait(".notice >> text=order_prints waits for your decision")
    assert "accepted" not in page.inner_text(".notice")
    assert page.input_value(".composer textarea") == "And one more thing"
    assert not page.is_visible(".answer button[aria-label='Try again']")
    page.focus(".approval-reason")
    page.keyboard.press("Enter")
    assert page.locator(".approval").count() == 1
    assert site.ordered == []
    page.click(".approval >> text=Change")
    page.fill(".approval textarea[aria-label=copies]", "two")
    page.click(".approval >> text=Allow >> nth=0")
    assert "“copies” must be a number" in page.inner_text(".approval-problem")
    page.fill(".approval textarea[aria-label=copies]", "2")
    page.fill(".approval textarea[aria-label=address]", "Storgata 1")
    page.click(".approval >> text=Allow >> nth=0")
    window.until("() => document.body.innerText.includes('Ordered.')")
    window.answered()
    assert site.ordered == [("Storgata 1", 2)]
    assert page.locator(".answer").count() == 1


def test_a_tool_asks_one_thing_after_the_other(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(CallTool("book", {"day": "Mon"}), "Booked.")
    window.open()
    window.ask("Book a table")
    window.wait(".approval >> text=For how many⟨U+202E⟩?")
    page.reload()
    window.wait(".approval >> text=For how many⟨U+202E⟩?")
    page.click(".approval >> text=Answer >> nth=0")
    assert "“guests” must be filled in" in page.inner_text(".approval-problem")
    page.fill(".approval input[aria-label=Guests]", "none")
    page.click(".approval button.primary")
    assert "“guests” must be a whole number" in page.inner_text(".approval-problem")
    page.fill(".approval input[aria-label=Guests]", "3")
    page.select_option(".approval select", label="Outside")
    page.click(".approval button.primary")
    window.wait(".approval >> text=Really?")
    page.click(".approval >> text=Don’t answer")
    window.until("() => document.body.innerText.includes('Booked.')")
    window.answered()
    sent = str(site.emulator.requests[-1].body)
    assert "Mon: {'guests': 3, 'seat': 'out'}, None" in sent


@pytest.mark.slow
def test_a_no_says_why(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(CallTool("order_prints", {"address": "A", "copies": 3}), "As you like.")
    window.open()
    window.ask("Order prints")
    window.wait(".approval")
    page.reload()
    window.wait(".approval")
    page.fill(".approval-reason", "too dear")
    page.click(".approval >> text=Don’t allow")
    window.until("() => document.body.innerText.includes('As you like.')")
    window.answered()
    assert site.ordered == []
    assert "too dear" in str(site.emulator.requests[-1].body)
    assert page.get_attribute(".call", "data-state") == "output-denied"


def test_a_prompt_is_edited_in_a_branch(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play("First.", "Second.", "Third.", "Second again.")
    window.open()
    window.ask("one")
    window.answered(1)
    window.ask("two")
    window.answered(2)
    first = page.url
    page.hover(".prompt >> nth=1")
    page.click(".prompt >> nth=1 >> button[aria-label='Edit as a new branch']")
    page.fill(".edit textarea", "two, but otherwise")
    page.click("text=Send in a new branch")
    window.until("() => document.body.innerText.includes('Third.')")
    window.answered(2)
    assert page.url != first
    assert [each.strip() for each in page.locator(".bubble").all_inner_texts()] == [
        "one",
        "two, but otherwise",
    ]
    page.click(".menu summary")
    page.click(".menu button")
    window.until("() => document.body.innerText.includes('Second.')")
    assert page.url == first
    assert "Third." not in page.inner_text(".transcript")
    # Trying again keeps the answer that was there, as a branch.
    page.click(".answer >> nth=1 >> button[aria-label='Try again']")
    window.until("() => document.body.innerText.includes('Second again.')")
    window.answered(2)
    assert page.locator(".prompt").count() == 2
    page.click(".menu summary")
    assert page.locator(".menu button").count() == 2


def test_conversations_are_found_named_and_deleted(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play("A.", "B.")
    window.open()
    window.ask("about zebras")
    window.answered()
    page.click("text=New conversation >> visible=true")
    window.until("() => document.querySelectorAll('.answer').length == 0")
    window.ask("about ostriches")
    window.answered()
    window.until("() => document.querySelectorAll('.chats a').length == 2")
    page.fill(".search input", "zebra")
    window.until("() => document.querySelectorAll('.chats a').length == 1")
    page.click(".chats a")
    window.wait(".bubble >> text=about zebras")
    page.fill(".search input", "")
    window.until("() => document.querySelectorAll('.chats a').length == 2")
    page.hover(".chat-row:has([aria-current])")
    page.click(".chat-row:has([aria-current]) >> button[aria-label^=Rename]")
    page.fill(".chat-row input", "Stripes")
    page.keyboard.press("Enter")
    window.wait("h1 >> text=Stripes")
    page.reload()
    window.wait(".chats >> text=Stripes")
    page.hover(".chat-row:has([aria-current])")
    page.click(".chat-row:has([aria-current]) >> button[aria-label^=Delete]")
    page.click(".confirm .danger")
    window.until("() => document.querySelectorAll('.chats a, .bubble').length == 1")


def test_pictures_are_attached_by_button_paste_and_drop(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play("Three.")
    window.open()
    page.set_input_files(
        ".composer input[type=file]",
        {"name": "picked.png", "mimeType": "image/png", "buffer": picture("red")},
    )
    script = """([kind, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], kind + '.png', {type: 'image/png'}));
        const box = document.querySelector('.composer textarea');
        if (kind == 'paste') box.dispatchEvent(new ClipboardEvent(kind, {clipboardData: data, bubbles: true, cancelable: true}));
        else box.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(script, ["paste", list(picture("green"))])
    page.evaluate(script, ["drop", list(picture("blue"))])
    window.until("() => document.querySelectorAll('.chip.done').length == 3")
    page.reload()
    window.until("() => document.querySelectorAll('.chip.done').length == 3")
    window.ask("How many?")
    window.answered()
    window.until("() => document.querySelectorAll('.prompt img.final.shown').length == 3")
    assert page.locator(".chip").count() == 0
    assert str(site.emulator.requests[-1].body).count("image") >= 3
