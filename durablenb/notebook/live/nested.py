"""The sub-orchestrations that are opened in a graph, each followed as its parent is; nothing else is read."""

from __future__ import annotations

from collections.abc import Mapping

from durablenb.analysis.calls import Call
from durablenb.analysis.graph import ExecutionGraph, GraphStep
from durablenb.analysis.nesting import child_id, opened_call
from durablenb.analysis.snapshot import SnapshotBuilder
from durablenb.notebook.live.details import ordered
from durablenb.notebook.live.sight import Instance, Sight


class Nested:
    """Which sub-orchestrations are opened, of each step one at the most.

    Parameters
    ----------
    sight
        The instance in whose graph they are.
    """

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._children: dict[str, _Child] = {}
        self._depths: dict[str, int] = {}

    def read(self) -> bool:
        """Take note of what is new; answers whether anything is."""
        return sum(child.read() for child in self._children.values()) > 0  # all of them read

    def within(self, flow: ExecutionGraph) -> Mapping[str, ExecutionGraph]:
        """Return what is opened in an execution, and in that; what isn't there any more is let go of."""
        flows: dict[str, ExecutionGraph] = {}
        self._depths = {"": 0}
        level = {"": flow} if self._children else {}
        while level:
            found = (self._opened(step) for one in level.values() for step in one.steps)
            children = dict.fromkeys(one[1] for one in found if one is not None and one[1] not in flows)
            depth = 1 + max(self._depths.values())
            level = {child: self._children[child].flow() for child in children}
            self._depths |= dict.fromkeys(level, depth)
            flows |= level
        self._children = {child: one for child, one in self._children.items() if child in flows}
        return flows

    def depth(self, instance_id: str) -> int:
        """Return how deep one of them lies in the graph; 0 for the instance itself."""
        return self._depths.get(instance_id, 0)

    def instance(self, instance_id: str) -> Instance:
        """Return one of them as its user holds it; the instance itself for none of them."""
        child = self._children.get(instance_id)
        return self._sight.instance if child is None else child.sight.instance

    def fold(self, step: GraphStep, chosen: Call | None) -> None:
        """Fold a step that is opened, or open it: at the call that is chosen, or at the most worrying one."""
        found = self._opened(step)
        if found is not None:
            del self._children[found[1]]
        elif step.kind == "sub-orchestration":
            is_of_it = any(call is chosen for call in step.calls)
            self._open(chosen if chosen is not None and is_of_it else ordered(step)[0])

    def turn(self, step: GraphStep, by: int) -> None:
        """Show the call of an opened step that was made after the one that is shown, or before it."""
        found = self._opened(step)
        if found is not None:
            self.show(step, step.calls[(found[0] + by) % len(step.calls)])

    def show(self, step: GraphStep, call: Call) -> None:
        """Open a call in its step, in place of another one."""
        found = self._opened(step)
        if found is not None and step.calls[found[0]] is not call:
            del self._children[found[1]]
            found = None
        if found is None:
            self._open(call)

    def follow(self, step: GraphStep, call: Call) -> None:
        """Show a call if its step is opened."""
        if self._opened(step) is not None:
            self.show(step, call)

    def _opened(self, step: GraphStep) -> tuple[int, str] | None:
        return opened_call(step, self._children)

    def _open(self, call: Call) -> None:
        child = child_id(call)
        if child is not None:
            opened = _Child(self._sight.other(child))
            if not opened.read():
                raise ValueError(f"There is nothing to show of {child!r}: it was purged.")
            self._children[child] = opened


class _Child:
    """One of them, as far as it was read."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self._following = SnapshotBuilder()
        self._seq = 0

    def read(self) -> bool:
        """Take note of what is new; answers whether anything is."""
        records = self.sight.records(self._seq)
        if records:
            self._seq = records[-1].seq
            self._following.read(record.event for record in records)
        return bool(records)

    def flow(self) -> ExecutionGraph:
        """Return its last execution as it stands."""
        return self._following.flow(self.sight.obstacle())
