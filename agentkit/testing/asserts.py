"""Assertions about an answer and about an emulator. Each says what it found and what it wanted.

They are plain functions: they need no pytest, and run under `python -O` too.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from agentkit._check import check_kind, check_number, refused
from agentkit.errors import ImageError, StoreError
from agentkit.show.plain import line
from agentkit.wire.inline import Inline, read_inline

if TYPE_CHECKING:
    from agentkit.answer import Answer
    from agentkit.emulator import Emulator, Post
    from agentkit.values import Image, ImageFailure, Invocation

__tracebackhide__ = True  # pytest shows the line of the test, not those in here
Call = str | tuple[str, Mapping[str, Any]]
"""A tool call: the name of the tool, or the name and all of the arguments."""
_DEEPEST = 64


class Drawn(Protocol):
    """What has pictures: an `Answer`, or a `Drawing` of a studio."""

    @property
    def images(self) -> Sequence[Image]: ...
    @property
    def failures(self) -> Sequence[ImageFailure]: ...


def assert_completed(answer: Answer[Any]) -> None:
    """The run came to its end: no limit, no refusal, and nobody has to decide anything."""
    _check_answer("assert_completed", answer, "status")
    if answer.status == "completed":
        return
    why = {
        "limited": f"the limit {answer.limit!r} ended it. {answer.limit_reason or ''}".strip(),
        "refused": f"it was refused: {answer.refusal}",
        "paused": f"a person must decide about {_named(answer.pending)}",
    }.get(answer.status, "it did not come to its end")
    raise AssertionError(f"the answer is {answer.status!r}: {why}\n{_said(answer)}")


def assert_drawn(answer: Drawn, count: int | None = None) -> Sequence[Image]:
    """There are pictures (exactly `count` of them, if it is given), each can be opened, and none
    failed. Returns them.
    """
    _check_answer("assert_drawn", answer, "images")
    if count is not None:
        check_number("assert_drawn(count={!r})", count, whole=True, least=0)
    images, failures = answer.images, answer.failures
    told = "".join(f"\n  failed: {failure.reason}" for failure in failures)
    if failures or len(images) != (count if count is not None else max(1, len(images))):
        wanted = "one picture or more" if count is None else f"{count} pictures"
        names = f" ({', '.join(image.name for image in images)})" if images else ""
        raise AssertionError(f"wanted: {wanted}; came: {len(images)}{names}{told}\n{_said(answer)}")
    for image in images:
        try:
            if image.media_type == "image/svg+xml":  # which pillow does not read
                image.bytes()
            else:
                image.to_pillow().close()
        except (ImageError, StoreError, OSError) as error:
            raise AssertionError(f"{image.name} cannot be opened: {error}") from error
    return images


def assert_calls(answer: Answer[Any], *calls: Call) -> None:
    """The tool calls of the answer are these, in this order, and no others. Each is the name of
    a tool, or its name and all arguments: `("weather", {"city": "Oslo"})`.
    """
    _check_answer("assert_calls", answer, "invocations")
    for call in calls:
        _check_call(call)
    found = answer.invocations
    if len(found) == len(calls) and all(map(_fits, found, calls)):
        return
    wanted = "".join(f"\n  {_of_call(call)}" for call in calls) or "\n  none"
    raise AssertionError(f"other tool calls were wanted:{wanted}\nthese were made:{_list(found)}")


def assert_called(answer: Answer[Any], tool: str, **arguments: object) -> Invocation:
    """The tool was called at least once with these arguments, and maybe further ones. Returns the
    first such call.
    """
    _check_answer("assert_called", answer, "invocations")
    check_kind("assert_called(tool={!r})", tool, str, "the name of a tool")
    for call in answer.invocations:
        given = call.arguments or {}
        if call.name == tool and all(
            name in given and given[name] == value for name, value in arguments.items()
        ):
            return call
    wanted = f"{tool}({_listed(arguments)})"
    raise AssertionError(f"no call fits {wanted}; these were made:{_list(answer.invocations)}")


def assert_no_base64(*values: object) -> None:
    """No picture stands as base64 in these values: texts, bytes, paths of text files, JSON values,
    an answer or its run, recorded requests, log records.
    """
    for number, value in enumerate(values):
        where = "the value" if len(values) == 1 else f"value {number + 1}"
        for path, text in _texts(value, where, 0):
            for token in read_inline(text):
                if isinstance(token, Inline):
                    shown = line(token.text, width=60)
                    raise AssertionError(
                        f"base64 of a picture, {len(token.text):,} characters, in {path}: {shown}"
                    )


def assert_told(emulator: Emulator, *texts: str, request: int = -1) -> None:
    """The model was told each of these texts in the last request, or in the one with this index:
    as instructions, in a prompt, in a tool's result. `emulator.told` has all that it was told.
    """
    _posts("assert_told", emulator)
    for text in texts:
        check_kind("assert_told({!r})", text, str, "text")
    check_number("assert_told(request={!r})", request, whole=True)
    told = emulator.told
    if not -len(told) <= request < len(told):
        raise AssertionError(f"there is no request {request}: {_count(told, 'was', 'were')} made")
    missing = [text for text in texts if text not in told[request]]
    if missing:
        words = "\n  ".join(line(each, width=300) for each in told[request].splitlines())
        raise AssertionError(f"the model was not told {missing[0]!r}, but:\n  {words}")


def assert_billed_once(emulator: Emulator) -> None:
    """Something was billed, and no request twice: none that was billed came again with the same
    body and was billed again. A repetition of what cost nothing is fine.
    """
    posts = _posts("assert_billed_once", emulator)
    seen: dict[tuple[str, str], Post] = {}
    for post in (each for each in posts if each.billed):
        first = seen.setdefault((post.kind, post.digest), post)
        if first is not post:
            raise AssertionError(
                f"request {post.number} is request {first.number} again, and both were billed:"
                f"{_bill(posts)}"
            )
    if not seen:
        raise AssertionError(f"nothing was billed:{_bill(posts)}")


def assert_nothing_billed(emulator: Emulator) -> None:
    """No request was billed."""
    posts = _posts("assert_nothing_billed", emulator)
    if any(post.billed for post in posts):
        total = fsum(post.cost_usd for post in posts)
        raise AssertionError(f"${total:.6f} was billed:{_bill(posts)}")


def assert_script_played(emulator: Emulator) -> None:
    """Every reply that was scripted was asked for, and no request came when none was left (that
    is known where the emulator's rules are off). The fixture `scripted_model` ends with it.
    """
    _posts("assert_script_played", emulator)
    if emulator.unscripted:
        asked = "".join(f"\n  {each}" for each in emulator.unscripted)
        raise AssertionError(f"the script had no reply left for:{asked}")
    if emulator.unplayed:
        left = "".join(f"\n  {line(repr(each), width=160)}" for each in emulator.unplayed)
        raise AssertionError(
            f"never asked for, of the script: {_count(emulator.unplayed, 'reply', 'replies')}{left}"
        )


# What was given


def _check_answer(owner: str, value: object, attribute: str) -> None:
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()  # else Python warns, below the error, that it was never awaited
        raise refused(f"{owner}(answer={{!r}})", value, "is an answer: await it first")
    if not hasattr(value, attribute):
        raise refused(f"{owner}(answer={{!r}})", value, "is what a run returned")


def _check_call(call: object) -> None:
    match call:
        case str():
            return
        case (str(), Mapping()):
            return
        case _:
            accepted = "is the name of a tool, or a pair of its name and its arguments"
            raise refused("assert_calls({!r})", call, accepted)


def _posts(owner: str, emulator: Emulator) -> Sequence[Post]:
    if not hasattr(emulator, "posts"):
        raise refused(f"{owner}(emulator={{!r}})", emulator, "is an Emulator")
    return emulator.posts


# What is shown


def _count(found: Sequence[object], one: str, several: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else several}"


def _said(answer: object) -> str:
    text = getattr(answer, "text", None)
    return f"it said: {line(text, width=200)!r}" if isinstance(text, str) else repr(answer)


def _named(calls: Sequence[Invocation]) -> str:
    return ", ".join(f"{call.name} ({call.id})" for call in calls) or "nothing"


def _fits(made: Invocation, wanted: Call) -> bool:
    if isinstance(wanted, str):
        return made.name == wanted
    return made.name == wanted[0] and (made.arguments or {}) == dict(wanted[1])


def _of_call(call: Call) -> str:
    return call if isinstance(call, str) else f"{call[0]}({_listed(call[1])})"


def _list(calls: Sequence[Invocation]) -> str:
    return "".join(_told(call) for call in calls) or "\n  none"


def _told(call: Invocation) -> str:
    arguments = "…" if call.arguments is None else _listed(call.arguments)
    error = f": {line(call.error, width=160)}" if call.error else ""
    return f"\n  {call.name}({arguments}) {call.status}{error}"


def _listed(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={line(repr(value), width=80)}" for name, value in arguments.items())


def _bill(posts: Sequence[Post]) -> str:
    """A line for each request that can cost money."""
    lines = [
        f"\n  {post.number}: {post.kind}, "
        f"{'no status' if post.status is None else f'status {post.status}'}, "
        f"{f'${post.cost_usd:.6f}' if post.billed else 'not billed'}, {post.generation_id}"
        for post in posts
    ]
    return "".join(lines) or " no request came"


# Where base64 may stand


def _texts(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every text in a value, and where it stands."""
    if depth > _DEEPEST or value is None or isinstance(value, bool | int | float):
        return
    match value:
        case str():
            yield path, value
        case bytes() | bytearray():
            yield path, bytes(value).decode("utf-8", "replace")
        case Path():
            yield str(value), value.read_text("utf-8", "replace")
        case Mapping():
            for key, each in cast("Mapping[object, object]", value).items():
                yield from _texts(key, f"a key of {path}", depth + 1)
                yield from _texts(each, f"{path}[{key!r}]", depth + 1)
        case list() | tuple() | set() | frozenset():
            for number, each in enumerate(cast("Sequence[object]", value)):
                yield from _texts(each, f"{path}[{number}]", depth + 1)
        case _ if callable(to_json := getattr(value, "to_json", None)):
            yield f"{path}.to_json()", str(to_json())
        case _ if is_dataclass(value):
            for field in fields(value):
                where = f"{path}.{field.name}"
                yield from _texts(getattr(value, field.name), where, depth + 1)
        case _:
            yield f"repr({path})", repr(value)
