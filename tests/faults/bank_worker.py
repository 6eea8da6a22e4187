"""A process in which entities work until it is killed.

Each operation has a key of its own. What the process was told and what it did it writes down in a diary, as
`worker` does; what the journal says it writes down whenever it has opened it.
"""

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from random import Random

import durablenb as df
from durablenb.engine.entities import Entities
from tests.faults.worker import Diary

ACCOUNTS, MOVERS, ROUNDS = "abcd", 4, 5
TELLERS, DEPOSITS = 3, 8
NUMBERS = 40
BALANCE = 1_000
INBOX, OUTBOX = df.EntityId("list", "in"), df.EntityId("list", "out")


def register(hub, diary, seed):
    random = Random(seed)

    def works(key):
        diary.note("begun", key)
        time.sleep(random.random() * 0.006)

    @hub.entity
    def account(context):
        balance = context.get_state(lambda: BALANCE)
        if context.operation_name == "change":
            key, amount = context.get_input()
            works(key)
            context.set_state(balance + amount)
            if amount == 0:
                context.signal_entity(OUTBOX, "note", [f"{key}/failed", -1])
                raise ValueError("nothing to change")
        return context.get_state(lambda: BALANCE)

    @hub.entity(name="list")
    def numbers(context):
        key, number = context.get_input()
        works(key)
        context.set_state([*context.get_state(list), number])
        if context.entity_key == "in":
            context.signal_entity(OUTBOX, "note", [f"{key}/out", number])

    @hub.activity
    def pause():
        time.sleep(random.random() * 0.01)

    @hub.orchestrator
    def mover(context):
        """Moves money between two accounts at a time, and looks that nobody else does meanwhile."""
        left, seen = context.get_input()
        chosen = Random(f"{context.instance_id}/{left}").sample(ACCOUNTS, 2)
        source, target = (df.EntityId("account", key) for key in chosen)
        key = f"{context.instance_id}/{left}"
        with (yield context.lock([source, target])):
            before = yield context.call_entity(source, "get")
            after = yield context.call_entity(source, "change", [f"{key}/from", -7])
            yield context.call_activity("pause")
            still = yield context.call_entity(source, "get")
            yield context.call_entity(target, "change", [f"{key}/to", 7])
            seen = [*seen, [after - before, still - after]]
            if left > 1 and left % 2:
                context.continue_as_new([left - 1, seen])
                return None
        if left > 1:
            context.continue_as_new([left - 1, seen])
            return None
        return seen

    @hub.orchestrator
    def teller(context):
        """Pays in and out so that nothing is left of it; some of it fails."""
        failed = 0
        for step in range(DEPOSITS):
            entity = df.EntityId("account", ACCOUNTS[step % len(ACCOUNTS)])
            calls = [
                context.call_entity(entity, "change", [f"{context.instance_id}/{step}/{n}", amount])
                for n, amount in enumerate((3, 0, -3))
            ]
            for call in calls:
                try:
                    yield call
                except ValueError:
                    failed += 1
        return failed


def plan():
    """All instances: orchestrator, id, input."""
    for n in range(MOVERS):
        yield "mover", f"mover{n}", [ROUNDS, []]
    for n in range(TELLERS):
        yield "teller", f"teller{n}", None


def start_all(hub, diary):
    known = {status.instance_id for status in hub.instances()}
    for kind, instance_id, input_ in plan():
        if instance_id not in known:
            hub.start(kind, input_, instance_id=instance_id)
            diary.note("started", instance_id)


def signal_all(hub, diary):
    """Sends each number once; after a death it looks before it asks again."""
    for number in range(NUMBERS):
        records = hub._store.records(str(INBOX))
        if sum(type(record.event).__name__ == "OperationEnqueued" for record in records) == number:
            hub.client.signal_entity(INBOX, "note", [f"number/{number}", number])
            diary.note("signaled", number)
        time.sleep(0.003)


