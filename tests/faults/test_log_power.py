"""A power cut at every fourth write to the durable log; `python -m tests.campaign log-power` has all."""

from collections import Counter

from tests.faults.log_power import check, moments


def test_wherever_the_power_is_cut_the_hub_opens_with_all_that_was_acknowledged(tmp_path):
    seen: Counter[str] = Counter()
    folder = tmp_path / "cut"
    for moment in moments(tmp_path / "hub.duckdb", seed=1):
        seen[moment.name] += 1
        if seen[moment.name] % 4 == 1:  # of each kind for itself: writes and syncs may take turns
            folder.mkdir()
            check(moment, folder)
    assert seen.keys() == {"write", "sync", "database"}
    assert min(seen.values()) > 8
