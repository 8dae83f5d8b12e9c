"""How providers cache prompts, and what they bill for it.

Sources of the table, as of November 2026:

- Anthropic, https://platform.claude.com/docs/en/build-with-claude/prompt-caching: exact prefix, at
  most four marks, a look back over 20 blocks from each, five minutes or an hour since the last use,
  writing at 1.25 and 2 times the price of input, reading at 0.1; the least lengths by model.
- Alibaba, https://www.alibabacloud.com/help/en/model-studio/context-cache: the same, for five
  minutes alone, and from 1024 tokens on.
- OpenRouter, https://openrouter.ai/docs/guides/best-practices/prompt-caching: of Gemini's marks the
  last one counts, five minutes from the writing on; writing costs the price of input and of storing
  it for five minutes.
- Google, https://ai.google.dev/gemini-api/docs/caching: the least lengths of Gemini, which its
  versions of this page tell as 1024 to 4096 by model and date.

Of Gemini's row the shares have no source: 1.1 for writing with storage, and 0.25 for reading, are
what prices of 2025 came to; newer models read at less. The least length is the shortest that Google
has told. A test must not rest on these three.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """How the provider of a model caches. Prices are shares of the price of input."""

    least: int
    """Tokens up to a mark, below which nothing is kept."""
    read: float = 0.1
    write: float = 1.25
    write_hour: float | None = 2.0
    """None: there is no hour, and a mark that asks for it gets five minutes."""
    look_back: int = 20
    """Blocks before a mark at which an earlier one may have ended."""
    last_only: bool = False
    """Whether only the last mark counts."""
    refreshed: bool = True
    """Whether a use makes it last longer."""


_CLAUDE = Rule(1024)
_CLAUDE_LONG = Rule(4096)
_QWEN = Rule(1024, write_hour=None)
_GEMINI = Rule(
    1024, read=0.25, write=1.1, write_hour=None, look_back=1, last_only=True, refreshed=False
)
RULES: tuple[tuple[str, Rule], ...] = (
    ("anthropic/claude-opus-4.5", _CLAUDE_LONG),
    ("anthropic/claude-opus-4.6", _CLAUDE_LONG),
    ("anthropic/claude-opus-4.7", _CLAUDE_LONG),
    ("anthropic/claude-haiku-4.5", _CLAUDE_LONG),
    ("anthropic/", _CLAUDE),
    ("qwen/", _QWEN),
    ("google/gemini", _GEMINI),
)
"""The first whose beginning fits the slug holds."""


def rule_of(slug: str) -> Rule | None:
    """How a model caches; None where it knows no marks."""
    if "image" in slug:
        return None
    return next((rule for start, rule in RULES if slug.startswith(start)), None)
