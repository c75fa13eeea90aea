"""Which pairs to take when every row and every column may be taken once: the greatest total weight.

Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing
38 (1987), in the form of Crouse, "On implementing 2D rectangular assignment algorithms", IEEE Transactions on Aerospace
and Electronic Systems 52(4), 2016, over lists of pairs instead of a matrix. Pairs of boxes that may be one face are
few: most rows have one column, which is the other's only row, and are settled without a search.
"""

from __future__ import annotations

import heapq
from collections import defaultdict

import numpy as np
import numpy.typing as npt

IndexArray = npt.NDArray[np.intp]
Edges = list[tuple[int, float]]


def assign(rows: IndexArray, columns: IndexArray, weights: npt.NDArray[np.float64]) -> tuple[IndexArray, IndexArray]:
    """Choose pairs of greatest total weight, so that no row and no column is in two of them.

    Args:
        rows: (P,), row of each possible pair.
        columns: (P,), column of each, 0 or more; no pair occurs twice.
        weights: float64 (P,), finite, above 0: how much better the pair is than neither of its parts being matched.

    Returns:
        Rows and columns of the chosen pairs, (M,) each, by ascending row.
    """
    if len(rows) == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    contested = ~alone
    mates = _augment(_costs_by_row(rows[contested], columns[contested], weights[contested]))
    chosen_rows = np.concatenate([rows[alone], np.array(list(mates.keys()), np.intp)])
    chosen_columns = np.concatenate([columns[alone], np.array(list(mates.values()), np.intp)])
    order = np.argsort(chosen_rows, kind="stable")
    return chosen_rows[order], chosen_columns[order]


def _costs_by_row(rows: IndexArray, columns: IndexArray, weights: npt.NDArray[np.float64]) -> dict[int, Edges]:
    edges: dict[int, Edges] = defaultdict(list)
    for row, column, weight in zip(rows.tolist(), columns.tolist(), weights.tolist(), strict=True):
        edges[row].append((column, -weight))
    for row in edges:
        edges[row].append((-1 - row, 0.0))  # a column of its own: the row stays without a mate
    return edges


def _augment(edges: dict[int, Edges]) -> dict[int, int]:
    """Return the mate of every row that has one."""
    row_price: dict[int, float] = {}
    column_price: dict[int, float] = defaultdict(float)
    row_of: dict[int, int] = {}
    column_of: dict[int, int] = {}
    for start, own in edges.items():
        row_price[start] = min(cost - column_price[column] for column, cost in own)
        column, length, came_from, settled = _shortest_path(start, edges, row_price, column_price, row_of)
        row_price[start] += length
        for passed, distance in settled.items():
            column_price[passed] -= length - distance
            row_price[row_of[passed]] += length - distance
        row = -1
        while row != start:  # along the path, every row hands its column on
            row = came_from[column]
            row_of[column] = row
            previous, column_of[row] = column_of.get(row, column), column
            column = previous
    return {row: column for row, column in column_of.items() if column >= 0}


def _shortest_path(
    start: int,
    edges: dict[int, Edges],
    row_price: dict[int, float],
    column_price: dict[int, float],
    row_of: dict[int, int],
) -> tuple[int, float, dict[int, int], dict[int, float]]:
    """Search by Dijkstra's algorithm from a row to the nearest free column over reduced costs.

    Returns:
        The column, its distance, the row before each column, and the distances of the taken columns passed.
    """
    distances: dict[int, float] = {}
    came_from: dict[int, int] = {}
    settled: dict[int, float] = {}
    queue: list[tuple[float, int]] = []
    row, travelled = start, 0.0
    while True:
        for column, cost in edges[row]:
            distance = travelled + cost - row_price[row] - column_price[column]
            if column not in settled and distance < distances.get(column, np.inf):
                distances[column], came_from[column] = distance, row
                heapq.heappush(queue, (distance, column))
        travelled, column = heapq.heappop(queue)
        while column in settled:
            travelled, column = heapq.heappop(queue)
        if column not in row_of:
            return column, travelled, came_from, settled
        settled[column] = travelled
        row = row_of[column]
