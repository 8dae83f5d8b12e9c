"""A text in the pieces that a chat network takes, as `bot.py` posts them."""

import re
import unicodedata

FENCE = "```"
FLAGS = "".join(map(chr, range(0x1F1E6, 0x1F200)))  # the letters of which two make a flag
BREAKS = (r"\n\s*\n", r"\n|(?<=[.!?…])\s", r"\s")  # paragraphs; lines and sentences; words
MOST_MARKS = 40  # in front of which a text is not cut


def in_pieces(text: str, limit: int) -> list[str]:
    """The text in pieces of at most `limit` (200 or more) units of UTF-16: cut between
    paragraphs, else between sentences, else between words. Code that has to be cut is a block of
    its own in each piece.
    """
    pieces: list[str] = []
    rest = text.strip()
    while len(closed(rest).encode("utf-16-le")) > 2 * limit:
        room = 2 * (limit - len(FENCE) - 1)
        head = rest.encode("utf-16-le")[:room].decode("utf-16-le", "ignore")
        at = best_cut(head, rest)
        again = opening(rest[:at])
        pieces.append(closed(rest[:at]))
        rest = rest[at:] if again else rest[at:].lstrip()
        if again and rest.lstrip().startswith(FENCE):  # the code ends just here
            rest = rest.lstrip().removeprefix(FENCE).lstrip()
        else:
            rest = again + rest
    return [piece for piece in [*pieces, closed(rest)] if piece]


def best_cut(head: str, text: str) -> int:
    """Where to cut a text whose head fits: outside code if it can be, and never in an emoji."""
    for each in BREAKS:
        for found in reversed([*re.finditer(each, head)]):
            if not opening(head[: found.start()]):
                return found.end()
    line = head.rfind("\n") + 1
    if line > len(opening(head[:line])):  # more than what the next piece begins with
        return line
    at = len(head)
    while at > len(head) - MOST_MARKS and is_torn(text, at):
        at -= 1
    return at


def is_torn(text: str, at: int) -> bool:
    """Whether a cut here tears an emoji, a letter from its marks, or what begins or ends code."""
    if text[at] == FENCE[0]:
        return (at - len(text[:at].rstrip(FENCE[0]))) % len(FENCE) > 0
    if text[at] in FLAGS:
        return (at - len(text[:at].rstrip(FLAGS))) % 2 == 1
    joined = unicodedata.category(text[at]) in {"Cf", "Mc", "Me", "Mn", "Sk"}
    return joined or text[at - 1] == "\u200d"


def opening(text: str) -> str:
    """The line that opened the code in which the text ends, or nothing."""
    if text.count(FENCE) % 2 == 0:
        return ""
    language = re.match(r"[\w+#.-]{0,20}\n", text[text.rfind(FENCE) + len(FENCE) :])
    return FENCE + (language.group() if language else "\n")


def closed(text: str) -> str:
    return f"{text.rstrip()}\n{FENCE}" if opening(text) else text.rstrip()
