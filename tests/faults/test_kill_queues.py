"""Deaths in the middle of a period: no process begins more calls than the last one has left of the rate."""

from random import Random

import pytest

from tests.faults.lives import Life
from tests.faults.rate_worker import CALLS, COUNT, PERIOD, main

DEATHS = 3
JITTER = 1.0
"""The longest time between the start of a call and the first line of its code, on a busy machine."""


@pytest.mark.timeout(120)
def test_no_death_lets_more_calls_begin_than_the_rate_allows(tmp_path):
    path, diary, random = tmp_path / "h.duckdb", tmp_path / "diary", Random(1)
    for _ in range(DEATHS):
        life = Life(main, path, diary)
        assert life.heard() == "opened"
        life.ended(random.random())
        life.kill()
    life = Life(main, path, diary)
    assert [life.heard(), life.heard(), life.ended()] == ["opened", None, 0]
    lines = [line.split() for line in diary.read_text().splitlines()]
    begun = sorted(float(words[1]) for words in lines)
    assert len(begun) >= CALLS
    for first, beyond in zip(begun, begun[COUNT:], strict=False):
        assert beyond - first >= PERIOD - JITTER, "more than the rate begin in one period"
