"""BM25 by its formula, in plain Python, and an index of a few texts to search in."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from engine.indexes.analyzers import DEFAULT_LANGUAGE, analyze, open_analyzer, separate_words
from engine.indexes.bm25 import Bm25Builder, Bm25Index, Bm25Spec

K1, B = 1.2, 0.75


def length_of_byte(byte: int) -> int:
    """The length a byte stands for: 24 small ones as they are, then three bits and an exponent."""
    if byte < 24:
        return byte
    exponent, bits = divmod(byte - 24, 8)
    return 24 + (bits if exponent == 0 else (8 + bits) << (exponent - 1))


LENGTHS = [length_of_byte(byte) for byte in range(256)]


def quantised(length: int) -> int:
    return LENGTHS[bisect_right(LENGTHS, length) - 1]


class PlainBm25:
    """The postings of one column."""

    def __init__(self, texts: Sequence[str | None], language: str) -> None:
        self._analyzer = open_analyzer(language)
        documents = self.analyze(texts)
        self.row_count = len(texts)
        self.average = sum(map(len, documents)) / max(len(documents), 1)
        self.lengths = [quantised(len(document)) for document in documents]
        self.postings: dict[str, dict[int, int]] = {}
        for row, document in enumerate(documents):
            for word, count in Counter(document).items():
                self.postings.setdefault(word, {})[row] = count

    def analyze(self, texts: Sequence[str | None]) -> list[list[str]]:
        separated = separate_words(pa.array(texts, pa.string()))
        return [self._analyzer.analyze(text or "") for text in separated]

    def score(self, words: Sequence[str]) -> dict[int, float]:
        """Score the rows that have one of the words."""
        scores: dict[int, float] = {}
        for word in words:
            found = self.postings.get(word, {})
            idf = math.log(1 + (self.row_count - len(found) + 0.5) / (len(found) + 0.5))
            for row, count in found.items():
                norm = K1 * (1 - B + B * self.lengths[row] / self.average)
                score = idf * (K1 + 1) * count / (count + norm)
                scores[row] = scores.get(row, 0) + score
        return scores


def build_index(
    folder: Path, columns: Mapping[str, Sequence[str | None]], language: str = DEFAULT_LANGUAGE
) -> Bm25Spec:
    """Index texts in a new folder; they arrive in three batches."""
    spec = Bm25Spec(tuple(columns), language)
    folder.mkdir()
    table = pa.table({name: pa.array(texts, pa.string()) for name, texts in columns.items()})
    builder = Bm25Builder(spec, folder, memory_bytes=16_000_000)
    step = table.num_rows // 3 + 1
    for start in range(0, table.num_rows, step):
        builder.add(table.slice(start, step), start)
    builder.finish()
    return spec


def open_index(
    tmp_path: Path, columns: Mapping[str, Sequence[str | None]], language: str = DEFAULT_LANGUAGE
) -> Bm25Index:
    """Index texts and open the index."""
    spec = build_index(tmp_path / "index", columns, language)
    return Bm25Index.open(tmp_path / "index", spec, tmp_path)


def rows_found(index: Bm25Index, query: str, columns: Sequence[str] | None = None) -> list[int]:
    """Return the rows a query finds, best first."""
    found: list[int] = index.search(query, columns=columns, limit=1_000_000).rows.tolist()
    return found


def tokens(text: str, language: str = DEFAULT_LANGUAGE) -> list[tuple[int, str]]:
    """Return the places and tokens of a text."""
    (separated,) = separate_words(pa.array([text]))
    assert separated is not None
    found = analyze(open_analyzer(language), separated)
    return [(token.position, token.text) for token in found]
