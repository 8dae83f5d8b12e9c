"""The money law over random runs. `python -m tests.faults --runs 10000` is the long form."""

from __future__ import annotations

import pytest

from agentkit.emulator import Body, Fault, ReplyError, Socket, Status
from tests.conftest import examples
from tests.faults.money import Tally, never_whole, prove
from tests.unit.openrouter.peer import PEM

RUNS = 60
"""In `make test`; eight times as many in `make test-all`."""
SEED = 20
AT_ONCE = 5
"""More would keep each other waiting on a busy machine, for longer than the client waits."""


@pytest.fixture
def few_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))


async def test_nothing_is_paid_twice_and_nothing_is_lost(few_certificates: None) -> None:
    runs = examples(RUNS)
    tally = await prove(runs, SEED, at_once=AT_ONCE)
    assert tally.wrong == 0, str(tally)
    assert tally.runs == runs
    # the runs are what they are meant to be: much strikes, some is sent again, some ends well
    assert tally.struck > runs / 2
    assert tally.repeats > 0
    assert tally.delivered > runs / 2
    assert {
        "completed",
        "drawn",
        "StreamInterrupted",
        "OutcomeUnknown",
        "ProviderFailed",
        "ProtocolError",
    } <= set(tally.outcomes)


def test_the_numbers_are_told() -> None:
    told = str(Tally(runs=7, lost=2))
    assert "runs 7" in told
    assert "not in the store: 2" in told
    assert Tally(lost=2, hangs=1).wrong == 3


@pytest.mark.parametrize(
    ("fault", "whole"),
    [
        (Fault(status=Status(500)), False),
        (Fault(error=ReplyError("silent")), False),
        (Fault(body=Body("html")), False),
        (Fault(body=Body("unstreamed")), True),
        (Fault(quirks=("stream.no_finish",)), False),
        (Fault(quirks=("stream.crlf",)), True),
        (Fault(socket=Socket("cut", at="finish")), False),
        (Fault(socket=Socket("cut", at="done")), True),
        (Fault(socket=Socket("slice", at="finish")), True),
    ],
)
def test_what_can_end_well(fault: Fault, whole: bool) -> None:
    assert never_whole(fault, stream=True) is not whole
