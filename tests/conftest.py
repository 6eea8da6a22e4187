"""What holds for all tests."""

import pytest

from tests import guard

guard.install()


@pytest.fixture(autouse=True)
def _the_turn_is_kept():
    """Fails the test in which a thread touched an engine's state without having the turn."""
    guard.violations.clear()
    yield
    assert not guard.violations, "\n".join(guard.violations)
