"""Deaths in the middle of batches: no operation is lost or done twice, no lock leaks or lets two in."""

from collections import Counter

import pytest

import durablenb as df
from tests.faults import bank_worker as bank
from tests.faults.deaths import KILLS, begun_again, check_each, deaths_of

SEEDS = range(1, 3)
"""`python -m tests.campaign entity-kills` has more."""


@pytest.mark.timeout(300)
def test_ten_deaths_lose_no_operation_do_none_twice_and_leak_no_lock(tmp_path):
    assert deaths_of("tests.faults.bank_worker", tmp_path, SEEDS) == len(SEEDS) * KILLS
    assert begun_again(tmp_path, SEEDS)
    check_each(tmp_path, SEEDS, check)


def check(path, diary):
    check_diary([line.split() for line in diary.read_text().splitlines()])
    with df.TaskHub(path, mode="kernel") as hub:
        bank.check_locks(hub)
        keys = Counter(key for key, _ in bank.operations(hub))
        assert max(keys.values()) == 1, "an operation was asked for twice"
        assert all(is_done for _, is_done in bank.operations(hub))
        check_lists(hub)
        check_accounts(hub)
        for (instance_id, _), events in bank.histories(hub, "@").items():
            check_entity(instance_id, events)
        for kind, instance_id, _ in bank.plan():
            expected = bank.DEPOSITS if kind == "teller" else [[-7, 0]] * bank.ROUNDS
            assert hub.handle(instance_id).result() == expected


def check_diary(lines):
    acknowledged = Counter(tuple(line) for line in lines if line[0] in ("started", "signaled"))
    assert not [ask for ask, times in acknowledged.items() if times > 1], "acknowledged, and then gone"
    begun, ended, enqueued, settled, now = set(), 0, set(), set(), Counter()
    for what, *about in lines:
        key = about[0] if about else None
        if what == "began":
            begun |= set(now)
            enqueued, now = set(), Counter()
        elif what == "enqueued":
            enqueued.add(key)
        elif what == "settled":
            assert key in begun, f"{key} is recorded as done and has not run"
            settled.add(key)
        elif what == "orphans":
            assert key == "0", "a lock outlived its owner"
        elif what == "opened":
            assert begun <= enqueued, f"begun before they were on disk: {begun - enqueued}"
            assert settled <= enqueued, "what was settled is gone"
        elif what == "begun":
            assert key not in settled, f"{key} was recorded as done and is done again"
            now[key] += 1
            assert now[key] == 1, f"{key} is done twice in one process"
        ended += what == "closed"
    assert (lines[-1], ended) == (["closed"], 1)


def check_lists(hub):
    """Check that all signals are there, once and in order, and so are the signals that followed from them."""
    numbers = list(range(bank.NUMBERS))
    assert hub.entity_state(bank.INBOX) == numbers
    assert hub.entity_state(bank.OUTBOX) == numbers


def check_accounts(hub):
    balances = [hub.entity_state(df.EntityId("account", key)) for key in bank.ACCOUNTS]
    assert sum(balances) == bank.BALANCE * len(bank.ACCOUNTS)


def check_entity(instance_id, events):
    """Event ids are dense, each operation ends once, and who has locked the entity has it to itself."""
    assert [event.event_id for event in events] == list(range(1, len(events) + 1))
    asked = {event.event_id: event for event in events if type(event).__name__ == "OperationEnqueued"}
    requests = {event.event_id: event for event in events if type(event).__name__ == "LockEnqueued"}
    owner, settled, last = None, set(), 0
    for event in events:
        kind = type(event).__name__
        if kind == "LockTaken":
            assert owner is None, f"two at a time inside of {instance_id}"
            owner = requests[event.task_id].caller
        elif kind == "LockReleased":
            assert owner == requests[event.task_id].caller
            owner = None
        elif kind in ("OperationCompleted", "OperationFailed"):
            operation, last = asked[event.task_id], event.task_id
            assert event.task_id not in settled, f"{operation} is done twice"
            settled.add(event.task_id)
            caller = operation.caller and operation.caller.execution_id
            assert owner is None or caller == owner.execution_id, f"{operation} came into a section"
        elif kind in ("StateChanged", "SignalSent"):
            assert event.task_id == last, f"{event} is torn off its operation"
    assert owner is None
    assert settled == set(asked)
