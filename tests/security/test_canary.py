"""A key that servers repeat, in every way there is to fail, is in nothing that agentkit says,
writes or raises.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from html import escape
from io import StringIO
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog

from agentkit import Agent, Answer, Image, Limits, OpenRouter, tool
from agentkit._redact import RUN, Secret, masked, redacted
from agentkit.demo import report
from agentkit.demo import script as demo_script
from agentkit.errors import AgentkitError, RunError
from agentkit.images import MemoryImageStore
from agentkit.openrouter.transport import Timeouts, Transport
from tests.cassettes.recorder import record
from tests.clock import FOREVER
from tests.conftest import spread
from tests.security.peer import Peer, Script, http, peering, start
from tests.unit.demo.hand_made import played, turn

KEYS = {
    "as OpenRouter makes them": "sk-or-v1-canary0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff",
    "of no pattern": "Zq7+canary/XvB9=mN4kL2pQ8rT6wY1uI3oP5aS0",
}
LONGEST = 15
"""As many characters of a key in a row may be seen: its prefix is no secret."""


def leaks(key: str, text: str) -> list[str]:
    """Where the key, or a part of it, stands in the text: as it is, in a URL, in JSON, in HTML."""
    forms = {key, quote(key, safe=""), json.dumps(key)[1:-1], escape(key)}
    pieces = {form[at : at + LONGEST + 1] for form in forms for at in range(len(form) - LONGEST)}
    return [text[max(0, text.find(piece) - 60) :][:160] for piece in pieces if piece in text][:2]


def chat(**message: object) -> bytes:
    said = {"role": "assistant", "content": "Well.", **message}
    return json.dumps(
        {"id": "gen-1", "choices": [{"index": 0, "finish_reason": "stop", "message": said}]}
    ).encode()


def call(name: str, arguments: str) -> bytes:
    function = {"name": name, "arguments": arguments}
    said = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }
    return json.dumps(
        {"id": "gen-1", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": said}]}
    ).encode()


def error(key: str, code: object = 401) -> dict[str, object]:
    """An error object that has the key in each field that it may have."""
    metadata = {
        "raw": f"Authorization: Bearer {key}",
        "provider_name": key,
        "reasons": [key],
        "error_type": key,
    }
    return {
        "message": f"no such key: {key}",
        "code": code,
        "metadata": metadata,
        "availability": {"fallback_models": [key]},
    }


def events(*each: object) -> bytes:
    return start() + b"".join(
        b"data: " + (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n\n"
        for one in each
    )


def delta(words: str) -> dict[str, object]:
    return {
        "id": "gen-1",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": words}}],
    }


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(FOREVER)


def echoed(key: str) -> str:
    """What a proxy shows that tells of the request that it did not understand."""
    return f"POST /api/v1/chat/completions\nauthorization: Bearer {key}\nx-api-key: {key}\n"


FAILURES: dict[str, Callable[[str], tuple[Script, Script]]] = {
    "401 that repeats it": lambda key: (http(json.dumps({"error": error(key)}).encode(), 401), b""),
    "400 in plain words": lambda key: (http(f"key {key} is {key}".encode(), 400, "text/plain"), b""),
    "400 that begins in the middle of it": lambda key: (http(("x" * 180 + key).encode(), 400, "text/plain"), b""),
    "403 with a page": lambda key: (http(f"<html>{key}</html>".encode(), 403, "text/html"), b""),
    "402 with HTML entities and URLs": lambda key: (
        http(json.dumps({"error": {"message": f"https://x.example/?key={quote(key, safe='')}"}}).encode(), 402), b""
    ),
    "429 for longer than anyone waits": lambda key: (
        http(json.dumps({"error": error(key, 429)}).encode(), 429, retry_after="9999", x_generation_id=key), b""
    ),
    "a redirect": lambda key: (http(b"", 307, location=f"https://u:{key}@x.example/?key={key}"), b""),
    "200 with a page": lambda key: (http(f"<pre>{echoed(key)}</pre>".encode(), 200, "text/html"), b""),
    "200 with plain words": lambda key: (http(key.encode() + echoed(key).encode(), 200, "text/plain"), b""),
    "200 with JSON that is cut": lambda key: (http(json.dumps({"headers": echoed(key)}).encode()[:-9]), b""),
    "200 with an error": lambda key: (http(json.dumps({"error": error(key)}).encode()), b""),
    "200 with an error in its choice": lambda key: (
        http(json.dumps({"id": key, "choices": [{"error": error(key), "message": {"content": ""}}]}).encode()), b""
    ),
    "an error in a stream": lambda key: (events(delta("Well"), {"error": error(key, "server_error")}), b""),
    "a stream of no JSON": lambda key: (events(delta("Well"), key.encode()), b""),
    "a stream that is cut": lambda key: (events(delta("Well")) + f"data: {echoed(key)}".encode(), b""),
    "a finish of its own": lambda key: (
        http(json.dumps({"choices": [{"finish_reason": "error", "native_finish_reason": key, "message": {}}]}).encode()), b""
    ),
    "a connection that breaks": lambda key: (b"", http(json.dumps({"error": error(key)}).encode(), 401)),
    "a head that breaks": lambda key: (f"HTTP/1.1 2{key}\r\n\r\n".encode(), b""),
    "a broken reply whose look-up repeats it": lambda key: (
        http(b"{", x_generation_id=key).replace(b"content-length: 1", b"content-length: 99"),
        http(json.dumps({"error": error(key)}).encode(), 401),
    ),
    "nothing at all, until time is up": lambda _: (silence, b""),
    "a tool that tells it": lambda key: (http(call("tells", json.dumps({"words": key}))), b""),
    "a picture that is not there": lambda key: (
        http(chat(images=[{"type": "image_url", "image_url": {"url": f"http://127.0.0.1:9/{key}?token={key}"}}])), b""
    ),
}  # fmt: skip
AFTER_A_TOOL = http(b"<html>gone</html>", 200, "text/html")


class SizeLimit(logging.Handler):
    """Every record of every logger, formatted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logs(stream: bool) -> Iterator[list[str]]:
    """What is logged: streamed runs by structlog, buffered ones by the standard library."""
    handler, root = SizeLimit(), logging.getLogger()
    before = root.level
    ours = {
        name: logging.getLogger(name)
        for name in ("agentkit", "asyncio", "openai", "httpx2", "aiohttp", "httpcore2")
    }
    levels = {name: each.level for name, each in ours.items()}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for each in ours.values():
        each.setLevel(logging.DEBUG)
    written = StringIO()
    if stream:
        structlog.configure(
            processors=[structlog.dev.ConsoleRenderer(colors=False)],
            logger_factory=structlog.PrintLoggerFactory(written),
        )
    yield handler.lines
    handler.lines.append(written.getvalue())
    structlog.reset_defaults()
    root.removeHandler(handler)
    root.setLevel(before)
    for name, each in ours.items():
        each.setLevel(levels[name])


