"""The model that is always there: word vectors of wordllama, averaged over a text.

Its two files come with the package wordllama. They are read here and not by that package, which sets
up logging when it is imported, can download, and pads a batch to its longest text. Nothing here has
state besides the files, so a text has the same vector in every process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.embeddings.base import Vectors, check_dimensions, is_blank, unit_length
from engine.embeddings.provider_config import BUILT_IN_DIMENSIONS, BUILT_IN_MODEL

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
# Rows of the table that are gathered at once: 16 MiB as 32-bit floats.
_TOKENS_AT_ONCE = 16_384


@dataclass(frozen=True)
class _Model:
    tokenizer: Any
    table: NDArray[np.float16]


class WordEmbedder:
    """Averages word vectors; narrower ones are the first dimensions, which carry the most."""

    texts_at_once = 1024

    def __init__(self, dimensions: int | None) -> None:
        """Load the model, once in a process.

        Raises:
            InvalidRequest: the model has no vectors of this width.
        """
        self.dimensions: int = check_dimensions(dimensions, BUILT_IN_DIMENSIONS, BUILT_IN_MODEL)
        self._model = _load()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of the texts, each of length one but those of blank texts."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            if not is_blank(text):
                vectors[row] = self._mean_of(text)
        return unit_length(vectors)

    def _mean_of(self, text: str) -> NDArray[np.float32]:
        model = self._model
        tokens = model.tokenizer.encode(text, add_special_tokens=False).ids
        total = np.zeros(self.dimensions, np.float32)
        for start in range(0, len(tokens), _TOKENS_AT_ONCE):
            rows = model.table[tokens[start : start + _TOKENS_AT_ONCE], : self.dimensions]
            total += rows.sum(axis=0, dtype=np.float32)
        total /= max(1, len(tokens))
        return total


def load() -> None:
    """Load the model now: the forks of a process share what it has loaded."""
    _load()


def is_loaded() -> bool:
    """Tell whether this process has the model already."""
    return _load.cache_info().currsize > 0


@cache
def open_tokenizer() -> "Tokenizer":
    """Return what cuts a text into tokens, loaded once in a process, without padding or truncation."""
    # Imported here: a server that embeds nothing does without it.
    from tokenizers import Tokenizer  # noqa: PLC0415 - see above

    tokenizer = Tokenizer.from_file(str(_folder() / _TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@cache
def _load() -> _Model:
    from safetensors.numpy import load_file  # noqa: PLC0415 - as above

    return _Model(open_tokenizer(), load_file(_folder() / _WEIGHTS)["embedding.weight"])


def _folder() -> Path:
    found = find_spec("wordllama")  # without importing it
    assert found is not None, "wordllama is a dependency"
    assert found.origin is not None
    return Path(found.origin).parent
