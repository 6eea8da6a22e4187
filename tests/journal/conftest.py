import pytest

import durablenb as df
from tests.journal.orders import register


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        yield hub


@pytest.fixture
def shop():
    """A hub with orchestrators and an entity."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        register(hub)
        yield hub


@pytest.fixture
def other():
    """Another hub, which is empty."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        yield hub
