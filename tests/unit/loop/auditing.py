"""What is looked at after each step of the state machine: the requests that the server got, and the
answer.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentkit import Answer, History, Run, Usage
from agentkit.emulator import Charge, Post, RecordedRequest
from agentkit.values import Message, ToolResult
from tests.unit.loop import orphans
from tests.unit.loop.acting import DEAD, UNKNOWN, Writer, given_by

BLIND = {"openai/gpt-oss-20b"}
"""Models that see no picture."""
HEAD = 12_000
"""Bytes that instructions, tools and settings may take."""
_LONG = re.compile(r"[A-Za-z0-9+/]{80,}={0,2}")
PER_ITEM = 700
PER_PICTURE = 300
"""Bytes that a picture may take in words: its line, its handle, the record of its tool."""


def asked(requests: Sequence[RecordedRequest]) -> list[RecordedRequest]:
    """Those that ask a model in words."""
    return [
        each
        for each in requests
        if each.method == "POST" and each.path.endswith(("/chat/completions", "/responses"))
    ]


def audit_requests(
    requests: Sequence[RecordedRequest], run: Run | None, writer: Writer, policy: History
) -> None:
    """No orphan, no reasoning without what followed it, no picture twice, none that a blind model
    cannot see; and in the requests of this run itself, no handle that is not there or means another
    picture, and no more than is allowed."""
    for request in asked(requests):
        body = request.body
        words = _LONG.sub("<base64>", json.dumps(orphans.items_of(body)))
        told = f"{request.path} to {body['model']}: {words[-6000:]}"
        assert (found := orphans.complaints(body)) == [], (found, told)
        assert (found := orphans.parted(body, writer.followers, writer.pictures_behind)) == [], (
            found,
            told,
        )
        carried = orphans.pictures(orphans.items_of(body))
        if body["model"] in BLIND:
            assert not carried, (carried, told)
        text = json.dumps(orphans.items_of(body))
        for item in orphans.items_of(body):
            if item.get("type") == "image_generation_call" or item.get("images"):
                assert DEAD not in json.dumps(item), ("a dead link is echoed as a picture", told)
        if run is not None and body.get("session_id") == run.session_id:
            _audit_pictures(body, run, policy, told)
            bare = len(text.encode()) - sum(each.length for each in carried)
            allowed = (
                HEAD
                + PER_ITEM * len(orphans.items_of(body))
                + PER_PICTURE * len(run.images)
                + writer.said
            )
            assert request.size <= sum(each.length for each in carried) + allowed, (
                bare,
                allowed,
                told,
            )


def _audit_pictures(body: Mapping[str, Any], run: Run, policy: History, told: str) -> None:
    names = {image.name: image.sha256 for image in run.images}
    unknown = orphans.handles(body) - {UNKNOWN} - names.keys()
    assert not unknown, (unknown, names, told)
    wrong = [(name, sha256) for name, sha256 in orphans.shown(body) if names[name] != sha256]
    assert not wrong, (wrong, names, told)
    carried = [each.sha256 for each in orphans.pictures(orphans.items_of(body))]
    strange = set(carried) - set(names.values())
    assert not strange, ("pictures that the run does not know", strange, told)
    for image in run.images:  # nor do they hide in a form that the walk over the body does not know
        text = base64.b64encode(image.bytes()).decode()
        if image.size > 500:
            assert json.dumps(body).count(text[-60:]) == carried.count(image.sha256), (image, told)
    prompt = run.messages[run.start]
    named = {names[name] for name in orphans.HANDLE.findall(prompt.text) if name in names}
    known_before = {image.sha256 for image in run.images if image.name not in run.arrived}
    own = {image.sha256 for message in run.messages[run.start :] for image in message.images}
    if body["model"] not in BLIND:
        missing = ((named & known_before) | {image.sha256 for image in prompt.images}) - set(
            carried
        )
        assert not missing, ("named or given in the prompt, and not sent", missing, told)
    if policy.images is not None:
        most = policy.images + (policy.images + 1) // 2
        assert len(set(carried) - named - own) <= most, (len(carried), len(named), len(own), told)


def audit_answer(answer: Answer[Any], run: Run) -> None:
    """What an answer says of itself holds together."""
    assert answer.run == run
    images = [image.sha256 for image in answer.images]
    shown = [part.sha256 for part in answer.parts if hasattr(part, "sha256")]
    assert len(set(images)) == len(images), images
    assert len(set(shown)) == len(shown), shown
    assert set(shown) <= set(images), (shown, images)
    assert all(image.name for image in answer.images)
    ids = [each.id for each in answer.invocations]
    assert len(set(ids)) == len(ids), ids
    if answer.status == "paused":
        assert answer.pending
        assert run.waiting
    else:
        assert not answer.pending, answer.pending
        assert all(each.status not in {"pending", "running"} for each in answer.invocations), (
            answer.invocations
        )
        assert not run.nested
        audit_messages(run.messages)
    known = {image.name for image in run.images}
    for invocation in answer.invocations:
        assert set(invocation.images) <= known, invocation
    for image in run.images:
        assert set(image.parents) <= known, image
    assert Usage.total(run.spent) == answer.usage


def audit_messages(messages: Sequence[Message], *, unfinished: bool = False) -> None:
    """Each call has its result in the message right after it, and each result its call; but for the
    last, `unfinished`.
    """
    for index, message in enumerate(messages):
        after = messages[index + 1] if index + 1 < len(messages) else None
        results = (
            [part.call_id for part in after.parts if isinstance(part, ToolResult)]
            if after is not None
            else []
        )
        if message.role == "assistant" and not (unfinished and after is None):
            assert [call.id for call in message.calls] == results, (message, after)
        elif message.role == "user" and after is not None:
            assert after.role != "tool", after


def expected_pictures(run: Run, posts: Sequence[Post], *, whole: bool) -> set[str]:
    """What must have come in this run: all that was billed, or at least what the server got rid of;
    and what tools gave.
    """
    drawn = {sha256 for post in posts for sha256 in (post.images if whole else post.delivered)}
    return drawn.union(*(given_by(each, run) for each in run.invocations))


def audit_costs(answer: Answer[Any], charges: Sequence[Charge], posts: Sequence[Post]) -> None:
    """The usage is what the server billed, to the last request; one that it turned down counts for
    nothing.
    """
    billed = sum(charge.cost_usd for charge in charges)
    assert abs((answer.usage.cost_usd or 0.0) - billed) < 1e-9, (answer.usage, charges)
    assert answer.usage.requests == sum(post.status == 200 for post in posts), (answer.usage, posts)
