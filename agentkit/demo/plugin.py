"""Demo scripts as tests: with `--demos`, pytest collects `*.demo.yaml`, one test for each turn.

Every pytest run of an environment that has agentkit imports this module, so it imports nothing but
pytest. The rest is imported when a script is collected.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from agentkit.demo.played import Played
    from agentkit.demo.script import Script
    from agentkit.values import Api


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option `--demos`."""
    group = parser.getgroup("agentkit")
    group.addoption(
        "--demos",
        action="store_true",
        help="collect demo scripts (*.demo.yaml), one test for each turn, played on the emulator",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A script, where scripts are asked for."""
    if file_path.name.endswith(".demo.yaml") and parent.config.getoption("--demos"):
        found: Any = DemoFile.from_parent(parent, path=file_path)  # pyright: ignore[reportUnknownMemberType]
        return found
    return None


class DemoFile(pytest.File):
    """A script. It is played once through each API, when its first turn is tested."""

    def collect(self) -> Iterator[pytest.Item]:
        from agentkit.demo.document import ScriptError
        from agentkit.demo.script import load
        from agentkit.demo.tools import load_tools

        try:
            script = load(self.path)
            load_tools(script)
        except ScriptError as error:
            raise self.CollectError(str(error)) from None
        self._script: Script = script
        self._played: dict[Api, Played] = {}
        for api in script.apis:
            for number, turn in enumerate(script.turns, 1):
                words = " ".join(turn.say.split())[:40]
                item: Any = DemoTurn.from_parent(  # pyright: ignore[reportUnknownMemberType]
                    self, name=f"{api}-{number} {words}", api=api, number=number
                )
                yield item

    def played(self, api: Api) -> Played:
        """What came of the script through this API."""
        if api not in self._played:
            from agentkit.demo.api import play_scripts_sync

            results = play_scripts_sync(self._script, apis=[api])
            self._played[api] = results.plays[0]
        return self._played[api]


class DemoTurn(pytest.Item):
    """One turn of a script through one API."""

    def __init__(self, *, api: Api, number: int, **given: Any) -> None:
        super().__init__(**given)  # pyright: ignore[reportUnknownMemberType]
        self._api: Api = api
        self._number = number

    def runtest(self) -> None:
        """Play the script if need be, and look at the turn."""
        parent: Any = self.parent
        played: Played = parent.played(self._api)
        turn = next((each for each in played.turns if each.number == self._number), None)
        if turn is None:
            pytest.skip("an earlier turn failed")
        if turn.complaints:
            raise NotAsExpected("\n".join(turn.complaints))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotAsExpected):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class NotAsExpected(AssertionError):
    """A turn whose expectations were not met; the message has a line for each."""
