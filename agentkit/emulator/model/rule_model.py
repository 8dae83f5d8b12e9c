"""The emulator's model: rules that decide what a reply holds.

Nothing here learns or understands. The rules look at the words of the latest prompt, at the tools
on offer and at the conversation that came with the request, and build a `Reply`: words, calls of
tools, pictures.
"""

import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from agentkit.emulator.ids import Ids
from agentkit.emulator.model import drawing_functions
from agentkit.emulator.model.answers import NAMED, Words, intro, intros
from agentkit.emulator.model.drawing_words import spoken_part
from agentkit.emulator.model.known_pictures import pictures_in
from agentkit.emulator.model.reply_form import cut_short, structured
from agentkit.emulator.model.tool_choice import Planned, ask_back, plan
from agentkit.emulator.model.tool_results import Outcome, gist, told
from agentkit.emulator.model.wanted_pictures import Pictures, Wish
from agentkit.emulator.model.words import shorten
from agentkit.emulator.painter.studio import Studio
from agentkit.emulator.script import CallTool, Draw, Item, Reply, Say, Think, UseServerTool
from agentkit.emulator.wire.request import IMAGE_TOOL, PLAIN_IMAGE_TOOL, ModelRequest, Tool, Turn

SHOWN_AFTER_RESULTS = "This is how I picture it:"


