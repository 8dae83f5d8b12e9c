"""One program, killed once and gone on with: what became of its requests and of its pictures."""

from __future__ import annotations

import base64
import binascii
import hashlib
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import fsum
from pathlib import Path

from agentkit import Run
from agentkit.emulator import Emulator, Fault
from agentkit.emulator.catalogue import MODELS, Model
from agentkit.emulator.server.posts import Post
from agentkit.openrouter.ledger_storage import Entry
from agentkit.openrouter.stored_call import StoredCall, calls_of
from tests.crash import program as programs
from tests.crash.deadly import Kill
from tests.crash.plan import SAID, Kept, Program, Result, Scene
from tests.crash.program import keeper_of, result_of
from tests.crash.session import database
from tests.processes import PATIENCE, Child, started

URL_SECONDS = 2.0
"""How long the URL of a picture lives."""
_ROUNDING = 1e-9
"""USD."""
_LEAST = 2000
"""Characters of the base64 of a picture, at least."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How an experiment is set up, beside its scene."""

    models: tuple[Model, ...] = MODELS
    kept: Kept = "file"
    sends: bool = False
    """Whether the next process sends a new prompt."""
    ledger: bool = True
    dropped: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = ()
    url_reads: int | None = None
    """How often the URL of a picture can be read."""
    pause: float = 0.0
    """Seconds between the crash and the next process."""
    look_up_seconds: float = 2.0
    """How long a request's outcome is looked for. Where it can be found, on however busy a machine,
    that is far more than it takes.
    """


@dataclass(frozen=True, slots=True)
class Crash:
    """What was there when the process had died."""

    posts: tuple[Post, ...]
    calls: tuple[StoredCall, ...]
    on_disk: frozenset[str]
    """Digests of the pictures of which the whole had been written."""
    unnoted: frozenset[str]
    """Digests of those whose last byte had been written, and of which the ledger had no note yet:
    the process died within the few milliseconds between.
    """
    run: Run | None
    """As it was saved."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one kill."""

    scene: Scene
    is_cut: bool
    """Whether the kill cut the run, and did not come after its end."""
    in_flight: int = 0
    """Requests that had been sent and not received."""
    waited: int = 0
    """Those of them that a person was asked about."""
    unreported: int = 0
    """Those of them that may draw and that nobody was asked about."""
    without_id: int = 0
    """Those of them whose id had come and was not told."""
    received: int = 0
    repeated: int = 0
    """Received requests that were sent again."""
    bought_again: int = 0
    """Drawings that were bought again by no person's decision."""
    called_again: int = 0
    """Tool calls that were run again though the saved run had their results."""
    pictures: int = 0
    """Pictures whose last byte had been written."""
    lost: int = 0
    """Those of them that the answer has not, or has because they were bought again."""
    unnoted: int = 0
    """Pictures that had come to their last byte, and of which nothing had a note yet: they are
    downloaded again, if their URL still lives.
    """
    left: int = 0
    """What is in the ledger at the end: files, or rows."""
    miscounted: int = 0
    """Runs whose usage is not what was billed, though nothing was in flight."""
    broken: str | None = None
    """Why the run did not come to its right end."""


@dataclass(frozen=True, slots=True)
class Moment:
    """So many seconds after a request of the program, from 1 on, has reached the emulator."""

    request: int
    seconds: float


def tried(scene: Scene, setting: Setting, kill: Kill | Moment) -> Finding:
    """Begin a program, kill it at this point or moment, and go on with its run."""
    with (
        tempfile.TemporaryDirectory() as name,
        database(setting.kept, Path(name)) as url,
        Emulator(
            seed=3,
            image_places=scene.places,
            models=setting.models,
            url_ttl=URL_SECONDS,
            url_reads=setting.url_reads,
            faults=list(setting.faults),
        ) as emulator,
    ):
        program = Program(
            scene,
            Path(name),
            emulator.base_url,
            setting.kept,
            url,
            setting.sends,
            setting.ledger,
            setting.dropped,
            kill if isinstance(kill, Kill) else None,
            look_up_seconds=setting.look_up_seconds,
        )
        if not _killed(program, emulator, kill):
            return Finding(scene, is_cut=False)
        time.sleep(setting.pause)
        program = replace(program, kill=None)
        crash = _crash_of(program, emulator)
        if crash.run is None:
            return Finding(scene, is_cut=False)
        return _judged(program, emulator, crash)


