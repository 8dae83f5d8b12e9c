"""The prompt caches of providers: what of a request is read from one, what is written to it, and
what that costs.

A provider keeps the beginning of a prompt up to a mark, and finds it again if every byte of it is
the same. The order is that of Anthropic: tools, system messages, the rest. What caches by itself,
without marks, is not emulated: no provider promises that it does.

See `cache_rules` for what each provider does.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Any

from agentkit.emulator.cache_rules import Rule, rule_of
from agentkit.emulator.json_values import as_list, as_object
from agentkit.emulator.wire.errors import invalid

MOST_MARKS = 4
PICTURE_TOKENS = 258
_MARKS = ("cache_control", "prompt_cache_breakpoint")
_FIVE_MINUTES = 300.0
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a prompt: a tool, or a part of a message."""

    text: str
    """Its JSON without marks."""
    tokens: float
    ttl: float | None = None
    """Seconds, if it carries a mark."""


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What of one request's prompt is read, and what will be written when it is served."""

    rule: Rule | None = None
    read: int = 0
    written: int = 0
    written_hour: int = 0
    """Tokens of `written` that are kept for an hour."""
    kept: Mapping[str, float] = field(default_factory=dict[str, float])
    """The digests of beginnings to keep, and for how long."""
    used: str | None = None

    def prompt_cost(self, tokens: int, price: float) -> float:
        """USD for a prompt of so many tokens at this price of input."""
        if self.rule is None or not (self.read or self.written):
            return tokens * price
        rule = self.rule
        five = self.written - self.written_hour
        shares = (
            tokens - self.read - self.written,
            self.read * rule.read,
            five * rule.write,
            self.written_hour * (rule.write_hour or rule.write),
        )
        return fsum(shares) * price


@dataclass(slots=True)
class PromptCache:
    """What the providers of one emulator keep, by model and digest."""

    ahead: float = 0.0
    """Seconds by which its clock is ahead of the machine's."""
    _until: dict[tuple[str, str], tuple[float, float]] = field(
        default_factory=dict[tuple[str, str], tuple[float, float]]
    )
    """When each ends, and how long it lasts from each use on."""

    def _now(self) -> float:
        return time.monotonic() + self.ahead

    def look(self, slug: str, blocks: Sequence[Block], prompt_tokens: int) -> CacheUse:
        """What of this prompt is kept, and what a request with it would write. Raises `ApiError`
        for more marks than a provider takes.
        """
        rule = rule_of(slug)
        marks = [at for at, block in enumerate(blocks) if block.ttl is not None]
        if rule is None or not marks:
            return CacheUse()
        if rule.last_only:
            marks = marks[-1:]
        elif len(marks) > MOST_MARKS:
            words = f"A maximum of {MOST_MARKS} blocks with cache_control may be provided. Found"
            raise invalid(f"{words} {len(marks)}.")
        digests, sums = _prefixes(blocks)
        marks = [at for at in marks if sums[at] >= rule.least]
        if not marks:
            return CacheUse()
        found = self._found(slug, digests, marks, rule)
        read = 0.0 if found is None else sums[found]
        kept = {digests[at]: _lasting(blocks[at], rule) for at in marks}
        hours = [sums[at] for at in marks if kept[digests[at]] == _HOUR]
        read_tokens = min(int(read), prompt_tokens)
        end = max(min(int(sums[marks[-1]]), prompt_tokens), read_tokens)
        hour_end = min(max((int(each) for each in hours), default=0), end)
        return CacheUse(
            rule,
            read_tokens,
            end - read_tokens,
            max(0, hour_end - read_tokens),
            kept,
            None if found is None else digests[found],
        )

    def _found(
        self, slug: str, digests: Sequence[str], marks: Sequence[int], rule: Rule
    ) -> int | None:
        """The block up to which the longest beginning is kept that one of the marks finds."""
        now, found = self._now(), None
        for mark in marks:
            for at in range(mark, max(-1, mark - rule.look_back), -1):
                until, _ = self._until.get((slug, digests[at]), (0.0, 0.0))
                if until > now:
                    found = at if found is None else max(at, found)
                    break
        return found

    def keep(self, slug: str, use: CacheUse) -> None:
        """A request was served: what it read lasts longer, and what it wrote is kept."""
        now, rule = self._now(), use.rule
        if rule is None:
            return
        if use.used is not None and rule.refreshed:
            _, lasting = self._until[slug, use.used]
            self._until[slug, use.used] = (now + lasting, lasting)
        for digest, lasting in use.kept.items():
            until, before = self._until.get((slug, digest), (0.0, 0.0))
            if until <= now or (rule.refreshed and lasting >= before):
                self._until[slug, digest] = (now + lasting, lasting)


