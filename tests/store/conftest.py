import pytest

from durablenb.lab.memory_store import MemoryStore
from durablenb.store.duckdb_store import DuckStore
from tests.store.scribe import EntityScribe, Scribe


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


@pytest.fixture
def opened():
    """Opens stores, and closes them at the end."""
    stores = []

    def open_store(path):
        stores.append(DuckStore(path))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def noted(store, scribe):
    """Writes histories of entities into the store."""
    return EntityScribe(store, scribe)
