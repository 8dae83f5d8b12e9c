"""Changes to an earlier picture: which one is meant, and what its prompt becomes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentkit.emulator.model.drawing_words import colour_in
from agentkit.emulator.model.words import COLOURS, NUMBERS, STOP, content, words
from agentkit.emulator.tables import word_set

_START = re.compile(
    r"^(?:(?:ok|okay|great|nice|lovely|good|perfect|thanks|thank "
    r"you|wonderful|please|yes|hm+|can you|could you|would you)[\s,!.]+)*"
    r"(?:and\s+|but\s+)?(?:now\b|this time\b|again\b|the same\b|same\b|make "
    r"(?:it|him|her|them|this|that|the|everything|img_)|put\b|add\b|give (?:it|him|her|them|the"
    r"|img_)"
    r"|remove\b|take away\b|change\b|turn "
    r"(?:it|him|her|them|this|that|the|img_)|replace\b|with\b|without\b|in the style\b|in "
    r"the\b|at (?:night|dawn|dusk|sunset|sunrise|noon)\b"
    r"|let (?:it|him|her|them|the)\b|zoom\b|brighter\b|darker\b|another "
    r"version\b|edit\b|modify\b|redraw\b|repaint\b|as an?\b|try\b)",
    re.IGNORECASE,
)
_OBJECT = r"(?:it|him|her|them|this|that|these|everything|the (?:\w+ )?\w+|img_\d+)"
_WEARABLE = word_set(
    """
    hat cap crown scarf glasses sunglasses tie bow coat boots helmet beret necklace cape bonnet
    shoes mask
    """
)
_TIME = re.compile(
    r",?\s*\b(?:(?:at|by|in)\s+(?:the\s+)?)?(?:night(?:time)?|dawn|dusk|sunset|sunrise|noon"
    r"|midday|midnight|daylight|daytime|morning|evening"
    r"|afternoon|twilight|moonlight)\b|,?\s*\bby day\b|,?\s*\bunder "
    r"(?:the stars|a starry sky|the moon)\b",
    re.IGNORECASE,
)
_WEATHER = re.compile(
    r",?\s*\b(?:in|under|during)\s+(?:the\s+|a\s+)?(?:light\s+|heavy\s+|deep\s+)?(?:rain|snow"
    r"|fog|mist|storm|sunshine|thunderstorm|blizzard|snowstorm|clouds)\b",
    re.IGNORECASE,
)
_SEASON = re.compile(r",?\s*\bin (?:the\s+)?(?:spring|summer|autumn|fall|winter)\b", re.IGNORECASE)
_STYLE = re.compile(
    r",?\s*\b(?:as an?|in|in the style of an?)\s+(?:water-?colou?r|oil painting|pixel "
    r"art|pencil sketch|cartoon|sketch|line drawing|woodcut|collage)(?: style)?\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^(?:and\s+|so\s+|now\s+)?(?:what|who|why|when|where|how|which|is|are|do|does|did)\b",
    re.IGNORECASE,
)
_OF_TEXT = word_set(
    """
    shorter longer rhyme rhyming formal sentence word words text haiku poem story answer list
    email
    """
)
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3}


@dataclass(frozen=True, slots=True)
class Known:
    """A picture of the conversation: its name, what was asked for, its bytes where the request
    carries them, and whose it is."""

    handle: str
    prompt: str | None
    data: bytes | None
    mine: bool
    named: bool = False
    """Whether the client told the name."""


def asks_for_change(text: str, *, fresh: bool) -> bool:
    """Whether the prompt wants a picture changed. `fresh` says that the picture came just before,
    or with it.
    """
    if _QUESTION.match(text) or re.match(r"(?:now\s+)?add\s+\d", text, re.IGNORECASE):
        return False
    if not fresh and set(words(text.lower())) & _OF_TEXT:
        return False
    handled = re.search(r"\bimg_\d+\b", text) and re.search(
        r"\b(?:change|edit|make|put|add|give|turn|remove|with|draw|paint)\b", text, re.IGNORECASE
    )
    return bool(_START.match(text.strip()) or handled)


def refers_back(text: str) -> bool:
    """Whether a wish for a picture is a wish about one that is there: `make the second picture
    darker`.
    """
    return bool(
        re.search(
            r"\b(?:make|turn|change|let|give|edit)\s+(?:it|him|her|them|this|that|img_\d+"
            r"|the\s+(?:first|second|third|fourth|last|previous|other|same|picture|image"
            r"|drawing|painting|photo))\b",
            text,
            re.IGNORECASE,
        )
    )


def same_again(prompt: str, gallery: Sequence[Known]) -> str:
    """`the fox, but in summer` → the fox that was drawn before, in summer."""
    for width in (r"\w+\s+\w+", r"\w+"):
        match = re.match(
            rf"(?:the|that|this)\s+(?:same\s+)?({width})\b[\s,]*(?:again\b)?[\s,]*(?:but\s+"
            rf"|now\s+)?(.*)",
            prompt,
            re.IGNORECASE,
        )
        wanted = (
            content(match[1]) if match and not STOP & set(match[1].lower().split()) else set[str]()
        )
        # The first: what a later change made of it, such as the night, was asked for once.
        for known in gallery:
            if match and wanted and known.prompt and wanted <= content(known.prompt):
                return merged(known.prompt, match[2])
    return prompt


def picture_meant(text: str, gallery: Sequence[Known], *, attached: bool) -> Known:
    """The picture that the prompt speaks of: by handle, by number, the one that is `attached` to
    it, by what it shows, or the latest.
    """
    for handle in re.findall(r"\bimg_\d+\b", text):
        named = next((known for known in gallery if known.handle == handle), None)
        if named is not None:
            return named
    ordinal = re.search(
        r"\bthe (first|second|third|fourth)\b(?: (?:one|picture|image|drawing|painting))?",
        text,
        re.IGNORECASE,
    )
    if ordinal and _ORDINALS[ordinal[1].lower()] < len(gallery):
        return gallery[_ORDINALS[ordinal[1].lower()]]
    if attached:
        return gallery[-1]
    said = content(text)
    return max(reversed(gallery), key=lambda known: len(said & _nouns(known.prompt or "")))


def _nouns(prompt: str) -> set[str]:
    return content(prompt) - content(" ".join(COLOURS))


def change_in(text: str) -> str:
    """What is to be different, as a phrase that can follow the old prompt: `at night`, `wearing a
    hat`.
    """
    rest = text.strip().rstrip(".!?").strip()
    rest = re.sub(
        r"^(?:(?:ok|okay|great|nice|lovely|good|perfect|thanks|thank "
        r"you|wonderful|please|yes|now|and|but|this time|again|can you|could you|would you|try"
        r"|then)\b[\s,!.]*)+",
        "",
        rest,
        flags=re.IGNORECASE,
    )
    rest = re.sub(
        r"[\s,]*\b(?:please|now|instead|thanks|for me|this time|again)$",
        "",
        rest,
        flags=re.IGNORECASE,
    )
    for pattern, build in _FORMS:
        match = re.match(pattern, rest, re.IGNORECASE)
        if match:
            return _small(build(match).strip(" ,"))
    left = re.sub(
        rf"^(?:draw|paint|redraw|repaint|edit|modify)\s+{_OBJECT}\s*(?:again)?[\s,]*(?:but\s+)?",
        "",
        rest,
        flags=re.IGNORECASE,
    ).strip(" ,")
    return _small(left)


def _small(change: str) -> str:
    """Without the capital of a sentence, unless it is a name's."""
    first, _, rest = change.partition(" ")
    return f"{first.lower()} {rest}".strip() if first.lower() in STOP else change


