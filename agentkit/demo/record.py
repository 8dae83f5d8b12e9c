"""What came of the plays as JSON: `run.json` of a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from agentkit.demo.played import Played, PlayedTurn
from agentkit.demo.saved_play import SavedPlay
from agentkit.demo.script import Script
from agentkit.demo.sources import AnsweredBy

VERSION = 1
KIND = "agentkit demo report"


def record(
    script: Script, conversations: Sequence[SavedPlay], answered_by: AnsweredBy | None
) -> str:
    """The JSON text of a report."""
    plays = [each.played for each in conversations]
    found = {
        "version": VERSION,
        "kind": KIND,
        "name": script.name,
        "model": script.model or (plays[0].model if plays else ""),
        "models": models_of(plays),
        "date": datetime.fromtimestamp(started_at(plays), UTC).isoformat(timespec="seconds"),
        "answered_by": None if answered_by is None else _answered_record(answered_by),
        "is_whole": all(len(played.turns) == played.planned for played in plays),
        "conversations": [_conversation_record(each) for each in conversations],
    }
    return json.dumps(found, indent=1)


def _answered_record(answered_by: AnsweredBy) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": answered_by.kind, "words": answered_by.words}
    if answered_by.cassette:
        found |= {"cassette": answered_by.cassette, "recorded_from": answered_by.recorded_from}
    return found


def models_of(plays: Sequence[Played]) -> list[str]:
    """The models that were asked, in order."""
    return list(
        dict.fromkeys(turn.model for played in plays for turn in played.turns if turn.model)
    )


def started_at(plays: Sequence[Played]) -> float:
    """When the first play began, as Unix time."""
    return min((played.started_at for played in plays), default=0.0)


def _conversation_record(saved: SavedPlay) -> dict[str, Any]:
    played = saved.played
    checks = {str(turn.number): [asdict(check) for check in turn.checks] for turn in played.turns}
    return {
        "api": played.api,
        "model": played.model,
        "number": played.number,
        "folder": saved.key,
        "planned": played.planned,
        "checks": checks,
        "seconds": round(played.seconds, 3),
        "turns": [_turn_record(turn) for turn in played.turns],
    }


def _turn_record(turn: PlayedTurn) -> dict[str, Any]:
    run: Any = json.loads(turn.answer.run.to_json()) if turn.answer is not None else None
    return {
        "say": turn.say,
        "seconds": round(turn.seconds, 3),
        "problems": list(turn.problems),
        "error": turn.error,
        "run": run,
    }
