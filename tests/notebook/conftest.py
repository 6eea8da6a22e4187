"""Hubs that a test made are closed after it; those that all tests look at, after the last one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durablenb.hub import open_hubs
from tests.notebook.reading import SHARED, scene


@pytest.fixture(scope="package", autouse=True)
def _shared_hubs_closed() -> Iterator[None]:
    yield
    _close_shared()


@pytest.fixture
def alone() -> None:
    """No hub is open but the test's own; hubs that other tests look at are made again for these."""
    _close_shared()
    for hub in open_hubs.all_open():
        hub.close()


def _close_shared() -> None:
    scene.cache_clear()
    while SHARED:
        SHARED.pop().close()


@pytest.fixture(autouse=True)
def _all_hubs_closed() -> Iterator[None]:
    yield
    for hub in open_hubs.all_open():
        if hub not in SHARED:
            hub.close()