def measured(scene: Scene, setting: Setting) -> tuple[int, float]:
    """How many requests the program sends, and how long it takes after its first one, if nobody
    kills it.
    """
    with (
        tempfile.TemporaryDirectory() as name,
        database(setting.kept, Path(name)) as url,
        Emulator(seed=3, image_places=scene.places) as emulator,
    ):
        program = Program(
            scene, Path(name), emulator.base_url, setting.kept, url, ledger=setting.ledger
        )
        with _process(programs.begin, program) as child:
            _wait(lambda: emulator.requests or child.exitcode is not None)
            began = time.monotonic()
            result = program.folder / "result.json"
            _wait(lambda: result.exists() or child.exitcode is not None)
            seconds = time.monotonic() - began
            child.join(PATIENCE)
        if child.exitcode != 0:
            raise _unexpected_end(program, emulator, child, began)
        return len(emulator.requests), seconds


def _killed(program: Program, emulator: Emulator, kill: Kill | Moment) -> bool:
    """Whether the program was killed before its end."""
    began = time.monotonic()
    with _process(programs.begin, program) as child:
        if isinstance(kill, Moment):
            wanted = kill.request
            _wait(lambda: len(emulator.requests) >= wanted or child.exitcode is not None)
            child.join(kill.seconds)
            child.kill()
        child.join(PATIENCE)
        if child.exitcode not in {0, -signal.SIGKILL}:
            raise _unexpected_end(program, emulator, child, began)
        return child.exitcode != 0 and not (program.folder / "result.json").exists()


def _unexpected_end(
    program: Program, emulator: Emulator, child: Child, began: float
) -> AssertionError:
    """That a program neither came to its end nor was killed, and all that is known about it."""
    code = child.exitcode
    how = "is still running" if code is None else f"ended with exit code {code}"
    seconds = time.monotonic() - began
    sent = ", ".join(f"{each.method} {each.path}" for each in emulator.requests) or "no request"
    return AssertionError(
        f"{program.scene} ({program.kept}, {program.kill}) {how} after {seconds:.1f} s; "
        f"it sent {sent}; {_last_words(program)}"
    )


def _last_words(program: Program) -> str:
    said = {name: program.folder / name for name in ("stdout", "stderr")}
    return ", ".join(
        f"{name}: {path.read_text()[-2000:]!r}" for name, path in said.items() if path.exists()
    )


def _crash_of(program: Program, emulator: Emulator) -> Crash:
    keeper = keeper_of(program)
    run, storage = keeper.run(), keeper.storage
    calls: list[StoredCall] = []
    bodies: list[bytes] = []
    if run is not None and storage is not None:
        calls = calls_of(storage.read(run.id))
        bodies = [each.data for _, each in storage.read(run.id) if isinstance(each, Entry)]
    keeper.close()
    posts = tuple(emulator.posts)
    files = [path for path in program.store.rglob("*") if path.is_file()]
    written = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    kept = {path.stem for path in files} & written
    noted = {sha256 for call in calls for sha256 in call.pictures.values()} & written
    bought = frozenset(sha256 for post in posts for sha256 in post.images)
    on_disk = bought & (kept | noted | set(_in_bodies(bodies)))
    return Crash(posts, tuple(calls), on_disk, bought & written - on_disk, run)


def _in_bodies(bodies: Iterable[bytes]) -> Iterator[str]:
    """The digests of the pictures that are whole in these bytes."""
    for word in (word for body in bodies for word in body.split(b'"') if len(word) > _LEAST):
        try:
            data = base64.b64decode(word.rpartition(b",")[2], validate=True)
        except binascii.Error:
            continue
        yield hashlib.sha256(data).hexdigest()


def _judged(program: Program, emulator: Emulator, crash: Crash) -> Finding:
    """Go on with the run, and see what came of it. Where a person is asked about a request, the
    answer is to send it again.
    """
    first, broken = _gone_on(program)
    resent = _Resent(crash, emulator.posts)
    asked = {str(each["key"]): each for each in first.waiting if each["why"] == "outcome"}
    last = first
    if asked and broken is None:
        outcomes = {str(each["call_id"]): "again" for each in asked.values()}
        last, broken = _gone_on(replace(program, outcomes=outcomes))
    flying = [each for each in crash.calls if _is_in_flight(each, crash.run)]
    received = _received(crash, is_told=program.ledger and not program.dropped)
    whole = crash.on_disk if program.ledger else _delivered(crash.posts)
    return Finding(
        program.scene,
        is_cut=True,
        in_flight=len(flying),
        waited=len(asked),
        unreported=sum(str(each.key) not in asked and not resent.rightly(each) for each in flying),
        without_id=sum(
            asked[str(each.key)]["generation_id"] != _id_of(each)
            for each in flying
            if str(each.key) in asked
        ),
        received=len(received),
        repeated=sum(earlier.number in received for earlier, _ in resent.pairs),
        bought_again=sum(bool(earlier.images) for earlier, _ in resent.pairs),
        called_again=_called_again(program, crash),
        pictures=len(whole),
        lost=sum(each not in first.pictures or each in resent.pictures for each in whole),
        unnoted=len(crash.unnoted),
        left=_left_in(program),
        miscounted=_is_miscounted(program, last, emulator.posts, is_cut=bool(flying)),
        broken=broken or _wrong(program, last),
    )


