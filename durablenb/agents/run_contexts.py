"""pydantic-ai's run context on its way into an activity: a small JSON object, the same in each replay."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic_ai.durable_exec import DurableRunContext
from pydantic_ai.tools import RunContext
from pydantic_ai.usage import RunUsage, UsageLimits

from durablenb.agents.stable_json import stable_json

_usage: TypeAdapter[RunUsage] = TypeAdapter(RunUsage)
_limits: TypeAdapter[UsageLimits] = TypeAdapter(UsageLimits)

_DEFAULTS: dict[str, Any] = {
    "metadata": None,
    "retries": {},
    "tool_call_approved": False,
    "tool_call_metadata": None,
    "retry": 0,
    "max_retries": 0,
    "partial_output": False,
    "usage": {},
    "usage_limits": {},
    "deadline": None,
    "loaded_capability_ids": [],
    "discovered_tool_names": [],
    "available_tool_names": [],
    "_tool_names_by_kind": {},
    "active_capability_ids": [],
    "_deferred_capability_ids": [],
    "capability_active": None,
    "_anchored_evidence": None,
}
"""Values that are left out of the journal, and put back."""

_GIVEN = ("tool_call_id", "tool_name")
"""Values that the input has beside the run."""

_TELEMETRY = ("trace_include_content", "instrumentation_version")
"""Values that concern telemetry only, which an activity gets from its own process."""


class AgentRunContext(DurableRunContext[Any]):
    """The run context inside an activity of an agent."""

    def unavailable_field_message(self, name: str) -> str:
        """Return the error for a field that an activity doesn't have."""
        return (
            f"ctx.{name} isn't available in an activity of an agent, which may run in another process than "
            "the orchestration. Put what the tool needs into its arguments, or into the deps."
        )


def dumped(ctx: RunContext[Any]) -> dict[str, Any]:
    """Return a run context as JSON, without what is empty."""
    fields = AgentRunContext.serialize_run_context(ctx)
    fields["usage"] = _usage.dump_python(ctx.usage, mode="json", exclude_defaults=True)
    if ctx.usage_limits is not None:
        fields["usage_limits"] = _limits.dump_python(ctx.usage_limits, mode="json", exclude_defaults=True)
    left_out = (*_GIVEN, *_TELEMETRY)
    plain = {name: stable_json(value) for name, value in fields.items() if name not in left_out}
    for name in ("active_capability_ids", "_deferred_capability_ids"):
        plain[name] = [each for each in plain[name] if not each.startswith("<")]  # random ones
    if not any((plain.get("_anchored_evidence") or {}).values()):
        plain["_anchored_evidence"] = None
    return {name: value for name, value in plain.items() if name not in _DEFAULTS or value != _DEFAULTS[name]}


def loaded(run: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Return the fields of a run context from `dumped`, and those that are given beside it."""
    telemetry = {name: RunContext.__dataclass_fields__[name].default for name in _TELEMETRY}
    fields = {**_DEFAULTS, **telemetry, **dict.fromkeys(_GIVEN), **run, **given}
    if fields["_anchored_evidence"] is None:
        del fields["_anchored_evidence"]
    return fields
