"""Deaths in the middle of a period: no process begins more calls than the last one has left of the rate."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.faults.rate_worker import CALLS, COUNT, PERIOD

ROOT = Path(__file__).parents[2]
DEATHS = 3
JITTER = 1.0
"""The longest time between the start of a call and the first line of its code, on a busy machine."""


@pytest.mark.timeout(120)
def test_no_death_lets_more_calls_begin_than_the_rate_allows(tmp_path):
    path, diary, random = tmp_path / "h.duckdb", tmp_path / "diary", Random(1)
    command = [sys.executable, "-m", "tests.faults.rate_worker", str(path), str(diary)]
    for _ in range(DEATHS):
        process = subprocess.Popen(command, cwd=ROOT)
        _wait_for_opening(diary, process)
        try:
            process.wait(random.random())
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
    subprocess.run(command, cwd=ROOT, check=True)
    lines = [line.split() for line in diary.read_text().splitlines()]
    begun = sorted(float(words[1]) for words in lines if words[0] == "begun")
    assert len(begun) >= CALLS
    for first, beyond in zip(begun, begun[COUNT:], strict=False):
        assert beyond - first >= PERIOD - JITTER, "more than the rate begin in one period"


def _wait_for_opening(diary: Path, process: subprocess.Popen[bytes]) -> None:
    before = diary.read_text().count("opened") if diary.exists() else 0
    while process.poll() is None and (not diary.exists() or diary.read_text().count("opened") == before):
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
