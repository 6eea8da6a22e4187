"""Keys of steps, calls and generations in pictures: the same in all views of an instance."""

from __future__ import annotations

from dataclasses import dataclass

from durablenb.analysis.calls import Call
from durablenb.analysis.generations import Generation, read_generations
from durablenb.analysis.graph import ExecutionGraph, GraphStep
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.svg import clean

_MOST_CALLS = 200
"""How many calls of a selected step are marked in the other pictures."""


def call_key(call: Call, of: str = "") -> str:
    """Return the key of a call; `of` is the id of the opened sub-orchestration that it belongs to."""
    return f"call {call.execution} {call.number}{_instance_suffix(of)}"


def step_key(step: GraphStep, of: str = "") -> str:
    """Return the key of a step; `of` as for a call."""
    return f"step {step.number}{_instance_suffix(of)}"


def _instance_suffix(instance_id: str) -> str:
    return f" of {instance_id}" if instance_id else ""


def generation_key(execution: int) -> str:
    """Return the key of a generation, by the number of its execution, from 1."""
    return f"generation {execution}"


def find_generation(shown: InstanceSnapshot | None, key: str) -> Generation | None:
    """Return the generation that a key names in a picture; None if there is none."""
    if shown is None or not key.startswith("generation "):
        return None
    return next((one for one in read_generations(shown.events) if generation_key(one.execution) == key), None)


def mark_attributes(key: str, label: str) -> dict[str, str]:
    """Return the attributes of a group of shapes that can be selected."""
    return {"data_key": key, "tabindex": "-1", "role": "button", "aria_label": clean(label)[:120]}


@dataclass(frozen=True, slots=True)
class Target:
    """The step or call that a key names; a call has its step if the graph shows that.

    `of` is the id of an opened sub-orchestration; empty for the instance itself.
    """

    of: str
    step: GraphStep | None
    call: Call | None = None

    @property
    def keys(self) -> list[str]:
        """The keys of all marks of the target; for a step without a chosen call, those of its first calls."""
        if self.step is None:
            return [] if self.call is None else [call_key(self.call, self.of)]
        calls = self.step.calls[:_MOST_CALLS] if self.call is None else [self.call]
        return [*(call_key(call, self.of) for call in calls), step_key(self.step, self.of)]

    @property
    def only_call(self) -> Call | None:
        """The call, or the only call of the step."""
        if self.call is None and self.step is not None and len(self.step.calls) == 1:
            return self.step.calls[0]
        return self.call


def find_target(shown: InstanceSnapshot | None, key: str) -> Target | None:
    """Return the step or call that a key names in a picture; None if there is none."""
    head, _, of = key.partition(" of ")
    kind, *rest = head.split() or [""]
    flow = None if shown is None else shown.nest.get(of) if of else shown.flow
    if shown is None or flow is None or not all(number.isdecimal() for number in rest):
        return None
    numbers = tuple(map(int, rest))
    if kind == "step" and len(numbers) == 1:
        step = next((step for step in flow.steps if step.number == numbers[0]), None)
        return None if step is None else Target(of, step)
    if kind == "call" and len(numbers) == 2:
        calls = shown.calls if not of else [call for step in flow.steps for call in step.calls]
        call = next((other for other in calls if (other.execution, other.number) == numbers), None)
        return None if call is None else Target(of, _step_with(call, flow), call)
    return None


def cell_call_key(shown: InstanceSnapshot | None, key: str) -> str:
    """Return the key of the call of a fan-out's cell: ``cell 3 17``, ``cell 3 of child-1 17``."""
    cells, _, index = key.rpartition(" ")
    target = find_target(shown, cells.replace("cell", "step", 1))
    if target is None or target.step is None:
        return ""
    if not index.isdecimal() or int(index) >= len(target.step.calls):
        return ""
    return call_key(target.step.calls[int(index)], target.of)


def _step_with(call: Call, flow: ExecutionGraph) -> GraphStep | None:
    return next((step for step in flow.steps if any(other is call for other in step.calls)), None)
