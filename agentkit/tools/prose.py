"""JSON values in a reply's words: alone, in a fence, after a sentence or after thoughts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_DECODER = json.JSONDecoder(strict=False)
"""Control characters may stand in strings as they are."""
_THOUGHT = r"(?:\w+:)?(?:ant)?(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad)"
_START = re.compile(
    rf"[<\[◁](?P<end>/?)(?P<tag>{_THOUGHT})[>\]▷]"
    r"|\{(?=\s*[\"}])|\[(?=\s*[\[\]{\"\-0-9tfn])",
    re.IGNORECASE,
)
"""The tags of a thought (`<think>`, `[THINK]`, `◁think▷`, `<seed:think>`), and brackets after which
JSON can go on.
"""
_FENCE = re.compile(r"```[a-z]*\s*\n(.*?)\n?\s*```", re.DOTALL | re.IGNORECASE)
_MOST = 20
"""How many values of one reply are tried."""
_MAX_STEPS = 20_000_000
"""Characters that may be read in vain, about half a second: each bracket of a hostile text begins a
value that never ends.
"""
_TOO_DEEP = 30_000
"""What a text that is nested too deep counts as."""
_LINES_PER_STEP = 20
"""An error of the decoder counts the lines before it, many times faster than it decodes."""


def json_in(words: str) -> Iterator[str]:
    """The texts in these words that may be the JSON value that was asked for, the likeliest first:
    all of them, then the values outside `<think>`, the last first, then the fences.
    """
    whole = words.strip()
    yield whole
    spoken, found = _scanned(words)
    if (rest := spoken.strip()) != whole:
        yield rest
    yield from reversed(found[-_MOST:])
    yield from reversed([each.strip() for each in _FENCE.findall(spoken)[-_MOST:]])


def spoken(words: str) -> str:
    """The words without thoughts."""
    return _scanned(words)[0].strip()


def _scanned(words: str) -> tuple[str, list[str]]:
    """The words without thoughts, and the JSON objects and lists in them. A tag inside a JSON
    string is no tag.
    """
    spoken: list[str] = []
    found: list[str] = []
    at = since = steps = 0
    while (start := _START.search(words, at)) is not None and steps < _MAX_STEPS:
        at = start.end()
        if start["tag"] is None:
            end, cost = _end(words, start.start())
            steps += cost
            if end is not None:
                found.append(words[start.start() : end])
                at = end
            continue
        if start["end"]:  # the template of the model wrote the beginning
            spoken, found, since = [], [], at
            continue
        spoken.append(words[since : start.start()])
        end_tag = re.compile(rf"[<\[◁]/{start['tag']}[>\]▷]", re.IGNORECASE).search(words, at)
        at = since = len(words) if end_tag is None else end_tag.end()
    spoken.append(words[since:])
    return "".join(spoken), found


def _end(words: str, start: int) -> tuple[int | None, int]:
    """Where the JSON value ends that begins here, None where none does; and the characters read in
    vain.
    """
    try:
        return _DECODER.raw_decode(words, start)[1], 0
    except json.JSONDecodeError as error:
        return None, error.pos - start + error.pos // _LINES_PER_STEP
    except RecursionError:
        return None, _TOO_DEEP
    except ValueError:  # a number of more digits than Python reads
        return None, _MAX_STEPS
