"""Understands what is to be drawn: new pictures, and changes to earlier ones."""

import re
from dataclasses import dataclass

from agentkit.emulator.model.words import COLOURS, NUMBERS, sentences, words

_STRONG = r"(?:draw|paint|sketch|illustrate|depict|doodle|visuali[sz]e|redraw|repaint)"
_WEAK = r"(?:generate|create|make|give|show|design|produce|render|send|want|need|like|do|imagine)"
_NOUN = (
    r"(?:pictures?|images?|photos?|photographs?|drawings?|paintings?|illustrations?|portraits?"
    r"|posters?|logos?|icons?|sketch(?:es)?"
    r"|water-?colou?rs?|cartoons?|wallpapers?|postcards?|avatars?|artworks?|covers?|stickers?"
    r"|versions?|variations?)"
)
_NEUTRAL = r"(?:pictures?|images?|photos?|drawings?|versions?|variations?)"
_PRONOUN = r"(?:it|that|this|them|him|her|one|the same(?: one| thing)?)"
_WISH = re.compile(
    rf"\b{_STRONG}\b|\b{_WEAK}\b[^.!?]*?\b{_NOUN}\b|\b(?:a|the"
    rf"|another)\s+(?:\w+\s+){{0,2}}{_NOUN}\s+of\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\b(?:don'?t|do not|never|without|no need "
    rf"to|stop)\s+(?:{_STRONG}|{_WEAK}|any\s+{_NOUN}|{_STRONG}ing)",
    re.IGNORECASE,
)
_LOOKING_BACK = re.compile(
    r"^how (?!about)|^when\b|^where\b|\b(?:did|have|had) (?:you|we|i)\b|\byou "
    r"(?:drew|painted|made)\b|\bhow many\b|\bdescribe\b|\bwhat(?:'s| is| do you see)\b"
    r"|\bwho\b|\bwhy\b|\bwhich\b|\bdo you\b|\bwhat (?:was|were|are|did|have)\b",
    re.IGNORECASE,
)
_ABOUT_PICTURES = re.compile(
    rf"\b{_WEAK}\b[^.!?]*?\b(?:examples?|ideas?|tips?|reasons?|advice|opinions?|difference|when"
    rf"|how|why|whether|what|if)\b[^.!?]*?\b{_NOUN}\b",
    re.IGNORECASE,
)
_COUNT = re.compile(
    rf"\b(two|three|four|2|3|4|a couple of|both)\s+(?:\w+\s+){{0,2}}?{_NOUN}\b", re.IGNORECASE
)
_LEAD = re.compile(
    r"^(?:(?:please|now|then|ok|okay|great|thanks|thank "
    r"you|hi|hello|hey|and|also|next|first|so|well|finally|yes|perfect|nice|lovely"
    r"|can you|could you|would you|will you|i want you to|i want|i'd like you to|i'd "
    r"like|i would like you to|i would like|i need"
    r"|let's|let us|try to|kindly|use .{1,40}? and|use it to|with it)\b[\s,!:]*|[\s,!.:]+)",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r",?\s*(?:\b(?:in|as|at|with|on)\s+)?(?:a\s+|an\s+)?(?:\b(?:transparent "
    r"background|\d{2,4}\s?x\s?\d{2,4}(?: pixels)?|\d{1,2}:\d{1,2}"
    r"(?: format| aspect ratio)?|png|jpe?g|webp|svg|square "
    r"format|wide format)\b)(?:\s+file|\s+format)?",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"[\s,]*\b(?:please|for me|thanks|thank you|for us|if you can)\b[\s.!?]*$", re.IGNORECASE
)
_PREPOSITION = re.compile(
    r"^(?:at|in|by|with|during|under|as|on|near|from|while|wearing|without|against|beside|over)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a prompt says about the form of its picture."""

    size: tuple[int, int] | None = None
    ratio: str | None = None
    format: str | None = None
    transparent: bool = False


def wants_drawing(text: str) -> bool:
    """Whether the prompt asks for a picture, and does not merely speak of one."""
    if not _WISH.search(text) or _REFUSAL.search(text):
        return False
    asking = next((part for part in sentences(text) if _WISH.search(part)), text)
    if not re.search(rf"\b{_STRONG}\b", asking, re.IGNORECASE) and _ABOUT_PICTURES.search(asking):
        return False
    polite = re.search(r"\b(?:can|could|would|will) you\b", asking, re.IGNORECASE)
    wish = _WISH.search(asking)
    before = asking[: wish.start()] if wish else ""
    return bool(polite) or not _LOOKING_BACK.search(
        before if re.search(rf"\b{_STRONG}\b", asking, re.IGNORECASE) else asking
    )


def options_of(text: str) -> Options:
    pixels = re.search(r"\b(\d{2,4})\s?x\s?(\d{2,4})\b", text)
    ratio = re.search(r"\b(\d{1,2}:\d{1,2})\b(?!\d)", text)
    kind = re.search(r"\b(png|jpe?g|webp|svg)\b", text, re.IGNORECASE)
    wide = re.search(r"\b(wide|landscape format|panorama|panoramic)\b", text, re.IGNORECASE)
    tall = re.search(r"\b(tall|portrait format|upright)\b", text, re.IGNORECASE)
    return Options(
        size=(int(pixels[1]), int(pixels[2])) if pixels else None,
        ratio=ratio[1] if ratio else "16:9" if wide else "9:16" if tall else None,
        format=kind[1].lower().replace("jpg", "jpeg") if kind else None,
        transparent=bool(re.search(r"\btransparent\b", text, re.IGNORECASE)),
    )


def subjects(text: str, topic: str | None = None) -> list[str]:
    """What is to be drawn, one prompt for each picture. `topic` is what `it` stands for."""
    asking = _asking(text)
    match = _COUNT.search(asking)
    wanted = (
        int(NUMBERS.get(match[1].lower(), 2))
        if match and not match[1].isdigit()
        else int(match[1])
        if match
        else 1
    )
    if re.search(r"\btwice\b", asking, re.IGNORECASE):
        wanted, asking = 2, re.sub(r",?\s*\btwice\b", "", asking, flags=re.IGNORECASE)
    parts = [part for piece in _apart(asking) for part in _one_and_one(piece, wanted)]
    cleaned = [_clean(part) for part in parts]
    found = [_resolve(part, text, topic) for part in cleaned if part]
    found = list(dict.fromkeys(found)) or [topic or "a picture"]
    if len(found) == 1 and wanted > 1:
        return [found[0], *(f"{found[0]}, variation {number}" for number in range(2, wanted + 1))]
    return found


def _asking(text: str) -> str:
    """From the sentence that asks for a picture to the end, without later questions."""
    parts = sentences(text)
    start = next((index for index, part in enumerate(parts) if _WISH.search(part)), 0)
    kept = [parts[start]] if parts else [text]
    for part in parts[start + 1 :]:
        if part.endswith("?") or re.match(
            r"(?:thanks|thank you|what|who|how|tell|then tell|and tell)\b", part, re.IGNORECASE
        ):
            break
        kept.append(part)
    return ", ".join(part.rstrip(".!?") for part in kept)


def _apart(text: str) -> list[str]:
    """`draw a fox, then paint an owl` asks twice."""
    parts = re.split(
        rf",?\s*(?:\band\b|\bthen\b|,|;)\s*(?:then\s+|also\s+)?(?={_STRONG}\b)",
        text,
        flags=re.IGNORECASE,
    )
    return [
        part for part in parts if re.search(r"\w", part) and (len(parts) == 1 or _WISH.search(part))
    ] or [text]


def _one_and_one(text: str, wanted: int) -> list[str]:
    """`two pictures of the fox: one in spring and one in winter` → the fox in spring, the fox in
    winter.
    """
    several_things = re.search(
        rf"\b(?:two|three|four|2|3|4)\s+(?!(?:\w+\s+)?{_NOUN})\w+s\b", text, re.IGNORECASE
    )
    marks = list(
        re.finditer(
            r"\b(?:one|once|another|the other|the "
            rf"second)\b(?:\s+(?:one|{_NEUTRAL}))?\s*(?:of|showing|for|:)?\s+(?!of\b)",
            text,
            re.IGNORECASE,
        )
    )
    later_only = len(marks) == 1 and re.search(
        r"\band\s+(?:also\s+)?$", text[: marks[0].start()], re.IGNORECASE
    )
    if not several_things and (len(marks) > 1 or later_only):
        head = _clean(text[: marks[0].start()].rstrip(" ,:;-—"))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        tails = [
            text[mark.end() : end].strip(" ,:;.") for mark, end in zip(marks, ends, strict=True)
        ]
        tails = [re.sub(r"[\s,;]*\band$", "", tail) for tail in tails]
        if later_only:
            return [
                re.sub(r"[\s,;]*\band(?:\s+also)?$", "", head),
                *(_under(head, tail) for tail in tails),
            ]
        return [_under(head, tail) for tail in tails if tail]
    if wanted > 1:
        body = _clean(text)
        listed = re.split(r"\s*[,;]\s*(?:and\s+)?|\s+and\s+", body.partition(":")[2] or body)
        if len(listed) == wanted:
            return listed
    return [text]


def _under(head: str, tail: str) -> str:
    """A part that names no thing of its own shares the head's."""
    if not head:
        return tail
    if _PREPOSITION.match(tail):
        return f"{head} {tail}"
    bare = words(tail)
    return (
        f"{head}, {tail}"
        if len(bare) <= 2 and bare[:1] and bare[0].lower() not in ("a", "an", "the")
        else tail
    )


def _clean(text: str) -> str:
    """The subject alone: without courtesy, verb, `a picture of`, and words about format."""
    rest = text.strip()
    for _ in range(8):
        shorter = _LEAD.sub("", rest, count=1)
        if shorter == rest:
            break
        rest = shorter
    rest = (
        re.sub(rf"^.*?\b{_STRONG}\b\s*(?:(?:me|us)\b)?\s*", "", rest, count=1, flags=re.IGNORECASE)
        if _drawn_by_verb(rest)
        else rest
    )
    rest = re.sub(rf"^{_WEAK}\s+(?:(?:me|us)\b\s*)?", "", rest, count=1, flags=re.IGNORECASE)
    count = (
        r"(?:(?:a|an|the|one|another|two|three|four|\d|a couple "
        r"of|some)\s+)?(?:(?:more|new|nice|small|little|quick|different)\s+)*"
    )
    rest = re.sub(
        rf"^{count}{_NEUTRAL}\b\s*(?:of|showing|that shows?|for|with|:|,|—)?\s*",
        "",
        rest,
        count=1,
        flags=re.IGNORECASE,
    )
    rest = _OPTION.sub("", rest)
    for _ in range(3):
        rest = _TAIL.sub("", rest)
    return rest.strip(" .!?,;:-—")


def _drawn_by_verb(text: str) -> bool:
    found = re.search(rf"\b{_STRONG}\b", text, re.IGNORECASE)
    return found is not None and not re.match(rf"{_WEAK}\b[^.!?]*\b{_NOUN}\b", text, re.IGNORECASE)


def _resolve(subject: str, text: str, topic: str | None) -> str:
    """`it` and `one` stand for the topic; `it at night` for the topic at night."""
    pronoun = re.match(rf"{_PRONOUN}\b\s*(?:again\b)?[\s,]*(?:but\s+)?(.*)", subject, re.IGNORECASE)
    if not pronoun:
        return subject
    wish = _WISH.search(text)
    earlier = re.search(
        r"\b(?:about|of)\s+([^.,;!?]+?)(?:\s+and)?\s*$",
        text[: wish.start()] if wish else "",
        re.IGNORECASE,
    )
    base = _single(earlier[1].strip()) if earlier else topic
    if base is None:
        return subject
    return f"{base} {pronoun[1]}".strip()


def _single(thing: str) -> str:
    """`owls` → `an owl`: what `one` of them is."""
    last = words(thing)[-1:] or [""]
    if (
        re.match(r"(?:an?|the|my|his|her)\b", thing, re.IGNORECASE)
        or not last[0].endswith("s")
        or last[0].endswith("ss")
    ):
        return thing
    one = (
        f"{thing[:-3]}y"
        if thing.endswith("ies")
        else thing[:-2]
        if thing.endswith(("xes", "ches", "shes"))
        else thing[:-1]
    )
    return f"{'an' if one[:1].lower() in 'aeiou' else 'a'} {one}"


def spoken_part(text: str) -> str:
    """What a prompt asks for in words before it asks for a picture."""
    wish = _WISH.search(text)
    before = (
        re.sub(
            r"[\s,]*(?:\band\b|\bthen\b)?\s*(?:(?:then|also|please)\s*)?$", "", text[: wish.start()]
        )
        if wish
        else ""
    )
    asks = re.search(
        r"\b(?:tell|explain|what|who|why|how|write|haiku|poem|story|my name is|i am|i'm)\b",
        before,
        re.IGNORECASE,
    )
    return before if asks else ""


def redraws(text: str) -> bool:
    """Whether a prompt with a drawing verb speaks of a picture that is already there."""
    return bool(
        re.search(
            rf"\b{_STRONG}\s+(?:it|that|this|them|him|her|the "
            r"same|img_\d+)\b|\b(?:redraw|repaint)\b|\bsame picture\b",
            text,
            re.IGNORECASE,
        )
    )


def colour_in(text: str) -> str | None:
    return next((word.lower() for word in words(text) if word.lower() in COLOURS), None)
