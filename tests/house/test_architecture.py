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
from agentkit import events, values

ROOT = Path(agentkit.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

FLOORS = {
    "_version": 0, "errors": 0, "media": 0, "pictures": 0, "values": 0, "settings": 0, "redact": 0, "measure": 0, "saved": 0, "storing": 0,
    "run": 1, "limits": 1, "history": 1, "server_tools": 1, "tools": 1, "show": 1, "log": 1,
    "answer": 2, "events": 2, "wire": 2, "output": 2, "hooks": 2,
    "images": 3, "openrouter": 3, "budget": 3, "tls": 3,
    "abilities": 4, "agent": 4, "approvals": 4, "assembly": 4, "background": 4, "calls": 4, "clock": 4, "collect": 4, "conversation": 4, "decisions": 4,
    "fallback": 4, "given": 4, "ingest": 4, "kit": 4, "loop": 4, "outcomes": 4, "prepare": 4, "spending": 4, "stream": 4, "studio": 4, "subagent": 4,
    "threads": 4, "turn": 4,
    "demo": 5,
    "cli": 6, "__main__": 6,
}  # fmt: skip
PURE = {0, 1, 2}
IMPURE = {"asyncio", "anyio", "httpx2", "aiohttp", "socket", "time", "threading", "sqlite3", "openai", "subprocess"}
TOUCHES_FILES = {"pictures.py", "answer.py"}  # `Image.from_file` and the two `save`


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def floor_of(module: str) -> int | None:
    parts = module.split(".")
    return FLOORS.get(parts[1]) if len(parts) > 1 and parts[0] == "agentkit" else None


def runtime(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node outside `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from runtime(child)


def imports(tree: ast.AST, module: str = "agentkit", *, package: bool = False) -> Iterator[tuple[int, str]]:
    """(line, module) of each import that runs, relative ones resolved."""
    here = module.split(".") if package else module.split(".")[:-1]
    for node in runtime(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield node.lineno, name
            yield from ((node.lineno, f"{name}.{alias.name}") for alias in node.names)


def test_every_module_has_a_floor() -> None:
    names = {module_of(path).split(".")[1] for path in FILES if "." in module_of(path)} - {"emulator"}
    assert names == set(FLOORS)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_down(path: Path) -> None:
    own = floor_of(module_of(path))
    lazy_up = {"agentkit.errors": {"agentkit.answer"}}  # `answer_so_far` builds the answer when it is asked for
    for line, name in imports(ast.parse(path.read_text("utf-8")), module_of(path), package=path.name == "__init__.py"):
        other = floor_of(name)
        if own is not None and other is not None and other > own:
            assert any(name.startswith(each) for each in lazy_up.get(module_of(path), ())), (
                f"{path}:{line} imports {name}"
            )
        if own in PURE:
            assert name.split(".")[0] not in IMPURE, f"{path}:{line}: a pure floor imports {name}"
        if module_of(path).startswith("agentkit.emulator"):
            assert not name.startswith("agentkit.") or name.startswith("agentkit.emulator"), (
                f"{path}:{line} imports {name}"
            )
        if own is not None and own < 6 and own != 5:
            assert not name.startswith("agentkit.emulator"), f"{path}:{line} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= (200 if path.name == "loop.py" else 350)
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
        if isinstance(node, ast.ExceptHandler) and len(node.body) == 1 and isinstance(node.body[0], ast.Pass):
            kind = ast.unparse(node.type) if node.type else "everything"
            assert kind not in {"Exception", "BaseException", "everything"}, f"{path}:{node.lineno} swallows {kind}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_yield_inside_a_task_group_or_a_timeout(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.AsyncWith) and any(
            "TaskGroup" in (each := ast.unparse(item.context_expr)) or "timeout(" in each for item in node.items
        ):
            assert not any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node)), (
                f"{path}:{node.lineno}"
            )


def test_only_wire_and_the_emulator_know_the_keys_of_the_wire() -> None:
    keys = {"choices", "output_text", "image_url", "function_call_output", "delta", "tool_call_id", "reasoning_details"}
    for path in FILES:
        module = module_of(path)
        if module.startswith(("agentkit.wire", "agentkit.emulator", "agentkit.pictures")):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and node.value in keys:
                raise AssertionError(f"{path}:{node.lineno} knows {node.value!r}")


def test_no_import_cycles() -> None:
    graph: dict[str, set[str]] = {}
    modules = {module_of(path) for path in FILES}
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {name for _, name in imports(ast.Module(top, []), module_of(path), package=path.name == "__init__.py")}
        graph[module_of(path)] = {name for name in names if name in modules} - {module_of(path)}

    free: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail, module))
        if module in free:
            return
        for other in graph.get(module, ()):
            if other != "agentkit" and not module.startswith(f"{other}."):
                visit(other, (*trail, module))
        free.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", [values, events, agentkit.pictures], ids=lambda module: module.__name__)
def test_values_are_frozen_and_slotted(module: Any) -> None:
    found = [each for each in vars(module).values() if isinstance(each, type) and is_dataclass(each)]
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
