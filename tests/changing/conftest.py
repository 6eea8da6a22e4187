"""Hubs for tests of code that changes under open instances."""

import pytest

import durablenb as df


def hub_in(mode):
    return df.TaskHub(":memory:", mode=mode, clock=df.VirtualClock())


@pytest.fixture
def hub():
    """In memory, in the test's own thread, on a virtual clock."""
    with hub_in("kernel") as made:
        yield made


@pytest.fixture(params=["kernel", "threads"])
def any_hub(request):
    """The same in either mode."""
    with hub_in(request.param) as made:
        yield made


@pytest.fixture
def opened(tmp_path):
    """Opens a hub in a file, again and again."""
    return lambda **options: df.TaskHub(
        tmp_path / "hub.duckdb", mode="kernel", clock=df.VirtualClock(), **options
    )


@pytest.fixture
def waiting(hub):
    """An instance that waits for an event, and returns what it says."""

    @hub.orchestrator
    def waiting(context):
        return (yield context.wait_for_external_event("Go"))

    handle = hub.start(waiting)
    hub.clock.advance()
    return handle


@pytest.fixture
def settle():
    """Lets everything happen that can happen before time passes."""
    return lambda hub: hub.clock.advance()


def journal_of(hub):
    """All that is in a hub's journal."""
    return hub.sql("select * from journal order by seq").fetchall()
