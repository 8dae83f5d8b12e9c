"""Demo scripts: a conversation in a YAML file, played through both APIs, checked, reported.

    results = play_scripts_sync("fox.demo.yaml", repeat=3)
    print(results.is_good, results.failed)
    results.report("out/fox")

A name of this module is imported when it is first used. The rest of the package:

form, script        the form of a script; a file becomes a `Script`, or an error with file and line
tools               what a script names: tools, an agent, pictures
replies             what a script lets the emulator answer
player, going_turn  plays a script, tells a `Watcher` what happens, checks each turn
expect, painting    compare an answer with what its turn expects
sources, plays      who answers; several plays at once
live, progress      show plays in the terminal
report, page        write `index.html`, `transcript.md`, `run.json`, `images/`; or one file
plugin              scripts as tests of pytest
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentkit.demo.api import DemoResults, play_scripts, play_scripts_sync
    from agentkit.demo.document import ScriptError
    from agentkit.demo.script import Script, load

__all__ = [
    "DemoResults",
    "Script",
    "ScriptError",
    "load",
    "play_scripts",
    "play_scripts_sync",
]

_MODULES = {
    "DemoResults": "agentkit.demo.api",
    "Script": "agentkit.demo.script",
    "ScriptError": "agentkit.demo.document",
    "load": "agentkit.demo.script",
    "play_scripts": "agentkit.demo.api",
    "play_scripts_sync": "agentkit.demo.api",
}
"""The module that defines each public name."""


if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> object:
        """A public name at its first use."""
        from importlib import import_module

        if name in _MODULES:
            found = getattr(import_module(_MODULES[name]), name)
            globals()[name] = found
            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
