"""Searches by the graph, as deep as it takes; and when looking at all vectors costs less.

A search of depth d visits the graph until it has the d nearest it can find. Of these only the nearer
part is reliable: for the r nearest nodes the depth must be about 3 r more than a base. The base is
measured when the graph is built, because no formula knows it: among vectors in tight clusters, or
of very different lengths, a search needs ten times the depth that it needs elsewhere, or never finds
its way. Where that costs more than an exact search, the graph is of no use.

Costs are in milliseconds on one core of 2025; only their ratios matter.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from engine.indexes.arrow_vectors import Ints, Mask
from engine.indexes.codes import Codec, Codes
from engine.indexes.distances import Floats
from engine.indexes.exact import ALL_FROM_SHARE, VectorSet
from engine.indexes.graph import Graph

_RECALL = 0.975
_RECALL_MIN = 0.96
_RECALL_LIMIT = 10
_RECALL_QUERIES = 128
_BASE_MIN = 100
_BASE_STEP = 1.2
_BASE_MARGIN = 1.25
"""Queries from elsewhere need somewhat more than those the base is measured with."""
_SURPLUS = 1.3
"""Looked for more than the share of rows that count promises: near the query it may be smaller."""
_RERANKED_MIN = 64
_RERANKED = 4
"""Of what is found, so many times the limit get their exact distance, and at least 64 nodes do."""


@dataclass(frozen=True, slots=True)
class GraphSearch:
    """Vectors and their graph.

    Attributes:
        vectors: what is searched.
        codec: how they became codes.
        graph: of the codes, without vectors that have none: zero under cosine.
        base_depth: of a search; see ``measured_search``.
    """

    vectors: VectorSet
    codec: Codec
    graph: Graph
    base_depth: int

    def nearest(
        self, query: Floats, limit: int, within: Mask | None, count: int
    ) -> tuple[Ints, Floats] | None:
        """Return nearly always what an exact search does, with exact distances.

        Args:
            query: (d,), finite.
            limit: how many vectors are wanted, from 1 to ``count``.
            within: for each vector whether it counts; None if all do.
            count: how many do.

        Returns:
            As ``VectorSet.nearest``; None when an exact search costs less, or the graph misleads.
        """
        code = self.codec.encode_query(query)
        if code is None:
            return None
        positions = self._candidates(code, limit, within, count)
        if positions is None:
            return None
        found = self.vectors.nearest(query, limit, positions)
        if self.codec.metric == "cosine" and found[1][-1] >= 1 and not self.vectors.squares.all():
            return None  # zero vectors are as near
        return found

    def _candidates(self, code: Codes, limit: int, within: Mask | None, count: int) -> Ints | None:
        """Go deeper until enough of what is found counts; None when exact costs less."""
        total = len(self.vectors.matrix)
        exact = exact_ms(count, total, len(code))
        reach = limit if within is None else math.ceil(_SURPLUS * limit * total / count)
        depth = self._depth(reach)
        while depth * _node_ms(self.codec) < exact:
            positions, places = self.graph.near(code, depth)
            if within is not None:
                counting = within[positions]
                positions, places = positions[counting], places[counting]
            if len(positions) < limit:
                if depth >= len(self.graph):
                    return None
                depth *= 4
                continue
            reached = int(places[limit - 1]) + 1
            if self._depth(reached) <= depth:
                last = max(int(places[min(_RERANKED * limit, len(places)) - 1]), _RERANKED_MIN - 1)
                return np.sort(positions[: np.searchsorted(places, last, side="right")])
            depth = self._depth(2 * reached)
        return None

    def _depth(self, reach: int) -> int:
        """Return the depth at which the nearest so many nodes are reliable."""
        return self.base_depth + 3 * reach


def measured_search(vectors: VectorSet, codec: Codec, graph: Graph) -> GraphSearch | None:
    """Find the least base depth that gives good recall.

    Returns:
        None if an exact search costs less than a search that deep. Where recall stops growing before
        it is good, the least depth at which it is fair.

    The queries are halfway between two vectors: unlike the vectors themselves they need about the depth
    that queries from elsewhere need.
    """
    random = np.random.default_rng(0)
    pairs = random.integers(0, len(vectors.matrix), (2, _RECALL_QUERIES))
    queries = vectors.matrix[pairs[0]] / 2 + vectors.matrix[pairs[1]] / 2
    bounds = [vectors.nearest(query, _RECALL_LIMIT)[1][-1] for query in queries]
    total = len(vectors.matrix)
    exact = exact_ms(total, total, queries.shape[1])
    fair = None
    base = _BASE_MIN
    while base * _node_ms(codec) < exact:
        search = GraphSearch(vectors, codec, graph, base)
        found = [search.nearest(query, _RECALL_LIMIT, None, total) for query in queries]
        hit = [
            (each[1] <= bound).mean() if each is not None else 1.0
            for each, bound in zip(found, bounds, strict=True)
        ]
        if np.mean(hit) >= _RECALL:
            return replace(search, base_depth=math.ceil(base * _BASE_MARGIN))
        if fair is None and np.mean(hit) >= _RECALL_MIN:
            fair = search
        base = math.ceil(base * _BASE_STEP)
    return fair


def exact_ms(count: int, total: int, dimensions: int) -> float:
    """Estimate the cost of an exact search of ``count`` vectors out of ``total``."""
    if count >= ALL_FROM_SHARE * total:
        return total * (8 + 0.1 * dimensions) * 1e-6
    return count * (20 + 0.35 * dimensions) * 1e-6


def _node_ms(codec: Codec) -> float:
    return (400 + 4 * codec.code_bytes) * 1e-6
