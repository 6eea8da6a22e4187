"""Every hub that a test opens is closed after it: an open one is what magics and other tests would meet."""

from collections.abc import Iterator

import pytest

from durablenb.hub.open_hubs import all_open


@pytest.fixture(autouse=True)
def _hubs_are_closed() -> Iterator[None]:
    before = all_open()
    yield
    for hub in all_open():
        if hub not in before:
            hub.close()
