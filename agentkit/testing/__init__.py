"""For the tests of your own agent: fixtures for pytest, and assertions as plain functions. See
`docs/testing.md`.

A name of this module is imported when it is first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentkit.testing.asserts import (
        assert_billed_once,
        assert_called,
        assert_calls,
        assert_completed,
        assert_drawn,
        assert_no_base64,
        assert_nothing_billed,
        assert_script_played,
        assert_told,
    )
    from agentkit.testing.cassettes import Cassette, cassette

__all__ = [
    "Cassette",
    "assert_billed_once",
    "assert_called",
    "assert_calls",
    "assert_completed",
    "assert_drawn",
    "assert_no_base64",
    "assert_nothing_billed",
    "assert_script_played",
    "assert_told",
    "cassette",
]

_MODULES = {
    "Cassette": "agentkit.testing.cassettes",
    "assert_billed_once": "agentkit.testing.asserts",
    "assert_called": "agentkit.testing.asserts",
    "assert_calls": "agentkit.testing.asserts",
    "assert_completed": "agentkit.testing.asserts",
    "assert_drawn": "agentkit.testing.asserts",
    "assert_no_base64": "agentkit.testing.asserts",
    "assert_nothing_billed": "agentkit.testing.asserts",
    "assert_script_played": "agentkit.testing.asserts",
    "assert_told": "agentkit.testing.asserts",
    "cassette": "agentkit.testing.cassettes",
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
