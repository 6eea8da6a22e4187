"""A hub in either mode with three orchestrators, and what may be asked of it."""

import pytest

from tests.client.corpus import fails, quick, waits
from tests.traps.lab import Lab


@pytest.fixture(scope="module", params=["kernel", "threads"])
def shared(request):
    lab = Lab(request.param)
    yield lab
    lab.close()


@pytest.fixture
def lab(shared):
    for orchestrator in (quick, waits, fails):
        shared.orchestrator(orchestrator)
    yield shared
    shared.renew()


@pytest.fixture
def client(lab):
    return lab.client