def _worn(thing: str) -> str:
    return f"{'wearing' if set(words(thing.lower())) & _WEARABLE else 'with'} {thing}"


def _put(match: re.Match[str]) -> str:
    thing, where = match[1], match[2] or ""
    wearable = set(words(thing.lower())) & _WEARABLE
    about_it = not where or re.match(
        r"(?:on|onto|to|in)(?:to)?\s+(?:it|him|her|them|this|that|img_\d+|(?:its|his|her) head"
        r"|the picture|the image)\s*$",
        where,
        re.IGNORECASE,
    )
    if wearable or about_it:
        return _worn(thing)
    return f"with {thing} {where}"


def _made(match: re.Match[str]) -> str:
    rest = re.sub(r"^(?:to|into|be|look like|look)\s+", "", match[1], flags=re.IGNORECASE)
    if re.fullmatch(
        r"(?:night|dawn|dusk|sunset|sunrise|noon|midnight)(?:time)?", rest, re.IGNORECASE
    ):
        return f"at {rest}"
    if re.fullmatch(r"(?:winter|summer|spring|autumn|fall)", rest, re.IGNORECASE):
        return f"in {rest}"
    if weather := re.fullmatch(r"(rain|snow)(?:y|ing)?", rest, re.IGNORECASE):
        return f"in the {weather[1].lower()}"
    if re.match(
        r"an?\s+(?:water-?colou?r|oil painting|pencil|sketch|cartoon|pixel|woodcut)",
        rest,
        re.IGNORECASE,
    ):
        return f"as {rest}"
    if worn := re.match(r"(?:wear|have|hold|carry)\s+(.*)", rest, re.IGNORECASE):
        return _worn(worn[1])
    return rest


