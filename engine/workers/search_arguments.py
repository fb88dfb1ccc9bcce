"""The arguments of search functions: literals, or else a sentence that says what was expected."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from datafusion.expr import Expr

from engine.errors import SqlInvalid

K_MAX = 100_000
"""Rows that a search by vectors, or one that says ``k``, can find."""


def vector_of(value: Any) -> np.ndarray:  # noqa: ANN401 - a literal
    """Read a literal as a vector.

    Raises:
        SqlInvalid: it is no list of numbers.
    """
    try:
        vector = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        raise SqlInvalid("The query must be a text or an ARRAY of numbers") from None
    if vector.ndim != 1 or not vector.size:
        raise SqlInvalid("The query must be a text or an ARRAY of numbers")
    return vector


def values_of(args: Sequence[Expr], form: str, *, least: int) -> list[Any]:
    """Read arguments that must be literals.

    Args:
        args: of the call.
        form: what is expected, as people write it: one part for each argument.
        least: how many must be there.

    Raises:
        SqlInvalid: too few, too many, or one that is no literal.
    """
    most = form.count(",") + 1
    if not least <= len(args) <= most:
        raise SqlInvalid(f"expected ({form})")
    for number, arg in enumerate(args, start=1):
        if arg.variant_name() != "Literal":
            raise SqlInvalid(
                f"Argument {number} must be a literal or a bound parameter; expected ({form})"
            )
    return [arg.python_value().as_py() for arg in args]


def text_of(value: Any, what: str) -> str:  # noqa: ANN401 - a literal
    """Return a text; raise ``SqlInvalid`` for anything else."""
    if not isinstance(value, str):
        raise SqlInvalid(f"The {what} must be a text")
    return value


def count_of(value: Any) -> int:  # noqa: ANN401 - a literal
    """Return a number of rows; raise ``SqlInvalid`` for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= K_MAX:
        raise SqlInvalid(f"k must be a whole number from 0 to {K_MAX}")
    return value


def share_of(value: Any) -> float:  # noqa: ANN401 - a literal
    """Return how much the vectors count; raise ``SqlInvalid`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise SqlInvalid("alpha must be a number from 0 (words only) to 1 (vectors only)")
    return float(value)


def least_of(k: int | None, limit: int | None) -> int | None:
    """Return the smaller of two limits; None is no limit."""
    given = [number for number in (k, limit) if number is not None]
    return min(given) if given else None
