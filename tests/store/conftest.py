import pytest

from durablenb.lab.memory_store import MemoryStore
from durablenb.store.duckdb_store import DuckStore
from tests.store.scribe import Scribe


@pytest.fixture(params=["memory", "duck in memory", "duck in a file"])
def store(request, tmp_path):
    """Each store there is: what one answers, all answer."""
    if request.param == "memory":
        store = MemoryStore()
    else:
        store = DuckStore(tmp_path / "hub.duckdb" if "file" in request.param else None)
    yield store
    store.close()


@pytest.fixture
def scribe():
    return Scribe()


@pytest.fixture
def hub(tmp_path):
    return tmp_path / "hub.duckdb"