class _Resent:
    """What the next process sent again by itself."""

    def __init__(self, crash: Crash, posts: Sequence[Post]) -> None:
        new = posts[len(crash.posts) :]
        sent = {(post.kind, post.digest): post for post in crash.posts}
        self.pairs = [
            (sent[key], post) for post in new if (key := (post.kind, post.digest)) in sent
        ]
        self.pictures = {sha256 for _, post in self.pairs for sha256 in post.images}
        self._by_id = {post.generation_id: post for post in posts}

    def rightly(self, call: StoredCall) -> bool:
        """Whether a request in flight needed nobody to be asked: it could not draw, it is known
        that it was not billed, or all bytes of its reply had been written, and it was not sent
        again.
        """
        post = self._by_id.get(_id_of(call))
        if not call.may_draw or post is None:
            return not call.may_draw
        is_taken = post.complete and all(post.number != earlier.number for earlier, _ in self.pairs)
        return post.known_unbilled or is_taken


def _gone_on(program: Program) -> tuple[Result, str | None]:
    """What the next process said, and why it failed."""
    with _process(programs.go_on, program) as child:
        child.join(PATIENCE)
        code = child.exitcode
    if code != 0:
        return Result("error"), f"exit code {code}: {_last_words(program)}"
    result = result_of(program)
    return result, result.error


def _is_in_flight(call: StoredCall, run: Run | None) -> bool:
    # The reply of an earlier turn is in the saved run, whatever the ledger has of it.
    turn, turns = call.key.call, 0 if run is None else run.turns
    is_earlier = turn.isdecimal() and int(turn) < turns
    return call.is_open and not _has_come(call) and not is_earlier


def _has_come(call: StoredCall) -> bool:
    """Whether the reply is there, in the ledger or in a saved run."""
    return call.is_received or call.is_saved


def _id_of(call: StoredCall) -> str | None:
    return call.headers.get("x-generation-id")


def _received(crash: Crash, *, is_told: bool) -> frozenset[int]:
    """The numbers of the requests whose replies had been received: as the ledger says, or, without
    a whole one, those that the emulator had handed over.
    """
    if not is_told:
        return frozenset(post.number for post in crash.posts if post.complete)
    ids = {_id_of(each) for each in crash.calls if _has_come(each)}
    return frozenset(post.number for post in crash.posts if post.generation_id in ids)


def _delivered(posts: Iterable[Post]) -> frozenset[str]:
    """The pictures that the emulator had handed over to the last byte."""
    return frozenset(sha256 for post in posts for sha256 in post.delivered)


def _wrong(program: Program, result: Result) -> str | None:
    """Why an end is not the right one."""
    if result.status != "completed":
        return f"the run ended {result.status}"
    # A picture that was cut off stands beside the one that was drawn again.
    drawn, failed = len(result.pictures), result.failures
    is_one = drawn <= 1 and failed <= 1 and drawn + failed > 0
    if not program.sends and not (SAID in result.text and is_one):
        return f"the answer is {result.text!r} with {len(result.pictures)} pictures"
    keeper = keeper_of(program)
    wrong = keeper.wrong(result)
    keeper.close()
    return wrong


def _is_miscounted(
    program: Program, result: Result, posts: Sequence[Post], *, is_cut: bool
) -> bool:
    """Whether the usage of a conversation is not what its requests cost. What a request cost whose
    reply was cut may not be known.
    """
    if program.kept == "file" or is_cut:
        return False
    billed = fsum(post.cost_usd for post in posts if post.billed)
    return abs((result.cost_usd or 0.0) - billed) > _ROUNDING


def _called_again(program: Program, crash: Crash) -> int:
    begun = program.begun.read_text().split() if program.begun.exists() else []
    ended = (
        [each for each in crash.run.invocations if each.status == "completed"] if crash.run else []
    )
    cities = [str((each.arguments or {}).get("city")) for each in ended if each.name == "weather"]
    return sum(begun.count(city) > 1 for city in cities)


def _left_in(program: Program) -> int:
    """What is left of the ended run in its ledger, once it was swept."""
    keeper = keeper_of(program)
    left = keeper.left()
    keeper.close()
    return left


@contextmanager
def _process(call: Callable[[Program], None], program: Program) -> Iterator[Child]:
    child = started(call, program, folder=program.folder)
    try:
        yield child
    finally:
        child.kill()
        child.join()


def _wait(holds: Callable[[], object]) -> None:
    """Wait for what the emulator's thread or a process does."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("the program does not come to its first request")
        time.sleep(0.001)
