"""A power cut at every second write to the durable log; `python -m tests.campaign log-power` has all."""

from collections import Counter
from itertools import islice

from tests.faults.log_power import check, moments


def test_wherever_the_power_is_cut_the_hub_opens_with_all_that_was_acknowledged(tmp_path):
    tried = Counter()
    for moment in islice(moments(tmp_path / "hub.duckdb", seed=1), None, None, 2):
        folder = tmp_path / "cut"
        folder.mkdir()
        check(moment, folder)
        tried[moment.name] += 1
    assert tried.keys() == {"write", "sync", "database"}
    assert min(tried.values()) > 4
