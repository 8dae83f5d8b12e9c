"""Whatever the head of a request says: it is judged, and what is let in has what it takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentkit._access import Head, Site
from agentkit.web.access import (
    Access,
    cookie_name,
    cookie_value,
    is_open,
    refused_address,
    refused_body,
    refused_person,
)

TOKEN = "a-token-that-a-test-has-chosen"
ACCESS = Access((Site("https", "chat.example.org"), Site("http", "box.local:81")), TOKEN)
OURS = {
    "127.0.0.1:8080": "http://127.0.0.1:8080",
    "localhost:8080": "http://localhost:8080",
    "[::1]:8080": "http://[::1]:8080",
    "chat.example.org": "https://chat.example.org",
    "box.local:81": "http://box.local:81",
}
PIECES = [*OURS, *OURS.values(), "evil.example", "null", "", "same-origin", "cross-site", "none"]
PIECES += [f"Bearer {TOKEN}", TOKEN, "application/json", "image/png", "text/plain", "navigate"]
PIECES += [f"agentkit_{port}={cookie_value(TOKEN)}" for port in (8080, 443, 81, 80)]
NAMES = ["host", "origin", "cookie", "authorization", "content-type", "content-length"]
NAMES += ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "transfer-encoding", "x-any"]
VALUES = st.one_of(
    st.sampled_from(PIECES),
    st.tuples(
        st.sampled_from(PIECES),
        st.sampled_from([", ", "; ", " ", "x", "."]),
        st.sampled_from(PIECES),
    ).map("".join),
    st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=40),
)
PATHS = st.sampled_from(
    ["", "/", "/api/chat", "/api/chats", "/api/images", "/images/x", "/page/a.js"]
)
HEADS = st.builds(
    Head,
    method=st.one_of(
        st.sampled_from(["GET", "HEAD", "POST", "PATCH", "DELETE"]), st.text(max_size=9)
    ),
    path=PATHS,
    scheme=st.sampled_from(["http", "https", "ws", ""]),
    port=st.sampled_from([8080, 80, 443, None]),
    headers=st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=9).map(tuple),
)


@given(HEADS)
def test_what_is_let_in_has_what_it_takes(head: Head) -> None:
    if refused_address(head, ACCESS) or refused_person(head, ACCESS) or refused_body(head):
        return
    (host,) = head.all("host")
    assert host.lower() in {*OURS, "127.0.0.1", "localhost", "[::1]"} or host.endswith(
        (":80", ":443")
    )
    has_cookie = any(cookie_value(TOKEN) in each for each in head.all("cookie"))
    has_token = any(TOKEN in each for each in head.all("authorization"))
    assert has_cookie or has_token
    named = {site.origin for site in ACCESS.sites}
    allowed = {f"http://{host.lower()}", f"https://{host.lower()}"} | named
    assert set(head.all("origin")) <= allowed
    if head.method not in {"GET", "HEAD"}:
        assert head.method in {"POST", "PATCH", "DELETE"}
        assert head.all("origin") or head.all("sec-fetch-site") == ["same-origin"] or has_token
        kinds = [each.partition(";")[0].strip().lower() for each in head.all("content-type")]
        is_picture = head.path == "/api/images" and kinds[0].startswith("image/")
        assert kinds in ([], ["application/json"]) or is_picture
        assert kinds or head.method == "DELETE"


@given(st.sampled_from(sorted(OURS)), st.sampled_from(["POST", "PATCH", "DELETE", "GET"]), HEADS)
def test_what_is_right_is_let_in(host: str, method: str, other: Head) -> None:
    """Headers that say nothing of this do not keep anybody out."""
    origin = OURS[host]
    site = Site(*origin.split("://"))
    rest = [each for each in other.headers if each[0] == "x-any"]
    headers = (
        ("host", host),
        ("origin", origin),
        ("cookie", f"a=b; {cookie_name(site)}={cookie_value(TOKEN)}"),
        ("content-type", "application/json"),
        *rest,
    )
    head = Head(method, "/api/chat/x", "http", 8080, headers)
    assert not refused_address(head, ACCESS)
    assert not refused_person(head, ACCESS)
    assert not refused_body(head)
    assert not is_open(head)
