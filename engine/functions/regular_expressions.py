"""Regular expressions of Postgres, as those of Python.

What is the same is kept, what is spelled otherwise is spelled so, what Python has not is refused. Two things
remain: of alternatives the first that matches is taken where Postgres takes the longest, and a pattern may
be greedy in one place and not in another where in Postgres its first quantifier decides for all.
"""

import re
from functools import lru_cache

from engine.errors import SqlInvalid

_CLASSES = {
    "alpha": r"^\W\d_",
    "digit": r"\d",
    "alnum": r"^\W_",
    "space": r"\s",
    "upper": "A-Z",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "blank": r" \t",
    "word": r"\w",
}
_ESCAPES = {
    "m": r"\b(?=\w)",
    "<": r"\b(?=\w)",
    "M": r"\b(?<=\w)",
    ">": r"\b(?<=\w)",
    "y": r"\b",
    "Y": r"\B",
    "Z": r"\Z",
    "e": r"\x1b",
    "B": r"\\",
}
_FLAGS = "icgnmpsqtx"


@lru_cache(maxsize=512)
def compiled(pattern: str, flags: str) -> re.Pattern[str]:
    r"""Compile a regular expression of Postgres.

    Args:
        pattern: an advanced regular expression.
        flags: letters as regexp_replace takes them; ``g`` is the caller's.

    Raises:
        SqlInvalid: it is none, or has what Python has not.

    >>> compiled(r"^[[:digit:]]+\M", "i").search("42 x")[0]
    '42'
    """
    if unknown := set(flags) - set(_FLAGS):
        raise SqlInvalid(f"invalid regular expression option: '{min(unknown)}'")
    if set(flags) & set("xpt") or (pattern.startswith(("***", "(?")) and not _is_group(pattern)):
        raise SqlInvalid("this form of regular expression is not supported")
    by_line = bool(set(flags) & set("nm"))
    form = re.escape(pattern) if "q" in flags else _python_form(pattern, by_line=by_line)
    options = re.IGNORECASE if "i" in flags and flags.rfind("i") > flags.rfind("c") else 0
    options |= re.MULTILINE if by_line else re.DOTALL
    try:
        return re.compile(form, options)
    except re.error as error:
        raise SqlInvalid(f"invalid regular expression: {error}") from error


def _is_group(pattern: str) -> bool:
    return pattern.startswith(("(?:", "(?=", "(?!", "(?<=", "(?<!"))


def _python_form(pattern: str, *, by_line: bool) -> str:
    out: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            out.append(_escape(pattern[at + 1 : at + 2]))
            at += 2
        elif pattern.startswith(("[[:<:]]", "[[:>:]]"), at):
            out.append(_ESCAPES[pattern[at + 3]])
            at += 7
        elif character == "[":
            form, at = _bracket(pattern, at, by_line=by_line)
            out.append(form)
        else:
            # "$" of Python is before a last newline too.
            out.append(r"\Z" if character == "$" and not by_line else character)
            at += 1
    return "".join(out)


def _escape(character: str) -> str:
    if not character:
        raise SqlInvalid("invalid regular expression: invalid escape \\ sequence")
    return _ESCAPES.get(character, "\\" + character)


def _bracket(pattern: str, start: int, *, by_line: bool) -> tuple[str, int]:
    """Rewrite a bracket expression; return it and where the pattern goes on."""
    at = start + 1
    negated = pattern.startswith("^", at)
    at += negated
    # By line, what is not in brackets is never the end of a line.
    items = [r"\n"] if negated and by_line else []
    unions: list[str] = []
    is_first = True
    while at < len(pattern) and (is_first or pattern[at] != "]"):
        is_first = False
        named = re.compile(r"\[:(\w+):\]").match(pattern, at)
        if named:
            form = _class(named[1])
            (unions if form.startswith("^") else items).append(form)
            at = named.end()
        elif pattern.startswith(("[.", "[="), at):
            raise SqlInvalid("this form of regular expression is not supported")
        elif pattern[at] == "\\":
            items.append(pattern[at : at + 2])
            at += 2
        else:
            items.append("\\" + pattern[at] if pattern[at] in "[]&~|" else pattern[at])
            at += 1
    if at >= len(pattern):
        raise SqlInvalid("invalid regular expression: brackets [] not balanced")
    return _joined(items, unions, negated=negated), at + 1


def _joined(items: list[str], unions: list[str], *, negated: bool) -> str:
    """A class of these items and of the classes that Python has only as what they are not."""
    forms = [f"[{''.join(items)}]"] if items else []
    forms += [f"[{union}]" for union in unions]
    if not negated:
        return forms[0] if len(forms) == 1 else f"(?:{'|'.join(forms)})"
    if not unions:
        return f"[^{''.join(items)}]"
    return "".join(f"(?!{form})" for form in forms) + r"[\s\S]"


def _class(name: str) -> str:
    if name not in _CLASSES:
        raise SqlInvalid(f"invalid regular expression: invalid character class {name}")
    return _CLASSES[name]
