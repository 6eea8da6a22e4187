"""A process that calls an activity with a rate until it is killed: `python rate_worker.py FILE DIARY`."""

import sys
import time
from datetime import timedelta
from pathlib import Path

import durablenb as df
from tests.faults.worker import Diary

CALLS = 15
COUNT, PERIOD = 5, 2.5


def run(path: Path, diary: Diary) -> None:
    with df.TaskHub(path) as hub:
        queue = df.Queue("narrow", concurrency=3, rate=(COUNT, timedelta(seconds=PERIOD)))

        @hub.activity(queue=queue)
        def work(number):
            diary.note("begun", time.time())
            time.sleep(0.02)
            diary.note("ended", number)
            return number

        @hub.orchestrator
        def fan_out(context):
            return (yield context.task_all([context.call_activity(work, n) for n in range(CALLS)]))

        diary.note("opened", time.time())
        hub.start(fan_out, instance_id="x", if_exists="attach").result()


if __name__ == "__main__":
    run(Path(sys.argv[1]), Diary(sys.argv[2]))
