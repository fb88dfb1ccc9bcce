"""Reads what an embedding service answers. Nothing of it is believed before it is checked.

No sentence repeats what the service said: it may repeat the texts, or the key.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from engine.embeddings.base import Vectors
from engine.errors import RemoteError

_SHORT_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def read_vectors(body: bytes, count: int, dimensions: int | None) -> Vectors:
    """Read the vectors of ``count`` texts, in the order of the texts.

    Args:
        body: of an answer with status 200.
        count: how many texts were sent.
        dimensions: the width the vectors must have, if it is known.

    Raises:
        RemoteError: the answer is not of that form, or its vectors cannot be used.

    >>> body = b'{"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}]}'
    >>> read_vectors(body, 2, None).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    items = _items_of(body)
    if len(items) != count:
        raise RemoteError(f"The embedding service sent {len(items)} vectors for {count} texts")
    vectors = _in_order(items)
    widths = {len(vector) for vector in vectors}
    if len(widths) != 1:
        raise RemoteError("The embedding service sent vectors of different dimensions")
    (width,) = widths
    if width == 0 or dimensions not in {None, width}:
        raise RemoteError(
            f"The embedding service sent vectors of {width} dimensions where"
            f" {dimensions or 'some'} were asked for"
        )
    return _as_floats(vectors)


def read_code(body: bytes) -> str | None:
    """Return the short word an error answer has for its reason, if it has one.

    >>> read_code(b'{"error": {"code": "model_not_found", "message": "No such model"}}')
    'model_not_found'
    """
    try:
        error = orjson.loads(body)["error"]
        found = [error[key] for key in ("code", "type") if isinstance(error.get(key), str)]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return next((word for word in found if _SHORT_CODE.fullmatch(word)), None)


def _items_of(body: bytes) -> list[dict[str, Any]]:
    try:
        items = orjson.loads(body)["data"]
    except (ValueError, TypeError, KeyError):
        raise _not_of_this_form() from None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _not_of_this_form()
    return items


def _in_order(items: list[dict[str, Any]]) -> list[Sequence[float]]:
    """Sort by ``index``; without any index the order of the answer counts."""
    places = [item.get("index", place) for place, item in enumerate(items)]
    vectors: dict[int, Sequence[float]] = {}
    for place, item in zip(places, items, strict=True):
        vector = item.get("embedding")
        if type(place) is not int or not isinstance(vector, list):
            raise _not_of_this_form()
        vectors[place] = vector
    if sorted(vectors) != list(range(len(items))):
        raise RemoteError("The embedding service sent vectors that do not belong to the texts")
    return [vectors[place] for place in range(len(items))]


def _as_floats(vectors: list[Sequence[float]]) -> Vectors:
    if not all(set(map(type, vector)) <= {int, float} for vector in vectors):
        raise _not_of_this_form()
    with np.errstate(over="ignore"):  # what is too large for 32 bits is found below
        floats = np.array(vectors, np.float32)
    if not np.isfinite(floats).all():
        raise RemoteError("The embedding service sent numbers that are not finite")
    return floats


def _not_of_this_form() -> RemoteError:
    return RemoteError(
        "The embedding service did not answer as OpenAI's embeddings do: is config.base_url right?"
    )