def note_journal(hub, diary):
    """Write down the operations in the file, before any of them can run."""
    for key, is_done in operations(hub):
        diary.note("enqueued", key)
        if is_done:
            diary.note("settled", key)


def operations(hub):
    """The keys of all operations that have one, and whether they are settled."""
    for events in histories(hub, "@").values():
        settled = {
            event.task_id
            for event in events
            if type(event).__name__ in ("OperationCompleted", "OperationFailed")
        }
        for event in events:
            if type(event).__name__ == "OperationEnqueued" and event.name != "get":
                yield hub._engine.options.codec.decode(event.input)[0], event.event_id in settled


def histories(hub, prefix=""):
    """The events of each execution whose instance's id begins so."""
    found = defaultdict(list)
    ids = [row[0] for row in hub.sql("select distinct instance_id from journal").fetchall()]
    for instance_id in ids:
        if instance_id.startswith(prefix):
            for record in hub._store.records(instance_id):
                found[instance_id, record.execution_id].append(record.event)
    return found


def note_orphans(diary):
    """Whenever a hub opens: how many locks it found whose owner is gone."""
    release_orphans = Entities.release_orphans

    def noted(entities):
        found = release_orphans(entities)
        diary.note("orphans", found)
        return found

    Entities.release_orphans = noted


def check_locks(hub):
    """Every lock has an owner who is inside or waits for more; who is inside has all of its locks."""
    held, waiting = defaultdict(set), defaultdict(set)
    every = histories(hub)
    for (instance_id, _), events in every.items():
        released = {event.task_id for event in events if type(event).__name__ == "LockReleased"}
        taken = {event.task_id for event in events if type(event).__name__ == "LockTaken"}
        for event in events:
            if type(event).__name__ == "LockEnqueued" and event.event_id not in released:
                owner = event.caller.instance_id, event.caller.execution_id, event.caller.task_id
                (held if event.event_id in taken else waiting)[owner].add(instance_id)
    inside, outside = {}, {}
    ends = ("ExecutionCompleted", "ExecutionFailed", "ExecutionTerminated", "ContinueAsNew")
    for key, events in every.items():
        if type(events[-1]).__name__ in ends:
            continue
        by_kind = defaultdict(set)
        for event in events:
            by_kind[type(event).__name__].add(getattr(event, "task_id", None))
        for event in events:
            if (
                type(event).__name__ == "EntityLockRequested"
                and event.task_id not in by_kind["EntityUnlockSent"] | by_kind["EntityLockCanceled"]
            ):
                is_granted = event.task_id in by_kind["EntityLockGranted"]
                (inside if is_granted else outside)[*key, event.task_id] = set(event.entity_ids)
    for owner, entities in inside.items():
        assert (held[owner], waiting[owner]) == (entities, set()), f"{owner} is inside without its locks"
    for owner, entities in outside.items():
        assert len(waiting[owner]) == 1, f"{owner} waits for nothing"
        assert held[owner] | waiting[owner] <= entities, f"{owner} has locks that it did not ask for"
    orphans = {owner for owner in (*held, *waiting) if held[owner] or waiting[owner]}
    assert orphans == {*inside, *outside}, "a lock has no owner"


def main(say, path, diary_path, seed):
    diary = Diary(diary_path)
    diary.note("began", seed)
    note_orphans(diary)
    with df.TaskHub(path, mode="kernel") as hub:  # in which nothing happens by itself
        note_journal(hub, diary)
        check_locks(hub)
    hub = df.TaskHub(path)
    diary.note("opened")
    say("opened")
    register(hub, diary, seed)
    start_all(hub, diary)
    client = ThreadPoolExecutor(1).submit(signal_all, hub, diary)
    for _, instance_id, _ in plan():
        hub.handle(instance_id).result(timeout=60)
        diary.note("finished", instance_id)
    client.result(timeout=60)
    end = time.monotonic() + 60
    while not all(is_done for _, is_done in operations(hub)) and time.monotonic() < end:
        time.sleep(0.01)
    hub.close()
    diary.note("closed")