@tool
async def tells(words: str) -> str:
    """Fails, and says what it was told."""
    raise ValueError(f"cannot use {words}")


async def attempt(
    peer: Peer,
    key: Secret,
    *,
    stream: bool,
    seconds: float = 10,
    transport: Transport | None = None,
) -> tuple[AgentkitError | None, Agent, Answer | None]:
    """One run. The key stands in no local variable of this frame or of any above: tracebacks show
    these.
    """
    client = OpenRouter(
        api_key=key.reveal(),
        base_url=f"{peer.origin}/api/v1",
        transport=transport,
        timeouts=Timeouts(lookup=0.3),
    )
    agent = Agent(
        "a/b",
        client=client,
        store=MemoryImageStore(),
        tools=[tells],
        limits=Limits(seconds=seconds),
    )
    try:
        if not stream:
            return None, agent, await agent.run("Go")
        async with agent.stream("Go") as running:
            return None, agent, await running.finish()
    except AgentkitError as raised:
        return raised, agent, None
    finally:
        await client.close()


def chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [
                each.__cause__,
                each.__context__,
                *(each.exceptions if isinstance(each, BaseExceptionGroup) else ()),
            ]


def told(error: AgentkitError) -> Iterator[tuple[str, str]]:
    """All that an error says, its causes included."""
    for each in chain(error):
        name = type(each).__name__
        yield (
            f"{name}, words",
            f"{each} {each!r} {each.args!r} {each.__notes__ if hasattr(each, '__notes__') else ''}",
        )
        yield (
            f"{name}, fields",
            repr({field: value for field, value in vars(each).items() if field != "run"}),
        )
    yield "traceback", "".join(traceback.format_exception(error))
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield "traceback with locals", "".join(shown.format())
    with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
        yield "pickle", pickle.dumps((type(error), error.args)).decode("latin-1")


