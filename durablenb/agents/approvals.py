"""Decisions on tool calls that need approval, and results of external tools, as external events."""

from __future__ import annotations

from typing import Any

from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied

from durablenb.core.context import DurableOrchestrationContext

APPROVAL = "approval."
"""The first part of the names of events that approve or deny a call; the rest is the call's id."""

RESULT = "result."
"""The first part of the names of events with the result of an external tool."""


async def wait_for_decisions(
    context: DurableOrchestrationContext, requests: DeferredToolRequests
) -> DeferredToolResults:
    """Return the decisions on all calls that need one, when they have come."""
    approvals = [
        (call, context.wait_for_external_event(APPROVAL + call.tool_call_id)) for call in requests.approvals
    ]
    results = [(call, context.wait_for_external_event(RESULT + call.tool_call_id)) for call in requests.calls]
    decided: dict[str, Any] = {}
    for call, wait in approvals:
        decision = decision_of(await wait)
        while decision is None:
            context.logger.warning(
                "The event %s%s has neither true nor false nor {'approve': ...}; still waiting for one.",
                APPROVAL,
                call.tool_call_id,
            )
            decision = decision_of(await context.wait_for_external_event(APPROVAL + call.tool_call_id))
        decided[call.tool_call_id] = decision
    given = {call.tool_call_id: await wait for call, wait in results}
    return requests.build_results(approvals=decided, calls=given)


def decision_of(payload: Any) -> ToolApproved | ToolDenied | None:
    """Return the decision of an event's payload; None if it is none."""
    fields = {"approve": payload} if isinstance(payload, bool) else payload
    if not isinstance(fields, dict) or not isinstance(fields.get("approve"), bool):
        return None
    if fields["approve"]:
        return ToolApproved(override_args=fields.get("args"))
    message = fields.get("message")
    return ToolDenied(message) if message else ToolDenied()