_FORMS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (
        (
            r"(?:put|add)\s+(.+?)(?:\s+((?:on|onto|to|in|into|above|behind|beside|over|under"
            r"|next to|at)\s+.+))?$"
        ),
        _put,
    ),
    (
        rf"give\s+{_OBJECT}\s+((?:an?|some|two|three|red|blue|green|big|small|its|the)\s+.+)$",
        lambda m: _worn(m[1]),
    ),
    (r"give\s+(?:it|him|her|them)\s+(.+)$", lambda m: _worn(m[1])),
    (
        (
            r"(?:remove|take away|without|get rid of|leave "
            r"out|lose)\s+(?:the\s+|an?\s+|its\s+|his\s+|her\s+)?(.+?)(?:\s+(?:from|on|in)\s+.+)?$"
        ),
        lambda m: f"without the {m[1]}",
    ),
    (
        r"(?:change|replace|turn)\s+the\s+(background|sky|colou?rs?)\s+(?:to|with|by|into)\s+(.+)$",
        lambda m: f"with a {m[2]} {m[1]}".replace("a a ", "a "),
    ),
    (rf"(?:make|turn|change|let|have)\s+{_OBJECT}\s+(.+)$", _made),
    (
        r"(?:the\s+)?same(?:\s+(?:picture|image|one|thing|scene|fox|again))?[\s,]*(?:but\s+)?(.+)$",
        lambda m: m[1],
    ),
    (r"another version(?:\s+of it)?[\s,]*(.*)$", lambda m: m[1] or "another version"),
)


def merged(prompt: str, change: str) -> str:
    """The old prompt with the change in it; what the change contradicts is gone."""
    base = prompt.strip().rstrip(".")
    if lost := re.match(r"without\s+(?:the\s+)?(.+)", change, re.IGNORECASE):
        return _without(base, lost[1])
    for kind, lost in (
        (_TIME, _TIME),
        (_WEATHER, _WEATHER),
        (_SEASON, _SEASON),
        (_SEASON, _WEATHER),
        (_STYLE, _STYLE),
    ):
        if kind.search(change):
            base = lost.sub("", base).strip(" ,") or base
    colour = colour_in(change)
    if colour is not None and len(words(change)) <= 2:
        return _recoloured(base, change)
    close = (
        re.match(r"(?:at|in|by|with|wearing|under|on|as|during)\b", change, re.IGNORECASE)
        and "," not in base
    )
    return f"{base}{' ' if close else ', '}{change}" if change else base


def _recoloured(base: str, change: str) -> str:
    old = colour_in(base)
    if old is not None:
        return re.sub(rf"\b{old}\b", change, base, count=1, flags=re.IGNORECASE)
    return re.sub(
        r"^((?:an?|the|one|two|three)\s+)?",
        lambda match: f"{_article(match[1], change)}{change} ",
        base,
        count=1,
    )


def _article(article: str | None, word: str) -> str:
    if article is None or article.strip().lower() not in ("a", "an"):
        return article or ""
    return "an " if word[:1].lower() in "aeiou" else "a "


def _without(base: str, thing: str) -> str:
    noun = re.escape(words(thing)[-1]) if words(thing) else re.escape(thing)
    shorter = re.sub(
        rf",?\s*\b(?:(?:with|wearing|and|in|on)\s+)?(?:(?:an?|the|some)\s+)?(?:\w+\s+)?{noun}\b",
        "",
        base,
        count=1,
        flags=re.IGNORECASE,
    )
    return shorter.strip(" ,") or base


def count_word(number: int) -> str:
    return next((word for word, value in NUMBERS.items() if value == number), str(number))
