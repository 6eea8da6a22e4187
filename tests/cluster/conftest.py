"""One Dask cluster for the tests of a module: two processes with two threads each."""

import sys

import cloudpickle
import dask
import pytest
from distributed import Client, LocalCluster

# The extra `ray` has the same limit: Ray has wheels for Python 3.11 to 3.14.
collect_ignore = [] if sys.version_info < (3, 15) else ["test_ray.py"]

# By default, a LocalCluster ends a worker that needs more than 15 seconds to restart. On a busy machine, its
# calls lose one more worker, or find none.
dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"})


@pytest.fixture(autouse=True, scope="module")
def _by_value(request):
    cloudpickle.register_pickle_by_value(request.module)
    yield
    cloudpickle.unregister_pickle_by_value(request.module)


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address=":0", silence_logs=50, local_directory=None
    ) as made:
        yield made


@pytest.fixture
def client(cluster):
    with Client(cluster, set_as_default=False) as made:
        made.wait_for_workers(2, timeout=60)
        yield made


def kept_tasks(client):
    """Return how many tasks the scheduler knows."""
    return client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))


sys.modules.setdefault("tests.cluster.conftest", sys.modules[__name__])
