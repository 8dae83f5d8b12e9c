"""The reference, built as `make docs` builds it: every public name has an entry, and it reads
without a network.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from sphinx.util.inventory import InventoryFile

from tests.architecture.documents import ROOT, public_modules

FROM_ELSEWHERE = re.compile(
    r"<(?:script|img|iframe)[^>]+src=[\"']?(?:https?:)?//|<link[^>]+href=[\"']?(?:https?:)?//|@import|url\([\"']?(?:https?:)?//"
)


def built(folder: Path) -> Path:
    """The folder of the pages. A warning of Sphinx is an error."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-c",
        "docs",
        "-d",
        folder / "doctrees",
        ".",
    ]
    done = subprocess.run(
        [*command, folder / "html"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "html"


def described(pages: Path, name: str, where: str) -> bool:
    """Whether the entry of this name says anything."""
    page, _, anchor = where.partition("#")
    entry = BeautifulSoup((pages / page).read_text("utf-8"), "html.parser").find(
        id=anchor.replace("$", name)
    )
    body = entry.find_next_sibling("dd") if isinstance(entry, Tag) else None
    return isinstance(body, Tag) and bool(body.find(["p", "pre"], recursive=False))


@pytest.mark.slow  # `.ci/run` builds the pages, this reads them as well
def test_every_public_name_has_an_entry(tmp_path: Path) -> None:
    pages = built(tmp_path)
    entries = InventoryFile.loads((pages / "objects.inv").read_bytes(), uri="").data
    known = {
        name: item.uri
        for kind, items in entries.items()
        if kind.startswith("py:")
        for name, item in items.items()
    }
    missing: list[str] = []
    for module in public_modules():
        for name in importlib.import_module(module).__all__:
            places = [place for place in (f"{module}.{name}", f"agentkit.{name}") if place in known]
            if not any(described(pages, place, known[place]) for place in places):
                missing.append(f"{module}.{name}")
    assert not missing, " ".join(missing)

    assert (pages / "index.html").exists()
    for page in [*pages.rglob("*.html"), *pages.rglob("*.css")]:
        assert not FROM_ELSEWHERE.search(page.read_text("utf-8")), page


def test_every_public_name_is_in_the_source_of_the_reference() -> None:
    """By a directive of its own, or by one for all names of its module."""
    sources = [page.read_text("utf-8") for page in (ROOT / "docs" / "reference").glob("*.rst")]
    named = {name for text in sources for name in re.findall(r"\.\. auto\w+:: ([\w.]+)", text)}
    whole = {
        name
        for text in sources
        for name, options in re.findall(r"\.\. automodule:: ([\w.]+)\n((?: +:.*\n)*)", text)
        if ":no-members:" not in options
    }
    missing = [
        f"{module}.{name}"
        for module in public_modules()
        for name in importlib.import_module(module).__all__
        if module not in whole and not {f"{module}.{name}", f"agentkit.{name}"} & named
    ]
    assert not missing, " ".join(missing)


@pytest.mark.parametrize("module", public_modules())
def test_a_public_module_says_what_is_public(module: str) -> None:
    found = importlib.import_module(module)
    assert found.__doc__
    assert len(found.__all__) == len(set(found.__all__))
    for name in found.__all__:
        assert hasattr(found, name), name
