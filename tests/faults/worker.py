"""A process that works on a hub until it is killed.

What it was told (an acknowledgement) and what it did (an activity that begins, one that ended) it writes
down in a diary of its own, a line at a time, which a SIGKILL can't take back.
"""

import os
import threading
import time
from datetime import timedelta
from random import Random

import durablenb as df

CHAINS, FANS, FAMILIES, WAITERS, SLEEPERS = 3, 2, 2, 3, 2
LENGTH, WIDTH, EVENTS = 12, 10, 6


class Diary:
    def __init__(self, path):
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, *words):
        os.write(self._fd, (" ".join(map(str, words)) + "\n").encode())


def register(hub, diary, random):
    @hub.activity
    def work(key):
        diary.note("begun", key)
        time.sleep(random.random() * 0.012)
        diary.note("ended", key)
        return key

    @hub.orchestrator
    def chain(context):
        done = []
        for step in range(LENGTH):
            done.append((yield context.call_activity("work", f"{context.instance_id}/{step}")))
        return done

    @hub.orchestrator
    def fan(context):
        calls = [context.call_activity("work", f"{context.instance_id}/{n}") for n in range(WIDTH)]
        return (yield context.task_all(calls))

    @hub.orchestrator
    def family(context):
        depth = context.get_input()
        mine = yield context.call_activity("work", f"{context.instance_id}/own")
        if not depth:
            return [mine]
        children = [
            context.call_sub_orchestrator("family", depth - 1, f"{context.instance_id}.{n}") for n in range(2)
        ]
        done = yield context.task_all(children)
        return [mine, *(key for child in done for key in child)]

    @hub.orchestrator
    def waiter(context):
        got = []
        for n in range(EVENTS):
            got.append((yield context.wait_for_external_event("number")))
            yield context.call_activity("work", f"{context.instance_id}/{n}")
        return got

    @hub.orchestrator
    def sleeper(context):
        left = context.get_input()
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=15))
        yield context.call_activity("work", f"{context.instance_id}/{left}")
        if left:
            context.continue_as_new(left - 1)
            return None
        return "rested"


def plan():
    """All instances: orchestrator, id, input."""
    for kind, count, input_ in (
        ("chain", CHAINS, None),
        ("fan", FANS, None),
        ("family", FAMILIES, 2),
        ("waiter", WAITERS, None),
        ("sleeper", SLEEPERS, 5),
    ):
        for n in range(count):
            yield kind, f"{kind}{n}", input_


def start_all(hub, diary):
    known = {status.instance_id for status in hub.instances()}
    for kind, instance_id, input_ in plan():
        if instance_id not in known:
            hub.start(kind, input_, instance_id=instance_id)
            diary.note("started", instance_id)


def raise_all(hub, diary):
    """Raises each number once; after a death it looks before it asks again."""
    waiters = [hub.handle(instance_id) for kind, instance_id, _ in plan() if kind == "waiter"]
    for number in range(EVENTS):
        for handle in waiters:
            raised = sum(type(event).__name__ == "EventRaised" for event in handle.history())
            if raised == number:
                handle.raise_event("number", number)
                diary.note("raised", handle.id, number)
            time.sleep(0.02)


def note_journal(hub, diary):
    """Write down the activities in the file, before any of them can run."""
    rows = hub.sql("select instance_id, execution_id, task_id, event_type, payload from history").fetchall()
    keys = {row[:3]: row[4].strip('"') for row in rows if row[3] == "TaskScheduled"}
    for row in rows:
        if row[3] in ("TaskScheduled", "TaskCompleted"):
            diary.note(row[3], keys[row[:3]])


def main(say, path, diary_path, seed):
    diary = Diary(diary_path)
    diary.note("began", os.getpid())
    hub = df.TaskHub(path)
    note_journal(hub, diary)
    diary.note("opened")
    say("opened")
    register(hub, diary, Random(seed))
    start_all(hub, diary)
    client = threading.Thread(target=raise_all, args=(hub, diary))
    client.start()
    for _, instance_id, _ in plan():
        hub.handle(instance_id).result(timeout=60)
        diary.note("finished", instance_id)
    client.join()
    hub.close()
    diary.note("closed")
