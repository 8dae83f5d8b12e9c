"""Two networks: an inner one whose only way out is tinyproxy, with a resolver that knows nothing,
and the outer one, where the pictures are. As root on Linux, in network namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import authority
from tests.conftest import picture
from tests.stacks.programs import program

pytestmark = pytest.mark.stacks
HOST = "images.example"
LIES_AT = "93.184.216.34"
"""A public address, which nothing leads to from inside."""
INNER, OUTER = f"agentkit-in-{os.getpid()}", f"agentkit-out-{os.getpid()}"
TINYPROXY = """
Port 8888
Listen 10.99.0.1
BasicAuth ada secret
ConnectPort 443
DisableViaHeader Yes
"""
SERVER = """
import http.server, ssl, sys, threading
def serve(port, context):
    handler = lambda *a: http.server.SimpleHTTPRequestHandler(*a, directory=sys.argv[1])
    server = http.server.ThreadingHTTPServer(("{0}", port), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
serve(80, None)
serve(443, context)
print("ready", flush=True)
""".replace("{0}", LIES_AT)
PROGRAM = """
import asyncio, sys
from agentkit import Agent, FetchPolicy, Image, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.openrouter import Tls
from agentkit.images import MemoryImageStore

@tool
def search() -> Image:
    "Looks for a picture."
    return Image.from_url("http://images.example/1.png")

async def main(api, proxy):
    with Emulator() as emulator:
        tls = Tls(ca=sys.argv[1])
        async with OpenRouter(api_key="sk-1", base_url=emulator.base_url, tls=tls) as client:
            emulator.play([Reply([CallTool("search")]), Reply([
                Say("![a](https://images.example/2.png) and http://images.example/3.png"),
                Draw("a fox", shape="url", places=["message_images"] if api == "chat" else []),
            ])])
            agent = Agent("openai/gpt-5-image", api=api, tools=[search], client=client,
                store=MemoryImageStore(),
                fetch=FetchPolicy(hosts=("images.example",), proxy=proxy, attempts=1))
            prompt = [Image.from_url("https://images.example/0.png")] if proxy else []
            async with agent.stream(["Draw", *prompt]) as stream:
                answer = await stream.finish()
    print(len(answer.images), len(answer.failures), flush=True)

for api in ("chat", "responses"):
    asyncio.run(main(api, "http://ada:secret@10.99.0.1:8888"))
asyncio.run(main("chat", None))
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def networks() -> Iterator[None]:
    """The inner network reaches 10.99.0.1 and nothing else."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the command ip")
    files = {
        INNER: ("resolv.conf", "nameserver 10.99.0.1\noptions timeout:1 attempts:1\n"),
        OUTER: ("hosts", f"{LIES_AT} {HOST}\n"),
    }
    try:
        for name, (file, text) in files.items():
            folder = Path("/etc/netns") / name
            folder.mkdir(parents=True)
            (folder / file).write_text(text)
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "ak-in", "netns", INNER, "type", "veth", "peer", "ak-out", "netns", OUTER)
        for name, link, address in ((INNER, "ak-in", "10.99.0.2"), (OUTER, "ak-out", "10.99.0.1")):
            ip("-n", name, "addr", "add", f"{address}/30", "dev", link)
            ip("-n", name, "link", "set", link, "up")
        ip("-n", OUTER, "addr", "add", f"{LIES_AT}/32", "dev", "lo")
        yield
    finally:
        for name in files:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)


@contextmanager
def outside(*command: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        ["ip", "netns", "exec", OUTER, *command], stdout=subprocess.PIPE, text=True
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait()
        assert started.stdout is not None
        started.stdout.close()


def test_no_picture_is_lost(tmp_path: Path) -> None:
    tinyproxy = program("tinyproxy")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(4):
        (pictures / f"{number}.png").write_bytes(picture(noise=number))
    ca = authority().file(tmp_path)
    pem, config, code = tmp_path / "server.pem", tmp_path / "tinyproxy.conf", tmp_path / "inside.py"
    authority().made.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(pem)
    config.write_text(TINYPROXY)
    code.write_text(PROGRAM)
    with (
        networks(),
        outside(sys.executable, "-c", SERVER, str(pictures), str(pem)) as server,
        outside(tinyproxy, "-d", "-c", str(config)),
    ):
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        done = subprocess.run(
            ["ip", "netns", "exec", INNER, sys.executable, str(code), str(ca)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    with_it, without = ["4", "0"], ["1", "2"]
    assert done.stdout.split() == [*with_it, *with_it, *without], done.stdout + done.stderr
