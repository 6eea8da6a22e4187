"""A process that is killed while it hands frames around: every payload that is referred to is there."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import durablenb as df

STEPS = 40


def make(number):
    return pd.DataFrame({"n": np.full(20_000, number), "x": np.random.default_rng(number).random(20_000)})


def add(frame):
    os.write(1, b"%d\n" % frame["n"][0])  # to this test; what is printed goes to the log
    return frame.assign(n=frame["n"] + 1)


def chain(context):
    frame = yield context.call_activity("make", 0)
    for _ in range(STEPS):
        frame = yield context.call_activity("add", frame)
    return frame


def opened(path, durability):
    hub = df.TaskHub(path, durability=durability)
    hub.add_activity(make)
    hub.add_activity(add)
    hub.add_orchestrator(chain)
    return hub


PROGRAM = """
import sys
from pathlib import Path
from tests.values import test_killed as this
hub = this.opened(Path(sys.argv[1]), sys.argv[2])
if "i" not in [status.instance_id for status in hub.instances()]:
    hub.start(this.chain, instance_id="i")
hub.handle("i").result()
print("done", flush=True)
"""


@pytest.mark.parametrize("durability", ["strict", "pipelined"])
def test_what_is_referred_to_is_there_after_every_kill(tmp_path, durability):
    path = tmp_path / "hub.duckdb"
    for survives in (2, 9, 17):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(path), durability], stdout=subprocess.PIPE
        )
        for _ in range(survives):
            assert process.stdout.readline().strip().isdigit()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with df.TaskHub(path, mode="kernel") as hub:
            missing = hub.sql(
                "select count(*) from history h, "
                "unnest(regexp_extract_all(h.payload::varchar, '[0-9a-f]{64}')) u(hash) "
                "where u.hash not in (select hash from payloads)"
            ).fetchall()
            unused = hub.sql("select count(*) from payloads where uses = 0").fetchall()
            assert (missing, unused) == ([(0,)], [(0,)])
            kept = hub.sql("select count(*) from payloads").fetchall()[0][0]
            assert kept >= survives or durability == "pipelined"
    with opened(path, durability) as hub:
        frame = hub.handle("i").result(60)
        pd.testing.assert_frame_equal(frame, make(0).assign(n=STEPS))
        assert hub.sql("select count(*), sum(bytes) > 0 from payloads").fetchall() == [(STEPS + 1, True)]
