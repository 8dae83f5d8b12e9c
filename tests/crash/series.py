"""Many experiments, and what they have to show."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import cycle, islice

from agentkit.emulator import Fault, Lookup, Socket, When
from agentkit.emulator.catalogue import MODELS
from agentkit.emulator.faults.values import ReplyError
from tests.crash.deadly import Kill
from tests.crash.experiment import URL_SECONDS, Finding, Moment, Setting, measured, tried
from tests.crash.plan import Kept, Scene
from tests.processes import PATIENCE

SCENES = (
    *(
        Scene(api, stream, base64=base64)
        for api in ("chat", "responses")
        for stream in (True, False)
        for base64 in (False, True)
    ),
    *(Scene(api, stream, studio=True) for api in ("chat", "responses") for stream in (True, False)),
    *(Scene(api, delegated=True) for api in ("chat", "responses")),
)
DEAD = Setting(pause=URL_SECONDS + 0.2)
"""The URLs are dead when the next process begins."""
ONCE = Setting(url_reads=1)

RIGHT = (
    "unreported",
    "without_id",
    "repeated",
    "bought_again",
    "called_again",
    "lost",
    "left",
    "miscounted",
)
"""The counts that are 0 with a ledger."""
DRAWING = 2
"""Which of the requests of a scene draws, where a server tool does."""
TRANSACTIONS = 20
"""More than the turn of any scene consists of."""
BY_ANOTHER = 3
"""The same where a tool draws: the studio, or an agent."""
_SOME = 100
"""Bytes of a reply, fewer than any has."""


@dataclass(frozen=True, slots=True)
class Total:
    """The sums of many findings."""

    kills: int
    findings: tuple[Finding, ...]
    failed: tuple[str, ...] = ()
    """Experiments that came to no end: a program hung, say. The others count all the same."""

    def sum(self, name: str) -> int:
        """The sum of a field."""
        return sum(getattr(each, name) for each in self.findings)

    @property
    def broken(self) -> list[str]:
        """Why runs did not come to their right end."""
        found = [f"{each.scene}: {each.broken}" for each in self.findings if each.broken]
        return [*found, *self.failed]

    def __str__(self) -> str:
        names = [
            each.name for each in fields(Finding) if each.name not in {"scene", "is_cut", "broken"}
        ]
        told = [f"{self.kills} kills", f"{len(self.findings)} cut a run"]
        told += [f"{name.replace('_', ' ')} {self.sum(name)}" for name in names]
        return ", ".join([*told, f"broken {len(self.broken)}"])


def random_kills(
    count: int,
    seed: int,
    settings: Sequence[Setting],
    *,
    scenes: Sequence[Scene] = SCENES,
    at_once: int = 2,
) -> Total:
    """As many programs, each killed at a random moment after one of its requests was there."""
    rng = random.Random(seed)
    known = {scene: measured(scene, settings[0]) for scene in scenes}
    plans: list[tuple[Scene, Setting, Moment]] = []
    for scene, setting in islice(zip(cycle(scenes), cycle(settings), strict=False), count):
        requests, seconds = known[scene]
        moment = Moment(rng.randint(1, requests), rng.uniform(0, seconds / requests))
        plans.append((scene, setting, moment))
    return _total([lambda plan=plan: tried(*plan) for plan in plans], at_once)


def killed_at(kills: Sequence[tuple[Scene, Setting, Kill]], *, at_once: int = 2) -> Total:
    """Programs that are killed at given points."""
    return _total([lambda plan=plan: tried(*plan) for plan in kills], at_once)


def scripted(
    scenes: Sequence[Scene] = SCENES, *, kept: Kept = "file"
) -> list[tuple[Scene, Setting, Kill]]:
    """A kill inside every step of every scene."""
    return [(scene, _setting(kill, kept), kill) for scene in scenes for kill in points(scene)]


def in_transactions(
    kept: Kept, seed: int, count: int | None = None, *, scenes: Sequence[Scene] = SCENES
) -> list[tuple[Scene, Setting, Kill]]:
    """A kill inside every transaction of every scene, or so many of these. By turns, the next
    process goes on with the turn that was cut, and sends a new prompt.
    """
    plans = [
        (scene, Setting(kept=kept, sends=sends), Kill("in a transaction", at))
        for scene in scenes
        for sends in (False, True)
        for at in range(2, TRANSACTIONS + 1)  # the first one makes the tables
    ]
    return plans if count is None else random.Random(seed).sample(plans, count)


def one_of_each(kept: Kept = "file") -> list[tuple[Scene, Setting, Kill]]:
    """Each point once, in one scene after the other."""
    found: dict[str, tuple[Scene, Setting, Kill]] = {}
    plans = scripted(kept=kept)
    for at, point in enumerate(dict.fromkeys(plan[2].point for plan in plans)):
        fitting = [plan for plan in plans if plan[2].point == point]
        found[point] = fitting[at * len(fitting) // 9 % len(fitting)]
    return [*found.values()]


def _setting(kill: Kill, kept: Kept) -> Setting:
    """The URL of a picture is dead where that must not matter, and a reply that is to be cut does
    not come in one piece, which it would on a busy machine.
    """
    is_dead = kill.point in {"after keep", "after a download"}
    faults = (_stalled(kill.request),) if kill.point == "in the body" else ()
    return replace(DEAD if is_dead else Setting(), kept=kept, faults=faults)


def _stalled(request: int) -> Fault:
    """The service hangs in the body of its reply to this request."""
    when = When(nth=(request,), times=1)
    return Fault(socket=Socket("stall", at="body", byte=_SOME), when=when)


def points(scene: Scene) -> list[Kill]:
    """The points at which a scene can be killed."""
    drawing = BY_ANOTHER if scene.studio or scene.delegated else DRAWING
    found = [
        Kill(point, drawing)
        for point in (
            "before the request",
            "before the first byte",
            "at the head",
            "in the body",
            "after received",
        )
    ]
    found.append(Kill("after received", 1))
    if scene.stream:  # only there is the run saved while the tools are at work
        found.append(Kill("in a round"))
    if not (scene.studio or scene.base64):
        found += [Kill("in a download"), Kill("after keep"), Kill("after a download", drawing)]
    return found


def _total(work: Sequence[Callable[[], Finding]], at_once: int) -> Total:
    failed: list[str] = []

    def found(each: Callable[[], Finding]) -> Finding | None:
        try:
            return each()
        except AssertionError as error:
            failed.append(str(error))
            return None

    with ThreadPoolExecutor(at_once) as pool:
        findings = [each for each in pool.map(found, work) if each is not None]
    cut = tuple([each for each in findings if each.is_cut])
    return Total(len(work), cut, tuple(failed))


UNBILLED = Setting(
    models=tuple([replace(each, prompt_price=0.0, completion_price=0.0) for each in MODELS]),
    faults=(
        Fault(
            error=ReplyError(content=False),
            socket=Socket("stall", at="body"),
            when=When(nth=(DRAWING,), times=1),
        ),
    ),
    look_up_seconds=PATIENCE,
)
"""The drawing is begun, and nothing comes of it that would be billed."""
BY_URL = (Scene("chat", stream=False), Scene("responses", stream=False))
NO_LOOK_UP = Fault(lookup=Lookup("unknown"), when=When(api="generation"))


def control(name: str, *, scenes: Sequence[Scene] = BY_URL, at_once: int = 2) -> Total:
    """What happens without a part of the ledger: `ledger` (all of it), `received`, `pictures` or
    `look-up`. `none` is what happens to a request that was not billed, with all of them.
    """
    match name:
        case "ledger":
            setting = Setting(ledger=False, pause=DEAD.pause)
            kills = [Kill("in a download"), Kill("after keep")]
        case "received":  # a stream says itself where it ends
            setting = Setting(dropped=frozenset({"received"}))
            kills = [Kill("after received", DRAWING)]
        case "pictures":
            setting = replace(DEAD, dropped=frozenset({"pictures"}))
            kills = [Kill("after keep")]
        case "look-up":
            faults = (*UNBILLED.faults, NO_LOOK_UP)
            setting = replace(UNBILLED, faults=faults, look_up_seconds=2.0)
            kills = [Kill("at the head", DRAWING)]
        case _:
            setting, kills = UNBILLED, [Kill("at the head", DRAWING)]
    return killed_at(
        [(scene, setting, kill) for scene in scenes for kill in kills], at_once=at_once
    )
