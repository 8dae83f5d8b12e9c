"""The README's examples, run as they stand, against the emulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agentkit.emulator import Emulator

README = Path(__file__).parents[2] / "README.md"
SAID = {
    "studio.edit": "[('img_1', ()), ('img_2', ('img_1',)), ('img_3', ('img_2',))]\n('img_1',) 0.0",
    "Unsupported": "1K ('google/",
    "order_print": "paused [('call_",
    "run=run": "Your name is Ada",
    'Denied("too dear")': "too dear",
    "Budget(": "limited images",
    "as_tool": "['illustrator', 'openrouter:image_generation']",
    "Hooks(": "eve@example.org is not one of us",
}
"""What a block with these words prints, among other things."""
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.strip().splitlines()[0])
def test_an_example_runs(code: str, emulator: Emulator, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "OPENROUTER_API_KEY": "sk-or-any",
        "OPENROUTER_BASE_URL": emulator.base_url,
        "AGENTKIT_STORE": str(tmp_path / "store"),
        "PYTHONPATH": str(README.parent),
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if "out/oslo" in code:
        assert "Oslo" in done.stdout
        assert list((tmp_path / "out" / "oslo" / "images").iterdir())
    if "chat.stream" in code:
        assert "['img_1', 'img_2']" in done.stdout
    for marker, said in SAID.items():
        if marker in code:
            assert said in done.stdout


def test_there_are_examples() -> None:
    assert len(BLOCKS) == 10
    assert all(any(marker in code for code in BLOCKS) for marker in SAID)


def test_what_is_linked_to_is_there() -> None:
    """Files, and headings of the page itself."""
    text = README.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif not link.startswith("https://"):
            assert (README.parent / link).exists(), link
    for path in re.findall(r"`(examples/[\w.]+)`", text):
        assert (README.parent / path).exists(), path
    for name in re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE):
        assert (README.parent / "examples" / name).exists(), name
