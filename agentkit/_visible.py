"""Control characters, made visible: the first step of every sink for text."""

from __future__ import annotations

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x2070))
_LINE_ENDS = (0x2028, 0x2029)


def _escapes() -> dict[int, str]:
    """C0 as its control picture (`␛`), the rest as Python would write it (`\\x9b`, `\\u202e`), a
    lone surrogate as U+FFFD.
    """
    pictured = [code for code in range(0x20) if chr(code) not in "\n\t"]
    escapes = {code: chr(0x2400 + code) for code in pictured}
    escapes[0x7F] = "␡"
    escapes |= {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
    escapes |= {code: f"\\u{code:04x}" for code in (*_BIDI, *_LINE_ENDS)}
    escapes |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    return escapes


_ESCAPES = _escapes()


def visible(text: str) -> str:
    """The text with every C0, C1 and bidi control but `\\n` and `\\t` made visible; `\\r\\n`
    becomes `\\n`.
    """
    return text.replace("\r\n", "\n").translate(_ESCAPES)
