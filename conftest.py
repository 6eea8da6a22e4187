"""The names that the examples of docstrings share."""

import re

import pytest

import durablenb as df


@pytest.fixture(autouse=True)
def _hub_of_the_example(request, doctest_namespace):
    """Gives an example that opens no hub of its own one in memory, with a few functions.

    docs/reference/api.md shows it under "The examples".
    """
    example = getattr(request.node, "dtest", None)
    if example is None:
        yield
        return
    source = "".join(part.source for part in example.examples)
    doctest_namespace["df"] = df
    if "TaskHub(" in source or not re.search(r"\bhub\b", source):
        yield
        return
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.activity
        def double(number):
            return 2 * number

        @hub.orchestrator
        def doubled(context):
            return (yield context.call_activity("double", context.get_input()))

        @hub.orchestrator
        def approval(context):
            return (yield context.wait_for_external_event("Approval"))

        @hub.entity
        class Counter:
            def __init__(self):
                self.value = 0

            def add(self, amount: int):
                self.value += amount

            def get(self):
                return self.value

        doctest_namespace["hub"] = hub
        yield
        del doctest_namespace["hub"]
