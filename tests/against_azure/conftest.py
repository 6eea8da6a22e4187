"""A hub for all orchestrators of a module."""

import pytest

from tests.against_azure.here import Here


@pytest.fixture(scope="module")
def here():
    made = Here()
    yield made
    made.hub.close()
