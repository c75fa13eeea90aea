"""Which pairs to take when every row and every column may be taken once: the best pair first.

The optimal assignment (Jonker and Volgenant, Computing 38, 1987) has a greater total by definition, but keeps no more
identities: over the scenes of ``benchmarks/tracking.py`` the two differ by less than the seeds do, since few faces are
contested and the scores tell certain from uncertain pairs. The greedy one costs one sort whatever the crowd does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IndexArray = npt.NDArray[np.intp]


def assign(rows: IndexArray, columns: IndexArray, scores: npt.NDArray[np.float64]) -> tuple[IndexArray, IndexArray]:
    """Choose pairs by falling score, so that no row and no column is in two of them; of equal ones the first.

    Args:
        rows: (P,), row of each possible pair.
        columns: (P,), column of each.
        scores: float64 (P,), how good it is.

    Returns:
        Rows and columns of the chosen pairs, (M,) each, best first.
    """
    order = np.argsort(-scores, kind="stable")
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    chosen = []
    for pair, row, column in zip(order.tolist(), rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            chosen.append(pair)
    taken = np.array(chosen, np.intp)
    return rows[taken], columns[taken]
