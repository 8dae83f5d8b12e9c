"""Files on the page: attached, sent, shown as cards, kept by a click, and never shown by the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentkit.emulator import CallTool, Reply, Say
from tests.documents import pdf
from tests.web_page.conftest import LONG, Window
from tests.web_page.test_never_lost import notice

BIDI = "\u202e"
GIVE = """([kind, name, type, words]) => {
    const data = new DataTransfer();
    data.items.add(new File([words], name, {type}));
    const options = {bubbles: true, cancelable: true};
    document.querySelector('.composer textarea').dispatchEvent(kind === 'paste'
        ? new ClipboardEvent('paste', {clipboardData: data, ...options})
        : new DragEvent('drop', {dataTransfer: data, ...options}));
}"""


def attach(window: Window, name: str, data: bytes, kind: str = "application/pdf") -> None:
    """By the button."""
    files: Any = {"name": name, "mimeType": kind, "buffer": data}
    window.page.set_input_files(".composer input[type=file]", files)


def chips(window: Window, count: int) -> list[str]:
    window.until(
        "n => document.querySelectorAll('.chip.done').length == n"
        " && !document.querySelector('.chip.going')",
        count,
    )
    return [" ".join(each.split()) for each in window.page.locator(".chip").all_inner_texts()]


def cards(window: Window, inside: str) -> list[str]:
    found = window.page.locator(f"{inside} .file-card-text").all_inner_texts()
    return [" ".join(each.split()) for each in found]


def test_files_are_attached_sent_and_there_after_a_reload(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play("Read.")
    window.open()
    attach(window, "Bericht Größe.pdf", pdf(12))
    page.evaluate(GIVE, ["drop", "notes.md", "text/markdown", "# Rain"])
    page.evaluate(GIVE, ["paste", f"plan{BIDI}fdp.txt", "text/plain", "Monday: rain"])
    told = [
        f"Bericht Größe.pdf PDF · 12 pages · {len(pdf(12))} bytes",
        "notes.md MARKDOWN · 6 bytes",
    ]
    told.append("plan fdp.txt TEXT · 12 bytes")
    assert chips(window, 3) == told
    page.reload()
    assert chips(window, 3) == told, "a draft keeps them"
    named = [
        each.replace(kind, f"file_{number} · {kind}")
        for number, (each, kind) in enumerate(
            zip(told, ("PDF", "MARKDOWN", "TEXT"), strict=True), 1
        )
    ]
    window.ask("What is in them?")
    window.answered()
    window.until("() => document.querySelector('.prompt').innerText.includes('file_3')")
    assert cards(window, ".prompt") == named
    page.reload()
    window.answered()
    assert cards(window, ".prompt") == named
    assert page.locator(".prompt img").count() == 0
    with page.expect_download(timeout=LONG) as kept:
        page.click("[aria-label='Download Bericht Größe.pdf']")
    assert kept.value.suggested_filename == "Bericht Größe.pdf"
    assert Path(kept.value.path()).read_bytes() == pdf(12)


def test_files_of_a_tool_are_cards_to_keep(window: Window) -> None:
    site, page = window.site, window.page
    site.emulator.play(
        Reply([Say("I write it."), CallTool("report", {"title": "rain"})]), "There it is."
    )
    window.open()
    window.ask("Write a report")
    window.answered()
    told = ["rain.html file_1 · HTML · 68 bytes", "rain.csv file_2 · CSV · 18 bytes"]
    assert cards(window, ".answer") == told
    page.reload()
    window.answered()
    assert cards(window, ".answer") == told
    with page.expect_download(timeout=LONG) as kept:
        page.click("[aria-label='Download rain.html']")
    assert kept.value.suggested_filename == "rain.html"
    address = page.evaluate(
        "async () => { const {messages} = await (await fetch('api/chat/' + location.hash.slice(1))).json();"
        " return messages[1].parts.find(({type}) => type === 'file').url }"
    )
    # An address that somebody is lured to is no page either: the browser keeps what is behind it.
    with page.expect_download(timeout=LONG) as again:
        page.evaluate("url => { location.href = url }", address)
    assert again.value.suggested_filename == "rain.html"
    assert page.evaluate("window.broken") is None


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        (
            "log-in.pdf",
            b"<!doctype html><p>Log in",
            "it is no PDF, as its name says, but text/html",
        ),
        ("empty.txt", b"", "empty.txt is empty"),
        ("secret.pdf", pdf(1, trailer=b" /Encrypt 5 0 R"), "the PDF is encrypted"),
    ],
)
def test_what_no_model_reads_is_said(window: Window, name: str, data: bytes, words: str) -> None:
    window.open()
    attach(window, name, data)
    assert words in notice(window)
    window.until("() => !document.querySelector('.chip')")


def test_half_a_gigabyte_is_refused_before_it_is_sent(window: Window) -> None:
    page = window.page
    window.open()
    page.evaluate(
        "() => { const big = new File(['%PDF-1.7'], 'big.pdf', {type: 'application/pdf'});"
        " Object.defineProperty(big, 'size', {value: 500 * 1024 * 1024});"
        " const data = new DataTransfer(); const drop = new DragEvent('drop', {cancelable: true});"
        " data.items.add(big);"
        " Object.defineProperty(drop, 'dataTransfer', {value: {types: ['Files'], files: [big]}});"
        " document.body.dispatchEvent(drop); window.dispatchEvent(drop); }"
    )
    assert "big.pdf has 524 MB, more than 105 MB" in notice(window)
    assert page.locator(".chip").count() == 0
