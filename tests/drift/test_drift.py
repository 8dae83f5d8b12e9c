"""What OpenRouter's types know and agentkit does not is explained, row by row."""

from __future__ import annotations

from tests.drift.explained import EXPLAINED


def test_every_difference_is_explained() -> None:
    from tests.drift.rows import rows  # loads all of the SDK's types

    assert [str(row) for row in rows() if not row.reason] == []
    assert all(reason for reasons in EXPLAINED.values() for reason in reasons.values())
