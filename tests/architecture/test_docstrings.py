"""Each example in a docstring is run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import agentkit

MODULES = [
    each.name
    for each in pkgutil.walk_packages(agentkit.__path__, "agentkit.")
    if "__main__" not in each.name
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0
