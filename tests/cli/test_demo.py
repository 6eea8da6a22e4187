"""The demonstration is true: what it prints is what its journal and its activities' diary say."""

import csv
import io
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from vega_datasets import data

from durablenb.cli import main
from durablenb.cli.demo import AT_ONCE, DIARY, FILE, INSTANCE, Worker, _Story, tell
from durablenb.hub.hub_file import HubFile
from durablenb.model.errors import DurableError
from durablenb.model.events import TaskCompleted, TaskScheduled


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The folder of a demonstration, and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    command = [sys.executable, "-m", "durablenb", "demo", "--keep", folder]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=None)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


@pytest.fixture(scope="module")
def history(told):
    with HubFile(told[0] / FILE) as hub:
        return hub.history(INSTANCE)


def noted(folder, what):
    """For each worker, how often it noted this of each month."""
    workers = {}
    for line in (folder / DIARY).read_text("utf-8").splitlines():
        pid, did, month = line.split()
        if did == what:
            workers.setdefault(pid, Counter())[month] += 1
    return workers


@pytest.fixture(scope="module")
def begun(told):
    """For each worker, how often it began each month."""
    return noted(told[0], "began")


def numbers(pattern, text):
    """The numbers in the groups of the pattern, which must match."""
    return [int(number) for number in re.search(pattern, text).groups()]


def test_it_fits_a_terminal(told):
    assert max(len(line) for line in told[1].splitlines()) <= 100


def test_the_second_worker_begins_nothing_whose_result_was_on_disk(told, begun):
    first, second = begun.values()
    again = first.keys() & second.keys()
    finished = first.keys() - second.keys()
    assert 0 < len(finished) < 48  # how many results are on disk at the kill depends on the disk
    on_disk, under_way, not_begun = numbers(
        r"results of (\d+) months\. (\d+) more were\s+under way, (\d+) had not begun", told[1]
    )
    assert (on_disk, under_way, not_begun) == (len(finished), len(again), len(second.keys() - first.keys()))
    (killed, *_), ended = begun, noted(told[0], "ended")
    assert len(begun[killed].keys() - ended[killed].keys()) <= AT_ONCE
    assert numbers(r"of (\d+) months, (\d+) were read again", told[1]) == [on_disk, 0]


def test_its_table_of_what_ran_is_the_diarys(told, begun):
    first, second = begun
    again = len(begun[first].keys() & begun[second].keys())
    alone = len(begun[first]) - again
    later = len(begun[second]) - again
    assert f"begun by {first}  begun by {second}" in told[1]
    assert numbers(r"read, the result is on disk +(\d+) +(\d+) +(\d+)", told[1]) == [alone, alone, 0]
    assert numbers(r"begun, no result on disk +(\d+) +(\d+) +(\d+)", told[1]) == [again, again, again]
    assert numbers(r"not begun +(\d+) +(\d+) +(\d+)", told[1]) == [later, 0, later]


def test_each_step_is_in_the_journal_once(history):
    scheduled = Counter(event.name for event in history if isinstance(event, TaskScheduled))
    assert scheduled == {
        "find_months": 1,
        "read_month": 48,
        "bind": 1,
        "write_letter": 1,
        "print_almanac": 1,
    }
    completed = Counter(event.task_id for event in history if isinstance(event, TaskCompleted))
    assert set(completed.values()) == {1}
    assert len(completed) == 52


def test_its_count_of_events_is_the_journals(told, history):
    kinds = Counter(type(event).__name__ for event in history)
    for kind, count in kinds.items():
        assert numbers(rf"\b{kind} +(\d+) ", told[1]) == [count]


def test_its_rain_is_that_of_the_data(told):
    rain = Counter()
    with Path(data.seattle_weather.filepath).open(encoding="utf-8", newline="") as file:
        for day in csv.DictReader(file):
            rain[day["date"][:4]] += float(day["precipitation"])
    for year, millimetres in rain.items():
        row = re.search(rf"^ +{year} +12 +(\S+) +(\S+) +{year}-\d\d$", told[1], re.MULTILINE)
        assert [float(found) for found in row.groups()] == [round(millimetres, 1)] * 2


def test_each_year_has_taken_in_its_months_once(told):
    months = {}
    with Path(data.seattle_weather.filepath).open(encoding="utf-8", newline="") as file:
        for day in csv.DictReader(file):
            year = months.setdefault(day["date"][:4], Counter())
            year[day["date"][:7].replace("/", "-")] += float(day["precipitation"])
    for year, rain in months.items():
        row = re.search(rf"^ +{year} +12 +(\S+) +({year}-\d\d) +(\S+)$", told[1], re.MULTILINE)
        driest = min(rain, key=lambda month: round(rain[month], 1))
        assert row.groups()[1:] == (driest, str(round(rain[driest], 1)))
        assert float(row[1]) == pytest.approx(sum(rain.values()), abs=0.1)


def test_it_keeps_a_hub_that_can_be_looked_into(told, capsys):
    assert f"left in {told[0]}" in told[1]
    with (told[0] / "almanac.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 48
    assert main(["ls", str(told[0] / FILE)]) == 0
    assert "Completed" in capsys.readouterr().out


def test_it_does_not_overwrite_a_hub(told):
    with pytest.raises(DurableError, match="already"):
        tell(io.StringIO(), told[0])


def test_it_cleans_up(tmp_path, monkeypatch):
    def story(self):
        made.append(self._folder)
        return bool((self._folder / FILE).write_text("a hub"))

    made, out = [], io.StringIO()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(_Story, "tell", story)
    assert tell(out) == 0
    assert "which is gone" in out.getvalue()
    assert made[0].parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vega_datasets", None)
    with pytest.raises(DurableError, match=r"durablenb\[demo\]"):
        tell(io.StringIO(), tmp_path)


def test_a_worker_that_dies_by_itself_is_an_error_with_its_reason(tmp_path):
    (tmp_path / FILE).write_text("not a database")
    with Worker(tmp_path, "nothing") as worker, pytest.raises(DurableError, match="not a DuckDB database"):
        worker.wait_until(lambda: False)
