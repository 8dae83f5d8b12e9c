"""A prompt → what it asks for. One pass over the words; whatever is not understood is passed
over.
"""

import re
import unicodedata
from dataclasses import dataclass, field, replace
from itertools import pairwise

from agentkit.emulator.painter import words as w
from agentkit.emulator.painter.colour import NAMED

_LONGEST = 400  # words that are read; a longer prompt has said by then what it wants

_PHRASES: tuple[tuple[str, str], ...] = (
    (("(cup|mug|glass) of (hot )?(coffee|tea|cocoa|chocolate|milk)"), "cup"),
    ("hot air balloon", "balloon"),
    ("teddy bear", "bear"),
    ("top hat", "tophat"),
    ("wizard hat", "wizardhat"),
    ("witch hat", "wizardhat"),
    ("bow tie", "bowtie"),
    ("northern light", "aurora"),
    ("northern lights", "aurora"),
    ("under water", "underwater"),
    ("on the moon", "on lunar"),
    ("moon landing", "lunar"),
    ("black and white", "monochrome"),
    ("golden hour", "dusk"),
    ("blue hour", "dusk"),
    ("pixel art", "pixel"),
    ("oil painting", "oil"),
    ("line art", "ink"),
    ("line drawing", "ink"),
    ("living room", "room"),
    ("space ship", "spaceship"),
    ("christmas tree", "winter pine"),
    ("light house", "lighthouse"),
    ("(pine|palm|fir) trees?", r"\1"),
    ("birthday cake", "cake"),
    ("reflected in", "reflection"),
    ("take off", "remove"),
    ("takes off", "remove"),
    ("get rid of", "remove"),
    ("star fish", "fish"),
    ("coffee table", "table"),
    ("at sea", "at the sea"),
    ("robin hood", "person"),
)


@dataclass(frozen=True, slots=True)
class Wear:
    """Something worn or held."""

    kind: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A subject as the words name it."""

    kind: str
    colour: str | None = None
    count: int = 1
    wears: tuple[Wear, ...] = ()
    carries: bool = False  # the living things named before it are aboard
    added: bool = False  # "another", "a second": one more, even where there is one already
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a prompt asks for. Empty fields were not spoken of."""

    mentions: tuple[Mention, ...] = ()
    wears: tuple[Wear, ...] = ()  # named without a subject: "add a hat"
    removed: frozenset[str] = frozenset()
    time: str | None = None
    season: str | None = None
    weather: frozenset[str] = frozenset()
    settings: tuple[str, ...] = ()
    city: str | None = None
    style: str | None = None
    caption: str = ""
    background: str | None = None
    tint: str | None = None
    unknown: str = ""


