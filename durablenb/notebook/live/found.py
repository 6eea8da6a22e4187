"""What a key stands for: a step or a call, of an instance or of what is opened in its graph."""

from __future__ import annotations

from dataclasses import dataclass

from durablenb.analysis.calls import Call
from durablenb.analysis.graph import ExecutionGraph, GraphStep
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.marks import call_key, step_key


@dataclass(frozen=True, slots=True)
class Found:
    """A step, or a call with its step, if that is in the graph.

    `of` is the sub-orchestration's id, nothing for the instance itself.
    """

    of: str
    step: GraphStep | None
    call: Call | None = None

    @property
    def keys(self) -> list[str]:
        """The keys of all marks that belong to it."""
        keys = [] if self.call is None else [call_key(self.call, self.of)]
        return keys if self.step is None else [*keys, step_key(self.step, self.of)]

    @property
    def only_call(self) -> Call | None:
        """The call, or that of a step which has no other."""
        if self.call is None and self.step is not None and len(self.step.calls) == 1:
            return self.step.calls[0]
        return self.call


def find(shown: InstanceSnapshot | None, key: str) -> Found | None:
    """Return what a key stands for in a picture; None if there is nothing of that kind."""
    head, _, of = key.partition(" of ")
    kind, *rest = head.split() or [""]
    flow = None if shown is None else shown.nest.get(of) if of else shown.flow
    if shown is None or flow is None or not all(one.isdecimal() for one in rest):
        return None
    numbers = tuple(map(int, rest))
    if kind == "step" and len(numbers) == 1:
        step = next((step for step in flow.steps if step.number == numbers[0]), None)
        return None if step is None else Found(of, step)
    if kind == "call" and len(numbers) == 2:
        calls = shown.calls if not of else [call for step in flow.steps for call in step.calls]
        call = next((one for one in calls if (one.execution, one.number) == numbers), None)
        return None if call is None else Found(of, _home_of(call, flow), call)
    return None


def call_at(shown: InstanceSnapshot | None, key: str) -> str:
    """Return the key of the call that a cell stands for: ``cell 3 17``, ``cell 3 of child-1 17``."""
    cells, _, place = key.rpartition(" ")
    found = find(shown, cells.replace("cell", "step", 1))
    if found is None or found.step is None or not place.isdecimal() or int(place) >= len(found.step.calls):
        return ""
    return call_key(found.step.calls[int(place)], found.of)


def _home_of(call: Call, flow: ExecutionGraph) -> GraphStep | None:
    return next((step for step in flow.steps if any(one is call for one in step.calls)), None)
