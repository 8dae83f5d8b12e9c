"""`docs/architecture.md` shows the package as it is: its tree, and the order of imports."""

from __future__ import annotations

import re

from tests.architecture.documents import ROOT, blocks
from tests.architecture.test_architecture import ORDER

PACKAGE = ROOT / "agentkit"


def block_under(heading: str) -> list[str]:
    """The lines of the first code block under a heading."""
    page = ROOT / "docs" / "architecture.md"
    line = page.read_text("utf-8").splitlines().index(f"## {heading}")
    return next(
        block.code.splitlines()
        for block in blocks("text")
        if block.page == page and block.line > line
    )


def test_the_tree_is_the_package() -> None:
    first, *lines = block_under("The tree")
    assert first == "agentkit/"
    shown = [re.split(r"/?\s{2,}", line.strip())[0] for line in lines]
    assert sorted(shown) == sorted(
        path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"
    )


def test_the_import_order_is_the_one_that_is_tested() -> None:
    """Without what is still to come."""
    there = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    tested = [" ".join(name for name in line.split() if name in there) for line in ORDER]
    assert block_under("The import order") == [line for line in tested if line]
