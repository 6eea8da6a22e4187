"""Rules and fixtures for all tests."""

import gc
import signal
import sys
from collections import Counter

import pytest
from hypothesis import settings

from durablenb.hub.open_hubs import all_open
from tests import guard

guard.install()

gc.disable()  # until the tests are collected: little that is made for them is garbage

# Hypothesis would fail an example that takes 200 ms, as any does on a machine that is busy elsewhere.
settings.register_profile("durablenb", deadline=None)
settings.load_profile("durablenb")

# What jsonschema, which nbformat imports, checks IRIs with. No test needs it; importing it takes a second.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a shell's script runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONG = ("kernels", "faults", "cluster", "properties")
"""The folders whose tests take long, each for itself."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts long tests first, then files with many: no worker is left alone with one of them at the end."""
    if hasattr(config, "workerinput"):  # the process is one of several
        count = Counter(item.path for item in items)
        items.sort(key=lambda item: (item.path.parent.name not in LONG, -count[item.path]))


def pytest_collection_finish() -> None:
    """Excludes the tests from garbage collection, and makes full collections rarer.

    A test process has a million objects that live to its end: full collections took a twentieth of its time.
    """
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], 200)
    gc.enable()


@pytest.fixture(autouse=True)
def _the_turn_is_kept():
    """Fails the test in which a thread touched an engine's state without having the turn."""
    guard.violations.clear()
    yield
    assert not guard.violations, "\n".join(guard.violations)


@pytest.fixture(scope="module")
def by_value(request):
    """Functions of the test's module reach another process as those of a notebook do."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(request.module)
    yield
    cloudpickle.unregister_pickle_by_value(request.module)


@pytest.fixture
def alone():
    """No hub is open but the test's own: those that other tests left are closed."""
    for hub in all_open():
        hub.close()
