"""Hubs with each of the ways in which activities run."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import durablenb as df

WAYS: dict[str, dict[str, Any]] = {
    "threads": {},
    "processes": {"executor": "processes"},
    "inline": {"executor": "inline"},
    "kernel": {"mode": "kernel"},
}


@pytest.fixture(params=WAYS)
def hub(request: pytest.FixtureRequest) -> Iterator[df.TaskHub]:
    """A hub in memory whose activities run in one of the ways."""
    with df.TaskHub(":memory:", **WAYS[request.param]) as hub:
        yield hub


@pytest.fixture
def called(hub: df.TaskHub) -> Callable[..., Any]:
    """Runs an activity once, in an instance of its own, and returns what it returns."""

    def call(activity: Callable[..., Any], input_: Any = None, retry: df.RetryOptions | None = None) -> Any:
        name = hub.activity(activity).__name__

        def caller(context):
            if retry is None:
                return (yield context.call_activity(name, input_))
            return (yield context.call_activity_with_retry(name, retry, input_))

        return hub.run(hub.orchestrator(caller))

    return call
