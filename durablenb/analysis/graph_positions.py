"""The positions of instances and entities in the graph of a hub: families as trees, entities on the right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Position = tuple[float, float]
"""Pixels to the right and up, as networkx and Matplotlib draw them."""

ACROSS, DOWN = 190.0, 34.0
"""Distances of columns and of rows."""

_COLUMNS = 4


def grid(nodes: Iterable[str], left: float, top: float) -> dict[str, Position]:
    """Return positions in rows that begin at this place."""
    return {
        node: (left + number % _COLUMNS * ACROSS, top - number // _COLUMNS * DOWN)
        for number, node in enumerate(nodes)
    }


def family_positions(
    kinds: Mapping[str, str], starts: Iterable[tuple[str, str]], related: Iterable[tuple[str, str]]
) -> dict[str, Position]:
    """Return a position for each node of a hub's graph.

    Parameters
    ----------
    kinds
        The kind of each node, in the order of the nodes.
    starts
        Pairs of an instance and one that it started.
    related
        The pairs of all edges. Nodes without edges come last, in rows.
    """
    children: dict[str, list[str]] = {}
    for parent, child in starts:
        children.setdefault(parent, []).append(child)
    born = {child for several in children.values() for child in several}
    tied = {node for pair in related for node in pair}
    trees = [node for node in kinds if node in tied and kinds[node] != "entity"]
    placed: dict[str, Position] = {}
    row = 0
    for root in [*(node for node in trees if node not in born), *trees]:  # then those of a circle
        row = _place_tree(root, children, placed, row)
    right = max((x for x, _ in placed.values()), default=-ACROSS) + ACROSS
    entities = [node for node in kinds if node in tied and kinds[node] == "entity"]
    placed |= {node: (right, -number * DOWN) for number, node in enumerate(entities)}
    below = -max(row, len(entities)) * DOWN
    return placed | grid((node for node in kinds if node not in tied), 0, below)


def _place_tree(root: str, children: Mapping[str, list[str]], placed: dict[str, Position], row: int) -> int:
    """Place an instance with all that it started; return the next free row."""
    waiting = [(root, 0)]
    deepest_in_row = -1
    while waiting:
        node, depth = waiting.pop()
        if node in placed:
            continue
        if depth <= deepest_in_row:  # not the first child
            row += 1
        placed[node], deepest_in_row = (depth * ACROSS, -row * DOWN), depth
        waiting += [(child, depth + 1) for child in reversed(children.get(node, []))]
    return row + (deepest_in_row >= 0)
