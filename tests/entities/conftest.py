"""A hub that does all its work in the test's own thread, on a clock that jumps."""

import pytest

import durablenb as df


class Kernel(df.TaskHub):
    """A hub that says when it has done all that it can."""

    def settle(self):
        """Does all that can be done."""
        while self.step():
            pass


@pytest.fixture
def hub():
    with Kernel(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        yield hub
