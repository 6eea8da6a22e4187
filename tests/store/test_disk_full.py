"""A full disk: what was confirmed stays, what was refused can be tried again once there is room.

A limit on the size of files stands in for the full disk: to the process both are a write that fails.
"""

import json

import pytest

from durablenb.store.duckdb_store import DuckStore
from tests.store.files import contents, run

STORY = """
import json, os, random, resource, signal, sys, threading
from pathlib import Path
from durablenb.model.errors import StoreError
from durablenb.model.events import EventRaised
from durablenb.core.ports.store import InstanceQuery, Record
from durablenb.store import durable_log, duckdb_store
from tests.store.scribe import Scribe

hub, log_size, limits, end = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
durable_log.CHECKPOINT_BYTES = log_size
durable_log.LARGE_BYTES = int(sys.argv[5])
durable_log.RETRY_SECONDS = 0.01
open_database, openings = duckdb_store.open_database, []


def counting(path):
    openings.append(path)
    return open_database(path)


duckdb_store.open_database = counting
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def batch():
    for _ in range(5):
        scribe.add("a", EventRaised, input=json.dumps(chance.randbytes(8_000).hex()))
    return scribe.take()


store, scribe, chance = duckdb_store.DuckStore(hub), Scribe(), random.Random(1)
scribe.start("a")
store.append(scribe.take())
confirmed, refusals, wrong = 1, [], []
is_over = threading.Event()


def read():
    while not is_over.is_set():
        least = confirmed
        try:
            if store.last_seq() < least or len(store.states(InstanceQuery())) != 1:
                wrong.append(least)
        except StoreError:
            pass


readers = [threading.Thread(target=read) for _ in range(2)]
for reader in readers:
    reader.start()
waiting = batch()
for limit in [*limits, resource.RLIM_INFINITY]:
    room(limit)
    for _ in range(30):
        try:
            store.append(waiting)
        except StoreError as error:
            refusals.append(str(error))
            if len(refusals) % 3 == 0:
                break
        else:
            confirmed = waiting[-1].seq
            waiting = batch()
is_over.set()
for reader in readers:
    reader.join()
print(json.dumps([confirmed, refusals, wrong, len(openings), store.last_seq()]), flush=True)
if end == "die":
    os._exit(0)
store.close()
"""


def story(hub, log_size, limits, end, large):
    answer = run(STORY, hub, log_size, json.dumps(limits), end, large)
    return json.loads(answer)


@pytest.mark.parametrize(
    ("log_size", "large", "end"),
    [(1 << 30, 1 << 30, "die"), (40_000, 1 << 30, "die"), (40_000, 1 << 30, "close"), (40_000, 1, "die")],
    ids=["in the log", "in a checkpoint", "in a checkpoint, then closed", "in a commit that is a checkpoint"],
)
def test_no_confirmed_record_is_lost_and_refused_ones_are_written_later(hub, log_size, large, end):
    limits = [600_000, 1_000_000] if log_size > 1_000_000 else [1_000_000, 1_800_000]
    confirmed, refusals, wrong, openings, last = story(hub, log_size, limits, end, large)
    assert len(refusals) >= 6
    assert all("Make room if the disk is full" in refusal for refusal in refusals)
    assert wrong == []
    assert (openings > 1) == (log_size == 40_000)  # a failed checkpoint is fatal: the file is opened anew
    assert last == confirmed > 50
    store = DuckStore(hub)
    assert [record.seq for record in store.records("a")] == list(range(1, confirmed + 1))
    store.close()
    assert list(contents(hub.parent)) == [hub.name]


MAKE = """
import resource, signal, sys
from pathlib import Path
from durablenb.model.errors import StoreError
from durablenb.store.duckdb_store import DuckStore

hub, unlimited = Path(sys.argv[1]), resource.RLIM_INFINITY
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for size in (0, 100, 5_000, 13_000, unlimited):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, unlimited))
    try:
        DuckStore(hub).close()
    except StoreError as error:
        print("room" in str(error))
    else:
        print("made")
"""


def test_new_hub_can_be_made_once_there_is_room_and_leaves_no_half_of_one_before(hub):
    assert run(MAKE, hub).splitlines() == ["True"] * 4 + ["made"]
    assert list(contents(hub.parent)) == [hub.name]
