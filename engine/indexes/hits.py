"""What a search of any index answers with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Hits:
    """Rows found by a search, best first.

    Attributes:
        rows: row numbers of the table version, int64.
        values: for each row a float32: a BM25 score (higher is better) or a distance (lower is).
    """

    rows: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
