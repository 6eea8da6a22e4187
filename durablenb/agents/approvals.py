"""Decisions on tool calls that need approval, and results of external tools, as external events."""

from __future__ import annotations

from typing import Any

from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied

from durablenb.core.context import DurableOrchestrationContext
from durablenb.model.conversations import APPROVAL, RESULT, Decision


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
        while (decision := Decision.of(await wait)) is None:
            context.logger.warning(
                "The event %s%s has neither true nor false nor {'approve': ...}; still waiting for one.",
                APPROVAL,
                call.tool_call_id,
            )
            wait = context.wait_for_external_event(APPROVAL + call.tool_call_id)
        decided[call.tool_call_id] = _approved_or_denied(decision)
    given = {call.tool_call_id: await wait for call, wait in results}
    return requests.build_results(approvals=decided, calls=given)


def _approved_or_denied(decision: Decision) -> ToolApproved | ToolDenied:
    if decision.approve:
        return ToolApproved(override_args=decision.args)
    return ToolDenied() if decision.message is None else ToolDenied(decision.message)
