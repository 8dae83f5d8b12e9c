"""What a user gets: the wheel, its install line, its types and its commands, in an environment of
their own.
"""

from __future__ import annotations

import ast
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from agentkit import __version__
from tests.architecture.documents import public_modules
from tests.architecture.fresh import (
    ROOT,
    Environment,
    Wheel,
    build_wheel,
    fresh_environment,
    requirements,
)
from tests.clock import GUARD

NAME = "agentkit-openrouter"
MODULE_OF = {
    "pillow": "PIL",
    "pyyaml": "yaml",
    "markdown-it-py": "markdown_it",
    "vcrpy": "vcr",
}
"""Distributions whose module has another name."""
COMES_WITH = {"httpcore2": "httpx2", "mcp_types": "mcp", "pydantic_core": "pydantic"}
"""Modules of a distribution that another one pins to one exact version."""
PAGE = ROOT / "agentkit" / "web" / "page"
"""The sources of the chat page, and what builds it: no part of the wheel, which has the page."""
USER_CONFIG = {
    "typeCheckingMode": "strict",
    "enableTypeIgnoreComments": False,
    "reportUnnecessaryTypeIgnoreComment": "error",
}
SCRIPT = """\
name: Small
model: openai/gpt-5.2
tools: [openrouter:image_generation]
turns:
  - say: Draw a blue owl.
    expect: {images: 1}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all processes of this run that have tests of this file."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "distribution"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def wheel(shared: Path) -> Wheel:
    with locked(shared / "wheel.lock"):
        found = [*shared.glob("wheel/*.whl")]
        return Wheel(found[0]) if found else build_wheel(shared / "wheel")


@pytest.fixture(scope="module")
def fresh(wheel: Wheel, shared: Path) -> Environment:
    made = shared / "made"
    with locked(shared / "fresh.lock"):
        if made.exists():
            return Environment(shared / "fresh")
        place = fresh_environment(shared / "fresh", wheel)
        made.touch()
        return place


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# The wheel


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Wheel) -> None:
    package = ROOT / "agentkit"
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and PAGE not in path.parents
    }
    assert {name for name in wheel.files if ".dist-info/" not in name} == ours
    assert {"agentkit/py.typed", "agentkit/web/static/page.js"} <= ours


def test_the_wheel_says_what_it_is(wheel: Wheel) -> None:
    found = wheel.distribution
    assert (found.name, found.version) == (NAME, __version__)
    assert {(each.group, each.name, each.value) for each in found.entry_points} == {
        ("console_scripts", "agentkit", "agentkit.cli:main"),
        ("pytest11", "agentkit", "agentkit.testing.plugin"),
        ("pytest11", "agentkit-demo", "agentkit.demo.plugin"),
    }
    assert "Typing :: Typed" in found.metadata.get_all("Classifier", [])
    assert found.metadata["License-Expression"] == "MIT"
    for url in found.metadata.get_all("Project-URL", []):
        assert re.fullmatch(r"[\w ]+, https://(?:[a-z-]+\.)+[a-z]{2,}(?:/.*)?", url)


def test_what_the_package_imports_is_required(wheel: Wheel) -> None:
    """By name, and without an extra: a package that only another one requires may go with its next
    version. What `agentkit.testing` and the plugins of pytest import beside that
    is in the extra `testing`; what `agentkit.integrations` does, and what checks arguments against
    a schema, in the extra `mcp`; what durable runs do, in the extra `durable`.
    """
    imported: set[str] = set()
    of_extra: dict[str, set[str]] = {"testing": set(), "mcp": set(), "durable": set()}
    for path in (ROOT / "agentkit").rglob("*.py"):
        extra = extra_of(path)
        found = imported if extra is None else of_extra[extra]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    ours = {*sys.stdlib_module_names, "agentkit", "_typeshed"}
    modules = modules_of(requirements(wheel.distribution))
    assert {COMES_WITH.get(module, module) for module in imported - ours} == modules
    for extra, found in of_extra.items():
        more = modules_of(requirements(wheel.distribution, extra))
        assert {COMES_WITH.get(module, module) for module in found - ours} <= modules | more


def extra_of(path: Path) -> str | None:
    """The extra in which the packages are that a file may import."""
    if path.parent.name == "testing" or path.name == "plugin.py":
        return "testing"
    if path.parent.name == "dbos":
        return "durable"
    is_for_mcp = "integrations" in path.parts or path.name == "by_schema.py"
    return "mcp" if is_for_mcp else None


def modules_of(required: list[Requirement]) -> set[str]:
    names = {canonicalize_name(each.name) for each in required}
    return {MODULE_OF.get(name, name.replace("-", "_")) for name in names}


def test_install_lines_name_this_distribution_and_its_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    told: list[Requirement] = []
    for path in [*(ROOT / "agentkit").rglob("*.py"), *pages]:
        lines = re.findall(
            r"""pip install ["']?((?:agentkit|\.)[\w\[\],-]*)""", path.read_text("utf-8")
        )
        told += [Requirement(re.sub(r"^\.", NAME, line)) for line in lines]
    assert told
    assert {each.name for each in told} == {NAME}
    assert {extra for each in told for extra in each.extras} <= set(extras)


