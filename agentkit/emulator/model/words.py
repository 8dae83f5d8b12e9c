"""Words of a prompt: what they are, what they stand for, which of them matter."""

import re
from collections.abc import Iterable, Sequence

from agentkit.emulator.tables import kind_by_word, word_list, word_set

STOP = word_set(
    """
    a an the and or but of to in on at by for from with without about into onto over under as is
    are was were be been am do does did done can could would should will shall may might must have
    has had i me my mine we us our you your yours he him his she her it its they them their this
    that these those there here what which who whom whose when where why how please thanks thank
    hello hi hey now then also too so just only very really some any each all both one ones
    another not no yes ok okay let lets get got give tell show say know want wants like need make
    made use using find look up me today tomorrow tonight yesterday right again more most much
    many well new there's what's it's i'm i'd let's
    """
)
GENERIC = word_set(
    """
    get set fetch tool return returns value values name given list lookup compute current string
    number text call use used
    """
)
STARTERS = STOP | word_set(
    """
    draw paint sketch illustrate create generate render design picture image weather convert roll
    add put change turn remove describe summarise summarize write answer repeat search book send
    translate calculate compare plan take remember imagine try first second next finally however
    if because after before while since great good nice perfect monday tuesday wednesday thursday
    friday saturday sunday january february march april june july august september october
    november december english french german spanish celsius fahrenheit remind explain choose pick
    suggest
    """
)
SYNONYMS: dict[str, str] = kind_by_word(
    """
    weather: rain rainy sunny forecast temperature cold warm umbrella
    time: clock hour
    calculate: plus times multiply sum divide
    roll: dice die
    color: colour colours colors
    image: photo picture
    email: mail
    currency: euros dollars exchange
    """
)
_NUMBER_WORDS = word_list(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty
    """
)
NUMBERS = {word: value for value, word in enumerate(_NUMBER_WORDS)} | {
    "dozen": 12,
    "hundred": 100,
    "couple": 2,
}
COLOURS = word_list(
    """
    red orange yellow green blue purple violet pink brown black white grey gray golden gold silver
    turquoise teal crimson scarlet beige cyan magenta indigo lilac
    """
)

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|(?<!\w)'([^']+)'(?!\w)|«([^»]+)»|`([^`]+)`")
_NAME = r"[A-ZÀ-ÖØ-Þ][^\W\d_]+(?:[-'\u2019][^\W\d_]+)*"
_ENTITY = re.compile(rf"\b{_NAME}(?:\s+(?:de\s+|of\s+|del\s+|la\s+)?{_NAME})*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def stem(word: str) -> str:
    """A crude root: good enough to see that cities are a city and drawing is a draw."""
    word = word.lower().replace("\u2019", "'").removesuffix("'s")
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    for ending in ("ing", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            root = word.removesuffix(ending)
            return root[:-1] if ending == "ing" and len(root) > 3 and root[-1] == root[-2] else root
    return word.removesuffix("e") if len(word) > 4 else word


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def content(text: str) -> set[str]:
    """The stems of the words that carry meaning, with what they are synonyms of."""
    found: set[str] = set()
    for word in words(text):
        low = word.lower()
        if low in STOP:
            continue
        found.add(stem(low))
        if low in SYNONYMS:
            found.add(stem(SYNONYMS[low]))
    return found


def name_words(name: str) -> list[str]:
    """`getWeather_forHere` → get, weather, for, here."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    return [word.lower() for word in spaced.split()]


def quoted(text: str) -> list[str]:
    return [next(group for group in match.groups() if group) for match in _QUOTED.finditer(text)]


def entities(text: str) -> list[str]:
    """Names of people and places: capitalised words that do not merely start a sentence."""
    inside: list[str] = []
    first: list[str] = []
    for match in _ENTITY.finditer(text):
        parts = match[0].split()
        starts = match.start() == 0 or text[: match.start()].rstrip().endswith((".", "!", "?", ":"))
        while parts and parts[0].lower() in STARTERS:
            parts.pop(0)
            starts = False
        if parts:
            doubtful = (
                starts and len(parts) == 1 and not re.match(r"\s*(?:,|and\b)", text[match.end() :])
            )
            (first if doubtful else inside).append(" ".join(parts))
    return list(dict.fromkeys(inside or first))


def places(text: str) -> list[str]:
    """Names that stand where places stand; written small, one after `in` or `for` will do."""
    bare = _QUOTED.sub(" ", text)
    text = bare if bare.strip() else text
    named = entities(text)
    if named:
        return named
    found = re.findall(r"\b(?:in|at|for|near|to|from)\s+([^\W\d_]{3,})", text)
    return [word.title() for word in found if word.lower() not in STARTERS]


def number_tokens(text: str) -> list[str]:
    """Words and numbers, with `2d6` as `2 6 sides` and without the numbers of image handles."""
    cleaned = re.sub(r"\bimg_\d+\b", " ", text)
    cleaned = re.sub(r"(?<=\d),(?=\d{3}\b)", "", cleaned)
    cleaned = re.sub(r"(?<![^\W\d_])d(\d+)\b", r" \1 sides ", cleaned)
    return re.findall(r"-?\d+(?:\.\d+)?|[^\W\d_]+", cleaned)


def numbers(text: str) -> list[tuple[int, float]]:
    """Each number with the index of its token."""
    found: list[tuple[int, float]] = []
    for index, token in enumerate(number_tokens(text)):
        if token.lower() in NUMBERS:
            found.append((index, float(NUMBERS[token.lower()])))
        elif re.match(r"-?\d", token):
            found.append((index, float(token)))
    return found


def sentences(text: str) -> list[str]:
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def clauses(text: str) -> list[str]:
    """The parts of a prompt that may each ask for something of their own."""
    parts: list[str] = []
    for sentence in sentences(text):
        parts += re.split(
            r"\s*[;,]\s+(?:and\s+)?|\s+(?:and then|then|and also|and|plus|as well as)\s+", sentence
        )
    return [part.strip() for part in parts if part and part.strip()]


def listing(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    text = capital(text.strip())
    return text if text.endswith((".", "!", "?", ":", "…")) else f"{text}."


def pick(options: Sequence[str], key: str) -> str:
    """One of the options, always the same for a key."""
    return options[sum(key.encode("utf-8", "replace")) % len(options)]


def shorten(text: str, length: int = 80) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1].rstrip()}…"


def overlap(left: Iterable[str], right: Iterable[str]) -> int:
    return len(set(left) & set(right))
