"""The tokens of single words, as a full-text index has them: folded, and as stems.

A process remembers the words it looked at: the words of names and texts come again and again, and an
analyzer costs some microseconds for each. The invariant: a word's forms are those that
``analyzers`` give a text which is that word alone.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import pyarrow as pa

from engine.indexes.analyzers import PLAIN, analyze, open_analyzer, separate_text, separate_words

_KNOWN_MAX = 50_000
"""Words remembered of a language, 20 to 30 MB."""
_KNOWN_CHARS_MAX = 64


class Forms(NamedTuple):
    """A word's tokens: without accents in small letters, and as stems; stop words have no stem."""

    folded: tuple[str, ...]
    stems: tuple[str, ...]


class WordForms:
    """Looks at words of one language; for one thread at a time."""

    def __init__(self, language: str) -> None:
        """Begin.

        Raises:
            InvalidRequest: there is no such language.
        """
        self.stemming = open_analyzer(language)
        self.folding = open_analyzer(PLAIN)
        self._known: dict[str, Forms] = {}

    def of(self, words: Collection[str]) -> Mapping[str, Forms]:
        """Return the forms of some words."""
        known = self._known
        found = {word: known[word] for word in words if word in known}
        if len(found) < len(words):
            fresh = [word for word in words if word not in found]
            separated = _separated(fresh)
            looked_at = {
                word: Forms(
                    tuple(token.text for token in analyze(self.folding, text)),
                    tuple(token.text for token in analyze(self.stemming, text)),
                )
                for word, text in zip(fresh, separated, strict=True)
            }
            self._remember(looked_at)
            found |= looked_at
        return found

    def _remember(self, looked_at: Mapping[str, Forms]) -> None:
        if len(looked_at) > _KNOWN_MAX // 2:
            return
        if len(self._known) + len(looked_at) > _KNOWN_MAX:
            self._known.clear()
        self._known.update(
            (word, forms) for word, forms in looked_at.items() if len(word) <= _KNOWN_CHARS_MAX
        )


def _separated(words: Sequence[str]) -> list[str]:
    if all(map(str.isascii, words)):
        return [separate_text(word) for word in words]
    return [text or "" for text in separate_words(pa.array(words, pa.large_string()))]


@cache
def word_forms(language: str) -> WordForms:
    """Return what looks at the words of a language in this process.

    Raises:
        InvalidRequest: there is no such language.
    """
    return WordForms(language)
