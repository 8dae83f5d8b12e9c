"""What the model is told of a tool and its parameters, from docstrings in three styles."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from agentkit.tools import tool

GOOGLE = """Paint a picture.

    Slowly, in oil.

    Args:
        subject: What to paint,
            in a few words.
        size (int): Its width.

    Returns:
        Nothing.
    """
NUMPY = """Paint a picture.

    Slowly, in oil.

    Parameters
    ----------
    subject : str
        What to paint,
        in a few words.
    size : int, optional
        Its width.

    Returns
    -------
    None
    """
SPHINX = """Paint a picture.

    Slowly, in oil.

    :param subject: What to paint,
        in a few words.
    :param int size: Its width.
    :returns: Nothing.
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_docstring_styles(docstring: str):
    def paint(subject: str, size: int = 3): ...

    paint.__doc__ = docstring
    made = tool(paint)
    assert made.description == "Paint a picture.\n\nSlowly, in oil."
    assert made.schema["properties"]["subject"]["description"] == "What to paint, in a few words."
    assert made.schema["properties"]["size"]["description"] == "Its width."


@pytest.mark.parametrize(
    "docstring",
    [
        None,
        "",
        "   ",
        "One: two: three",
        "Args:\n",
        "Args:\n    x",
        "Example::\n\n    code",
        ":param",
        "\ud800",
    ],
)
def test_odd_docstrings_are_no_error(docstring: str | None):
    def odd(x: int): ...

    odd.__doc__ = docstring
    assert isinstance(tool(odd).description, str)


def test_a_field_description_wins_over_the_docstring():
    @tool
    def paint(size: Annotated[int, Field(description="from the field")]) -> None:
        """Paint.

        Args:
            size: from the docstring
        """

    assert paint.schema["properties"]["size"]["description"] == "from the field"


def test_given_name_and_description_win():
    @tool(name="draw-it", description="Mine", timeout=3, approve=True, external=True, strict=False)
    def paint() -> None:
        """Not this."""

    assert (paint.name, paint.description, paint.timeout) == ("draw-it", "Mine", 3)
    assert (paint.approve, paint.external, paint.strict) == (True, True, False)
    assert paint.schema == {"type": "object", "properties": {}, "additionalProperties": False}
