"""Orchestrations that call one activity."""

from collections.abc import Callable
from typing import Any

import durablenb as df


def one_call(
    activity: Any, *given: Any, retry: df.RetryOptions | None = None, **options: Any
) -> Callable[..., Any]:
    """An orchestrator that returns what a call returns, or the message of its time-out."""

    def main(context):
        try:
            if retry is None:
                return (yield context.call_activity(activity, *given, **options))
            return (yield context.call_activity_with_retry(activity, retry, *given, **options))
        except TimeoutError as error:
            return error.details.message

    return main


def start_call(
    hub: df.TaskHub, activity: Any, *given: Any, instance_id: str | None = None, **options: Any
) -> df.Handle:
    """Start an orchestration that makes one call."""
    return hub.start(hub.orchestrator(one_call(activity, *given, **options)), instance_id=instance_id)


def run_call(hub: df.TaskHub, activity: Any, *given: Any, **options: Any) -> Any:
    """Make one call, and return its result."""
    return start_call(hub, activity, *given, **options).result()


def fan_out(hub: df.TaskHub, activity: Any, inputs: Any, **options: Any) -> df.Handle:
    """Start an orchestration that calls an activity with each of these inputs at once."""

    def all_of_them(context):
        return (yield context.task_all([context.call_activity(activity, one) for one in inputs]))

    return hub.start(hub.orchestrator(all_of_them), **options)
