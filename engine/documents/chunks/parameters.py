"""What a pipeline may set of chunking, and the columns of what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from engine.errors import InvalidRequest

TOKENS_MAX_DEFAULT = 384
TOKENS_MAX_LOWEST, TOKENS_MAX_HIGHEST = 32, 8192
_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("chunk_index", pa.int32(), nullable=False),
    pa.field("chunk_text", pa.large_string(), nullable=False),
    pa.field("heading_path", pa.list_(pa.string()), nullable=False),
    pa.field("page_start", pa.int32()),
    pa.field("page_end", pa.int32()),
    pa.field("char_start", pa.int32(), nullable=False),
    pa.field("char_end", pa.int32(), nullable=False),
    pa.field("token_count", pa.int32(), nullable=False),
]
SCHEMA = pa.schema(_FIELDS)
"""Of the chunks of one document, in the order of its text."""


@dataclass(frozen=True, slots=True)
class ChunkParameters:
    """What a pipeline may set: tokens of a chunk, those it repeats of the last one, and the manner."""

    tokens_max: int = TOKENS_MAX_DEFAULT
    tokens_overlap: int = 0
    by_headings: bool = True


def check_parameters(parameters: Mapping[str, Any]) -> ChunkParameters:
    """Read the parameters of a pipeline's chunking.

    Args:
        parameters: ``tokens_max`` (32 to 8192, default 384), ``tokens_overlap`` (0 to half of it,
            default 0) and ``by_headings`` (default true: a heading begins a new chunk).

    Raises:
        InvalidRequest: there is no such parameter, or its value is not allowed.

    >>> check_parameters({"tokens_max": 256})
    ChunkParameters(tokens_max=256, tokens_overlap=0, by_headings=True)
    """
    known = ChunkParameters.__dataclass_fields__
    if unknown := sorted(map(str, parameters.keys() - known)):
        raise InvalidRequest(
            f"Chunking has no parameter {unknown[0]!r}; it has {', '.join(known)}."
        )
    chosen = ChunkParameters(**parameters)
    _check_whole("tokens_max", chosen.tokens_max, TOKENS_MAX_LOWEST, TOKENS_MAX_HIGHEST)
    _check_whole("tokens_overlap", chosen.tokens_overlap, 0, chosen.tokens_max // 2)
    if not isinstance(chosen.by_headings, bool):
        raise InvalidRequest("The parameter by_headings must be true or false.")
    return chosen


def _check_whole(name: str, value: object, lowest: int, highest: int) -> None:
    # True is a whole number to Python, and not to whoever wrote it.
    if type(value) is not int or not lowest <= value <= highest:
        raise InvalidRequest(
            f"The parameter {name} must be a whole number from {lowest} to {highest}."
        )
