"""The command `agentkit`. What can go wrong is told in one line; a traceback is shown for `--debug`
alone.

Exit codes: 0 all is well, 1 a run failed or was not as expected, 2 the command or its input is
wrong, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from agentkit.errors import AgentkitError, UsageError

_NEEDS = {
    "typer",
    "rich",
    "yaml",
    "jinja2",
    "markupsafe",
    "markdown_it",
    "starlette",
    "uvicorn",
    "anyio",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default the process's own; its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        from agentkit.cli.commands import invoke

        return invoke([each for each in given if each != "--debug"])
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        sys.stderr.close()
        return 1
    except ImportError as error:
        if debug or (error.name or "").split(".")[0] not in _NEEDS:
            raise
        return _told(f"{error.name} is not installed: pip install agentkit-openrouter", 2)
    except AgentkitError as error:
        if debug:
            raise
        return _told(str(error), 2 if isinstance(error, UsageError) else 1)
    except Exception as error:
        if debug:
            raise
        return _told(f"unexpected {type(error).__name__}: {error} (--debug shows where)", 1)


def _told(why: str, code: int) -> int:
    from agentkit.show.plain import line

    print(f"agentkit: {line(why, width=1000)}", file=sys.stderr)
    return code
