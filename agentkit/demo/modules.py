"""Python files of the user's, which are run as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def module_from_file(path: Path, *, registered: bool = False) -> ModuleType:
    """Run a Python file as a module of its own. If it is `registered`, others can import it under
    its name, unless there is such a module already.

    Raises `FileNotFoundError`, `ImportError`, and whatever the file raises.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    if registered:
        sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module
