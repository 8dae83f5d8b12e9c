"""A headless Chromium whose every request, to whatever host, comes to a server of the test that
writes it down.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

from tests.clock import GUARD

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
PAGE = "http://page.test/"

_OURS = {"html", "head", "meta", "title", "body", "section", "script", "pre", "main"}
_WATCH = """
<script>
const hits = [];
const pwned = window.pwned = n => { hits.push(String(n)); };
window.alert = window.confirm = window.prompt = pwned;
addEventListener("securitypolicyviolation", e => hits.push("policy " + e.blockedURI));
</script>
"""
_JUDGE = """
<script id=judge>
addEventListener("click", e => {
  const a = e.target.closest ? e.target.closest("a,area,form,button") : null;
  if (!a || !/^(javascript|vbscript):/i.test(a.href || a.action || a.formAction || "")) e.preventDefault();
}, true);
addEventListener("load", () => setTimeout(() => {
  const odd = [], hosts = [];
  const fired = ["mouseover", "mouseenter", "pointerover", "focus", "blur", "error", "load", "toggle", "animationstart", "click", "submit", "input", "change", "paste", "wheel"];
  const all = [...document.querySelectorAll("main *")];
  for (const e of all) {
    for (const a of e.attributes) {
      if (/^on/i.test(a.name)) odd.push(e.tagName + " " + a.name + "=" + a.value);
      if (/^(src|srcset|poster|data|background|action|formaction|ping|xlink:href|style|srcdoc|lowsrc|dynsrc)$/i.test(a.name)
          && !(e.tagName == "IMG" && a.name == "src" && a.value.startsWith("data:image/png;base64,"))
          && !(a.name == "style" && e.tagName == "IMG" && a.value == "max-width:100%;height:auto")
          && !(a.name == "style" && /^T[DH]$/.test(e.tagName) && /^text-align:(left|right|center)$/.test(a.value)))
        odd.push(e.tagName + " " + a.name + "=" + a.value);
    }
    if (e.tagName == "A" && e.hasAttribute("href") && !/^(https?|mailto):$/.test(e.protocol)) odd.push("A href=" + e.getAttribute("href"));
  }
  const tags = [...new Set([...document.querySelectorAll("*")].map(e => e.tagName.toLowerCase()))];
  for (const e of all) for (const name of fired) { try { e.dispatchEvent(new Event(name, {bubbles: true, cancelable: true})); } catch (x) {} }
  for (const e of all) { try { if (e.click) e.click(); if (e.focus) e.focus(); } catch (x) {} }
  setTimeout(() => {
    const result = document.createElement("pre");
    result.id = "result";
    result.textContent = JSON.stringify({hits, odd, tags, sections: document.querySelectorAll("main > section").length});
    document.body.append(result);
    document.querySelectorAll("main").forEach(e => e.remove());
  }, 300);
}, 300));
</script>
"""


@dataclass
class Recorder:
    """Answers `PAGE` with the page, and all else with nothing; keeps what it was asked."""

    page: bytes
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(0.2)
            self.port = listening.getsockname()[1]
            stop = threading.Event()
            thread = threading.Thread(target=self._accept, args=(listening, stop))
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()

    def _accept(self, listening: socket.socket, stop: threading.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listening.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(GUARD)
            head = b""
            while b"\r\n\r\n" not in head and (data := connection.recv(65_536)):
                head += data
                if not head[:1].isalpha():  # TLS: somebody wants a page by https
                    break
            host = re.search(rb"\r\nhost: ([^\r]*)", head, re.IGNORECASE)
            path = head.split(b" ", 2)[1].decode("latin-1") if head[:1].isalpha() else "(TLS)"
            where = f"{host[1].decode('latin-1') if host else ''}{path}"
            if where == "page.test/":
                status, body = "200 OK", self.page
            else:
                status, body = "404 Not Found", b""
                if head and where != "page.test/favicon.ico":
                    self.asked.append(where)
            connection.sendall(
                f"HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {len(body)}\r\n"
                f"connection: close\r\n\r\n".encode()
                + body
            )


@dataclass(frozen=True)
class Seen:
    """What came of a page."""

    hits: list[str]
    """What was executed."""
    asked: list[str]
    """What was loaded."""
    odd: list[str]
    """Attributes that could execute or load, and links that lead elsewhere than http, https and
    mailto.
    """
    tags: set[str]
    """Elements other than those of the frame."""
    sections: int


def page_of(fragments: list[str]) -> bytes:
    """A page without any policy, so that the escaping alone protects it."""
    body = "".join(f"<section>{each}</section>" for each in fragments)
    page = f"<!doctype html><html><head><meta charset=utf-8><title>x</title>{_WATCH}</head><body><main>{body}</main>{_JUDGE}</body></html>"
    return page.encode("utf-8", "replace")


def look(page: bytes, profile: Path) -> Seen:
    """Open a page made by `page_of`, fire every event at every element of it, and tell what came of
    it.
    """
    assert CHROMIUM is not None
    recorder = Recorder(page)
    with recorder.serving():
        # Chromium calls its maker too, whatever it is told: that host is not found.
        here = f"127.0.0.1:{recorder.port}"
        rules = f"MAP *.example {here},MAP page.test {here},MAP * ~NOTFOUND"
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
            f"--user-data-dir={profile}", f"--host-resolver-rules={rules}", "--autoplay-policy=no-user-gesture-required",
            "--virtual-time-budget=8000", "--timeout=30000", "--dump-dom", PAGE,
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=GUARD)
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the page did not come to its end: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    told: dict[str, Any] = json.loads(unescape(found[1]))
    return Seen(
        told["hits"], recorder.asked, told["odd"], set(told["tags"]) - _OURS, told["sections"]
    )
