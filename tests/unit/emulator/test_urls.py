"""Temporary image URLs: they live on the emulator's own origin, and die."""

import time

from agentkit.emulator import Draw, Emulator, Reply


def link_of(wire, png: bytes, form: str = "png") -> str:
    wire.emulator.play(Reply([Draw("a fox", data=png, format=form, places=("bare_link",))]))
    return wire.text("hi")


def test_a_link_gives_the_picture_without_a_key(wire, png) -> None:
    link = link_of(wire, png, "jpeg")
    assert link.startswith(f"{wire.emulator.origin}/i/")
    assert ".jpg?token=" in link
    wire.http.headers.pop("authorization")
    answer = wire.http.get(link)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (
        200,
        png,
        "image/jpeg",
    )
    head = wire.http.head(link)
    assert (head.status_code, head.content, head.headers["content-length"]) == (
        200,
        b"",
        str(len(png)),
    )


def test_a_link_without_its_token_is_dead(wire, png) -> None:
    link = link_of(wire, png)
    assert wire.http.get(link.partition("?")[0]).status_code == 403
    assert wire.http.get(link + "x").status_code == 403
    assert wire.http.get(f"{wire.emulator.origin}/i/nothing.png?token=x").status_code == 404


def test_links_expire_by_the_clock(wire_to, png) -> None:
    with Emulator(url_ttl=0.3) as emulator:
        wire = wire_to(emulator)
        link = link_of(wire, png)
        assert wire.http.get(link).status_code == 200
        time.sleep(0.35)
        assert wire.http.get(link).status_code == 403


def test_links_expire_on_demand(wire, png) -> None:
    link = link_of(wire, png)
    wire.emulator.expire_urls()
    assert wire.http.get(link).status_code == 403
    assert wire.http.get(link_of(wire, png)).status_code == 200
