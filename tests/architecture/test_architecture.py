"""The house as the design draws it, held by a reading of the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest

import agentkit
from agentkit import events
from agentkit.values import image, image_header, message, usage

ROOT = Path(agentkit.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

ORDER = [
    "_version _redact _visible errors _check _files",
    "values",
    "settings network _recorder _sync",
    "run",
    "show",
    "wire answer budget _log",
    "tools",
    "events",
    "images",
    "hooks stream notebook",
    "openrouter",
    "loop studio",
    "conversation conversation_record",
    "saved_conversation",
    "agent",
    "sessions",
    "integrations",
    "testing",
    "demo web",
    "cli __main__",
]
"""The import order: a module imports from its own line and from those above it, never from below.
An import that only a type checker reads counts too, and one inside a function.
`docs/architecture.md` explains it."""
LEVELS = {name: number for number, names in enumerate(ORDER) for name in names.split()}
PURE = {
    "errors",
    "values",
    "settings",
    "run",
    "show",
    "wire",
    "_redact",
    "_visible",
    "_check",
    "_version",
}
EMULATOR_USERS = {"testing", "demo", "cli"}
IMPURE = {
    "asyncio",
    "anyio",
    "httpx2",
    "aiohttp",
    "socket",
    "time",
    "threading",
    "sqlite3",
    "openai",
    "subprocess",
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def package_of(module: str) -> str | None:
    """The part right below `agentkit`: a package, or a module at the root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "agentkit" else None


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of each import of a file: at the top, for type checkers, inside functions;
    relative ones resolved.
    """
    module = module_of(path).split(".")
    package = module if path.name == "__init__.py" else module[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            inside = [f"{name}.{alias.name}" for alias in node.names]
            submodules = [each for each in inside if each in MODULES]
            yield from ((node.lineno, each) for each in submodules)
            if len(submodules) < len(inside):
                yield node.lineno, name


MODULES = {module_of(path) for path in FILES}


def test_every_module_has_a_place_in_the_order() -> None:
    packages = {package_of(module) for module in MODULES} - {None, "emulator"}
    assert packages <= set(LEVELS)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_follow_the_order(path: Path) -> None:
    module, own = module_of(path), package_of(module_of(path))
    for line, name in imports(path):
        where, other = f"{path}:{line} imports {name}", package_of(name)
        if own == "emulator":
            assert other in {None, "emulator"}, where
            assert name != "agentkit", where
            continue
        if own is None:  # `agentkit/__init__` stands outside of the order
            continue
        assert module == "agentkit.__main__" or name != "agentkit", where
        if other == "emulator":
            assert own in EMULATOR_USERS, where
        elif other is not None:
            assert LEVELS[other] <= LEVELS[own], where
        if own in PURE:
            assert name.split(".")[0] not in IMPURE, f"{where}: the package is pure"


def test_no_circle_of_modules() -> None:
    graph = {
        module_of(path): {name for _, name in imports(path) if name in MODULES} for path in FILES
    }
    assert find_circle(graph) is None


def test_no_circle_of_packages() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        own = package_of(module_of(path))
        if own is not None:
            others = {package_of(name) for _, name in imports(path) if name in MODULES}
            graph.setdefault(own, set()).update(other for other in others - {None, own} if other)
    assert find_circle(graph) is None


def test_no_circle_of_the_emulators_folders() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        if module_of(path).startswith("agentkit.emulator.") and path.parent.name != "emulator":
            others = {
                name.split(".")[2]
                for _, name in imports(path)
                if name.count(".") > 2 and name in MODULES
            }
            graph.setdefault(path.parent.name, set()).update(others - {path.parent.name})
    assert find_circle(graph) is None


def find_circle(graph: dict[str, set[str]]) -> str | None:
    """A circle of imports, in words; None where there is none."""
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> str | None:
        if module in trail:
            return " → ".join((*trail[trail.index(module) :], module))
        if module in done:
            return None
        for other in sorted(graph.get(module, ())):
            if other != module and (circle := visit(other, (*trail, module))):
                return circle
        done.add(module)
        return None

    return next((circle for module in sorted(graph) if (circle := visit(module, ()))), None)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= (200 if path.name == "driver.py" else 600)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= 50, f"{path}:{node.lineno}: {node.name} has {lines} lines"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_nothing_is_put_off_or_swallowed(path: Path) -> None:
    text = path.read_text("utf-8")
    for word in ("TODO", "FIXME", "NotImplementedError"):
        assert word not in text
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.ExceptHandler)
            and len(node.body) == 1
            and isinstance(node.body[0], ast.Pass)
        ):
            kind = ast.unparse(node.type) if node.type else "everything"
            assert kind not in {"Exception", "BaseException", "everything"}, (
                f"{path}:{node.lineno} swallows {kind}"
            )


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_yield_inside_a_task_group_or_a_timeout(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.AsyncWith) and any(
            "TaskGroup" in (each := ast.unparse(item.context_expr)) or "timeout(" in each
            for item in node.items
        ):
            assert not any(
                isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node)
            ), f"{path}:{node.lineno}"


def test_only_wire_and_the_emulator_know_the_keys_of_the_wire() -> None:
    keys = {
        "choices",
        "output_text",
        "image_url",
        "function_call_output",
        "delta",
        "tool_call_id",
        "reasoning_details",
    }
    for path in FILES:
        module = module_of(path)
        if module.startswith(("agentkit.wire", "agentkit.emulator", "agentkit.values.image")):
            continue
        if module.startswith("agentkit.web"):
            continue  # its own stream, to browsers, has a `delta` too
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and node.value in keys:
                raise AssertionError(f"{path}:{node.lineno} knows {node.value!r}")


@pytest.mark.parametrize(
    "module", [message, usage, image, image_header, events], ids=lambda module: module.__name__
)
def test_values_are_frozen_and_slotted(module: Any) -> None:
    found = [
        each for each in vars(module).values() if isinstance(each, type) and is_dataclass(each)
    ]
    assert found
    for each in found:
        assert each.__dataclass_params__.frozen, each  # type: ignore[attr-defined]
        assert "__slots__" in vars(each), each


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_nothing_is_cited_that_a_reader_does_not_have(path: Path) -> None:
    assert not re.search(r"\b(WIRE|FAULTS|DESIGN)\b[^=(]", path.read_text("utf-8"))


def test_importing_loads_nothing_heavy_and_says_nothing() -> None:
    code = "import sys, agentkit; print([m for m in ('openai', 'httpx2', 'structlog', 'tenacity', 'PIL', 'aiohttp', 'starlette', 'rich', 'typer') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
