"""Numbers written and read by a pattern of Postgres: ``to_char`` and ``to_number``.

The walk over digits depends on what was written before, so it is a loop of Python, once for each distinct
number.
"""

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from engine.errors import SqlInvalid
from engine.functions.number_patterns import DIGIT_WORDS, NumberPattern, parse_number_pattern

_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)
_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L")),
    *((40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)
_ROMAN_MAX = 3999
_ROMAN_WIDTH = 15


@dataclass
class _Writing:
    """The state of one number that is written.

    Attributes:
        digits: of the number, without its sign, with its point.
        spaces: places of the pattern that the number does not fill.
        last: place in ``digits`` of the last digit that FM keeps; None: all.
    """

    pattern: NumberPattern
    digits: str
    is_negative: bool
    spaces: int
    is_filled: bool
    last: int | None = None
    at: int = 0
    place: int = 0
    is_signed: bool = False
    is_inside: bool = False
    is_bracketed: bool = False
    out: list[str] = field(default_factory=list)


def number_text(text: str, pattern_text: str) -> str:
    """Write a number by a pattern.

    Args:
        text: the number, as Arrow writes it.
        pattern_text: as to_char takes it.

    Raises:
        SqlInvalid: the pattern is none of numbers.

    >>> number_text("-1234.567", "9,999.99"), number_text("5", "FM000")
    ('-1,234.57', '005')
    """
    pattern = parse_number_pattern(pattern_text)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise SqlInvalid(f"'{text}' is neither a number nor a point in time") from error
    if pattern.has("RN"):
        return _roman(number, pattern)
    if pattern.has("EEEE"):
        return _scientific(number, pattern)
    return _walked(_begin(number, pattern))


def read_number(text: str, pattern_text: str) -> Decimal:
    """Read a number by a pattern.

    Raises:
        SqlInvalid: there is no number in the text.

    >>> read_number("12,454.8-", "99G999D9S")
    Decimal('-12454.8')
    """
    pattern = parse_number_pattern(pattern_text)
    is_negative = "-" in text or (pattern.has("PR") and "<" in text)
    try:
        number = Decimal(_digits(text.strip().lstrip("+-<$ "), pattern) or "none")
    except InvalidOperation as error:
        raise SqlInvalid(f"'{text}' is not a number of the pattern '{pattern_text}'") from error
    number = number.scaleb(-pattern.shift)
    return -number if is_negative else number


def _digits(left: str, pattern: NumberPattern) -> str:
    """Take what the pattern finds: digits and a point; separators may be missing."""
    digits = ""
    for word, literal in pattern.words:
        first = left[:1]
        if word in ("9", "0"):
            digits += first if first.isdigit() else ""
            left = left[1:] if first.isdigit() or first == " " else left
        elif word in ("D", "."):
            digits += "." if first == "." else ""
            left = left.removeprefix(".")
        elif word in (",", "G"):
            left = left.removeprefix(",")
        elif not word:
            left = left[len(literal) :]
    return digits


def _begin(number: Decimal, pattern: NumberPattern) -> _Writing:
    shifted = number.scaleb(pattern.shift, _EXACT) if number.is_finite() else number
    if not shifted.is_finite():
        digits = "NaN" if shifted.is_nan() else ""
        return _begin_digits(digits, pattern, is_negative=shifted == Decimal("-Infinity"))
    rounded = shifted.quantize(Decimal(1).scaleb(-pattern.after), context=_EXACT)
    return _begin_digits(f"{abs(rounded):f}", pattern, is_negative=rounded < 0)


def digits_text(digits: str, pattern: NumberPattern, *, is_negative: bool) -> str:
    """Write the digits of a number, which has as many after the point as the pattern.

    Other characters than digits are written as digits that are not zero.
    """
    return _walked(_begin_digits(digits, pattern, is_negative=is_negative))


def _begin_digits(digits: str, pattern: NumberPattern, *, is_negative: bool) -> _Writing:
    before = pattern.before + pattern.shift
    whole = len(digits.partition(".")[0])
    if not digits or whole > before:
        digits = "#" * before + "." + "#" * pattern.after
        whole = before
    writing = _Writing(pattern, digits, is_negative, before - whole, not pattern.has("FM"))
    writing.is_bracketed = pattern.has("PR")
    if pattern.has("MI", "PL", "SG"):
        # "PL" alone still has the sign of the number in front of it.
        writing.is_signed = not (pattern.has("PL") and not pattern.has("MI", "SG"))
    else:
        if writing.is_bracketed and not is_negative and not writing.is_filled:
            writing.is_bracketed = False
        writing.is_signed = not is_negative and not writing.is_filled and not pattern.sign
    if not writing.is_filled and pattern.has_point:
        writing.last = _last_kept(writing)
    return writing


def _last_kept(writing: _Writing) -> int | None:
    digits = writing.digits
    if "." not in digits:
        return None
    last = len(digits.rstrip("0")) - 1
    zero_end = writing.pattern.zero_end
    if zero_end > writing.spaces:
        last = max(last, min(len(digits) - 1, zero_end - writing.spaces))
    return last


def _walked(writing: _Writing) -> str:
    pattern = writing.pattern
    ends = pattern.before + pattern.shift + pattern.after - 1
    if not writing.is_signed and writing.spaces == 0:
        ends += 1
    ends += (1 if writing.spaces else 0) + (1 if pattern.has_point else 0)
    for word, text in pattern.words:
        if word in DIGIT_WORDS:
            _write_digit(writing, word, ends)
        elif word:
            writing.out.append(_mark(writing, word, text))
        else:
            writing.out.append(text)
    return "".join(writing.out)


def _mark(writing: _Writing, word: str, text: str) -> str:
    """What stands for a keyword that is no digit."""
    blank = " " if writing.is_filled else ""
    if word in (",", "G"):
        return "," if writing.is_inside else blank
    if word == "TH":
        return _ordinal(writing, text)
    sign = "-" if writing.is_negative else "+"
    wanted = {"L": "", "C": "", "MI": "-", "PL": "+", "SG": sign}
    if word not in wanted:
        return ""
    return sign if sign == wanted[word] else blank


def _ordinal(writing: _Writing, text: str) -> str:
    digits = writing.digits
    if writing.is_negative or digits.startswith("#") or writing.pattern.has_point:
        return ""
    is_teen = len(digits) > 1 and digits[-2] == "1"
    ending = "th" if is_teen else {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th")
    return ending.upper() if text == "TH" else ending


def _write_digit(writing: _Writing, word: str, ends: int) -> None:
    pattern, out, digits = writing.pattern, writing.out, writing.digits
    writing.is_inside = False
    zero = pattern.zero_start
    is_blank = writing.place < writing.spaces and (zero is None or zero > writing.place)
    _write_sign(writing)
    if is_blank:
        out.append(" " if writing.is_filled else "")
    elif writing.place < writing.spaces:
        out.append("0")
        writing.is_inside = True
    else:
        current = digits[writing.at : writing.at + 1]
        if current == ".":
            out.append(".")
        elif writing.last is not None and writing.at > writing.last and word != "0":
            pass
        elif _is_lone_zero(writing):
            if writing.is_filled:
                out.append(" ")
            elif writing.last is not None and digits[writing.last] == ".":
                out.append("0")
        else:
            out.append(current)
            writing.is_inside = True
        writing.at += bool(current)
    _write_end(writing, ends)
    writing.place += 1


def _write_sign(writing: _Writing) -> None:
    """The sign in front, as soon as a digit follows."""
    pattern = writing.pattern
    begins = writing.place >= writing.spaces or pattern.zero_start == writing.place
    ends_in_point = writing.last is not None and writing.digits[writing.last] == "."
    if writing.is_signed or not begins or (_is_lone_zero(writing) and not ends_in_point):
        return
    if pattern.sign:
        if pattern.sign == "before":
            writing.out.append("-" if writing.is_negative else "+")
            writing.is_signed = True
        return
    if writing.is_bracketed:
        writing.out.append("<" if writing.is_negative else " ")
    elif writing.is_negative:
        writing.out.append("-")
    elif writing.is_filled:
        writing.out.append(" ")
    writing.is_signed = True


def _write_end(writing: _Writing, ends: int) -> None:
    """The sign behind the last digit."""
    if writing.last is not None and writing.at == writing.last:
        ends = writing.place
    if writing.place + 1 != ends:
        return
    if writing.is_signed and writing.is_bracketed:
        writing.out.append(">" if writing.is_negative else " ")
    elif writing.pattern.sign == "after":
        writing.out.append("-" if writing.is_negative else "+")


def _is_lone_zero(writing: _Writing) -> bool:
    """The zero of 0.1, which ``9.9`` leaves out."""
    pattern = writing.pattern
    return (
        pattern.zero_start is None
        and writing.at == 0
        and writing.digits.startswith("0")
        and pattern.after > 0
    )


def _roman(number: Decimal, pattern: NumberPattern) -> str:
    rounded = number.quantize(Decimal(1), context=_EXACT) if number.is_finite() else Decimal(0)
    left, text = int(rounded), ""
    if 0 < left <= _ROMAN_MAX:
        for value, letters in _ROMAN:
            count, left = divmod(left, value)
            text += letters * count
    else:
        text = "#" * _ROMAN_WIDTH
    if ("RN", "rn") in pattern.words:
        text = text.lower()
    return text if pattern.has("FM") else text.rjust(_ROMAN_WIDTH)


def _scientific(number: Decimal, pattern: NumberPattern) -> str:
    if not number.is_finite():
        return " " + "#" * (pattern.before + 5 + pattern.after + (1 if pattern.after else 0))
    if not number:
        return f" {0:.{pattern.after}e}"
    exponent = number.adjusted()
    shown = number.scaleb(-exponent).quantize(Decimal(1).scaleb(-pattern.after), context=_EXACT)
    # 9.99 by 9.9EEEE is 10.0e+00 in Postgres.
    sign = "-" if number < 0 else " "
    return f"{sign}{abs(shown):f}e{exponent:+03d}"
