"""Answers in words: what was said before, sums, a few facts, and what is said around pictures."""

import ast
import operator
import re
from collections.abc import Callable, Sequence

from agentkit.emulator.model.facts import CAPITALS, FACTS
from agentkit.emulator.model.picture_changes import Known, count_word
from agentkit.emulator.model.words import (
    capital,
    content,
    listing,
    pick,
    quoted,
    sentence,
    sentences,
    shorten,
    stem,
    words,
)
from agentkit.emulator.wire.request import ModelRequest

_NAME = re.compile(
    r"\b(?:my name is|call me|i am called|i'm called|i am|i'm)\s+([A-ZÀ-Þ][\w'\u2019-]+)",
    re.IGNORECASE,
)
NAMED = re.compile(r"\b(?:my name is|call me|i am|i'm)\s+[A-ZÀ-Þ][\w'\u2019-]+", re.IGNORECASE)
_MINE = re.compile(r"\bmy ([\w ]{2,30}?) (?:is|are) ([^.,!?;]+)", re.IGNORECASE)
_WHAT_MINE = re.compile(
    r"\b(?:what(?:'s| is| are| was)|which is|do you (?:know|remember)) "
    r"my ([\w ]{2,30}?)\s*(?:\?|$|again)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:(?:hi|hello|hey|good (?:morning|evening|afternoon|day))\b[\w\s]{0,12}|(?:my name is|i "
    r"am|i'm|call me) [A-ZÀ-Þ][\w'\u2019-]+|thanks|thank you)[\s,.!]*$",
    re.IGNORECASE,
)
_INTRODUCED = re.compile(
    r"\s*((?:(?:hi|hello|hey)\b[\s,!.]*)?(?:my name is|i am|i'm|call "
    r"me)\s+(?-i:[A-ZÀ-Þ])[\w'\u2019-]+)\s*(?:[,;:—–-]\s*|\s)(?:and\s+|so\s+"
    r"|but\s+)?(?=\w+\s+\w)(.+)",
    re.IGNORECASE | re.DOTALL,
)
_ASKS = re.compile(
    r"(?:what|who|why|when|where|how|which|is|are|do|does|did|can|could|would|will|tell|please"
    r"|give|explain|write|say|list|describe|draw|paint)\b",
    re.IGNORECASE,
)
_OURS = re.compile(
    r"\b(?:did|have|had) (?:you|we|i)\b|\byou "
    r"(?:drew|draw|painted|made|paint)\b|\bour\b|\bso far\b",
    re.IGNORECASE,
)
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
}


