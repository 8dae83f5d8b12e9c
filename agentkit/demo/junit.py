"""Results of plays as JUnit XML, which build servers show: a suite for each play, a case for each
turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agentkit._files import write_whole
from agentkit.demo.played import Played
from agentkit.demo.script import Script
from agentkit.errors import UsageError
from agentkit.show import plain

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def write_junit(path: Path, plays: Iterable[tuple[Script, Played]]) -> None:
    """Write the file. Raises `UsageError` where it cannot be written."""
    from xml.etree.ElementTree import Element, indent, tostring

    root = Element("testsuites", name="agentkit demo")
    for script, played in plays:
        root.append(_suite(script, played))
    indent(root)
    try:
        write_whole(path, [tostring(root, encoding="utf-8", xml_declaration=True)])
    except OSError as error:
        raise UsageError(
            f"the results cannot be written to {path}: {error.strerror or error}"
        ) from error


def _suite(script: Script, played: Played) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    name = " · ".join(filter(None, (script.name, played.api, played.model)))
    if played.number > 1:
        name += f" · {played.number}"
    suite = Element(
        "testsuite",
        name=plain.visible(name),
        tests=str(played.planned),
        failures=str(sum(bool(turn.problems) for turn in played.turns)),
        errors=str(sum(turn.error is not None for turn in played.turns)),
        skipped=str(played.planned - len(played.turns)),
        time=f"{played.seconds:.3f}",
        timestamp=datetime.fromtimestamp(played.started_at, UTC).isoformat(timespec="seconds"),
    )
    said = [turn.say for turn in script.turns]
    turns = {turn.number: turn for turn in played.turns}
    for number in range(1, played.planned + 1):
        turn = turns.get(number)
        words = turn.say if turn is not None else said[number - 1] if number <= len(said) else ""
        case = SubElement(
            suite,
            "testcase",
            classname=plain.visible(script.name),
            name=f"{number}. {plain.line(words, width=100)}",
            file=plain.visible(script.document.file),
            time=f"{turn.seconds:.3f}" if turn is not None else "0",
        )
        if turn is None:
            SubElement(case, "skipped", message="an earlier turn failed")
            continue
        for why in turn.problems:
            SubElement(case, "failure", message=plain.line(why, width=400))
        if turn.error is not None:
            SubElement(case, "error", message=plain.line(turn.error, width=400))
    return suite
