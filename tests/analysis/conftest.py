"""Histories in a file: a module that uses these fixtures fills a hub by its function `fill`."""

import pytest

import durablenb as df


@pytest.fixture(scope="module")
def path(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("filled") / "flows.duckdb"
    with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as hub:
        request.module.fill(hub)
    return path


@pytest.fixture(params=["a file", "an open hub"])
def file(request, path, tmp_path):
    """The histories, in a file that nobody has open, and in one that a hub of this process has open."""
    if request.param == "a file":
        with df.open_history(path) as file:
            yield file
        return
    copy = tmp_path / "flows.duckdb"
    copy.write_bytes(path.read_bytes())
    with df.TaskHub(copy, mode="kernel", clock=df.VirtualClock()), df.open_history(copy) as file:
        yield file
