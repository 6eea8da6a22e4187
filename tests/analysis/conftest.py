"""Histories in a file: a module that uses these fixtures fills a hub by its function `fill`."""

import contextlib

import pytest

import durablenb as df


@pytest.fixture(scope="module")
def path(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("filled") / "flows.duckdb"
    with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as hub:
        request.module.fill(hub)
    return path


@pytest.fixture(scope="module", params=["a file", "an open hub"])
def file(request, path, tmp_path_factory):
    """The histories, in a file that nobody has open, and in one that a hub of this process has open."""
    copy = tmp_path_factory.mktemp("copied") / "flows.duckdb"
    copy.write_bytes(path.read_bytes())
    with contextlib.ExitStack() as stack:
        if request.param == "an open hub":
            stack.enter_context(df.TaskHub(copy, mode="kernel", clock=df.VirtualClock()))
        yield stack.enter_context(df.open_history(copy))
