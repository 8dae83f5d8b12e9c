"""The table: each fault, where it strikes, and what is right for it. Cells are made from it;
nothing is said twice.

A row says what to inject and, for buffered and streamed replies, what has to come of it. What holds
for every cell alike (one of agentkit's own errors, nothing paid twice, no picture lost, no task
left, the conversation as before) is in `test_matrix.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.cells import Cell, Row
from tests.faults.connections import body_rows, connection_rows, deadline_rows, gone_rows
from tests.faults.downloads import deadline_rows as download_deadline_rows
from tests.faults.downloads import download_rows, reference_rows
from tests.faults.replies import inner_error_rows, quirk_rows, wrong_body_rows
from tests.faults.scene import WAYS
from tests.faults.statuses import (
    error_body_rows,
    gateway_rows,
    lookup_rows,
    server_tool_rows,
    status_rows,
    wait_rows,
)

ROWS: tuple[Row, ...] = (
    *connection_rows(), *body_rows(), *deadline_rows(), *status_rows(), *gateway_rows(), *wait_rows(), *server_tool_rows(), *lookup_rows(),
    *error_body_rows(), *wrong_body_rows(), *inner_error_rows(), *download_rows(), *download_deadline_rows(), *reference_rows(), *quirk_rows(), *gone_rows(),
)  # fmt: skip


def cells() -> Iterator[Cell]:
    for number, row in enumerate(ROWS):
        for way in WAYS:
            outcome = row.streamed if way.stream else row.buffered
            if outcome is None or way.api not in row.apis:
                continue
            for moment in row.moments if way.api != "images" else row.moments[:1]:
                yield Cell(row, way, moment, outcome, number)
