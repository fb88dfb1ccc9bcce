"""The patterns of Postgres's to_char, to_date and to_timestamp: what their letters mean.

Source: the manual of Postgres, "Data Type Formatting Functions", table "Template Patterns for Date/Time
Formatting", and what a Postgres 15 to 18 answers.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_KEYWORDS = [
    "Y,YYY",
    "YYYY",
    "YYY",
    "YY",
    "Y",
    "IYYY",
    "IYY",
    "IY",
    "I",
    "B.C.",
    "A.D.",
    "BC",
    "AD",
    "MONTH",
    "MON",
    "MM",
    "DAY",
    "DDD",
    "DD",
    "DY",
    "D",
    "IDDD",
    "ID",
    "W",
    "WW",
    "IW",
    "CC",
    "J",
    "Q",
    "RM",
    "HH24",
    "HH12",
    "HH",
    "MI",
    "SSSSS",
    "SSSS",
    "SS",
    "MS",
    "US",
    "FF1",
    "FF2",
    "FF3",
    "FF4",
    "FF5",
    "FF6",
    "A.M.",
    "P.M.",
    "AM",
    "PM",
    "TZH",
    "TZM",
    "TZ",
    "OF",
]
_TITLES = ("Month", "Mon", "Day", "Dy")
_SPELLINGS = sorted(
    {*_KEYWORDS, *(word.lower() for word in _KEYWORDS), *_TITLES}, key=len, reverse=True
)
_TOKEN = re.compile(
    r"(?P<prefix>(?:FM|fm|TM|tm|FX|fx)*)(?P<word>"
    + "|".join(map(re.escape, _SPELLINGS))
    + r")(?P<suffix>TH|th|SP|sp)?"
    r'|(?P<modifier>FX|fx|FM|fm)|"(?P<quoted>(?:[^"\\]|\\.)*)"?|\\(?P<escaped>")|(?P<other>.)',
    re.DOTALL,
)


@dataclass(frozen=True)
class Field:
    """One piece of a pattern.

    Attributes:
        word: a keyword in capitals; "" for text.
        text: what is written as it is, or the keyword as it was spelled.
        is_filled: padded to its width: no ``FM`` before it.
        ordinal: ``TH``, ``th`` or "".
        is_quoted: text in quotes, which is never a separator.
    """

    word: str
    text: str
    is_filled: bool = True
    ordinal: str = ""
    is_quoted: bool = False


@lru_cache(maxsize=512)
def parse_datetime_pattern(pattern: str) -> tuple[Field, ...]:
    """Split a pattern.

    >>> [field.word or field.text for field in parse_datetime_pattern('FMDDth "of" Month')]
    ['DD', ' ', 'of', ' ', 'MONTH']
    """
    fields: list[Field] = []
    for token in _TOKEN.finditer(pattern):
        if token["word"]:
            suffix = token["suffix"] or ""
            fields.append(
                Field(
                    token["word"].upper(),
                    token["word"],
                    is_filled=not _is_bare(token["prefix"].upper(), token["word"].upper()),
                    ordinal=suffix if suffix.upper() == "TH" else "",
                )
            )
        elif token["quoted"] is not None:
            text = re.sub(r"\\(.)", r"\1", token["quoted"], flags=re.DOTALL)
            fields.append(Field("", text, is_quoted=True))
        elif not token["modifier"]:
            fields.append(Field("", token["escaped"] or token["other"]))
    return tuple(fields)


def _is_bare(prefix: str, word: str) -> bool:
    """Names in the language of the server, which is English here, have no padding either."""
    return "FM" in prefix or ("TM" in prefix and word in ("MONTH", "MON", "DAY", "DY"))
