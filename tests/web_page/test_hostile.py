"""Whatever a model writes, or is made to write, runs nothing and loads nothing."""

from __future__ import annotations

import pytest

from agentkit.emulator import CallTool, Reply, Say, Think
from tests.security.texts import HTML, LOAD
from tests.web_page.conftest import Window

SHOWN = """() => {
    const odd = [];
    const fine = new Set('A BLOCKQUOTE BR BUTTON CODE DIV EM H1 H2 H3 H4 H5 H6 HR LI OL P PRE S SPAN STRONG TABLE TBODY TD TH THEAD TR UL svg path'.split(' '));
    for (const each of document.querySelectorAll('.markdown *'))
        if (!fine.has(each.tagName)) odd.push(each.outerHTML);
    for (const each of document.querySelectorAll('*')) {
        for (const {name, value} of each.attributes) {
            if (name.startsWith('on') || name == 'style' && each.closest('.markdown, .call, .sources, .bubble') || ['srcset', 'srcdoc', 'action', 'formaction', 'ping', 'poster', 'background', 'xlink:href'].includes(name))
                odd.push(`${each.tagName} ${name}=${value}`);
        }
        if (each.src && !each.src.startsWith(location.origin)) odd.push(each.outerHTML);
        if (each.tagName == 'A' && each.hasAttribute('href') && !/^(https?|mailto):$/.test(each.protocol)) odd.push(each.outerHTML);
        if (each.tagName == 'A' && /^https?:$/.test(each.protocol) && each.origin != location.origin && each.rel != 'noopener noreferrer nofollow') odd.push(each.outerHTML);
    }
    document.querySelectorAll('details').forEach(each => each.open = true);
    for (const each of document.querySelectorAll('.markdown *, .call *'))
        for (const kind of ['mouseover', 'focus', 'error', 'load', 'animationstart', 'toggle'])
            each.dispatchEvent(new Event(kind));
    return odd;
}"""
STEP = "() => { const box = document.querySelector('.scroller'); box.scrollTop += 700; return box.scrollTop + box.clientHeight >= box.scrollHeight - 2; }"


def sayable(text: str) -> bool:
    """A lone surrogate is no text that JSON can carry in UTF-8."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


@pytest.mark.parametrize("step", [16, pytest.param(1, marks=pytest.mark.slow)])
def test_no_text_runs_or_loads_anything(window: Window, step: int) -> None:
    site, page = window.site, window.page
    texts = [text for text in HTML if sayable(text)]
    assert len(texts) >= 100
    texts = texts[::step]
    site.gate.opened.set()
    cited = {"url": f'{LOAD}"onmouseover=pwned(1)', "title": texts[0]}
    site.talk(
        "hostile",
        (
            (
                text,
                [
                    Reply([Think(text), Say(text), CallTool("look_up", {"words": text})]),
                    Reply(
                        [
                            Say(
                                f"{text} ",
                                annotations=[cited, {**cited, "url": "javascript:pwned(1)"}],
                            )
                        ]
                    ),
                ],
            )
            for text in texts
        ),
    )
    page.add_init_script("window.pwned = number => agentkitBroken(`ran ${number}`);")
    window.open()
    page.goto(f"{site.url}#hostile")
    window.wait(".answer")
    page.evaluate("() => document.querySelector('.scroller').scrollTop = 0")
    seen: set[str] = set()
    for _ in range(2000):
        window.until("() => document.querySelectorAll('.slot:has(.answer)').length > 1")
        assert page.evaluate(SHOWN) == []
        seen |= set(
            page.eval_on_selector_all(
                ".slot:has(.answer)", "all => all.map(each => each.dataset.id)"
            )
        )
        if page.evaluate(STEP) and len(seen) >= len(texts):
            break
    assert len(seen) == len(texts)
    # And as they are written: the list, the title, and a live answer.
    site.emulator.play("\n\n".join(texts))
    window.ask("All of them")
    window.until(
        "() => !document.querySelector('.streaming') && document.body.innerText.includes('All of them')"
    )
    assert page.evaluate(SHOWN) == []
