"""The key that `agentkit keys set` keeps, in a file that only its owner reads."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agentkit.errors import MissingKey, UsageError

_LONGEST = 4096


def key_file() -> Path:
    """Where the key is: `AGENTKIT_KEY_FILE`, else a file in the user's configuration folder."""
    named = os.environ.get("AGENTKIT_KEY_FILE")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_config_path("agentkit") / "openrouter.key"


def use_stored_key() -> None:
    """Put the kept key into the environment of this process, where that has none and names no other
    service: the key is for OpenRouter. Raises `MissingKey` if it cannot be read.
    """
    if os.environ.get("OPENROUTER_API_KEY", "").strip() or os.environ.get("OPENROUTER_BASE_URL"):
        return
    key = read_key()
    if key is not None:
        os.environ["OPENROUTER_API_KEY"] = key


def read_key() -> str | None:
    """The kept key; None if there is none."""
    path = key_file()
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _unusable(path, "read", error) from error
    return _checked(text.decode("utf-8", "replace"))


def write_key(text: str) -> Path:
    """Keep a key, readable by its owner alone, and return its file. Raises `UsageError` for what is
    no key, and `MissingKey` if it cannot be written.
    """
    from agentkit._files import write_whole

    key, path = _checked(text), key_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, [key.encode(), b"\n"], mode=0o600)
    except (OSError, ValueError) as error:
        raise _unusable(path, "write", error) from error
    return path


def remove_key() -> bool:
    """Remove the kept key. Returns whether there was one."""
    path = key_file()
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise _unusable(path, "remove", error) from error
    return True


def is_private() -> bool:
    """Whether only its owner can read the file. Windows keeps no such bits."""
    return os.name == "nt" or not stat.S_IMODE(key_file().stat().st_mode) & 0o077


def _checked(text: str) -> str:
    from agentkit.openrouter.address import key_of

    if len(text) > _LONGEST:
        raise UsageError(f"keys set: a key has at most {_LONGEST} characters")
    key = key_of(text).reveal()
    if not key:
        raise UsageError("keys set: no key was given")
    return key


def _unusable(path: Path, verb: str, error: Exception) -> MissingKey:
    reason = error.strerror if isinstance(error, OSError) else None
    return MissingKey(f"cannot {verb} the key in {path}: {reason or error}")
