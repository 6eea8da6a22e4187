"""Views and hubs that a test made are closed after it; hubs that all tests look at, after the last one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from durablenb.hub import open_hubs
from durablenb.notebook.live.refresh_loop import refresh_loop
from tests.notebook.reading import SHARED, forget_scenes


@pytest.fixture(scope="package", autouse=True)
def _shared_hubs_closed() -> Iterator[None]:
    yield
    forget_scenes()


@pytest.fixture
def alone() -> None:
    """No hub is open but the test's own; hubs that other tests look at are made again for these."""
    forget_scenes()
    for hub in open_hubs.all_open():
        hub.close()


@pytest.fixture
def drawing_thread() -> None:
    """Views are drawn by the loop's thread, too."""


@pytest.fixture(autouse=True)
def _tests_draw_views(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views are drawn when a test says so; the loop's thread draws only where that is the subject."""
    if "drawing_thread" not in request.fixturenames:
        monkeypatch.setattr(refresh_loop, "_begin", lambda _: setattr(refresh_loop, "_thread", None))


@pytest.fixture(autouse=True)
def _all_hubs_closed() -> Iterator[None]:
    yield
    for view in list(refresh_loop._due):
        view.close()  # type: ignore[attr-defined]
    for hub in open_hubs.all_open():
        if hub not in SHARED:
            hub.close()