# The base install, without any extra


def test_the_base_install_has_all_that_it_requires(fresh: Environment) -> None:
    pip = [sys.executable, "-m", "pip", "--python", fresh.python]
    done = fresh.run(*pip, "check")
    assert (done.returncode, done.stdout) == (0, "No broken requirements found.\n")
    names = {each.name for each in distributions(path=[str(fresh.packages)])}
    assert NAME in names
    assert not names & {"pytest", "mypy", "socksio"}


def test_the_version(fresh: Environment) -> None:
    done = fresh.run(fresh.agentkit, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"agentkit {__version__}\n", "")
    code = f"from importlib.metadata import version; print(version({NAME!r}))"
    assert fresh.run(fresh.python, "-c", code).stdout == f"{__version__}\n"


def check_commands(place: Environment) -> None:
    """Every command of `agentkit` runs there."""
    script = place.folder / "small.demo.yaml"
    script.write_text(SCRIPT)
    for arguments in (["--help"], ["demo", str(script), "--out", "out"], ["chat"]):
        done = place.run(place.agentkit, *arguments, stdin="Draw a blue owl.\n/images\n/quit\n")
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert "▣ img_1" in done.stdout
    assert (place.folder / "out" / "index.html").is_file()
    with subprocess.Popen(
        [place.agentkit, "emulator", "--faults", ROOT / "examples" / "chaos.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=place.variables(),
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("http://127.0.0.1:")
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=GUARD) == 0


def test_every_command_runs(fresh: Environment) -> None:
    check_commands(fresh)


def test_all_public_modules_are_imported_quietly(fresh: Environment) -> None:
    done = fresh.run(fresh.python, "-W", "error", "-c", f"import {', '.join(public_modules())}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("module", public_modules())
def test_a_public_module_is_imported_quietly(module: str, fresh: Environment) -> None:
    done = fresh.run(fresh.python, "-W", "error", "-c", f"import {module}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def told_to_install(place: Environment) -> list[str]:
    """The install lines that a chat through a SOCKS proxy prints; nothing listens at the proxy's
    address.
    """
    proxy = {"https_proxy": "socks5://127.0.0.1:9", "OPENROUTER_API_KEY": "sk-or-any"}
    done = place.run(place.agentkit, "chat", "--live", stdin="Hello!\n", **proxy)
    assert done.returncode == 0, done.stderr
    return re.findall(r"pip install .*", done.stdout + done.stderr)


@pytest.mark.slow
def test_a_missing_extra_is_named_by_a_line_that_pip_takes(fresh: Environment) -> None:
    assert told_to_install(fresh) == [f'pip install "{NAME}[socks]"']
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        fresh.python,
        "install",
        "--no-index",
        "--dry-run",
    ]
    done = fresh.run(*pip, f"{NAME}[socks]")
    assert "No matching distribution found for socksio" in done.stderr, done.stdout


# The types


@pytest.fixture
def user_file(fresh: Environment) -> Path:
    folder = fresh.folder / "user"
    folder.mkdir(exist_ok=True)
    file = folder / "program.py"
    file.write_text((ROOT / "tests" / "architecture" / "typed_usage.py").read_text("utf-8"))
    return file


@pytest.mark.slow
def test_mypy_reads_the_types(user_file: Path, fresh: Environment) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", fresh.python]
    done = fresh.run(*command, "--cache-dir", os.devnull, user_file)
    assert (done.returncode, done.stdout) == (0, "Success: no issues found in 1 source file\n"), (
        done.stdout
    )


@pytest.mark.slow
def test_basedpyright_reads_the_types(user_file: Path, fresh: Environment) -> None:
    config = user_file.with_name("pyrightconfig.json")
    config.write_text(json.dumps({"include": [user_file.name], **USER_CONFIG}))
    command = [sys.executable, "-m", "basedpyright", "-p", config, "--pythonpath", fresh.python]
    done = fresh.run(*command)
    assert done.returncode == 0, done.stdout


# The same from a package index, as a user does it


@pytest.mark.slow
def test_the_install_line_of_the_readme_and_the_line_of_an_error(tmp_path: Path) -> None:
    """Needs a network: pip takes everything from its index."""
    venv.create(tmp_path / "venv", with_pip=True)
    place = Environment(tmp_path / "venv")
    pip = f"{place.python} -m pip"
    line = re.findall(r"pip install [^`\n]+", (ROOT / "README.md").read_text("utf-8"))[0]
    subprocess.run(
        line.replace("pip", pip, 1), shell=True, cwd=ROOT, check=True, env=place.variables()
    )
    check_commands(place)
    (line,) = told_to_install(place)
    subprocess.run(
        line.replace("pip", pip, 1), shell=True, cwd=tmp_path, check=True, env=place.variables()
    )
    assert told_to_install(place) == []
