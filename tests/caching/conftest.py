import pytest

import durablenb as df
from tests.caching.squares import Counted


@pytest.fixture
def runs(tmp_path):
    return Counted(tmp_path)


@pytest.fixture(params=["kernel", "threads"])
def hub(request, tmp_path):
    with df.TaskHub(tmp_path / "flows.duckdb", mode=request.param) as hub:
        yield hub
