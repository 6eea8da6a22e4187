"""Hubs that a test made are closed after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durablenb import hub as hubs


@pytest.fixture(autouse=True)
def _all_hubs_closed() -> Iterator[None]:
    yield
    for hub in [*hubs._open_hubs.values(), *hubs._in_memory]:
        hub.close()