def kept(answer: Answer, folder: Path) -> Iterator[tuple[str, str]]:
    yield "repr of the answer", repr(answer)
    yield "Markdown", answer.to_markdown()
    yield "HTML", answer.to_html()
    yield "notebook", repr(answer._repr_mimebundle_())
    for file in sorted(answer.save(folder).rglob("*")):
        if file.is_file():
            yield file.name, file.read_bytes().decode("latin-1")


def outputs(
    error: AgentkitError | None, agent: Agent, answer: Answer | None, folder: Path
) -> Iterator[tuple[str, str]]:
    """All that there is to see afterwards."""
    yield (
        "repr of the agent",
        f"{agent!r} {agent.client!r} {vars(agent.client)!r} {agent.conversation()!r}",
    )
    said = None
    if error is not None:
        yield from told(error)
        said = f"{type(error).__name__}: {error}"
        answer = error.answer_so_far if isinstance(error, RunError) else None
        if isinstance(error, RunError) and error.run is not None:
            yield "the run", f"{error.run!r} {error.run.to_json()}"
    if answer is not None:
        yield from kept(answer, folder / "answer")
    script = demo_script.read(
        "name: x\nmodel: a/b\nturns:\n- say: hello\n", "x.demo.yaml", folder=folder
    )
    report.write(script, [played(turn(answer, error=said))], folder / "report")
    for file in sorted((folder / "report").rglob("*.*")):
        yield f"report, {file.name}", file.read_bytes().decode("latin-1")


def is_told_on_purpose(failure: str, output: str) -> bool:
    """What a model wrote itself as an argument of a call, and the address that it gave of a
    picture, are content.
    """
    content = {
        "the run",
        "run.json",
        "traceback with locals",
        "report, run.json",
        "report, transcript.md",
        "report, index.html",
    }
    return failure in {"a tool that tells it", "a picture that is not there"} and output in content


