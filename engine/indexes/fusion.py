"""Reciprocal rank fusion: one order out of two that cannot be compared by their values.

A row at place n of a list counts ``1 / (60 + n)``, in both lists together: Cormack, Clarke and Büttcher,
SIGIR 2009. Values do not matter, only places, so scores and distances need no scale.
"""

import numpy as np

from engine.indexes.hits import Hits

_SMOOTHING = 60


def fuse(words: Hits, vectors: Hits, *, share: float, limit: int) -> Hits:
    """Fuse two searches of one table.

    Args:
        words: best first.
        vectors: best first.
        share: what the vectors count, from 0 to 1; the words count the rest.
        limit: rows at most.
    """
    rows = np.concatenate([words.rows, vectors.rows])
    points = np.concatenate(
        [
            (1 - share) / (_SMOOTHING + 1 + np.arange(len(words.rows))),
            share / (_SMOOTHING + 1 + np.arange(len(vectors.rows))),
        ]
    )
    distinct, places = np.unique(rows, return_inverse=True)
    scores = np.bincount(places, weights=points, minlength=len(distinct)).astype(np.float32)
    best = np.lexsort((distinct, -scores))
    best = best[scores[best] > 0][:limit]
    return Hits(distinct[best], scores[best])
