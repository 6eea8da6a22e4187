"""A graph of networkx that a notebook shows as a picture. Importing this module imports networkx."""

from __future__ import annotations

import networkx

from durablenb.analysis.graph import GraphView
from durablenb.analysis.text import plural
from durablenb.model.display import Displayed


class ShownGraph(Displayed, networkx.DiGraph):  # type: ignore[misc]  # without types
    """A `networkx.DiGraph` whose nodes have a position, ``pos``; a notebook draws each at its place.

    Copies, subgraphs and views of it are of this class too, and show what is in them.
    """

    def _shown(self) -> GraphView:
        return GraphView(repr(self), dict(self.nodes(data=True)), list(self.edges(data=True)))

    def __repr__(self) -> str:
        of = self.graph.get("instance_id", "")
        counts = f"{plural(len(self), 'node')}, {plural(self.number_of_edges(), 'edge')}"
        return f"<graph{f' of {of}' if of else ''}: {counts}>"
