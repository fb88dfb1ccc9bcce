"""Counts tokens as the built-in embedding model does, and knows where each begins.

The invariant: a count is that of the text alone, as :func:`count_tokens` gives it; where tokens begin is
found line by line, so the number of beginnings in a stretch of text is only near its count.
The trap: this tokenizer has no words of its own, so the time for one unbroken text grows faster than its
length; nothing here hands it more than a chunk or a piece of a line.
"""

import re
from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from engine.embeddings.wordllama_local import open_tokenizer

_PIECE = re.compile(r"[^\n]{0,2047}\n|[^\n]{1,2048}")
# What is encoded together takes some hundred bytes for each token until it is counted.
_PIECES_AT_ONCE = 1024


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Count the tokens of each text.

    >>> count_tokens(["", "Ebb and flow."])
    [0, 5]
    """
    counts: list[int] = []
    for first in range(0, len(texts), _PIECES_AT_ONCE):
        some = list(texts[first : first + _PIECES_AT_ONCE])
        encodings = open_tokenizer().encode_batch_fast(some, add_special_tokens=False)
        counts += map(len, encodings)
    return counts


def token_starts(text: str) -> NDArray[np.int32]:
    """Return the code point at which each token begins, ascending, not strictly: an emoji is several."""
    pieces = _PIECE.finditer(text)
    found = [np.zeros(0, np.int32)]
    while some := list(islice(pieces, _PIECES_AT_ONCE)):
        encodings = open_tokenizer().encode_batch(
            [piece[0] for piece in some], add_special_tokens=False
        )
        starts = (
            piece.start() + offsets[0]
            for piece, encoding in zip(some, encodings, strict=True)
            for offsets in encoding.offsets
        )
        found.append(np.fromiter(starts, np.int32))
    return np.concatenate(found)
