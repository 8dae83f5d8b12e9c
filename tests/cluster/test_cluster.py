"""The cluster in small: `make cluster` runs it with more."""

from __future__ import annotations

import sys

import pytest

from tests.cluster.__main__ import main


@pytest.mark.slow
def test_one_of_each_is_killed_and_every_run_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cluster", "--runs", "8", "--workers", "2"])
    code = main()
    told = capsys.readouterr().out
    assert code == 0, told
    assert "killed while they draw: worker" in told
