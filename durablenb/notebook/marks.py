"""What can be pointed at in a picture: keys for steps and calls, the same in all views of an instance."""

from __future__ import annotations

from durablenb.analysis.calls import Call
from durablenb.analysis.graph import GraphStep
from durablenb.notebook.svg import cleaned


def call_key(call: Call, of: str = "") -> str:
    """Return the key of a call; `of` is the sub-orchestration's id, if it is a call of one that is opened."""
    return f"call {call.execution} {call.number}{_of(of)}"


def step_key(step: GraphStep, of: str = "") -> str:
    """Return the key of a step."""
    return f"step {step.number}{_of(of)}"


def _of(instance_id: str) -> str:
    return f" of {instance_id}" if instance_id else ""


def mark_of(key: str, label: str) -> dict[str, str]:
    """Return the attributes of a group of shapes that can be pointed at."""
    return {"data_key": key, "tabindex": "-1", "role": "button", "aria_label": cleaned(label)[:120]}
