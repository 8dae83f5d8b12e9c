"""The model that is none: rules that decide what a reply holds.

Nothing here learns or understands. The rules look at the words of the latest prompt, at the tools on offer and at the
conversation that came with the request, and build a `Reply`: words, calls of tools, pictures.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agentkit.emulator.ask import IMAGE_TOOL, PLAIN_IMAGE_TOOL, Ask, Tool, Turn
from agentkit.emulator.changes import asks_for_change, change_in, merged, picture_meant, refers_back, same_again
from agentkit.emulator.choosing import Planned, ask_back, plan
from agentkit.emulator.drawing import options_of, redraws, spoken_part, subjects, wants_drawing
from agentkit.emulator.gallery import gallery_of
from agentkit.emulator.ids import Ids
from agentkit.emulator.images import size_in_pixels
from agentkit.emulator.prose import NAMED, Words, intro, intros
from agentkit.emulator.results import Outcome, gist, told
from agentkit.emulator.script import CallTool, Draw, Item, Reply, Say, Think, UseServerTool
from agentkit.emulator.shaping import cut_short, structured
from agentkit.emulator.studio import Studio
from agentkit.emulator.words import shorten

MAX_PICTURES = 8
SHOWN_AFTER_RESULTS = "This is how I picture it:"


class Mind:
    """Answers one request."""

    def __init__(self, ask: Ask, studio: Studio, ids: Ids) -> None:
        self._ask = ask
        self._ids = ids
        self._gallery = gallery_of(ask.turns, studio)
        users = [index for index, turn in enumerate(ask.turns) if turn.role == "user" and turn.text.strip()]
        start = _start_of_turn(ask.turns, users)
        self._prompt = ask.turns[start].text.strip() if start >= 0 else ""
        self._attached = bool(start >= 0 and ask.turns[start].pictures)
        self._earlier = [ask.turns[index].text.strip() for index in users if index < start]
        self._outcomes = _outcomes(ask.turns[start + 1 :])
        before = [turn for turn in ask.turns[: max(start, 0)] if turn.role == "assistant"]
        self._fresh = self._attached or bool(before and _with_picture(before))

    def reply(self) -> Reply:
        items = self._items()
        if self._ask.json_only and not any(isinstance(item, CallTool | Draw) for item in items):
            spoken = "".join(item.text for item in items if isinstance(item, Say))
            items = [Say(structured(self._ask.schema, self._prompt, told(self._outcomes), spoken))]
        if self._ask.reasons:
            items = [self._thought(), *items]
        return cut_short(Reply(items), self._ask)

    def _thought(self) -> Think:
        text = f"The user says: {shorten(self._prompt, 100)} I decide what to do about it by rule."
        mark = f"{zlib.crc32(self._prompt.encode('utf-8', 'replace')):08x}" * 8
        if self._ask.model.provider == "OpenAI":
            return Think(text, encrypted=f"gAAAAA{mark}")
        return Think(text, signature=mark)

    # What to do

    def _items(self) -> list[Item]:
        ask = self._ask
        kind, _, name = ask.choice.partition(":")
        if kind == "none":
            return [Say(self._in_words())]
        if kind == "function":
            forced = next(tool for tool in ask.tools if tool.name == name)
            return self._calls(plan([forced], self._prompt, self._known_words(), self._handles(), forced=True))
        drawings = self._drawings(forced=kind == "server" and name in (IMAGE_TOOL, PLAIN_IMAGE_TOOL))
        planned = self._planned(drawing=bool(drawings))
        if kind == "required" and not planned and not (drawings and self._ask.image_tool is not None):
            if ask.tools:
                return self._calls(plan(ask.tools, self._prompt, self._known_words(), self._handles(), forced=True))
            drawings = self._drawings(forced=True) if self._ask.image_tool is not None else drawings
        if planned:
            question = ask_back(planned)
            if question is None or kind == "required":
                return self._calls(planned)
            if not drawings:
                return [Say(question)]
        if drawings:
            return self._shown(drawings)
        return self._server_tools(forced=name if kind == "server" else None) or [Say(self._in_words())]

    def _planned(self, *, drawing: bool) -> list[Planned]:
        """The calls that the prompt asks for and that were not made yet."""
        done = {(outcome.call.name, _normal(outcome.call.arguments)) for outcome in self._outcomes}
        names_done = {name for name, _ in done}
        text = self._prompt
        if self._outcomes:
            text = f"{text} {gist(self._outcomes)}"
        found = plan(
            self._ask.tools,
            self._prompt,
            self._known_words(),
            self._handles(),
            strict=drawing,
            follow_up=self._last_calls(),
            facts=text,
        )
        if self._outcomes and self._ask.parallel:
            return [one for one in found if one.tool.name not in names_done and not one.missing]
        return [
            one
            for one in found
            if (one.tool.name, _normal(one.call().arguments_text())) not in done and not (done and one.missing)
        ]

    def _calls(self, planned: Sequence[Planned]) -> list[Item]:
        wanted = planned if self._ask.parallel else planned[:1]
        return [one.call(self._ids.new("call_")) for one in wanted]

    def _in_words(self) -> str:
        if self._outcomes:
            return told(self._outcomes)
        return Words(self._ask, self._prompt, self._earlier, self._gallery).answer()

    def _known_words(self) -> str:
        return "\n".join(NAMED.sub("", text) for text in self._earlier)

    def _handles(self) -> list[str]:
        return [known.handle for known in self._gallery]

    def _last_calls(self) -> list[Tool]:
        """The tools that were used before, the latest first: `and in Bergen?` means one of them."""
        if self._outcomes:
            return []
        tools = {tool.name: tool for tool in self._ask.tools}
        names = [call.name for turn in reversed(self._ask.turns) for call in turn.calls]
        return [tools[name] for name in dict.fromkeys(names) if name in tools]

    # Pictures

    def _drawings(self, *, forced: bool = False) -> list[tuple[Draw, str | None]]:
        """The pictures that the prompt asks for, each with the change that it is, if it changes an earlier one."""
        if not (self._ask.image_tool is not None or self._ask.native):
            return []
        text = self._prompt
        only_pictures = "text" not in self._ask.modalities or "text" not in self._ask.model.outputs
        fresh = wants_drawing(text)
        if self._gallery and (
            redraws(text) or (asks_for_change(text, fresh=self._fresh) and (not fresh or refers_back(text)))
        ):
            return [self._changed(text)]
        if not (fresh or forced or (self._ask.native and only_pictures)):
            return []
        source = self._gallery[-1] if self._attached and self._gallery else None
        topic = next((known.prompt for known in reversed(self._gallery) if known.prompt), None) or self._topic()
        prompts = (subjects(text, topic) if fresh else [text or "a picture"])[:MAX_PICTURES]
        prompts = [same_again(prompt, self._gallery) for prompt in prompts]
        facts = gist(self._outcomes)
        prompts = [f"{prompt}: {facts}" if facts else prompt for prompt in prompts]
        draws = [self._draw(prompt, prompt, source.data if source else None) for prompt in prompts]
        return [(draw, None) for draw in draws]

    def _topic(self) -> str | None:
        return next((shorten(text, 60).rstrip(".?!") for text in reversed(self._earlier)), None)

    def _changed(self, text: str) -> tuple[Draw, str]:
        known = picture_meant(text, self._gallery)
        change = change_in(text)
        prompt = merged(known.prompt or "the picture", change)
        return self._draw(prompt, known.prompt or prompt, known.data), change

    def _draw(self, prompt: str, root: str, source: bytes | None) -> Draw:
        parameters = self._parameters()
        said = options_of(self._prompt)
        ratio = said.ratio or parameters.get("aspect_ratio")
        size = said.size or size_in_pixels(
            None if said.ratio else parameters.get("size"),
            parameters.get("resolution") or parameters.get("image_size"),
            ratio,
        )
        kind = said.format or parameters.get("output_format") or parameters.get("format") or "png"
        clear = (said.transparent or parameters.get("background") == "transparent") and kind in ("png", "webp")
        seed = parameters.get("seed")
        compression = parameters.get("output_compression")
        return Draw(
            prompt,
            size=size,
            format=kind if kind in ("png", "jpeg", "webp", "svg") else "png",
            seed=int(seed)
            if isinstance(seed, int | float)
            else zlib.crc32(root.split(",", maxsplit=1)[0].encode("utf-8", "replace")),
            source=source,
            transparent=clear,
            quality=str(parameters.get("quality", "auto")),
            compression=int(compression) if isinstance(compression, int | float) else None,
            preview_count=_partials(parameters.get("partial_images")),
        )

    def _parameters(self) -> Mapping[str, Any]:
        if self._ask.native:
            return self._ask.image_config
        return {**self._ask.image_config, **(self._ask.image_tool or {})}

    def _limited(self, draws: Sequence[Draw]) -> Sequence[Draw]:
        """No more pictures than the request's limits on server tools allow."""
        if self._ask.native:
            return draws
        most = self._ask.max_steps
        for rule in self._ask.stop_when:
            if rule.type == "step_count_is" and rule.step_count is not None:
                most = min(most if most != self._ask.max_steps else MAX_PICTURES, max(0, rule.step_count))
            elif rule.type == "has_tool_call" and rule.tool_name in (IMAGE_TOOL, PLAIN_IMAGE_TOOL):
                most = min(most, 1)
            elif rule.type == "max_cost" and rule.max_cost_in_dollars is not None:
                most = min(most, 1 + int(rule.max_cost_in_dollars / 0.05))
        return draws[:most]

    def _shown(self, drawings: Sequence[tuple[Draw, str | None]]) -> list[Item]:
        draws = self._limited([draw for draw, _ in drawings])
        if "text" not in self._ask.modalities or "text" not in self._ask.model.outputs:
            return list(draws)
        lead = f"{told(self._outcomes)} " if self._outcomes else self._words_before()
        if not draws:
            return [Say(f"{lead}I may not draw any more: the limits of this request do not allow it.")]
        if len(draws) == 1:
            said = SHOWN_AFTER_RESULTS if self._outcomes else intro(draws[0].prompt, drawings[0][1])
            return [Say(lead + said), draws[0]]
        items: list[Item] = []
        for number, (text, draw) in enumerate(zip(intros([draw.prompt for draw in draws]), draws, strict=True)):
            items += [Say((lead if number == 0 else "") + text), draw]
        return items

    def _words_before(self) -> str:
        """`Tell me about owls and draw one` asks for words too."""
        asked = spoken_part(self._prompt)
        return f"{Words(self._ask, asked, self._earlier, self._gallery).answer()} " if asked else ""

    # Other server tools

    def _server_tools(self, *, forced: str | None) -> list[Item]:
        tools = self._ask.server_tools
        if self._outcomes:
            return []
        low = self._prompt.lower()
        if "openrouter:datetime" in tools and (
            forced == "openrouter:datetime"
            or re.search(r"\b(?:time|date|day)\b.*\b(?:is it|today|now)\b|\btoday's date\b", low)
        ):
            now = datetime.now(UTC)
            fields = {"datetime": now.isoformat(timespec="seconds"), "timezone": "UTC"}
            return [UseServerTool("openrouter:datetime", fields), Say(f"It is {now:%H:%M} UTC on {now:%A, %d %B %Y}.")]
        search = next((name for name in ("openrouter:web_search", "web_search") if name in tools), None)
        if search and (forced == search or re.search(r"\b(?:search|look up|latest|news|on the web|online)\b", low)):
            return self._searched()
        return []

    def _searched(self) -> list[Item]:
        query = shorten(self._prompt.rstrip("?.!"), 80)
        url = "https://example.com/" + "-".join(re.findall(r"[a-z0-9]+", query.lower())[:8])
        text = "One page on the web speaks of this; I know its title alone."
        note = {
            "url": url,
            "title": query,
            "content": "A page that the emulator made up.",
            "start_index": 0,
            "end_index": len(text),
        }
        sources = [{"type": "url", "url": url}]
        used = UseServerTool(
            "openrouter:web_search", {"action": {"type": "search", "query": query, "sources": sources}}
        )
        return [used, Say(text, (note,))]


def _start_of_turn(turns: Sequence[Turn], users: Sequence[int]) -> int:
    """The prompt that is to be answered. A message of the user that follows tool results and holds a picture of theirs
    belongs to the results, not to a new turn."""
    if not users:
        return -1
    last = users[-1]
    if last > 0 and turns[last].pictures and turns[last - 1].role == "tool" and len(users) > 1:
        return users[-2]
    return last


def _outcomes(turns: Sequence[Turn]) -> list[Outcome]:
    calls = {call.id: call for turn in turns for call in turn.calls}
    return [
        Outcome(calls[turn.call_id], turn.text, len(turn.pictures))
        for turn in turns
        if turn.role == "tool" and turn.call_id is not None and turn.call_id in calls
    ]


def _with_picture(turns: Sequence[Turn]) -> bool:
    """Whether the latest turn of the assistant, which may span several items, showed a picture."""
    return any(turn.pictures or "![" in turn.text for turn in turns[-3:])


def _normal(arguments: str) -> str:
    return "".join(sorted(arguments.replace(" ", "")))


def _partials(value: object) -> int:
    return max(0, min(3, int(value))) if isinstance(value, int | float) else 0