class Words:
    """Says something to the latest prompt of a conversation. `earlier` are the user's prompts
    before it.
    """

    def __init__(
        self, request: ModelRequest, prompt: str, earlier: Sequence[str], gallery: Sequence[Known]
    ) -> None:
        self._request = request
        self._prompt = prompt
        self._earlier = earlier
        self._gallery = gallery

    def answer(self) -> str:
        parts = sentences(self._prompt)
        introduced = _INTRODUCED.fullmatch(parts[0]) if parts else None
        if introduced and _ASKS.match(introduced[2]):
            opening, rest = [introduced[1]], " ".join([introduced[2], *parts[1:]])
        else:
            opening = [part for part in parts if _OPENING.match(part)]
            rest = " ".join(part for part in parts if part not in opening)
        if opening and rest:
            greeting = Words(self._request, " ".join(opening), self._earlier, self._gallery)
            hello = re.split(r"[!.]", greeting.by_rules(), maxsplit=1)[0]
            earlier = [*self._earlier, self._prompt]
            answer = Words(self._request, rest, earlier, self._gallery).by_rules()
            return f"{hello}. {answer}"
        return self.by_rules()

    def by_rules(self) -> str:
        """What the first rule that has something to say answers."""
        rules = (
            self._memory,
            self._own_pictures,
            self._about_self,
            self._sum,
            self._capital,
            self._writing,
            self._greeting,
            self._statement,
            self._fact,
        )
        for rule in rules:
            found = rule()
            if found:
                return found
        return self._nothing()

    def _memory(self) -> str | None:
        low = self._prompt.lower()
        if match := _WHAT_MINE.search(self._prompt):
            return self._recall(match[1].strip().lower())
        if re.search(r"\bwho am i\b", low):
            return self._recall("name")
        if re.search(
            r"\b(?:what|which)\b.*\b(?:i|we)\b.*\b(?:ask|say|said|tell|told|want|talk|start)"
            r"|\bfirst (?:question|thing|message|prompt)\b",
            low,
        ):
            return self._recall_prompt(low)
        if re.search(
            r"\b(?:summari[sz]e|sum up|recap)\b.*\b(?:conversation|chat|talk|so far|we)\b", low
        ):
            if not self._earlier:
                return "There is nothing to sum up yet: this is your first message."
            told = [_quote(one) for one in self._earlier]
            told = told if len(told) <= 6 else [*told[:5], f"{len(told) - 5} more"]
            return f"So far you asked for {count_word(len(self._earlier))} things: {listing(told)}."
        return None

    def _recall(self, what: str) -> str:
        if what == "name":
            name = self._name()
            return f"Your name is {name}." if name else "You have not told me your name yet."
        for text in reversed(self._earlier):
            for key, value in _MINE.findall(text):
                if content(key) == content(what):
                    return f"Your {what} is {value.strip()}."
        return f"You have not told me your {what} yet."

    def _name(self) -> str | None:
        for text in reversed(self._earlier):
            for match in _NAME.finditer(text):
                if match[1][0].isupper():
                    return match[1]
        return None

    def _recall_prompt(self, low: str) -> str:
        if not self._earlier:
            return "This is the first thing that you have asked me."
        if re.search(r"\b(?:last|just|before this|previous)\b", low):
            return f"Just before this you asked: {_quote(self._earlier[-1])}."
        if re.search(r"\btalk", low) and "first" not in low:
            return f"We talked about this: {listing([_quote(one) for one in self._earlier])}."
        return f"The first thing that you asked was: {_quote(self._earlier[0])}."

    def _own_pictures(self) -> str | None:
        low = self._prompt.lower()
        pictures = r"(?:pictures?|images?|drawings?|paintings?|photos?)"
        if not re.search(rf"\b(?:draw|drew|drawn|paint|painted|{pictures})\b", low):
            return None
        if re.search(
            rf"\b(?:an?|any|every|each)\s+(?:\w+\s+)?{pictures}\b", low
        ) and not _OURS.search(low):
            return None
        if re.search(
            r"\bwhat\b|\bwhich\b|\bhow many\b|\bdescribe\b|\blist\b|\bdid you\b|\bremember\b", low
        ):
            shown = [known.prompt for known in self._gallery if known.prompt]
            if re.search(rf"\bhow many\b.*{pictures}", low):
                number = len(self._gallery)
                return (
                    f"There {'is' if number == 1 else 'are'} {count_word(number)} "
                    f"picture{'' if number == 1 else 's'} in our conversation."
                )
            if not self._gallery:
                return "There is no picture in our conversation yet."
            if re.search(
                rf"\b(?:this|the|that)\s+{pictures[:-1]})\b", low
            ) and "you" not in low.replace("you see", ""):
                return self._seen(self._gallery[-1])
            if shown:
                return f"So far I have drawn {listing([_small(one) for one in shown])}."
        return None

    def _seen(self, known: Known) -> str:
        if known.prompt:
            return f"I see {_small(known.prompt)}."
        return (
            "I see the picture that you sent, though I know only the ones that "
            "I painted myself by what they show."
        )

    def _about_self(self) -> str | None:
        low = self._prompt.lower()
        if re.search(r"\b(?:who|what) are you\b|\byour name\b|\bare you (?:a|an|real)\b", low):
            told = next((turn.text for turn in self._request.turns if turn.role == "system"), "")
            role = re.search(r"\byou are ([^.\n]{3,80})", told, re.IGNORECASE)
            name = f"I am {role[1]}. In truth I am" if role else "I am"
            return (
                f"{name} a small set of rules that stands in for {self._request.model.id}: no "
                "language model, but quick and free of charge."
            )
        if re.search(r"\bwhat can you do\b|\bhelp me\?|\bhow can you help\b", low):
            tools = [tool.name for tool in self._request.tools] + [
                name.rpartition(":")[2] for name in self._request.server_tools
            ]
            with_tools = f" I can also use {listing(tools)}." if tools else ""
            return (
                "I answer in words, remember what you told me, and draw "
                f"what you describe.{with_tools}"
            )
        return None

    def _sum(self) -> str | None:
        text = self._prompt.lower()
        for word, sign in (
            ("divided by", "/"),
            ("times", "*"),
            ("plus", "+"),
            ("minus", "-"),
            ("\u00d7", "*"),
            ("\u00f7", "/"),
            ("\u2212", "-"),
        ):
            text = text.replace(word, sign)
        text = re.sub(r"(?<=\d)\s*x\s*(?=\d)", "*", text)
        found = re.search(r"\(*-?\d[\d.]*\)*(?:\s*[-+*/]\s*\(*-?\d[\d.]*\)*)+", text)
        if found is None or len(found[0]) > 200:
            return None
        try:
            value = _evaluate(ast.parse(found[0].strip(), mode="eval").body)
        except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError):
            return None
        spaced = re.sub(r"([-+*/])", r" \1 ", found[0])
        return f"{' '.join(spaced.split())} = {value:.10g}"

    def _capital(self) -> str | None:
        asked = re.search(r"\bcapital of (\w+)", self._prompt, re.IGNORECASE)
        city = CAPITALS.get(asked[1].lower()) if asked else None
        return f"The capital of {capital(asked[1])} is {city}." if asked and city else None

    def _greeting(self) -> str | None:
        low = self._prompt.lower().strip(" .!?")
        name = self._name() or next(
            (match[1] for match in _NAME.finditer(self._prompt) if match[1][0].isupper()), None
        )
        introduced = _NAME.search(self._prompt)
        if introduced and introduced[1][0].isupper():
            return f"Nice to meet you, {introduced[1]}. What shall we do?"
        to_you = f", {name}" if name else ""
        if re.fullmatch(
            r"(?:hi|hello|hey|good (?:morning|evening|afternoon|day))(?: (?:there|you|all))?", low
        ):
            return f"Hello{to_you}! What shall we do today?"
        if (
            re.match(r"(?:thanks|thank you|great|lovely|perfect|nice|wonderful)\b", low)
            and len(low.split()) < 8
        ):
            return f"You are welcome{to_you}. Tell me what you would like next."
        if re.match(r"(?:bye|goodbye|see you)\b", low):
            return f"Goodbye{to_you}, it was a pleasure."
        return None

    def _statement(self) -> str | None:
        if (match := _MINE.search(self._prompt)) and "?" not in self._prompt:
            return f"I will remember that your {match[1].strip().lower()} is {match[2].strip()}."
        if re.match(r"\s*(?:please\s+)?(?:repeat|say|echo)\b", self._prompt, re.IGNORECASE) and (
            said := quoted(self._prompt)
        ):
            return said[0]
        return None

    def _writing(self) -> str | None:
        low = self._prompt.lower()
        topic = _topic(self._prompt)
        if "haiku" in low:
            thing = topic or "snow"
            return (
                f"{capital(thing)}, quiet now,\nthe morning holds its "
                "breath for\none small step of light."
            )
        if re.search(r"\b(?:poem|verse|rhyme)\b", low):
            thing = topic or "the sea"
            return (
                f"I went to look for {thing} one day,\nand found the light along the "
                "way;\nit asked me nothing, only stayed,\nand kept the colours that it made."
            )
        if re.search(r"\bstory\b", low):
            thing = topic or "a fox"
            return (
                f"Once there was {thing}, at the edge of a quiet wood. One evening a light "
                "stood between the trees, and it followed. It came home "
                "with a story, and this is it."
            )
        if re.search(r"\b(?:names?|titles?|captions?)\b", low) and re.search(
            r"\b(?:suggest|give|think|find|list|write|ideas?|good)\b", low
        ):
            return (
                f"Here are three: “{capital(topic or 'Ember')}”, “First "
                "Light” and “The Quiet Hour”."
            )
        return None

    def _fact(self) -> str | None:
        stems = {stem(word) for word in words(self._prompt)}
        known = next((text for key, text in FACTS.items() if stem(key) in stems), None)
        if known is None:
            return None
        first, _, rest = known.partition(". ")
        return (
            f"{first}."
            if re.search(r"\bone sentence\b|\bbriefly\b|\bin short\b", self._prompt, re.IGNORECASE)
            and rest
            else known
        )

    def _nothing(self) -> str:
        topic = _topic(self._prompt)
        if not self._prompt.strip():
            return "I am here. What would you like to know, or to see?"
        about = f" about {topic}" if topic else ""
        return pick(
            (
                (
                    f"I know too little{about} to say more: I follow rules and am no language "
                    "model. I can draw, use your tools, and remember what you tell me."
                ),
                (
                    f"That is beyond what my rules know{about}. Ask me to draw "
                    "it, or give me a tool that knows."
                ),
            ),
            self._prompt,
        )


