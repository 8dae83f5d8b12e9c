"""For the tests of your own agent: see `docs/testing.md`.

A name of this module is imported when it is first used.
"""

from typing import TYPE_CHECKING

__all__: list[str] = []

_MODULES: dict[str, str] = {}
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
