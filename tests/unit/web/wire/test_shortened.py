"""Pictures as base64 in what calls carry: they are in no stream, and come back unharmed."""

from __future__ import annotations

import base64
import json

from agentkit import Invocation, Message, Text
from agentkit.events import InvocationFinished, InvocationProgress, InvocationStarted
from agentkit.run import Run
from agentkit.web.retelling import assistant_message
from agentkit.web.shortened import restored, shortened
from agentkit.web.telling import Teller
from tests.conftest import picture

DATA = base64.b64encode(picture(size=(40, 30), noise=3)).decode()
URL = f"data:image/png;base64,{DATA}"
GIVEN = {"pictures": [f"look: {URL}.", "img_1"], "copies": 2, "deep": {"one": URL}}


def test_no_stream_has_the_base64_of_a_picture() -> None:
    run = Run("run_1", "m", "chat", (Message("user", (Text("hi"),)),), 0)
    teller = Teller(run)
    call = Invocation("c", "t", GIVEN, status="running")
    ended = Invocation("c", "t", GIVEN, status="completed", result=f"here: {URL}")
    failed = Invocation("d", "t", status="failed", error=f"no: {URL}")
    told = [
        *teller.begin(),
        *teller.tell(InvocationStarted(call)),
        *teller.tell(InvocationProgress(call, URL)),
        *teller.tell(InvocationFinished(ended)),
        *teller.tell(InvocationFinished(failed)),
    ]
    run = run.replace(status="completed", invocations=(ended, failed))
    told += teller.end(run)
    assert DATA[:256] not in json.dumps(told)
    kept = assistant_message(run, teller.notes.to_json())
    assert DATA[:256] not in json.dumps(kept)
    assert DATA[:256] not in teller.notes.to_json()


def test_what_a_person_did_not_change_is_whole_again() -> None:
    shown = shortened(GIVEN)
    assert restored(shown, GIVEN) == GIVEN
    assert isinstance(shown, dict)
    changed = {**shown, "copies": 3, "pictures": [*shown["pictures"], "img_2"]}
    wanted = {**GIVEN, "copies": 3, "pictures": [*GIVEN["pictures"], "img_2"]}
    assert restored(changed, GIVEN) == wanted
    assert restored({"pictures": "img_2"}, GIVEN) == {"pictures": "img_2"}


def test_short_values_stay_as_they_are() -> None:
    for value in (None, 7, "img_1", "data:image/png;base64,iVBORw0KGgo=", [1, {"a": "b"}]):
        assert shortened(value) == value
