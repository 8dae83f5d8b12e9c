"""The command `agentkit`. An error is one line; `--debug` shows its traceback.

Exit codes: 0 success, 1 a run failed or was not as expected, 2 the command or its input is wrong,
130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentkit.errors import AgentkitError, UsageError

if TYPE_CHECKING:
    from agentkit.cli.chat import open_chat as open_chat
    from agentkit.cli.chat import open_chat_async as open_chat_async

__all__ = ["open_chat", "open_chat_async"]


def __getattr__(name: str) -> object:
    """The chat for scripts, imported when it is asked for: the command starts without it."""
    if name in {"open_chat", "open_chat_async"}:
        from agentkit.cli import chat

        return getattr(chat, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_REQUIRED = {
    "anyio",
    "jinja2",
    "markdown_it",
    "markupsafe",
    "rich",
    "starlette",
    "typer",
    "uvicorn",
    "yaml",
}
"""Packages of the base install that commands import when they need them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    `arguments` are by default those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        from agentkit.cli.commands import invoke

        return invoke([word for word in words if word != "--debug"])
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of the output has gone, as `head` does
        sys.stderr.close()
        return 1
    except ImportError as error:
        if debug or (error.name or "").split(".")[0] not in _REQUIRED:
            raise
        return _fail(f"{error.name} is not installed: pip install agentkit-openrouter", 2)
    except AgentkitError as error:
        if debug:
            raise
        return _fail(str(error), 2 if isinstance(error, UsageError) else 1)
    except Exception as error:
        if debug:
            raise
        return _fail(f"unexpected {type(error).__name__}: {error} (--debug shows where)", 1)


def _fail(message: str, code: int) -> int:
    from agentkit.show.plain import line

    print(f"agentkit: {line(message, width=1000)}", file=sys.stderr)
    return code
