"""A process that calls an activity with a rate until it is killed."""

import time
from datetime import timedelta

import durablenb as df
from tests.faults.worker import Diary

CALLS = 15
COUNT, PERIOD = 5, 2.5


def main(say, path, diary_path):
    diary = Diary(diary_path)
    with df.TaskHub(path) as hub:
        queue = df.Queue("narrow", concurrency=3, rate=(COUNT, timedelta(seconds=PERIOD)))

        @hub.activity(queue=queue)
        def work(number):
            diary.note("begun", time.time())
            time.sleep(0.02)
            return number

        @hub.orchestrator
        def fan_out(context):
            return (yield context.task_all([context.call_activity(work, n) for n in range(CALLS)]))

        say("opened")
        hub.start(fan_out, instance_id="x", if_exists="attach").result()