@pytest.mark.parametrize(
    ("kind", "failure", "stream"),
    spread(product(KEYS, FAILURES, [False, True]), 13),
    ids=lambda value: {False: "buffered", True: "streamed"}.get(value, value),
)
async def test_no_key_is_told(
    kind: str,
    failure: str,
    stream: bool,
    tmp_path: Path,
    logs: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    key = KEYS[kind]
    post, get = FAILURES[failure](key)
    script = [post, AFTER_A_TOOL] if failure.startswith("a tool") else [post]
    async with peering(*script, get=get) as peer:
        seconds = 0.5 if post is silence else 10
        work = attempt(peer, Secret(key), stream=stream, seconds=seconds)
        task = asyncio.create_task(work)  # the traceback begins in it
        await asyncio.wait([task])
        error, agent, answer = task.result()
        assert any(f"Bearer {key}" in head for head in peer.heads), (
            "the key was never sent: nothing is tested"
        )
    assert error is not None or (answer is not None and answer.failures)
    for output, text in outputs(error, agent, answer, tmp_path):
        if not is_told_on_purpose(failure, output):
            assert leaks(key, text) == [], output
    printed = capfd.readouterr()
    assert leaks(key, printed.out + printed.err) == []
    del work, task, error, agent, answer
    gc.collect()
    assert leaks(key, "\n".join(logs)) == []


@pytest.mark.parametrize("transport", ["aiohttp", "httpx2"])
@pytest.mark.parametrize("kind", KEYS)
async def test_no_key_is_recorded(kind: str, transport: str, tmp_path: Path) -> None:
    key = KEYS[kind]
    steps = [
        FAILURES[name](key)[0]
        for name in FAILURES
        if name.startswith(("4", "200 with an", "an error in"))
    ]
    async with peering(*steps) as peer:
        with record("canary", source="a test", folder=tmp_path):
            for _ in steps:
                await attempt(peer, Secret(key), stream=False, transport=transport)
        assert peer.posts == len(steps)
    recorded = (tmp_path / "canary.yaml").read_text()
    assert "no such key" in recorded
    assert leaks(key, recorded) == []


@pytest.mark.parametrize("kind", KEYS)
def test_no_wrong_argument_tells_a_key(kind: str) -> None:
    key = KEYS[kind]
    wrong: list[Callable[[], object]] = [
        lambda: OpenRouter(api_key=f"{key}\n{key}"),
        lambda: OpenRouter(api_key=f"{key}ü"),
        lambda: OpenRouter(api_key=key, base_url=f"https://user:{key}@x.example/"),
        lambda: OpenRouter(api_key=key, base_url=f"ftp://{key}:{key}@x.example/?key={key}"),
        lambda: Image.from_url(f"ftp://u:{key}@x.example/"),
        lambda: pickle.dumps(OpenRouter(api_key=key)),
    ]
    secret = Secret(key)
    for make in wrong:
        try:
            made = make()
        except Exception as error:  # noqa: BLE001
            assert leaks(key, f"{error} {error!r}") == []
        else:
            assert leaks(key, repr(made)) == []
    assert secret


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(KEYS["of no pattern"])
    assert "canary" not in f"{secret} {secret!r} {[secret]} {vars(Owner(secret))}"
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        pickle.dumps(secret)


@dataclasses.dataclass
class Owner:
    secret: Secret


@pytest.mark.parametrize("kind", KEYS)
def test_the_redactor_finds_parts_and_other_forms(kind: str) -> None:
    key = KEYS[kind]
    secret = Secret(key)
    for text in (
        key, f"a{key}b", key[:20], key[-20:], key[10:30], quote(key, safe=""), json.dumps({"k": key}), f"{key}{key}",
        f"Bearer {key}", f"https://u:{key}@host/", f"?api_key={key}", key.upper() if kind.startswith("as") else key,
    ):  # fmt: skip
        assert leaks(key, redacted(text)) == [], text
    assert secret.reveal() == key


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("least", [RUN, 13, 17, 40])
def test_bytes_are_masked_wherever_a_key_was_cut(kind: str, least: int) -> None:
    key = KEYS[kind]
    secret = Secret(key)
    for begin in range(len(key) - least + 1):
        part = key[begin : begin + least]
        data = f'{{"said": "ä {part}… and {part}"}}'.encode()
        hidden = f'{{"said": "ä {"*" * least}… and {"*" * least}"}}'.encode()
        assert masked(data, cut=True) == hidden
    short = key[: RUN - 1].encode()
    assert masked(short, cut=True) == short
    assert secret.reveal() == key


@pytest.mark.parametrize("cut", [False, True])
def test_bytes_are_masked_where_secrets_have_a_piece_in_common(cut: bool) -> None:
    keys = [f"sk-or-v1-the-same-{end}" for end in ("first", "second-key", "third")]
    secrets = [Secret(key) for key in keys]
    for key in keys:
        assert masked(f"<{key}>".encode(), cut=cut) == b"<" + b"*" * len(key) + b">"
    assert all(secrets)


def test_words_that_are_no_secrets_stay() -> None:
    short = Secret("key")
    for text in (
        "the key is short", "max_tokens: 4096", "a risk-free task-oriented desk-lamp", "https://x.example/a.png?x=1", "Bearer", "user@example.com",
        "//comment", "tokens=5&page=2", "the password: ok", "", "…", "sk-1", "disk-usage-report",
    ):  # fmt: skip
        assert redacted(text) == text
    assert short


def test_a_secret_that_is_gone_is_forgotten() -> None:
    secret = Secret("opaque-and-not-of-any-pattern")
    assert "opaque" not in redacted("say opaque-and-not-of-any-pattern")
    del secret
    gc.collect()
    assert "opaque" in redacted("say opaque-and-not-of-any-pattern")
