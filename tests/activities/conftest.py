"""Hubs with each of the ways in which activities run."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import durablenb as df
from tests.calls import start_call

WAYS: dict[str, dict[str, Any]] = {
    "threads": {},
    "processes": {"executor": "processes"},
    "inline": {"executor": "inline"},
    "kernel": {"mode": "kernel"},
}


@pytest.fixture(scope="module", params=WAYS)
def hub(request: pytest.FixtureRequest) -> Iterator[df.TaskHub]:
    """A hub in memory whose activities run in one of the ways."""
    with df.TaskHub(":memory:", **WAYS[request.param]) as hub:
        yield hub


@pytest.fixture
def called(hub: df.TaskHub) -> Callable[..., Any]:
    """Runs an activity once, in an instance of its own, and returns what it returns."""

    def call(activity: Callable[..., Any], input_: Any = None, retry: df.RetryOptions | None = None) -> Any:
        return start_call(hub, hub.activity(activity), input_, retry=retry).result()

    return call


@pytest.fixture(scope="module")
def kernel() -> Iterator[df.TaskHub]:
    """A hub whose activities run in the thread of the test, on a virtual clock."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), verify_replay=True) as hub:
        yield hub
