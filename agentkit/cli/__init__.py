"""The command `agentkit`. An error is one line; `--debug` shows its traceback.

Exit codes: 0 success; 1 a run failed, reached a limit, was refused or was not as expected; 2 the
command or its input is wrong; 3 the key or the configuration; 4 the service or a provider; 5 a call
waits for a person; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentkit.errors import AgentkitError

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
    "prompt_toolkit",
    "rich",
    "sqlalchemy",
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
    words, flags = _split(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in flags
    if "--no-color" in flags:
        os.environ["NO_COLOR"] = "1"
    try:
        from agentkit.cli.app import invoke

        return invoke(words, debug=debug)
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
        from agentkit.cli.exits import code_of

        return _fail(str(error), code_of(error))
    except Exception as error:
        if debug:
            raise
        return _fail(f"unexpected {type(error).__name__}: {error} (--debug shows where)", 1)


def _split(arguments: Sequence[str]) -> tuple[list[str], set[str]]:
    """The words of a command line, and the options that stand anywhere in it, before `--`."""
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    flags = {"--debug", "--no-color"}
    kept = [word for word in words[:end] if word not in flags]
    return kept + words[end:], flags.intersection(words[:end])


def _fail(message: str, code: int) -> int:
    from agentkit.show.plain import line

    print(f"agentkit: {line(message, width=1000)}", file=sys.stderr)
    return code