def _evaluate(node: ast.AST) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            return _OPERATORS[type(sign)](_evaluate(left), _evaluate(right))
        case _:
            raise ValueError("not a sum")


def _topic(prompt: str) -> str:
    found = re.search(
        r"\b(?:about|of|for|on|called)\s+((?:(?:an?|the)\s+)?[^.,;!?]{2,40})", prompt, re.IGNORECASE
    )
    return (
        re.sub(r"\s+(?:in|with|please|and)\b.*$", "", found[1].strip(), flags=re.IGNORECASE)
        if found
        else ""
    )


def _quote(text: str) -> str:
    return f"“{shorten(text, 90).rstrip('.')}”"


def _small(prompt: str) -> str:
    """A prompt as the object of a sentence."""
    return (
        prompt[:1].lower() + prompt[1:]
        if prompt[:2].istitle()
        and prompt.split(maxsplit=1)[0].lower() in ("a", "an", "the", "two", "three")
        else prompt
    )


def intro(prompt: str, changed: str | None) -> str:
    """What is said before one picture."""
    shown = shorten(_small(prompt), 160)
    if changed:
        return pick(
            (f"Here it is again, {changed}:", f"I changed the picture. This is {shown}:"), prompt
        )
    return pick(
        (f"Here is {shown}:", f"I painted {shown}:", f"This is {shown}, as you asked:"), prompt
    )


def intros(prompts: Sequence[str]) -> list[str]:
    """What is said before each of several pictures."""
    ordinals = ("first", "second", "third", "fourth")
    start = f"Here are {count_word(len(prompts))} pictures. "
    told = [
        sentence(f"The {ordinals[min(index, 3)]} shows {shorten(_small(prompt), 140)}").rstrip(".")
        + ":"
        for index, prompt in enumerate(prompts)
    ]
    return [start + told[0], *told[1:]]
