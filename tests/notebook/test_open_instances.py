"""The texts of open instances in a hub's list, and the number of rows that they read."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from durablenb.analysis.fleet import PaceCounter
from durablenb.analysis.instances import last_events
from durablenb.analysis.waits import Wait
from durablenb.notebook.live.open_instances import OpenInstances, now_words
from tests.notebook.reading import anew
from tests.notebook.scenes import Stage, stage


def last_of(made: Stage, *ids: str) -> Any:
    return last_events(lambda sql: made.hub.sql(sql).fetchall(), ids)


def test_a_retry_without_a_due_time_is_named_without_one() -> None:
    shown = anew("between_attempts")._shown()
    (wait,) = shown.waits
    assert isinstance(wait, Wait)
    assert now_words(shown, shown.now) == "attempt 2 of 'flaky' in 1 s"  # type: ignore[arg-type]
    undated = replace(shown, waits=(replace(wait, due=None),))
    assert now_words(undated, shown.now) == "attempt 2 of 'flaky'"  # type: ignore[arg-type]


def test_after_long_work_histories_are_read_again_only_after_a_pause() -> None:
    made, now = stage(), [0.0]
    made.begin("race", steps=1)
    made.begin("fan_out", 20, steps=6)
    work = count()  # each look takes a second
    looks = OpenInstances(made.hub._journal, ticks=lambda: now[0], work=lambda: float(next(work)))
    first = looks.words(last_of(made, "fan_out", "race"))
    assert first == {"fan_out": "crunch 20%", "race": "waits for Approval, 0 s, and 1 more"}
    for _ in range(5):
        made.hub.step()
    made.clock.advance(minutes=3)
    paused = looks.words(last_of(made, "fan_out", "race"))
    assert paused == {"fan_out": "crunch 20%", "race": "waits for Approval, 3 min, and 1 more"}
    now[0] = 5.0
    assert looks.words(last_of(made, "fan_out", "race"))["fan_out"] == "crunch 45%"
    assert looks.words(last_of(made, "race")).keys() == {"race"}


def test_the_pace_is_the_same_read_at_once_and_bit_by_bit() -> None:
    made, counter = stage(), PaceCounter()
    made.begin("fan_out", 30)
    made.hub.start("fan_out", 5)
    with made.hub._journal.connection() as connection:
        while made.hub.step():
            pace = counter.read(connection, made.clock.now())
        assert pace == PaceCounter().read(connection, made.clock.now())
        assert (sum(pace.ended), sum(pace.failed)) == (37, 1)
        made.clock.advance(seconds=200)
        assert sum(counter.read(connection, made.clock.now()).ended) == 0
