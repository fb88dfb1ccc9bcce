"""Regular expressions of Postgres match what they match there."""

import pytest

from tests.golden.engines import Engines, Refused

_TEXTS = (
    *("foo", "foo bar", "foobar", "a\nb", "a1", "A1", "naïve", "", "abab", "a]b", "a-b", "x.y"),
    *("tab\there", "_under", "3.14", "aaa", "foo\n", "back\\slash", "ÉCOLE", "[x]"),
)
_PATTERNS = (
    *("foo", "^foo$", "a.b", "^b", "o$", r"\mfoo\M", r"\yfoo\y", r"\Yoo", r"^\w+$", r"\d", r"\s"),
    *(r"^[[:alpha:]][[:digit:]]$", "^[[:alpha:]]+$", "[^[:alpha:]]", "[[:space:]]", "[[:punct:]]"),
    *(r"(ab)\1", "foo(?=bar)", "foo(?!bar)", "[]x]", "[^]a]", "[a-c]", "a{2}", "a{2,}", "^(a|b)*$"),
    *(
        "[[:<:]]foo[[:>:]]",
        r"\\",
        "[.]",
        r"[\d.]+$",
        "(?:fo)+",
        "é",
        "x|y",
        "",
        "*a",
        "a**",
        "(",
        "[a",
    ),
    *(r"\A\w", r"a\Z", "[[:alnum:]_]+$", "[^[:digit:]a]"),
)


@pytest.mark.parametrize("flags", ["", "i", "n", "q"])
@pytest.mark.parametrize("pattern", _PATTERNS)
def test_a_pattern_matches_as_in_postgres(engines: Engines, pattern: str, flags: str) -> None:
    texts = ", ".join("(E'" + text.replace("\\", "\\\\") + "')" for text in _TEXTS)
    quoted = "'" + pattern + "'"
    source = f"(VALUES {texts}) AS t(x)"
    ours = f"SELECT x, regexp_test(x, {quoted}, '{flags}') FROM {source}"
    try:
        expected = engines.ask_postgres(
            f"SELECT x, regexp_like(x, {quoted}, '{flags}') FROM {source}"
        )
    except Refused:
        with pytest.raises(Refused):
            engines.ask_ours(ours)
        return
    found = engines.ask_ours(ours)
    different = [(a, b) for a, b in zip(expected, found, strict=True) if a != b]
    assert not different
