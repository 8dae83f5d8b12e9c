"""Events in any order, such as no turn ever tells them: the stream stays one that clients read, and
the notes of any run can be shown.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.events import Event
from agentkit.run import Run
from agentkit.web.chunks import is_sent, sse
from agentkit.web.message_facts import Ending
from agentkit.web.retelling import assistant_message, take_up
from agentkit.web.telling import Teller
from agentkit.web.ui_message import reduced
from tests import ui_stream
from tests.unit.web.wire.any_events import ENDINGS, EVENTS, RUNS, told


@given(st.lists(EVENTS, max_size=12), RUNS, ENDINGS)
def test_any_events_make_a_stream_that_clients_read(
    events: list[Event], run: Run, ending: Ending | None
) -> None:
    chunks = told(events, run, ending)
    assert all(map(is_sent, chunks))
    ui_stream.check(chunks)
    message = reduced(chunks)
    assert message["metadata"]["status"] != "running"
    for part in message["parts"]:
        assert part.get("state") not in {"streaming", "input-streaming"}
        if part["type"] == "data-picture":
            assert part["data"]["status"] in {"ready", "failed"}
            assert "sig=" not in (part["data"]["reason"] or "")
        assert "sig=" not in part.get("errorText", "")
    for chunk in chunks:
        text = sse(chunk).decode()
        json.loads(text.removeprefix("data: "), parse_constant=pytest.fail)


@given(st.lists(EVENTS, max_size=8), RUNS, RUNS, st.sampled_from(["", "{}", "[1", '{"version":1}']))
def test_any_notes_of_any_run_can_be_shown(
    events: list[Event], run: Run, other: Run, broken: str
) -> None:
    """Those of another run too, and what is none."""
    teller = Teller(run)
    for event in events:
        teller.tell(event)
    teller.end(run)
    for notes in (teller.notes.to_json(), broken):
        up = take_up(other, notes)
        ui_stream.check([*up.whole, *up.teller.end(other)])
        assert assistant_message(other, notes)["id"] == "run_1"