def plain(text: str) -> str:
    """The text in the letters that Pillow's own font has: ASCII, without accents."""
    eased = text.translate(
        str.maketrans({"ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "ß": "ss", "ł": "l", "đ": "d"})
    )
    return "".join(c for c in unicodedata.normalize("NFKD", eased) if " " <= c <= "~")


def tokens_of(prompt: str) -> list[str]:
    """Lower-case words and the punctuation that separates clauses."""
    text = re.sub(r'"[^"]*"|“[^”]*”|«[^»]*»', " ", prompt[:8000].lower())
    # An emoji speaks by its name: "fox face".
    text = "".join(
        f" {unicodedata.name(c, '').lower()} " if unicodedata.category(c) == "So" else c
        for c in text
    )
    text = " ".join(re.findall(r"[^\W_]+|[,.;:!?]", plain(text)))
    for phrase, short in _PHRASES:
        text = re.sub(rf"\b{phrase}\b", short, text)
    return re.findall(r"\S+", text)[:_LONGEST]


def look_up(table: dict[str, str], word: str) -> tuple[str, bool] | None:
    """The kind that a word names, and whether it is a plural."""
    if word in table:
        return table[word], False
    singles = [word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y"]
    if word.endswith("ves"):
        singles += [word[:-3] + "f", word[:-3] + "fe"]
    return next(
        ((table[single], True) for single in singles if single != word and single in table), None
    )


@dataclass(slots=True)
class _Reader:
    """The state of the pass: what is pending until its noun comes, and what has been read."""

    done: Reading = Reading()
    colour: str | None = None
    count: int | None = None
    added: bool = False
    negated: bool = False
    holding: bool = False
    aboard: bool = False
    swapping: bool = False
    swapped: str | None = None  # the subject that another is to take the place of
    traded: Wear | None = None  # the thing worn that another is to take the place of
    adjacent: bool = False  # the word before was a noun too
    last: str = ""  # what the last noun became: "mention", "wear", "loose"; "": it has no colour
    spoken: list[str] = field(default_factory=list[str])

    def take(self, word: str, following: str) -> None:
        """One word, or a mark that ends a clause."""
        if word in ",.;:!?":
            self.pause()
        elif not self.modifier(word, following) and not self.scenery(word):
            if self.noun(word):
                self.adjacent = True
                return
            self._other(word, following)
        self.adjacent = False

    def _other(self, word: str, following: str) -> None:
        if word == "and":
            negated = self.negated
            self.pause()
            # "without a hat and scarf", but "remove the hat and add a scarf".
            self.negated = negated and following not in {"add", "put", "give", "make", "a"}
        elif word not in w.FILLER:
            self.aboard = False
            self.spoken.append(word)

    def pause(self) -> None:
        """The end of a clause: a colour that found no noun belongs to the one before."""
        # "change the hat to blue": no other hat came, so this one stays.
        if self.traded is not None:
            self._put_on(replace(self.traded, colour=self.colour or self.traded.colour))
            self.traded, self.colour = None, None
        if self.colour is not None:
            self._colour_last(self.colour)
        self.colour, self.count, self.added, self.negated = None, None, False, False
        self.aboard = self.holding = False

    def _colour_last(self, colour: str) -> None:
        done = self.done
        if self.last == "mention" and done.mentions:
            self.done = replace(
                done, mentions=(*done.mentions[:-1], replace(done.mentions[-1], colour=colour))
            )
        elif self.last == "wear" and done.mentions:
            owner = done.mentions[-1]
            wears = (*owner.wears[:-1], replace(owner.wears[-1], colour=colour))
            self.done = replace(done, mentions=(*done.mentions[:-1], replace(owner, wears=wears)))
        elif self.last == "loose" and done.wears:
            self.done = replace(
                done, wears=(*done.wears[:-1], replace(done.wears[-1], colour=colour))
            )
        elif self.last == "":
            self.done = replace(done, tint=colour)

    def modifier(self, word: str, following: str) -> bool:
        """A word that says something of a noun to come, or of those before it."""
        if word in NAMED or (
            word in {"dark", "light", "bright", "pale", "deep"} and following in NAMED
        ):
            self.colour = word if word in NAMED else None
        elif word in w.COUNTS or (word.isdigit() and 1 < int(word[:4]) < 10):
            self.count = w.COUNTS[word] if word in w.COUNTS else int(word)
        elif word in w.NEGATION:
            self.negated = True
        elif word in w.ADDING and word != "add":
            self.added = True
        elif word in w.SWAPPING:
            self.swapping = True
        else:
            self.holding = self.holding or word in w.HOLDING
            self.aboard = self.aboard or word in w.ABOARD
            self.negated = self.negated and word not in {"with", "add", "put", "into", "but", "to"}
            return word in w.HOLDING or word in w.ABOARD
        return True

    def scenery(self, word: str) -> bool:
        """A word for the place, the hour, the weather, the season or the manner."""
        done = self.done
        if word in w.CITIES:
            self.done = replace(done, city=word, settings=_with(done.settings, "city"))
        elif word in {"background", "backdrop"}:
            self.done = replace(done, background=self.colour or done.background)
        elif (style := look_up(w.STYLES, word)) is not None:
            self.done = replace(done, style=style[0])
        elif (time := look_up(w.TIMES, word)) is not None and not self.negated:
            shining = {"moonlit": {"moon"}, "moonlight": {"moon"}, "starry": {"stars"}}.get(
                word, set[str]()
            )
            self.done = replace(done, time=time[0], weather=done.weather | shining)
        elif (weather := look_up(w.WEATHER, word)) is not None:
            self._weather(weather[0])
        elif (season := look_up(w.SEASONS, word)) is not None:
            self.done = replace(done, season=season[0])
        elif (setting := look_up(w.SETTINGS, word)) is not None and not self.negated:
            self.done = replace(done, settings=_with(done.settings, setting[0]))
        elif word not in w.SWALLOW:
            return False
        self.colour, self.last, self.aboard = None, "scenery", False
        return True

    def _weather(self, kind: str) -> None:
        if self.negated:
            self.done = replace(self.done, removed=self.done.removed | {kind})
        else:
            self.done = replace(self.done, weather=self.done.weather | {kind})

    def noun(self, word: str) -> bool:
        """A subject, or something that a subject wears or holds."""
        living, thing = look_up(w.LIVING, word), look_up(w.THINGS, word)
        worn = look_up(w.WEARABLE, word)
        if worn is not None and self._is_worn(worn[0]):
            self._wear(worn[0])
            return True
        found = living or thing
        if found is None:
            return False
        kind, plural = found
        if self.negated:
            self.done = replace(self.done, removed=self.done.removed | {kind})
        else:
            self._mention(kind, self.count or (3 if plural else 1))
        self.colour, self.count, self.added = None, None, False
        return True

    def _is_worn(self, kind: str) -> bool:
        owner = bool(self.done.mentions) and self.done.mentions[-1].kind in w.LIVING
        return self.negated or kind in w.ALWAYS_WORN or (owner and self.holding)

    def _wear(self, kind: str) -> None:
        done, item = self.done, Wear(kind, self.colour)
        self.colour = None
        if self.negated:
            self.done = replace(done, removed=done.removed | {kind})
        elif self.swapping and self.swapped is None and self.traded is None:
            self.traded = item
        else:
            if self.traded is not None:
                self.done = replace(done, removed=done.removed | {self.traded.kind})
                self.traded, self.swapping = None, False
            self._put_on(item)

    def _put_on(self, item: Wear) -> None:
        """Gives the thing to the living one named last, or leaves it without a wearer."""
        done = self.done
        owner = next(
            (i for i in reversed(range(len(done.mentions))) if done.mentions[i].kind in w.LIVING),
            None,
        )
        if owner is None:
            self.done, self.last = replace(done, wears=(*done.wears, item)), "loose"
            return
        held = replace(done.mentions[owner], wears=(*done.mentions[owner].wears, item))
        mentions = [*done.mentions]
        mentions.pop(owner)
        # The owner goes last, so that a colour that follows ("a hat, red") finds it.
        self.done, self.last = replace(done, mentions=(*mentions, held)), "wear"

    def _mention(self, kind: str, count: int) -> None:
        done = self.done
        if done.mentions and self.adjacent and done.mentions[-1].kind == kind:
            return  # "oak tree", "coffee cup": two words for one thing
        rides = self.aboard and kind in w.VESSELS and any(m.kind in w.LIVING for m in done.mentions)
        mention = Mention(kind, self.colour, min(count, 9), (), rides, self.added, self.swapped)
        self.swapped = kind if self.swapping and self.swapped is None else None
        self.swapping = self.swapping and self.swapped is not None
        self.done = replace(done, mentions=(*done.mentions, mention))
        self.last, self.holding, self.aboard = "mention", False, False


def read(prompt: str) -> Reading:
    """What the words ask for."""
    tokens = tokens_of(prompt)
    reader = _Reader()
    for word, following in pairwise([*tokens, ""]):
        reader.take(word, following)
    reader.pause()
    quoted = re.search(r'"([^"]{1,40})"|“([^”]{1,40})”|«([^»]{1,40})»', prompt[:8000])
    caption = plain(next(g for g in quoted.groups() if g)).strip() if quoted else ""
    return replace(reader.done, caption=caption, unknown=_subject(tokens, reader.spoken))


def _subject(tokens: list[str], spoken: list[str]) -> str:
    """The words that an unknown subject goes by: the first noun phrase, as far as one can tell
    without a dictionary.
    """
    known = set(spoken)
    phrase: list[str] = []
    for word in tokens:
        if word in known and word.isalpha():
            phrase.append(word)
        elif phrase and word in w.BREAKS:
            break
    return " ".join(phrase[:3])[:32]


def _with(settings: tuple[str, ...], setting: str) -> tuple[str, ...]:
    return settings if setting in settings else (*settings, setting)[:3]
