"""Hubs that a test made are closed after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durablenb.hub import open_hubs


@pytest.fixture(autouse=True)
def _all_hubs_closed() -> Iterator[None]:
    yield
    for hub in open_hubs():
        hub.close()
