"""`import agentkit` is cheap, and still gives all that an eager import would."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import agentkit

SOURCE = Path(agentkit.__file__)
HEAVY = (
    "PIL",
    "aiohttp",
    "asyncio",
    "httpx2",
    "openai",
    "pydantic",
    "rich",
    "starlette",
    "structlog",
    "tenacity",
    "typer",
)
LOADED = f"print(sorted(each for each in {HEAVY!r} if each in sys.modules))"


def printed(code: str) -> str:
    """What a new interpreter prints for this code, without warnings or errors."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_a_bare_import_loads_the_version_alone() -> None:
    code = "import sys, agentkit; print(sorted(each for each in sys.modules if each.startswith('agentkit')))"
    assert printed(code) == "['agentkit', 'agentkit._version']"


def test_what_people_write_loads_nothing_heavy() -> None:
    assert printed(f"import sys; from agentkit import Agent, tool; {LOADED}") == "[]"


def test_the_help_loads_nothing_heavy_but_typer() -> None:
    code = f"import sys; from agentkit.cli import main; main(['--help']); {LOADED}"
    assert printed(code).splitlines()[-1] == "['typer']"


def test_the_names_are_written_alike_in_all_three_places() -> None:
    """`__all__`, the imports that a checker reads, and the modules that names come from at run time."""
    tree = ast.parse(SOURCE.read_text("utf-8"))
    (typed,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imported = {
        alias.name: node.module
        for node in typed.body
        if isinstance(node, ast.ImportFrom) and node.module != "agentkit"
        for alias in node.names
    }
    assert imported == agentkit._MODULES
    assert sorted(imported) == sorted(agentkit.__all__)


def test_a_name_is_kept_at_its_first_use() -> None:
    code = (
        "import agentkit\n"
        "for name in agentkit.__all__:\n"
        "    found = getattr(agentkit, name)\n"
        "    assert agentkit.__dict__[name] is found, name\n"
        "    assert found.__name__ == name, name\n"
        "    assert found.__module__.startswith('agentkit.'), name"
    )
    assert printed(code) == ""


def test_a_star_import_gives_all_names() -> None:
    code = "from agentkit import *; import agentkit; print(set(agentkit.__all__) - set(globals()))"
    assert printed(code) == "set()"


def test_dir_lists_all_names_before_they_are_used() -> None:
    code = "import agentkit; print({*agentkit.__all__, '__version__'} - set(dir(agentkit)))"
    assert printed(code) == "set()"


@pytest.mark.parametrize(
    "path", ["errors.AgentkitError", "events.TextDelta", "studio.Studio", "values.Text"]
)
def test_a_module_can_be_used_after_a_bare_import(path: str) -> None:
    assert printed(f"import agentkit; print(agentkit.{path}.__name__)") == path.rpartition(".")[2]


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'agentkit' has no attribute 'nothing'"):
        getattr(agentkit, "nothing")  # noqa: B009
    with pytest.raises(ImportError, match="cannot import name 'nothing' from 'agentkit'"):
        exec("from agentkit import nothing")
    assert not hasattr(agentkit, "_nothing")


def test_a_module_that_cannot_be_imported_says_why() -> None:
    code = (
        "import sys, agentkit; sys.modules['dataclasses'] = None\n"
        "try: agentkit.settings\n"
        "except ModuleNotFoundError as error: print(error.name)"
    )
    assert printed(code) == "dataclasses"
