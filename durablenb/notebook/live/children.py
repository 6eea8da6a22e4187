"""The sub-orchestrations opened in a graph. Each is followed as its parent is; no others are read."""

from __future__ import annotations

from collections.abc import Mapping

from durablenb.analysis.calls import Call
from durablenb.analysis.graph import ExecutionGraph, GraphStep
from durablenb.analysis.nesting import child_id, opened_call
from durablenb.analysis.snapshot import SnapshotBuilder
from durablenb.hub.hub import Hub
from durablenb.hub.instance import Handle
from durablenb.notebook.live.details import by_urgency


class OpenedChildren:
    """The opened sub-orchestrations, at most one for each step.

    Parameters
    ----------
    handle
        The instance whose graph shows them.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._children: dict[str, _Child] = {}
        self._depths: dict[str, int] = {}

    def read(self) -> bool:
        """Read what is new; return whether there was anything."""
        return sum(child.read() for child in self._children.values()) > 0  # reads every child

    def within(self, flow: ExecutionGraph) -> Mapping[str, ExecutionGraph]:
        """Return the opened flows within an execution, by instance id; forget those that left the graph."""
        flows: dict[str, ExecutionGraph] = {}
        self._depths = {"": 0}
        level = {"": flow} if self._children else {}
        while level:
            found = (self._opened(step) for inner in level.values() for step in inner.steps)
            ids = (opened[1] for opened in found if opened is not None)
            children = dict.fromkeys(child for child in ids if child not in flows)
            depth = 1 + max(self._depths.values())
            level = {child: self._children[child].flow() for child in children}
            self._depths |= dict.fromkeys(level, depth)
            flows |= level
        self._children = {key: child for key, child in self._children.items() if key in flows}
        return flows

    def depth(self, instance_id: str) -> int:
        """Return the nesting depth of a sub-orchestration; 0 for the instance itself."""
        return self._depths.get(instance_id, 0)

    def instance(self, instance_id: str) -> Handle:
        """Return the handle of a sub-orchestration; that of the instance itself for an empty id."""
        child = self._children.get(instance_id)
        return self._handle if child is None else child.handle

    def fold(self, step: GraphStep, chosen: Call | None) -> None:
        """Fold an opened step, or open it at the selected call, or else at the most urgent one."""
        opened = self._opened(step)
        if opened is not None:
            del self._children[opened[1]]
        elif step.kind == "sub-orchestration":
            is_of_it = any(call is chosen for call in step.calls)
            self._open(chosen if chosen is not None and is_of_it else by_urgency(step)[0])

    def turn(self, step: GraphStep, by: int) -> None:
        """Show the next call of an opened step, or the previous one."""
        opened = self._opened(step)
        if opened is not None:
            self.show(step, step.calls[(opened[0] + by) % len(step.calls)])

    def show(self, step: GraphStep, call: Call) -> None:
        """Open a call in its step, instead of the one shown."""
        opened = self._opened(step)
        if opened is not None and step.calls[opened[0]] is not call:
            del self._children[opened[1]]
            opened = None
        if opened is None:
            self._open(call)

    def follow(self, step: GraphStep, call: Call) -> None:
        """Show a call if its step is open."""
        if self._opened(step) is not None:
            self.show(step, call)

    def _opened(self, step: GraphStep) -> tuple[int, str] | None:
        return opened_call(step, self._children)

    def _open(self, call: Call) -> None:
        child = child_id(call)
        if child is not None:
            opened = _Child(followed(self._handle.hub, child))
            if not opened.read():
                raise ValueError(f"{child!r} was purged, so there is nothing to show.")
            self._children[child] = opened


class _Child:
    """A sub-orchestration, as far as its history was read."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self._following = SnapshotBuilder()
        self._seq = 0

    def read(self) -> bool:
        """Read what is new; return whether there was anything."""
        self.handle.hub._journal.follow(self.handle.id)
        records = self.handle._records(self._seq)
        if records:
            self._seq = records[-1].seq
            self._following.read(record.event for record in records)
        return bool(records)

    def flow(self) -> ExecutionGraph:
        """Return the current flow of its last execution."""
        return self._following.flow(self.handle.hub._journal.runtime_info(self.handle.id))


def followed(hub: Hub, instance_id: str) -> Handle:
    """Return the handle of an instance, whose history is kept up to date from now on."""
    hub._journal.follow(instance_id)
    return Handle(hub, instance_id)
