"""Hubs for tests of code that changes under open instances."""

import pytest

import durablenb as df


@pytest.fixture
def hub():
    """In memory, in the test's own thread, on a virtual clock."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as made:
        yield made


@pytest.fixture(params=["kernel", "threads"])
def any_hub(request):
    """The same in either mode."""
    with df.TaskHub(":memory:", mode=request.param, clock=df.VirtualClock()) as made:
        yield made


@pytest.fixture
def settle():
    """Lets everything happen that can happen before time passes."""
    return lambda hub: hub.clock.advance()


def journal_of(hub):
    """All that is in a hub's journal."""
    return hub.sql("select * from journal order by seq").fetchall()
