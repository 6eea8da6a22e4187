"""Bars of tqdm in an activity are its progress."""

import builtins
import sys
import time

import pytest
import tqdm

import durablenb as df
from durablenb.core.activity_context import ActivityContext, current_context
from durablenb.engine.capture import progress_bars
from tests.calls import fan_out


class Told(ActivityContext):
    """A context that keeps what it is told."""

    def __init__(self):
        super().__init__(name="work")
        self.reports = []

    def progress(self, done, total=None, note=None):
        self.reports.append((done, total, note))


@pytest.fixture
def told():
    context = Told()
    token = current_context.set(context)
    yield context
    current_context.reset(token)


def test_its_bars_report_count_total_and_description(told):
    for _ in df.tqdm(range(5), desc="reading", mininterval=0):
        pass
    assert told.reports[0] == (0, 5, "reading")
    assert told.reports[-1] == (5, 5, "reading")


@pytest.mark.parametrize("module", ["tqdm", "tqdm.auto", "tqdm.std"])
def test_plain_bars_report_as_well_once_tqdm_is_imported(told, module):
    kind = __import__(module, fromlist=["tqdm"]).tqdm
    progress_bars.follow_bars()
    with kind(total=3) as bar:
        bar.update(2)
    assert told.reports[-1] == (2, 3, None)


def test_the_outermost_of_nested_bars_counts(told):
    for _ in df.tqdm(range(2), desc="outer", mininterval=0):
        for _ in df.tqdm(range(9), desc="inner", mininterval=0):
            pass
    assert {note for _, _, note in told.reports} == {"outer"}
    for _ in df.tqdm(range(1), desc="next"):
        pass
    assert told.reports[-1] == (1, 1, "next")


def test_outside_an_activity_it_is_that_of_tqdm():
    from tqdm.auto import tqdm

    assert type(df.tqdm(range(1), disable=True)) is tqdm


@pytest.mark.parametrize(("executor", "bars"), [("threads", df), ("processes", df), ("processes", tqdm)])
def test_two_activities_at_once_each_have_their_own_bar(tmp_path, executor, bars):
    def work(count):
        for _ in bars.tqdm(range(count), mininterval=0):
            (tmp_path / f"{count} began").touch()
            while not (tmp_path / f"{7 - count} began").exists():
                time.sleep(0.01)

    with df.TaskHub(":memory:", executor=executor) as hub:
        fan_out(hub, hub.activity(work), (3, 4)).result()
        hub._engine.attempt_writer.flush(lambda: True)
        found = hub.sql("select done, total from activities order by task_id").fetchall()
    assert found == [(3.0, 3.0), (4.0, 4.0)]


def test_without_tqdm_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **options):
        if name.partition(".")[0] == "tqdm":
            raise ModuleNotFoundError("No module named 'tqdm'", name="tqdm")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    progress_bars.tqdm_class.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="pip install tqdm"):
        df.tqdm
    monkeypatch.undo()
    assert df.tqdm is sys.modules["durablenb"].tqdm
