"""The hubs that the traps are set on."""

import pytest

from tests.traps.corpus import Switch, counter, journal
from tests.traps.lab import Lab


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.has_failed = getattr(item, "has_failed", False) or report.failed
    return report


@pytest.fixture(scope="module")
def pool():
    """Hubs in memory that a test has left as good as new: opening one takes longer than most tests."""
    labs: dict[str, list[Lab]] = {"kernel": [], "threads": []}
    yield labs
    for lab in (*labs["kernel"], *labs["threads"]):
        lab.close()


def lent(pool, mode, request):
    lab = pool[mode].pop() if pool[mode] else Lab(mode)
    yield lab
    if request.node.has_failed:
        lab.close()
    else:
        lab.renew()
        pool[mode].append(lab)


@pytest.fixture(params=["kernel", "threads"])
def lab(pool, request):
    yield from lent(pool, request.param, request)


@pytest.fixture
def kernel(pool, request):
    yield from lent(pool, "kernel", request)


@pytest.fixture
def threads(pool, request):
    yield from lent(pool, "threads", request)


@pytest.fixture
def switch(lab):
    return Switch(lab)


@pytest.fixture
def disk(tmp_path):
    """A hub in a file, which can be closed and opened again."""
    made = Lab("kernel", tmp_path / "hub.duckdb")
    yield made
    made.close()


@pytest.fixture
def unverified(tmp_path):
    """A hub in a file that runs each episode once, so that calls of code can be counted."""
    made = Lab("kernel", tmp_path / "hub.duckdb", verify_replay=False)
    yield made
    made.close()


@pytest.fixture
def failing(tmp_path):
    """A hub in a file where code that doesn't fit its history fails, as in Azure."""
    made = Lab("kernel", tmp_path / "hub.duckdb", on_nondeterminism="fail")
    yield made
    made.close()


@pytest.fixture
def counting(lab):
    """With the two entities of rows 29 and 31."""
    lab.entity(counter, "Counter")
    lab.entity(journal)
    return lab
