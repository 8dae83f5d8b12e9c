"""A conversation becomes a script: what the user said, and as `replies` what the model answered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentkit.errors import AgentkitError, UsageError
from agentkit.values import Api, Image, Message, Text, ToolCall, ToolResult


@dataclass(frozen=True, slots=True)
class Recording:
    """A script and the pictures that it names."""

    text: str
    """The YAML."""
    pictures: Mapping[str, Image]
    """By the name of their file beside the script."""
    missing_tools: tuple[str, ...]
    """Tools that were called and that the script does not have."""

    def write(self, path: Path) -> None:
        """Write the script, and its pictures beside it. Raises `UsageError` for a file that is
        there already, and where nothing can be written.
        """
        if path.exists():
            raise UsageError(f"{path} is there already; it is not replaced")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for name, image in self.pictures.items():
                image.save(path.parent / name)
            path.write_text(self.text, encoding="utf-8")
        except (OSError, AgentkitError) as error:
            raise UsageError(f"the script cannot be written to {path}: {error}") from error


def script_of(
    messages: Sequence[Message],
    images: Iterable[Image],
    *,
    name: str,
    model: str,
    api: Api,
    tools: Sequence[str] = (),
) -> Recording:
    """The script of a conversation. `images` are its pictures under their handles, `tools` those of
    the script, as its `tools:` names them. Raises `UsageError` if nobody said anything.
    """
    writer = _Writer(name, {image.sha256: image for image in images})
    turns = [writer.turn(group) for group in _turns(messages)]
    if not turns:
        raise UsageError("there is nothing to be recorded: no prompt was sent")
    known = {each.rpartition(":")[2] for each in tools}
    if any(each.startswith("studio") for each in tools):
        known |= {"draw_image", "edit_image"}
    called = {call for turn in turns for call in turn["expect"].get("tools", {})}
    missing = tuple(sorted(called - known))
    for turn in turns:
        if missing and "tools" in turn["expect"]:
            del turn["expect"]["tools"]  # the script would be refused: it lacks these tools
    script = {"name": name, "model": model, "apis": [api], "tools": list(tools), "turns": turns}
    return Recording(_yaml(script, missing), writer.pictures, missing)


def _yaml(script: Mapping[str, Any], missing: Sequence[str]) -> str:
    import yaml

    head = ""
    if missing:
        head = f"# Add to `tools:` what was called: {', '.join(missing)}\n"
    return head + yaml.safe_dump(dict(script), sort_keys=False, allow_unicode=True, width=100)


def _turns(messages: Sequence[Message]) -> list[list[Message]]:
    """The messages of each turn, the prompt first."""
    found: list[list[Message]] = []
    for message in messages:
        if message.role == "user":
            found.append([message])
        elif found:
            found[-1].append(message)
    return found


@dataclass(slots=True)
class _Writer:
    name: str
    known: Mapping[str, Image]
    """The pictures under their handles, by digest."""
    seen: set[str] = field(default_factory=set[str])
    pictures: dict[str, Image] = field(default_factory=dict[str, Image])

    def turn(self, messages: Sequence[Message]) -> dict[str, Any]:
        """One turn of the script."""
        prompt, *rest = messages
        turn: dict[str, Any] = {"say": prompt.text.strip() or "…"}
        sent = [self.known.get(image.sha256, image) for image in prompt.images]
        attach = [self._file(image) for image in sent if image.sha256 not in self.seen]
        refs = [image.name for image in sent if image.sha256 in self.seen]
        turn |= {"attach": attach} if attach else {}
        turn |= {"refs": refs} if refs else {}
        self.seen |= {image.sha256 for image in sent}
        replies = [self._reply(each) for each in rest if each.role == "assistant"]
        turn["replies"] = [reply for reply in replies if reply]
        drawn = {image.sha256 for message in rest for image in message.images} - self.seen
        self.seen |= drawn
        failed = {
            part.call_id
            for message in rest
            for part in message.parts
            if isinstance(part, ToolResult) and part.error
        }
        calls = Counter(call.name for each in rest for call in each.calls if call.id not in failed)
        turn["expect"] = {"images": len(drawn), **({"tools": dict(calls)} if calls else {})}
        return turn

    def _reply(self, message: Message) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, Text) and part.text.strip():
                items.append({"say": part.text})
            elif isinstance(part, ToolCall):
                items.append({"call": {part.name: _arguments(part.arguments)}})
            elif isinstance(part, Image):
                image = self.known.get(part.sha256, part)
                prompt = image.prompt or image.alt or "a picture"
                items.append({"draw": {"prompt": prompt, "file": self._file(image)}})
        return items

    def _file(self, image: Image) -> str:
        stem = "".join(each if each.isalnum() else "-" for each in self.name.lower())[:40]
        file = f"{stem.strip('-') or 'script'}-{image.file_name}"
        self.pictures[file] = image
        return file


def _arguments(text: str) -> dict[str, Any]:
    try:
        found: Any = json.loads(text or "{}")
    except ValueError:
        return {}
    return dict(found) if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownArgumentType]
