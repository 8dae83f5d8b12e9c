"""Events in any order, of any run, such as no turn ever tells them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from agentkit import File, Image, ImageFailure, Invocation, Message, Text, Usage
from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    RunFinished,
    TextDelta,
    TurnFinished,
)
from agentkit.run import Run
from agentkit.run.state import Waiting
from agentkit.values import Source
from agentkit.web.message_facts import Ending
from agentkit.web.telling import Teller

IDS = st.sampled_from(["a", "b", "a/b", "c", "~", "turn 1"])
ITEMS = st.sampled_from(["turn 1:item:0", "turn 1:item:1", "turn 2:server:0", "a:0", ""])
TOOLS = st.sampled_from(["weather", "openrouter:image_generation", "paint"])
WORDS = st.text(max_size=5) | st.sampled_from(["\n\n", "", "\ud83e", "https://a.b/c?sig=1"])
NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([float("nan"), float("inf")])
"""Of a size that JavaScript writes as Python does; JSON has the last ones not at all."""
CALLS = st.builds(
    Invocation,
    id=IDS,
    name=TOOLS,
    arguments=st.none() | st.dictionaries(WORDS, WORDS | NUMBERS | st.none(), max_size=2),
    executor=st.sampled_from(["client", "server"]),
    status=st.sampled_from(["pending", "running", "completed", "failed", "denied", "cancelled"]),
    result=st.none() | WORDS,
    error=st.none() | WORDS,
)
IMAGES = st.builds(
    Image,
    sha256=st.sampled_from(["0" * 64, "1" * 64]),
    media_type=st.just("image/png"),
    size=st.just(7),
    name=st.sampled_from(["img_1", "img_2"]),
    invocation_id=st.none() | IDS,
)
FILES = st.builds(
    File,
    sha256=st.sampled_from(["2" * 64, "3" * 64]),
    media_type=st.just("application/pdf"),
    size=st.just(7),
    file_name=WORDS,
    name=st.sampled_from(["file_1", "file_2"]),
    pages=st.none() | st.just(3),
)
FAILURES = st.builds(
    ImageFailure, source=st.just(Source("item")), url=st.none(), reason=WORDS, invocation_id=IDS
)
CITED = [{"url": "https://example.org/"}, {"url": 7}, {"url_citation": {"url": "javascript:1"}}]
PLAIN = st.one_of(
    st.builds(TextDelta, WORDS),
    st.builds(ReasoningDelta, WORDS),
    st.builds(InvocationStarted, CALLS),
    st.builds(InvocationFinished, CALLS, st.lists(FILES, max_size=2).map(tuple)),
    st.builds(ImagePreview, ITEMS, st.integers(0, 3), st.just(b""), st.just("image/png")),
    st.builds(ImageReady, IMAGES, ITEMS),
    st.builds(ImageFailed, FAILURES, ITEMS),
    st.just(TurnFinished(Message("assistant", (Text("hi", tuple(CITED)),)), Usage())),
    st.builds(RunFinished, st.just("completed"), st.just(Usage())),
)
EVENTS: st.SearchStrategy[Event] = st.recursive(
    PLAIN,
    lambda inner: st.builds(InvocationProgress, CALLS, WORDS, st.none() | inner),
    max_leaves=4,
)
WAITING = st.builds(
    Waiting, IDS, st.sampled_from(["approval", "result", "agent", "outcome"]), WORDS
)
RUNS = st.builds(
    Run,
    id=st.just("run_1"),
    model=st.just("m"),
    api=st.just("chat"),
    messages=st.just((Message("user", (Text("hi"),)),)),
    start=st.just(0),
    status=st.sampled_from(["running", "paused", "completed", "limited", "interrupted"]),
    invocations=st.lists(CALLS, max_size=3).map(tuple),
    waiting=st.lists(WAITING, max_size=2).map(tuple),
    images=st.lists(IMAGES, max_size=2).map(tuple),
    files=st.lists(FILES, max_size=2).map(tuple),
)
ENDINGS = st.sampled_from([None, Ending("stopped"), Ending("failed", "it broke")])


def told(events: list[Event], run: Run, ending: Ending | None) -> list[dict[str, Any]]:
    teller = Teller(run, drawing=["paint"])
    chunks = teller.begin()
    for event in events:
        chunks += teller.tell(event)
    return chunks + teller.end(run, ending)
