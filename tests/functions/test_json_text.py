"""Members of JSON are those of the text, however they are found."""

import json
import random

from engine.functions.json_text import as_text, kind_of, member, member_text, members_of

_DOCUMENTS = 3_000
_DEPTH_MAX = 3
_NUMBERS = ("0", "-0", "5", "-12", "1.50", "1e5", "-1.0E+3", "9223372036854775808", "1" * 30)
_STRINGS = ("", "x", "é\n", '"q"', "\\", "a b", "\u2028", "null")


def document(rng: random.Random, depth: int = 0) -> str:
    """Any JSON, with spaces and keys that come again."""
    kind = rng.randrange(5 if depth < _DEPTH_MAX else 3)
    space = rng.choice(("", " ", "\n\t"))
    if kind == 0:
        return rng.choice(_NUMBERS)
    if kind == 1:
        return json.dumps(rng.choice(_STRINGS), ensure_ascii=rng.random() < 0.5)
    if kind == 2:
        return rng.choice(("null", "true", "false"))
    values = [document(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 3:
        return f"[{space}{f'{space},'.join(values)}{space}]"
    members = [f'"{rng.choice("abc")}"{space}:{space}{value}' for value in values]
    return f"{{{space}{f'{space},'.join(members)}{space}}}"


def by_looking(text: str, key: str) -> str | None:
    """The last member of the key, by reading all of them."""
    if kind_of(text) != "object":
        return None
    return dict(members_of(text)).get(key)


def test_members_are_those_of_the_text() -> None:
    rng = random.Random(20)
    for _ in range(_DOCUMENTS):
        text = document(rng)
        for key in "ab":
            assert member(text, key) == by_looking(text, key), (text, key)
            assert member_text(text, key) == as_text(by_looking(text, key)), (text, key)
