"""What can be pointed at in a picture: keys for steps and calls, the same in all views of an instance."""

from __future__ import annotations

from durablenb.queries.instance.steps import Call, Step
from durablenb.views.svg import cleaned


def call_key(call: Call) -> str:
    """Return the key of a call."""
    return f"call {call.execution} {call.number}"


def step_key(step: Step) -> str:
    """Return the key of a step."""
    return f"step {step.number}"


def mark_of(key: str, label: str) -> dict[str, str]:
    """Return the attributes of a group of shapes that can be pointed at."""
    return {"data_key": key, "tabindex": "-1", "role": "button", "aria_label": cleaned(label)[:120]}
