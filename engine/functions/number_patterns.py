"""The patterns of Postgres's to_char and to_number for numbers: what their letters mean.

Source: the manual of Postgres, "Template Patterns for Numeric Formatting", and what a Postgres answers.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from engine.errors import SqlInvalid

_WORDS = ("EEEE", "FM", "MI", "PL", "PR", "RN", "SG", "SP", "TH", *",.90BCDGLSV")
_TOKEN = re.compile(
    "(?P<word>"
    + "|".join(re.escape(word) for word in sorted(_WORDS, key=len, reverse=True))
    + r"|eeee|fm|mi|pl|pr|rn|sg|sp|th|b|c|d|g|l|s|v)"
    r'|"(?P<quoted>(?:[^"\\]|\\.)*)"?|\\(?P<escaped>")|(?P<other>.)',
    re.DOTALL,
)
_DIGITS = ("9", "0")
DIGIT_WORDS = (*_DIGITS, "D", ".")


@dataclass
class NumberPattern:
    """A pattern, and what it says about the whole number.

    Attributes:
        words: keyword in capitals, and the text it is (or "" and text that is written as it is).
        before: digits before the point.
        after: digits after the point.
        shift: digits after ``V``.
        zero_start: place of the first ``0`` before the point; None without.
        zero_end: digits up to the last ``0``.
        sign: "", "before" or "after" the number, of ``S``.
        sign_place: digits before ``S``.
    """

    words: list[tuple[str, str]] = field(default_factory=list)
    before: int = 0
    after: int = 0
    shift: int = 0
    zero_start: int | None = None
    zero_end: int = 0
    sign: str = ""
    sign_place: int = 0

    def has(self, *words: str) -> bool:
        """Whether any of these keywords is in the pattern."""
        return any(word in words for word, _ in self.words)

    @property
    def has_point(self) -> bool:
        """Whether there is a decimal point."""
        return self.has("D", ".")


@lru_cache(maxsize=512)
def parse_number_pattern(text: str) -> NumberPattern:
    """Split a pattern.

    Raises:
        SqlInvalid: Postgres refuses it.

    >>> pattern = parse_number_pattern("9,990.99")
    >>> pattern.before, pattern.after, pattern.zero_start
    (4, 2, 3)
    """
    pattern = NumberPattern()
    for token in _TOKEN.finditer(text):
        if token["word"] is None:
            literal = token["quoted"] if token["quoted"] is not None else None
            if literal is not None:
                literal = re.sub(r"\\(.)", r"\1", literal, flags=re.DOTALL)
            pattern.words.append(("", literal or token["escaped"] or token["other"] or ""))
            continue
        word = token["word"].upper()
        _refuse(pattern, word)
        if word in _DIGITS:
            _count(pattern, word)
        elif word == "S":
            pattern.sign = "after" if pattern.has_point else "before"
            pattern.sign_place = pattern.before
        pattern.words.append((word, token["word"]))
    if pattern.sign == "before" and pattern.before == pattern.sign_place:
        pattern.sign = "after"
    return pattern


def _count(pattern: NumberPattern, word: str) -> None:
    if pattern.has("V") and word == "9":
        pattern.shift += 1
        return
    if pattern.has_point:
        pattern.after += 1
    else:
        if word == "0" and pattern.zero_start is None:
            pattern.zero_start = pattern.before
        pattern.before += 1
    if word == "0":
        pattern.zero_end = pattern.before + pattern.after


def _refuse(pattern: NumberPattern, word: str) -> None:
    twice = {"S": ("S", "PL", "MI", "SG", "PR"), ".": ("D", "."), "D": ("D", "."), "V": ("D", ".")}
    for other in (*twice.get(word, ()), *(("S",) if word in ("MI", "PL", "SG", "PR") else ())):
        if pattern.has(other):
            raise SqlInvalid(f"A pattern of to_char cannot have '{other}' and '{word}'")
    if word == "9" and pattern.has("PR"):
        raise SqlInvalid("'9' must be ahead of 'PR'")
    if pattern.has("EEEE") and word != "TH":
        raise SqlInvalid("'EEEE' must be the last of a pattern of to_char")