class RuleModel:
    """Answers one request by rules."""

    def __init__(self, request: ModelRequest, studio: Studio, ids: Ids) -> None:
        self._request = request
        self._ids = ids
        self._gallery = pictures_in(request.turns, studio)
        users = [
            index
            for index, turn in enumerate(request.turns)
            if turn.role == "user" and turn.text.strip()
        ]
        start = _start_of_turn(request.turns, users)
        self._prompt = request.turns[start].text.strip() if start >= 0 else ""
        self._earlier = [request.turns[index].text.strip() for index in users if index < start]
        self._outcomes = _outcomes(request.turns[start + 1 :])
        before = [turn for turn in request.turns[: max(start, 0)] if turn.role == "assistant"]
        attached = bool(start >= 0 and request.turns[start].pictures)
        self._pictures = Pictures(
            request=request,
            prompt=self._prompt,
            gallery=self._gallery,
            topic=next((shorten(text, 60).rstrip(".?!") for text in reversed(self._earlier)), None),
            facts=gist(self._outcomes),
            attached=attached,
            fresh=attached or _with_picture(before),
        )

    def reply(self) -> Reply:
        items = self._items()
        if self._request.json_only and not any(isinstance(item, CallTool | Draw) for item in items):
            spoken = "".join(item.text for item in items if isinstance(item, Say))
            items = [
                Say(structured(self._request.schema, self._prompt, told(self._outcomes), spoken))
            ]
        if self._request.reasons:
            items = [self._thought(), *items]
        return cut_short(Reply(items), self._request)

    def _thought(self) -> Think:
        text = f"The user says: {shorten(self._prompt, 100)} I decide what to do about it by rule."
        mark = f"{zlib.crc32(self._prompt.encode('utf-8', 'replace')):08x}" * 8
        if self._request.model.provider == "OpenAI":
            return Think(text, encrypted=f"gAAAAA{mark}")
        return Think(text, signature=mark)

    # What to do

    def _items(self) -> list[Item]:
        kind, _, name = self._request.choice.partition(":")
        match kind:
            case "none":
                return [Say(self._in_words())]
            case "function":
                return self._calls(
                    self._forced([tool for tool in self._request.tools if tool.name == name])
                )
            case "required":
                return self._required()
            case "server" if name in (IMAGE_TOOL, PLAIN_IMAGE_TOOL):
                wishes = self._pictures.wishes(forced=True)
            case _:
                wishes = self._pictures.wishes()
        handed = [] if wishes or kind != "auto" else self._handed()
        planned = self._planned(
            drawing=bool(wishes or handed),
            but=drawing_functions.names(self._request.tools) if handed else (),
        )
        question = ask_back(planned)
        if planned and question is None:
            return self._calls(planned)
        if wishes:
            return self._shown(wishes)
        if handed:
            return [*handed[: None if self._request.parallel else 1]]
        if question is not None:
            return [Say(question)]
        return self._server_tools(forced=name if kind == "server" else None) or [
            Say(self._in_words())
        ]

    def _required(self) -> list[Item]:
        """Some tool has to be used: the one that is asked for, or else the one that fits best."""
        by_tool = self._request.image_tool is not None
        wishes = self._pictures.wishes() if by_tool else []
        planned = self._planned(drawing=bool(wishes))
        if planned:
            return self._calls(planned)
        if wishes:
            return self._shown(wishes)
        if self._request.tools:
            return self._calls(self._forced(self._request.tools))
        if by_tool:
            return self._shown(self._pictures.wishes(forced=True))
        return self._server_tools(forced=next(iter(self._request.server_tools)))

    def _forced(self, tools: Sequence[Tool]) -> list[Planned]:
        return plan(tools, self._prompt, self._known_words(), self._handles(), forced=True)

    def _handed(self) -> list[CallTool]:
        """Calls of functions that draw, for what was not drawn yet."""
        calls: list[CallTool] = []
        for wish in self._pictures.asked_for():
            tool = drawing_functions.drawer(self._request.tools, edits=wish.meant is not None)
            if tool is None or any(outcome.call.name == tool.name for outcome in self._outcomes):
                return []
            calls.append(
                replace(drawing_functions.call(tool, wish, self._prompt), id=self._ids.new("call_"))
            )
        return calls

    def _planned(self, *, drawing: bool, but: Collection[str] = ()) -> list[Planned]:
        """The calls that the prompt asks for and that were not made yet, `but` those of these
        names.
        """
        done = {(outcome.call.name, _normal(outcome.call.arguments)) for outcome in self._outcomes}
        names_done = {name for name, _ in done}
        text = self._prompt
        if self._outcomes:
            text = f"{text} {gist(self._outcomes)}"
        if any(outcome.drawn for outcome in self._outcomes):
            but = drawing_functions.names(self._request.tools)
        found = plan(
            [tool for tool in self._request.tools if tool.name not in but],
            self._prompt,
            self._known_words(),
            self._handles(),
            strict=drawing,
            follow_up=self._last_calls(),
            facts=text,
        )
        if self._outcomes and self._request.parallel:
            return [one for one in found if one.tool.name not in names_done and not one.missing]
        return [
            one
            for one in found
            if (one.tool.name, _normal(one.call().arguments_text())) not in done
            and not (done and one.missing)
        ]

    def _calls(self, planned: Sequence[Planned]) -> list[Item]:
        wanted = planned if self._request.parallel else planned[:1]
        return [one.call(self._ids.new("call_")) for one in wanted]

    def _in_words(self) -> str:
        if self._outcomes:
            return told(self._outcomes)
        return Words(self._request, self._prompt, self._earlier, self._gallery).answer()

    def _known_words(self) -> str:
        return "\n".join(NAMED.sub("", text) for text in self._earlier)

    def _handles(self) -> list[str]:
        return [known.handle for known in self._gallery]

    def _last_calls(self) -> list[Tool]:
        """The tools that were used before, the latest first: `and in Bergen?` means one of them."""
        if self._outcomes:
            return []
        tools = {tool.name: tool for tool in self._request.tools}
        names = [call.name for turn in reversed(self._request.turns) for call in turn.calls]
        return [tools[name] for name in dict.fromkeys(names) if name in tools]

    # Pictures

    def _shown(self, wishes: Sequence[Wish]) -> list[Item]:
        draws = self._pictures.allowed([wish.draw for wish in wishes])
        if self._pictures.alone:
            return list(draws)
        lead = f"{told(self._outcomes)} " if self._outcomes else self._words_before()
        if not draws:
            return [
                Say(f"{lead}I may not draw any more: the limits of this request do not allow it.")
            ]
        if len(draws) == 1:
            said = (
                SHOWN_AFTER_RESULTS if self._outcomes else intro(draws[0].prompt, wishes[0].change)
            )
            return [Say(lead + said), draws[0]]
        items: list[Item] = []
        for number, (text, draw) in enumerate(
            zip(intros([draw.prompt for draw in draws]), draws, strict=True)
        ):
            items += [Say((lead if number == 0 else "") + text), draw]
        return items

    def _words_before(self) -> str:
        """`Tell me about owls and draw one` asks for words too."""
        asked = spoken_part(self._prompt)
        said = Words(self._request, asked, self._earlier, self._gallery).answer() if asked else ""
        return f"{said.removesuffix(' What shall we do?')} " if said else ""

    # Other server tools

    def _server_tools(self, *, forced: str | None) -> list[Item]:
        tools = self._request.server_tools
        if self._outcomes:
            return []
        low = self._prompt.lower()
        if "openrouter:datetime" in tools and (
            forced == "openrouter:datetime"
            or re.search(r"\b(?:time|date|day)\b.*\b(?:is it|today|now)\b|\btoday's date\b", low)
        ):
            now = datetime.now(UTC)
            fields = {"datetime": now.isoformat(timespec="seconds"), "timezone": "UTC"}
            return [
                UseServerTool("openrouter:datetime", fields),
                Say(f"It is {now:%H:%M} UTC on {now:%A, %d %B %Y}."),
            ]
        search = next(
            (name for name in ("openrouter:web_search", "web_search") if name in tools), None
        )
        if search and (
            forced == search
            or re.search(r"\b(?:search|look up|latest|news|on the web|online)\b", low)
        ):
            return self._searched()
        if forced is not None:
            return [UseServerTool(forced), Say(self._in_words())]
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
            "openrouter:web_search",
            {"action": {"type": "search", "query": query, "sources": sources}},
        )
        return [used, Say(text, (note,))]


def _start_of_turn(turns: Sequence[Turn], users: Sequence[int]) -> int:
    """The prompt that is to be answered. A message of the user that follows tool results and holds
    a picture of theirs belongs to the results, not to a new turn."""
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
