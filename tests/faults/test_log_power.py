"""A power cut at every write to the durable log."""

from collections import Counter

from tests.faults.log_power import check, moments


def test_wherever_the_power_is_cut_the_hub_opens_with_all_that_was_acknowledged(tmp_path):
    tried = Counter()
    for moment in moments(tmp_path / "hub.duckdb", seed=1):
        folder = tmp_path / "cut"
        folder.mkdir()
        check(moment, folder)
        tried[moment.name] += 1
    assert tried.keys() == {"write", "sync", "database"}
    assert min(tried.values()) > 5
