"""A play whose pictures are saved: what the parts of a report share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from agentkit.demo.descriptions import API_NAMES, caption
from agentkit.demo.played import Played
from agentkit.values import Image, Text

_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")


@dataclass(frozen=True, slots=True)
class SavedPlay:
    """One play, and the files of its pictures."""

    played: Played
    key: str
    """Its name in paths: `chat`, `responses-2`."""
    title: str
    files: Mapping[str, str | None]
    """Path of each picture from the report's folder, by name. None: its bytes are gone, or are not
    beside the report.
    """

    @property
    def gallery(self) -> tuple[Image, ...]:
        return tuple(self.played.images.values())

    def caption(self, image: Image) -> str:
        """What a picture shows. Where that is unknown, the prompt of its turn."""
        if words := caption(image):
            return words
        for turn in self.played.turns:
            prompt = " ".join(turn.say.split())
            if turn.answer and image.name in turn.answer.run.arrived:
                return f"for “{prompt}”"
            if any(image.name == each.name for each in turn.attached):
                return f"sent with “{prompt}”"
        return ""


def names_of(plays: Sequence[Played]) -> list[tuple[str, str]]:
    """The key and the title of each play: its API, and its model and number where they differ. No
    two keys are the same.
    """
    has_models = len({played.model for played in plays}) > 1
    has_apis = len({played.api for played in plays}) > 1 or not has_models
    numbers = max((played.number for played in plays), default=1)
    found: list[tuple[str, str]] = []
    for played in plays:
        key, title = str(played.api), [API_NAMES[played.api]] if has_apis else []
        if has_models:
            key += f"-{_UNSAFE.sub('-', played.model).strip('-.')[:60]}"
            title.append(played.model)
        if numbers > 1:
            key += f"-{played.number}"
            title.append(f"play {played.number}")
        taken = [each for each, _ in found]
        found.append((key if key not in taken else f"{key}-again-{len(found)}", " · ".join(title)))
    return found


def lineages(images: Mapping[str, Image]) -> list[list[Image]]:
    """The pictures in strips: each that no other was made from, after all that it was made from,
    the oldest first. A picture by itself is a strip of one.
    """
    parents = {name for image in images.values() for name in image.parents}
    strips: list[list[Image]] = []
    for image in images.values():
        if image.name in parents:
            continue
        found: dict[str, Image] = {}
        _ancestors(image, images, found)
        strips.append(list(found.values()))
    shown = {each.name for strip in strips for each in strip}
    # pictures that were made from each other in a circle, as only a forged run can say
    strips += [[image] for image in images.values() if image.name not in shown]
    return strips


def _ancestors(image: Image, images: Mapping[str, Image], found: dict[str, Image]) -> None:
    """Collect a picture after all that it was made from."""
    path = [image]
    order: list[Image] = []
    seen = {image.name}
    while path:
        latest = path.pop()
        order.append(latest)
        for name in latest.parents:
            if name in images and name not in seen:
                seen.add(name)
                path.append(images[name])
    for each in reversed(order):
        found[each.name] = each


def in_order(shown: Sequence[Text | Image]) -> list[Text | Image]:
    """Words and pictures for a reader: where as many sentences end in a colon as pictures follow
    the words, each picture comes after its sentence.
    """
    found: list[Text | Image] = []
    groups = [
        (is_text, list(group))
        for is_text, group in groupby(shown, key=lambda part: isinstance(part, Text))
    ]
    for index, (is_text, parts) in enumerate(groups):
        if is_text or index == 0:
            found += parts
            continue
        pictures = [part for part in parts if isinstance(part, Image)]
        words = found.pop()
        found += _interleaved(words.text, pictures) if isinstance(words, Text) else [words, *parts]
    return found


def _interleaved(words: str, pictures: Sequence[Image]) -> list[Text | Image]:
    """Words, and the pictures that follow them."""
    paragraphs = re.split(r"(?<=:)\s*\n\s*|(?<=:) (?=[A-Z])", words.rstrip())
    announced = [each for each in paragraphs if each.rstrip().endswith(":")]
    if len(pictures) < 2 or len(announced) != len(pictures):
        return [Text(words), *pictures]
    found: list[Text | Image] = []
    rest = list(pictures)
    for each in paragraphs:
        found.append(Text(each))
        if each.rstrip().endswith(":"):
            found.append(rest.pop(0))
    return found
