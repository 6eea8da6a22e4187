"""The orchestration that runs now, for code that isn't given its context."""

from __future__ import annotations

import asyncio

from durablenb.core.context import DurableOrchestrationContext
from durablenb.core.event_loop import OrchestrationLoop


def running_context() -> DurableOrchestrationContext | None:
    """Return the context of the ``async def`` orchestrator that runs in this thread, or None."""
    loop = asyncio._get_running_loop()
    return loop.execution._context if isinstance(loop, OrchestrationLoop) else None
