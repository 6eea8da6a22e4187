"""The comparison with plain Dask, at small sizes."""

import sys

import cloudpickle
from distributed import Client

from tests.benchmarks import on_dask


def test_both_do_the_same_work(tmp_path):
    cloudpickle.register_pickle_by_value(on_dask)
    try:
        with Client(
            processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0", set_as_default=False
        ) as client:
            for function in (on_dask.nothing, on_dask.short):
                figures = on_dask.compared(client, tmp_path, function, 20, 1)
                assert figures["workload"] == function.__name__
                assert figures["ratio"] > 0
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[on_dask.__name__])
