"""The pictures that a prompt wants: new ones, or changes to those that the conversation holds."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentkit.emulator.model.drawing_words import options_of, redraws, subjects, wants_drawing
from agentkit.emulator.model.picture_changes import (
    Known,
    asks_for_change,
    change_in,
    merged,
    picture_meant,
    refers_back,
    same_again,
)
from agentkit.emulator.painter.studio import size_of
from agentkit.emulator.script import Draw
from agentkit.emulator.wire.images import size_in_pixels
from agentkit.emulator.wire.request import IMAGE_TOOL, PLAIN_IMAGE_TOOL, ModelRequest

MAX_PICTURES = 8
AVERAGE_PRICE = 0.05
FORMATS = ("png", "jpeg", "webp", "svg")


@dataclass(frozen=True, slots=True)
class Wish:
    """A picture to draw, and the change that it is, if it changes an earlier one, whose handle is
    `meant`.
    """

    draw: Draw
    change: str | None = None
    meant: str | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """`topic` is what the conversation was about before, `facts` what tools have brought for this
    prompt. `attached` says that the prompt came with a picture, `fresh` that a picture came with it
    or just before it."""

    request: ModelRequest
    prompt: str
    gallery: Sequence[Known]
    topic: str | None
    facts: str
    attached: bool
    fresh: bool

    @property
    def alone(self) -> bool:
        """Whether the answer is to hold pictures and no words."""
        return "text" not in self.request.modalities or "text" not in self.request.model.outputs

    def wishes(self, *, forced: bool = False) -> list[Wish]:
        """What is to be drawn; with `forced`, the prompt itself if it asks for no picture."""
        if self.request.image_tool is None and not self.request.native:
            return []
        found = self.asked_for()
        if not found and (forced or (self.request.native and self.alone)):
            return self._new([self.prompt or "a picture"])
        return found

    def asked_for(self) -> list[Wish]:
        """What the prompt asks for, whoever is to draw it."""
        asked = wants_drawing(self.prompt)
        if self.gallery and self._is_change(asked=asked):
            return [self._changed()]
        return self._new(subjects(self.prompt, self._subject())) if asked else []

    def allowed(self, draws: Sequence[Draw]) -> Sequence[Draw]:
        """No more pictures than the request's limits on server tools allow."""
        if self.request.native:
            return draws
        rules = self.request.stop_when
        limits = [MAX_PICTURES if rules else self.request.max_steps]
        for rule in rules:
            if rule.type == "step_count_is" and rule.step_count is not None:
                limits.append(max(0, rule.step_count))
            elif rule.type == "has_tool_call" and rule.tool_name in (IMAGE_TOOL, PLAIN_IMAGE_TOOL):
                limits.append(1)
            elif rule.type == "max_cost" and rule.max_cost_in_dollars is not None:
                limits.append(1 + int(max(0.0, min(rule.max_cost_in_dollars, 1e6)) / AVERAGE_PRICE))
        return draws[: min(limits)]

    def _is_change(self, *, asked: bool) -> bool:
        if redraws(self.prompt):
            return True
        return asks_for_change(self.prompt, fresh=self.fresh) and (
            not asked or refers_back(self.prompt)
        )

    def _changed(self) -> Wish:
        known = picture_meant(self.prompt, self.gallery, attached=self.attached)
        change = change_in(self.prompt)
        prompt = merged(known.prompt or "the picture", change)
        return Wish(self._draw(prompt, known.prompt or prompt, known.data), change, known.handle)

    def _new(self, prompts: Sequence[str]) -> list[Wish]:
        source = self.gallery[-1].data if self.attached and self.gallery else None
        known = [same_again(prompt, self.gallery) for prompt in prompts[:MAX_PICTURES]]
        told = [f"{prompt}: {self.facts}" if self.facts else prompt for prompt in known]
        return [Wish(self._draw(prompt, prompt, source)) for prompt in told]

    def _subject(self) -> str | None:
        """What `it` stands for: the latest picture, or what was spoken of last."""
        return (
            next((known.prompt for known in reversed(self.gallery) if known.prompt), None)
            or self.topic
        )

    def _draw(self, prompt: str, root: str, source: bytes | None) -> Draw:
        """`root` is the prompt that the picture began with: it keeps its seed through changes."""
        given = self._parameters()
        said = options_of(self.prompt)
        ratio = said.ratio or given.get("aspect_ratio")
        tier = given.get("resolution") or given.get("image_size")
        size = said.size or size_in_pixels(None if said.ratio else given.get("size"), tier, ratio)
        if source is not None and not (said.size or ratio or tier or given.get("size")):
            size = size_of(source) or size
        kind = said.format or given.get("output_format") or given.get("format")
        kind = kind if kind in FORMATS else "png"
        seed, compression = _whole(given.get("seed")), _whole(given.get("output_compression"))
        return Draw(
            prompt,
            size=size,
            format=kind,
            seed=zlib.crc32(root.encode("utf-8", "replace")) if seed is None else seed,
            source=source,
            transparent=(said.transparent or given.get("background") == "transparent")
            and kind in ("png", "webp"),
            quality=str(given.get("quality", "auto")),
            compression=compression,
            preview_count=max(0, min(3, _whole(given.get("partial_images")) or 0)),
        )

    def _parameters(self) -> Mapping[str, Any]:
        """What the request says about its pictures."""
        own = None if self.request.native else self.request.image_tool
        return {**self.request.image_config, **(own or {})}


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None