def _prefixes(blocks: Sequence[Block]) -> tuple[list[str], list[float]]:
    """For each block, the digest and the tokens of all up to it."""
    running, total = hashlib.sha256(), 0.0
    digests: list[str] = []
    sums: list[float] = []
    for block in blocks:
        running.update(block.text.encode("utf-8", "surrogatepass") + b"\0")
        total += block.tokens
        digests.append(running.hexdigest())
        sums.append(total)
    return digests, sums


def _lasting(block: Block, rule: Rule) -> float:
    return _FIVE_MINUTES if rule.write_hour is None else block.ttl or _FIVE_MINUTES


def chat_blocks(body: Mapping[str, Any]) -> list[Block]:
    """The prompt of a request to Chat Completions, as its JSON has it."""
    messages = _objects(body.get("messages"))
    system = [each for each in messages if each.get("role") in ("system", "developer")]
    rest = [each for each in messages if each.get("role") not in ("system", "developer")]
    blocks = [*_tools(body), *(block for each in (*system, *rest) for block in _message(each))]
    return _with_last(blocks, body)


def responses_blocks(body: Mapping[str, Any]) -> list[Block]:
    """The prompt of a request to Responses."""
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else _objects(given)
    system = [each for each in items if each.get("role") in ("system", "developer")]
    rest = [each for each in items if each.get("role") not in ("system", "developer")]
    if isinstance(instructions := body.get("instructions"), str):
        system.insert(0, {"role": "system", "content": instructions})
    blocks = [*_tools(body), *(block for each in (*system, *rest) for block in _message(each))]
    return _with_last(blocks, body)


def _with_last(blocks: list[Block], body: Mapping[str, Any]) -> list[Block]:
    """The blocks, the last one marked where the request as a whole asks for that."""
    ttl = _ttl(body, blocks_mark=False)
    if ttl is not None and blocks:
        blocks[-1] = Block(blocks[-1].text, blocks[-1].tokens, ttl)
    return blocks


def _tools(body: Mapping[str, Any]) -> Iterator[Block]:
    for tool in _objects(body.get("tools")):
        yield _block(tool, {})


def _message(message: Mapping[str, Any]) -> Iterator[Block]:
    """Each part of a message as a block; where it stands in the message belongs to it."""
    key = "output" if "output" in message else "content"
    content = message.get(key)
    frame = {name: value for name, value in message.items() if name != key}
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else _objects(content)
    calls = _objects(frame.pop("tool_calls", None))
    for part in (*parts, *calls):
        yield _block(part, frame)
    if not parts and not calls:
        yield _block({}, frame)


def _block(part: Mapping[str, Any], frame: Mapping[str, Any]) -> Block:
    bare = {name: value for name, value in part.items() if name not in _MARKS}
    if "type" in bare and isinstance(bare.get("text"), str):
        bare["type"] = "text"  # one text, whatever the API calls it
    text = json.dumps([frame, bare], sort_keys=True)
    is_picture = str(bare.get("type")) in ("image_url", "input_image", "image_generation_call")
    tokens = PICTURE_TOKENS if is_picture else len(_words(bare)) / 4
    return Block(text, tokens, _ttl(part))


def _words(bare: Mapping[str, Any]) -> str:
    """The words of a block that are counted."""
    text = bare.get("text")
    return text if isinstance(text, str) else json.dumps(bare)


def _ttl(part: Mapping[str, Any], *, blocks_mark: bool = True) -> float | None:
    control = as_object(part.get("cache_control"))
    if control is not None:
        return _HOUR if control.get("ttl") == "1h" else _FIVE_MINUTES
    return _FIVE_MINUTES if blocks_mark and part.get("prompt_cache_breakpoint") else None


def _objects(value: object) -> list[dict[str, Any]]:
    return [found for each in as_list(value) or () if (found := as_object(each)) is not None]
