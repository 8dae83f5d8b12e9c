"""The house as the design draws it, held by a reading of the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import agentkit
from agentkit import events
from agentkit.values import image, image_header, message, usage

ROOT = Path(agentkit.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

ORDER = [
    "_version _redact _visible errors _check _files _access",
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
    "_access",
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


@dataclass(frozen=True)
class Reading:
    """What the tests want to know of a file, which is read once."""

    imports: list[tuple[int, str]]
    """(line, module) of each import: at the top, for type checkers, inside functions; relative ones
    resolved.
    """
    broken: dict[str, list[str]]
    """What breaks each rule."""


@cache
def reading(path: Path) -> Reading:
    text = path.read_text("utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    broken = {
        name: [f"{path}:{where}" for where in rule(path, text, nodes)]
        for name, rule in RULES.items()
    }
    return Reading(list(imports(path, nodes)), broken)


WIRE_KEYS = {
    "choices",
    "output_text",
    "image_url",
    "function_call_output",
    "delta",
    "tool_call_id",
    "reasoning_details",
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def package_of(module: str) -> str | None:
    """The part right below `agentkit`: a package, or a module at the root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "agentkit" else None


def imports(path: Path, nodes: list[ast.AST]) -> Iterator[tuple[int, str]]:
    module = module_of(path).split(".")
    package = module if path.name == "__init__.py" else module[:-1]
    for node in nodes:
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


def out_of_order(path: Path, _: str, nodes: list[ast.AST]) -> Iterator[str]:
    """Imports follow the order."""
    module, own = module_of(path), package_of(module_of(path))
    for line, name in imports(path, nodes):
        other = package_of(name)
        if own == "emulator":
            if other not in {None, "emulator"} or name == "agentkit":
                yield f"{line} imports {name}: the emulator imports nothing of agentkit"
        elif own is None:  # `agentkit/__init__` stands outside of the order
            continue
        elif name == "agentkit" and module != "agentkit.__main__":
            yield f"{line} imports {name}: no module imports it"
        elif other == "emulator":
            if own not in EMULATOR_USERS:
                yield f"{line} imports {name}: the package does not use the emulator"
        elif other is not None and LEVELS[other] > LEVELS[own]:
            yield f"{line} imports {name}: it comes later in the order"
        elif own in PURE and name.split(".")[0] in IMPURE:
            yield f"{line} imports {name}: the package is pure"


def too_long(path: Path, text: str, nodes: list[ast.AST]) -> Iterator[str]:
    """Files and functions stay small."""
    if (count := text.count("\n")) > (200 if path.name == "driver.py" else 600):
        yield f"{count}: too many lines"
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > 50:
                yield f"{node.lineno}: {node.name} has {lines} lines"


def put_off(_: Path, text: str, __: list[ast.AST]) -> Iterator[str]:
    """Nothing is put off."""
    for word in ("TODO", "FIXME", "NotImplementedError"):
        if word in text:
            yield f" {word}"


def swallowed(_: Path, __: str, nodes: list[ast.AST]) -> Iterator[str]:
    """No exception is swallowed but by its name."""
    for node in nodes:
        if (
            isinstance(node, ast.ExceptHandler)
            and len(node.body) == 1
            and isinstance(node.body[0], ast.Pass)
        ):
            kind = ast.unparse(node.type) if node.type else "everything"
            if kind in {"Exception", "BaseException", "everything"}:
                yield f"{node.lineno} swallows {kind}"


def yields_inside(_: Path, __: str, nodes: list[ast.AST]) -> Iterator[str]:
    """No yield inside a task group or a timeout."""
    for node in nodes:
        if isinstance(node, ast.AsyncWith) and any(
            "TaskGroup" in (each := ast.unparse(item.context_expr)) or "timeout(" in each
            for item in node.items
        ):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Yield | ast.YieldFrom):
                    yield f"{inner.lineno}"


def keys_of_the_wire(path: Path, _: str, nodes: list[ast.AST]) -> Iterator[str]:
    """Only wire and the emulator know the keys of the wire."""
    module = module_of(path)
    if module.startswith(("agentkit.wire", "agentkit.emulator", "agentkit.values.image")):
        return
    if module.startswith("agentkit.web"):
        return  # its own stream, to browsers, has a `delta` too
    for node in nodes:
        if isinstance(node, ast.Constant) and node.value in WIRE_KEYS:
            yield f"{node.lineno} knows {node.value!r}"


def cited(_: Path, text: str, __: list[ast.AST]) -> Iterator[str]:
    """Nothing is cited that a reader does not have."""
    yield from re.findall(r"\b(?:WIRE|FAULTS|DESIGN)\b[^=(]", text)


RULES: dict[str, Callable[[Path, str, list[ast.AST]], Iterator[str]]] = {
    rule.__name__: rule
    for rule in (out_of_order, too_long, put_off, swallowed, yields_inside, keys_of_the_wire, cited)
}


@pytest.mark.parametrize("rule", RULES)
def test_no_file_breaks_the_rule(rule: str) -> None:
    assert [each for path in FILES for each in reading(path).broken[rule]] == []


def test_no_circle_of_modules() -> None:
    graph = {
        module_of(path): {name for _, name in reading(path).imports if name in MODULES}
        for path in FILES
    }
    assert find_circle(graph) is None


def test_no_circle_of_packages() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        own = package_of(module_of(path))
        if own is not None:
            others = {package_of(name) for _, name in reading(path).imports if name in MODULES}
            graph.setdefault(own, set()).update(other for other in others - {None, own} if other)
    assert find_circle(graph) is None


def test_no_circle_of_the_emulators_folders() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        if module_of(path).startswith("agentkit.emulator.") and path.parent.name != "emulator":
            others = {
                name.split(".")[2]
                for _, name in reading(path).imports
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


def test_importing_loads_nothing_heavy_and_says_nothing() -> None:
    code = "import sys, agentkit; print([m for m in ('openai', 'httpx2', 'structlog', 'tenacity', 'PIL', 'aiohttp', 'starlette', 'rich', 'typer') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
