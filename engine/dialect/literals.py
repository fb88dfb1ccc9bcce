"""Literals that DataFusion reads otherwise: numbers of another base, moments in short, exact decimals as text."""

import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from engine.dialect.lexer import Kind, Piece
from engine.errors import SqlInvalid

_BASED = re.compile(r"0[xXoObB][0-9a-fA-F_]+")
_EXACT = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_MOMENT = re.compile(
    r"(?P<year>\d{4,6})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:(?: +|T)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>\.\d+)?)?)?"
    r"\s*(?P<zone>Z|[+-]\d{1,2}(?::?\d{2})?)?"
)
_COMPACT = re.compile(r"\s*(\d{4})(\d{2})(\d{2})\s*")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SPELLED = re.compile(
    r"\s*(?:(?P<name>[A-Za-z]{3,9})\.?\s+(?P<day>\d{1,2}),?|"
    r"(?P<day2>\d{1,2})[\s-](?P<name2>[A-Za-z]{3,9})[\s-]?)\s*(?P<year>\d{4})\s*"
)
_SLASHED = re.compile(r"\s*(\d{1,2})/(\d{1,2})/(\d{4})\s*")
_MICROSECOND = Decimal("0.000001")
DATES = frozenset({"date", "timestamp", "timestamptz"})
"""Types whose literals are moments."""


def is_plain_string(piece: Piece) -> bool:
    """Whether a piece is a text in simple quotes."""
    return piece.kind is Kind.STRING and piece.text.startswith("'")


def string_value(piece: Piece) -> str:
    """The text that a literal in simple quotes stands for."""
    return piece.text[1:-1].replace("''", "'")


def quoted(text: str) -> str:
    """Write a text as a literal."""
    return "'" + text.replace("'", "''") + "'"


def is_exact(piece: Piece) -> bool:
    """Whether a piece is a number without an exponent: a decimal or an integer of Postgres."""
    return piece.kind is Kind.NUMBER and bool(_EXACT.fullmatch(piece.text))


def number(text: str) -> str | None:
    """Write a number of base 2, 8 or 16, or with underscores, in base 10; None for any other.

    Raises:
        SqlInvalid: it has digits that its base has not.
    """
    if _BASED.fullmatch(text):
        try:
            return str(int(text, 0))
        except ValueError:
            raise SqlInvalid(f"SQL parse error: '{text[:60]}' is no number") from None
    return text.replace("_", "") if "_" in text else None


def digits(text: str) -> str:
    """Write a number as Postgres writes a decimal: no exponent, a digit before the point, none too many.

    >>> digits(".5"), digits("007"), digits("1."), digits("1e3"), digits("1.50")
    ('0.5', '7', '1', '1000', '1.50')
    """
    return f"{Decimal(text):f}"


def rounded(text: str) -> str:
    """Round a decimal to an integer, away from zero at .5 as Postgres does."""
    return f"{Decimal(text).to_integral_value(ROUND_HALF_UP):f}"


def moment(text: str, type_name: str) -> str | None:
    """Write a date or a time stamp in full; None when that is how it is, or when nobody can read it.

    Args:
        text: what the literal stands for.
        type_name: one of DATES: a timestamp drops a zone.

    >>> moment("2024-1-2 03:04", "timestamp"), moment("Feb 29, 2024", "date")
    ('2024-01-02T03:04:00', '2024-02-29')
    """
    text = text.strip()
    if text.lower() == "epoch":
        return "1970-01-01"
    whole = _day(text)
    clock = ""
    if whole is None:
        parts = _MOMENT.fullmatch(text)
        if parts is None:
            return None
        whole = (int(parts["year"]), int(parts["month"]), int(parts["day"]))
        clock = _clock(parts, type_name)
    try:
        day = date(*whole).isoformat()
    except ValueError:
        return None  # DataFusion says so
    whole_text = day if type_name == "date" else day + clock
    return None if text.replace(" ", "T") == whole_text else whole_text


def _day(text: str) -> tuple[int, int, int] | None:
    if found := _COMPACT.fullmatch(text):
        return int(found[1]), int(found[2]), int(found[3])
    if found := _SLASHED.fullmatch(text):
        return int(found[3]), int(found[1]), int(found[2])
    found = _SPELLED.fullmatch(text)
    name = (found["name"] or found["name2"]).lower()[:3] if found else ""
    if found is None or name not in _MONTHS:
        return None
    return int(found["year"]), _MONTHS.index(name) + 1, int(found["day"] or found["day2"])


def _clock(parts: re.Match[str], type_name: str) -> str:
    if parts["hour"] is None:
        return ""
    clock = f"T{int(parts['hour']):02d}:{parts['minute']}:{parts['second'] or '00'}"
    if parts["fraction"]:
        micros = Decimal(f"0{parts['fraction']}").quantize(_MICROSECOND)
        if micros == 1:
            return ""
        clock += str(micros)[1:].rstrip("0").rstrip(".")
    return clock + (_zone(parts["zone"]) if type_name == "timestamptz" else "")


def _zone(zone: str | None) -> str:
    if zone is None or zone == "Z":
        return zone or ""
    digits = zone[1:].replace(":", "").zfill(2).ljust(4, "0")
    digits = digits if len(zone) > len("+1") else f"0{zone[1]}00"
    return f"{zone[0]}{digits[:2]}:{digits[2:]}"
