"""The list of what failed, also where the run itself breaks."""

from __future__ import annotations

import sys

import pytest


class FailureList:
    """The tests that failed so far. Where the run itself breaks, pytest prints no summary: this does."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid} ({report.when})")

    def pytest_internalerror(self) -> None:
        count = len(self.failed)
        print(f"\nThe run broke. {count} tests had failed until then:", file=sys.stderr)
        for name in self.failed:
            print(f"FAILED {name}", file=sys.stderr)
