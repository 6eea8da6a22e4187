import pytest

import durablenb as df
from tests.caching.squares import Counted


@pytest.fixture
def runs(tmp_path):
    return Counted(tmp_path)


@pytest.fixture(params=["kernel", "threads"])
def hub(request):
    with df.TaskHub(":memory:", mode=request.param) as hub:
        yield hub


@pytest.fixture
def kernel(tmp_path):
    """A hub in a file, whose activities run in the thread of the test."""
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as hub:
        yield hub
