"""Certificates of the user's own, for requests over either transport and for pictures."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest

from agentkit import OpenRouter
from agentkit.errors import ImageError, RunError, Untrusted, UsageError
from agentkit.images import Fetcher, FetchPolicy, MemoryImageStore
from agentkit.network.tls import trusted
from agentkit.openrouter import Tls
from agentkit.openrouter.transport import Transport
from tests.certificates import authority
from tests.proxy import proxying
from tests.security.net import PNG
from tests.unit.openrouter.conftest import KEY, ask
from tests.unit.openrouter.peer import PEM, Line, answers, reply, serving


@pytest.fixture
def mine(tmp_path: Path) -> Tls:
    certificate, key = authority().client(tmp_path)
    return Tls(ca=authority().file(tmp_path), certificate=certificate, key=key)


async def picture(line: Line) -> None:
    await line.head()
    await line.send(reply(PNG))


async def test_requests_trust_it_and_show_it(transport: Transport, mine: Tls) -> None:
    context = authority().server("127.0.0.1", asks=True)
    async with serving(answers, tls=context) as peer:
        for tls, problem in ((None, Untrusted), (Tls(ca=mine.ca), RunError), (mine, None)):
            async with OpenRouter(
                api_key=KEY, base_url=peer.url, transport=transport, tls=tls
            ) as client:
                if problem is None:
                    assert len(await ask(client)) == 1
                    continue
                # With TLS 1.3, that it wants a certificate is told after the handshake.
                with pytest.raises(problem):
                    await ask(client)
        assert len(peer.requests) == 1


async def test_a_proxy_reached_over_tls(transport: Transport, mine: Tls) -> None:
    """TLS within TLS: both ends have certificates of the company."""
    tls = authority().server("127.0.0.1", "images.example")
    async with (
        serving(answers, tls=tls) as peer,
        serving(picture, tls=tls) as server,
        proxying(
            {f"127.0.0.1:{peer.port}": peer.port, "images.example:443": server.port},
            user="ada:secret",
            tls=tls,
        ) as proxy,
    ):
        async with OpenRouter(
            api_key=KEY, base_url=peer.url, transport=transport, tls=mine, proxy=proxy.url()
        ) as client:
            assert len(await ask(client)) == 1
        policy = FetchPolicy(proxy=proxy.url(), tls=mine, attempts=1)
        got = await Fetcher(policy, MemoryImageStore()).fetch("https://images.example/a.png")
        assert got.size == len(PNG)
    assert proxy.asked == [f"127.0.0.1:{peer.port}", "images.example:443"]


async def test_pictures_have_the_authorities_of_the_client(mine: Tls) -> None:
    """Its certificate is shown to the own origin alone; another policy replaces both."""
    plain, asking = authority().server("127.0.0.1"), authority().server("127.0.0.1", asks=True)
    async with (
        serving(picture, tls=plain) as other,
        serving(picture, tls=asking) as own,
        serving(picture, tls=asking) as curious,
    ):

        def fetcher(tls: Tls | None) -> Fetcher:
            policy = FetchPolicy(private=True, attempts=1, tls=tls)
            return Fetcher(policy, MemoryImageStore(), origin=own.url, tls=mine)

        for peer in (other, own):
            assert (await fetcher(None).fetch(f"{peer.origin}/a.png")).size == len(PNG)
        with pytest.raises(ImageError, match=r"(?i)no connection|the connection broke"):
            await fetcher(None).fetch(f"{curious.origin}/a.png")
        assert (await fetcher(mine).fetch(f"{curious.origin}/a.png")).size == len(PNG)
        with pytest.raises(ImageError, match="certificate"):
            await fetcher(Tls(ca=PEM)).fetch(f"{other.origin}/a.png")


async def test_the_authorities_of_the_system_stay_trusted(
    mine: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    async with (
        serving(answers, tls=True) as theirs,
        serving(answers, tls=authority().server("127.0.0.1")) as ours,
    ):
        for peer in (theirs, ours):
            async with OpenRouter(api_key=KEY, base_url=peer.url, tls=mine) as client:
                assert len(await ask(client)) == 1


def test_a_file_that_was_renewed_is_read_again(tmp_path: Path) -> None:
    file = authority().file(tmp_path)
    tls = Tls(ca=file)
    before = trusted(tls)
    assert trusted(tls) is before
    shutil.copy(PEM, file)
    assert trusted(tls) is not before
    file.unlink()
    with pytest.raises(UsageError, match=r"Tls\(ca=.*No such file"):
        trusted(tls)


def encrypted(folder: Path) -> tuple[Path, Path]:
    """A client certificate, and its key with the password `secret`."""
    from cryptography.hazmat.primitives import serialization

    certificate, key = authority().client(folder)
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return certificate, key


def test_a_key_with_a_password(tmp_path: Path) -> None:
    certificate, key = encrypted(tmp_path)
    tls = Tls(certificate=certificate, key=key, password="secret")
    assert "secret" not in repr(tls)
    for wrong in (None, "other"):
        with pytest.raises(UsageError, match=r"Tls\(password=…\).*ada\.key") as caught:
            Tls(certificate=certificate, key=key, password=wrong)
        assert "other" not in str(caught.value)


def test_wrong_files_are_refused_at_once(tmp_path: Path) -> None:
    ca = authority().file(tmp_path)
    certificate, key = authority().client(tmp_path)
    junk, other = tmp_path / "junk.pem", tmp_path / "other.key"
    junk.write_bytes(b"\x00 no certificate")
    authority().made.issue_cert("eve@company.example").private_key_pem.write_to_path(other)
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, r"Tls\(\) is given no file: accepted are ca= and certificate="),
        ({"ca": tmp_path / "gone.pem"}, r"Tls\(ca='.*gone\.pem'\): accepted is .*No such file"),
        ({"ca": tmp_path}, r"Tls\(ca=.*directory"),
        ({"ca": junk}, r"Tls\(ca=.*accepted is a PEM file of certificates"),
        ({"ca": key}, r"Tls\(ca=.*accepted is a PEM file of certificates"),
        ({"ca": 3}, r"Tls\(ca=3\): accepted is the path of a PEM file"),
        ({"ca": "a\0b"}, r"Tls\(ca='a\\x00b'\): accepted is the path"),
        ({"certificate": tmp_path / "gone.pem"}, r"Tls\(certificate=.*No such file"),
        ({"certificate": junk}, r"Tls\(certificate=.*accepted is a PEM file of a certificate"),
        ({"certificate": certificate}, r"Tls\(certificate=.*a certificate and its key"),
        ({"certificate": certificate, "key": other}, "the key is that of another certificate"),
        ({"certificate": certificate, "key": junk}, r"Tls\(certificate=.*key=.*junk"),
        ({"key": key, "ca": ca}, r"Tls\(key=…\) belongs to a certificate="),
        ({"password": "x", "ca": ca}, r"Tls\(password=…\) belongs to a certificate="),
        ({"ca": ca, "certificate": certificate, "key": key, "password": 3}, r"Tls\(password=…\)"),
    ]
    if os.geteuid():
        shut = tmp_path / "shut.pem"
        shut.write_bytes(ca.read_bytes())
        shut.chmod(0)
        cases.append(({"ca": shut}, "Permission denied"))
    for given, words in cases:
        with pytest.raises(UsageError, match=words):
            Tls(**given)
    for owner in (OpenRouter, FetchPolicy):
        with pytest.raises(UsageError, match=rf"{owner.__name__}\(tls='ca\.pem'\): accepted"):
            owner(tls="ca.pem")  # type: ignore[arg-type]


def test_one_context_for_equal_certificates(mine: Tls) -> None:
    again = Tls(ca=mine.ca, certificate=mine.certificate, key=mine.key)
    assert trusted(mine) is trusted(again)
    assert trusted(mine) is not trusted(Tls(ca=mine.ca))
    assert trusted(mine).verify_mode is ssl.CERT_REQUIRED
