"""What an embedder is, and the data it is made from.

An embedder gives each text a vector of 32-bit floats, all of one width. The same text has the same
vector whatever stands beside it. A blank text has the zero vector: no model is asked for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidRequest

if TYPE_CHECKING:
    import pyarrow as pa

Vectors = NDArray[np.float32]
"""One row for each text, in order."""
VectorArray: TypeAlias = "pa.FixedSizeListArray[Any, Any]"
"""The same as an Arrow array of fixed-size lists."""


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """Which model, and what it may use; crosses a process border as JSON, is never written down.

    Attributes:
        provider_type: ``local`` or ``service``.
        config: of the provider: see :mod:`engine.embeddings.provider_config`.
        credential: of a service; stays out of representations.
        dimensions: the width of the vectors; None = as the configuration or the model has it.
        allow_private: whether private addresses may be reached.
        local_files: folders that models may be read from.
        requests_max: requests to a service at once.
        response_bytes_max: largest answer of a service.
    """

    provider_type: str
    config: dict[str, Any]
    credential: str | None = field(repr=False)
    dimensions: int | None
    allow_private: bool
    local_files: tuple[str, ...]
    requests_max: int
    response_bytes_max: int


class Embedder(Protocol):
    """Turns texts into vectors, blocking. The width is known after the first call at the latest."""

    @property
    def dimensions(self) -> int | None:
        """The width of the vectors, as far as it is known."""

    @property
    def texts_at_once(self) -> int:
        """How many texts one call should have."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of at least one text.

        Raises:
            InvalidRequest: the model cannot be used so.
            SourceFailed: the service cannot be reached, or its answer cannot be used.
        """


def is_blank(text: str) -> bool:
    """Tell a text without any meaning: its vector is zero, whatever the model."""
    return not text or text.isspace()


def unit_length(vectors: Vectors) -> Vectors:
    """Divide every row by its length; a zero row stays.

    >>> unit_length(np.array([[3, 4], [0, 0]], np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    unit: Vectors = vectors / lengths
    return unit


def check_dimensions(wanted: int | None, available: Sequence[int], model: str) -> int:
    """Return the width of the vectors of a model; the last one available when none is asked for.

    Raises:
        InvalidRequest: the model has no vectors of this width.

    >>> check_dimensions(None, (64, 256), "m")
    256
    """
    if wanted is None:
        return available[-1]
    if wanted not in available:
        known = " or ".join(map(str, available))
        raise InvalidRequest(f"Model '{model}' has {known} dimensions, not {wanted}")
    return wanted
