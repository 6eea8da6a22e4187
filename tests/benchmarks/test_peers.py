"""The comparison with peers: its table, and durablenb's own workloads at small sizes."""

import pytest

import durablenb as df
from tests.benchmarks import peers
from tests.benchmarks.peers import Runner, Sizes, System

SMALL = Sizes(chain=3, repetitions=2, runs=4, steps=2)


def ended(folder):
    """How many orchestrations of the folder's hub have ended, without the one that a new hub begins with."""
    with df.TaskHub(folder / "hub.duckdb") as hub:
        query = "select count(*) - 1 from journal where event_type = 'ExecutionCompleted'"
        return hub.sql(query).fetchall()[0][0]


def test_a_hub_runs_each_workload(tmp_path):
    seconds = peers.measured(peers.SYSTEMS["durablenb"], tmp_path, SMALL)
    assert list(seconds) == ["chain", "one", "many"]
    assert min(seconds.values()) > 0
    assert ended(tmp_path) == (1 + 1) + (1 + 2) + (5 + 4)  # to warm up, and measured


def test_the_map_of_a_hub_runs_the_workload_of_many_runs(tmp_path):
    assert list(peers.measured(peers.SYSTEMS["durablenb-map"], tmp_path, SMALL)) == ["many"]
    assert ended(tmp_path) == 5 + 4


def test_runs_that_are_calls_are_made_one_by_one():
    called = []
    runner = peers._one_by_one(called.append)
    runner.chain(7)
    runner.one()
    runner.many(3, 2)
    assert called == [7, 1, 2, 2, 2]


def test_a_bare_append_is_measured_so_many_times(tmp_path):
    assert len(peers.bare_appends(tmp_path, 4)) == 4
    assert (tmp_path / "bare").stat().st_size == 4 * 300


def test_the_median_of_the_rounds_counts():
    rounds = [{"one": 3.0, "many": 1.0}, {"one": 1.0, "many": 1.0}, {"one": 2.0, "many": 9.0}]
    assert peers.medians(rounds) == {"one": 2.0, "many": 1.0}


def test_the_table_has_times_with_their_ratios_to_the_first_row_and_dashes():
    figures = {
        "durablenb 0.1.0": {"chain": 1.5, "one": 0.002, "many": 4.0},
        "slow 2.0": {"chain": 3.0, "one": 0.0251, "many": 41.236},
        "queue 1.1": {"one": 0.0015},
    }
    assert peers.table(figures, Sizes()).splitlines() == [
        "|  | a chain of 1,000 steps | one step | 1,000 runs of 5 steps |",
        "| --- | ---: | ---: | ---: |",
        "| durablenb 0.1.0 | 1.50 s (1.00) | 2.00 ms (1.00) | 4.00 s (1.00) |",
        "| slow 2.0 | 3.00 s (2.00) | 25.10 ms (12.55) | 41.24 s (10.31) |",
        "| queue 1.1 | — | 1.50 ms (0.75) | — |",
    ]


def test_a_system_without_one_of_its_distributions_has_no_version():
    assert peers.SYSTEMS["durablenb"].version() == df.__version__
    assert System("half", ["durablenb", "a-peer-that-is-not-there"], peers.durablenb).version() is None


@pytest.fixture
def systems(monkeypatch):
    """Three systems, one of them not installed, whose figures are made up; the names of those measured."""
    found = {
        "durablenb": System("durablenb", ["durablenb"], peers.durablenb),
        "other": System("Other", ["duckdb"], Runner),
        "absent": System("Absent", ["a-peer-that-is-not-there"], Runner),
    }
    measured = []

    def made_up(name):
        measured.append(name)
        return {"chain": 1.0, "one": 0.002, "many": float(len(measured))}

    monkeypatch.setattr(peers, "SYSTEMS", found)
    monkeypatch.setattr(peers, "_measured_in_its_process", made_up)
    return measured


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["peers", *arguments])
    peers.main()


def test_rounds_are_interleaved_and_what_is_not_installed_is_named(systems, monkeypatch, capsys):
    run(monkeypatch)
    assert systems == ["durablenb", "other"] * 3
    said = capsys.readouterr().out.splitlines()
    assert said[2] == f"| durablenb {df.__version__} | 1.00 s (1.00) | 2.00 ms (1.00) | 3.00 s (1.00) |"
    assert said[3].endswith("| 4.00 s (1.33) |")
    assert said[5] == "Not installed: Absent."
    assert "an append of 300 bytes with fdatasync takes" in said[7]


def test_the_systems_that_are_asked_for_run_beside_durablenb(systems, monkeypatch, capsys):
    run(monkeypatch, "other", "--rounds", "1")
    assert systems == ["durablenb", "other"]
    assert "Not installed" not in capsys.readouterr().out


def test_an_unknown_system_is_refused(systems, monkeypatch):
    with pytest.raises(SystemExit, match="There is no system 'othr'; there are: durablenb, other, absent"):
        run(monkeypatch, "othr")
    assert systems == []
