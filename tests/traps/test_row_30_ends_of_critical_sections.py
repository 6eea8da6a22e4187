"""Row 30: whichever way its owner ends, a critical section ends with it, and not before."""

import gc
import sys

import pytest

import durablenb as df
from tests.traps.bank import A, B, furnished, holding, is_free, owners, where
from tests.traps.corpus import after
from tests.traps.lab import counted, kinds


@pytest.fixture
def bank(lab):
    return furnished(lab)


@pytest.fixture
def kept(disk):
    return furnished(disk)


ENDS = {
    "leaves the block": lambda handle: handle.raise_event("go"),
    "fails": lambda handle: handle.raise_event("go", "fail"),
    "is canceled": lambda handle: handle.cancel(),
    "is terminated": lambda handle: handle.terminate(),
    "goes on as new": lambda handle: handle.raise_event("go", "again"),
    "is terminated while it is suspended": lambda handle: (handle.suspend(), handle.terminate()),
}


@pytest.mark.parametrize("way", ENDS)
def test_row_30_its_end_lets_the_next_one_in(bank, way):
    owner, waiting = holding(bank, "ab"), holding(bank, "b")
    call = bank.start("asker", "a")
    ENDS[way](owner)
    bank.settle()
    assert where(waiting) == "inside"
    assert call.result(10) == 100
    assert counted(bank.records(A), "LockReleased") == counted(bank.records(A), "LockTaken") - (
        way == "goes on as new"
    )


@pytest.mark.parametrize("way", ENDS)
def test_row_30_its_end_is_in_the_transaction_with_the_releases(kept, way):
    """So that a crash leaves no lock without an owner, and no owner that has lost its lock."""
    owner, waiting = holding(kept, "ab"), holding(kept, "b")
    batches = []
    append = kept.hub._store.append
    kept.hub._store.append = lambda records: (
        batches.append(kinds(r.event for r in records)),
        append(records),
    )
    ENDS[way](owner)
    kept.settle()
    ends = (
        "EntityUnlockSent",
        "ExecutionFailed",
        "ExecutionCanceled",
        "ExecutionTerminated",
        "ContinueAsNew",
    )
    (ending,) = [batch for batch in batches if set(ends) & set(batch)]
    assert ending.count("LockReleased") == 2
    kept.restart()
    kept.settle()
    assert where(kept.hub.handle(waiting.id)) == "inside"


def test_row_30_a_section_is_asked_for_anew_by_the_next_generation(bank):
    owner, waiting = holding(bank, "a"), holding(bank, "a")
    owner.raise_event("go", "again")
    bank.settle()
    assert where(waiting) == "inside"
    waiting.raise_event("go")
    bank.settle()
    assert owners(bank) == {}  # an entity without state isn't listed
    assert counted(bank.records(A), "LockTaken") == 3
    assert not is_free(bank, "a")
    owner.raise_event("go")
    assert is_free(bank, "a")


def test_row_30_who_gives_up_waiting_stands_in_nobodys_way(bank):
    """It has locked the first entity and waits for the second one when it is terminated."""
    owner, waiting = holding(bank, "b"), holding(bank, "ab")
    assert not is_free(bank, "a")
    waiting.terminate()
    assert is_free(bank, "a")
    owner.raise_event("go")
    assert is_free(bank, "a", "b")
    assert kinds(bank.records(B)).count("LockReleased") == 2


def test_row_30_who_fails_while_it_waits_for_a_lock_stands_in_nobodys_way(bank):
    def impatient(context):
        lock = context.lock([A])
        yield context.task_any([lock, after(context, hours=1)])
        if not context.is_locked:
            raise TimeoutError("no lock in an hour")

    owner, handle = holding(bank, "a"), bank.start(impatient)
    bank.advance(hours=1)
    assert handle.wait(10).runtime_status == "Failed"
    owner.raise_event("go")
    assert is_free(bank, "a")


def test_row_30_a_call_that_the_owner_no_longer_waits_for_is_done_and_answers_nobody(bank):
    def forgets(context):
        with (yield context.lock([A])):
            context.call_entity(A, "deposit", 1)

    handle = bank.start(forgets)
    assert handle.result(10) is None
    bank.settle()
    assert bank.hub.entity_state(A) == 101
    assert is_free(bank, "a")
    assert kinds(handle.history())[-1] == "ExecutionCompleted"


def test_row_30_a_suspended_owner_keeps_its_lock(bank):
    owner = holding(bank, "a")
    owner.suspend()
    owner.raise_event("go")
    assert not is_free(bank, "a")
    owner.resume()
    assert is_free(bank, "a")


def test_row_30_a_restarted_hub_keeps_locks_and_those_who_wait_in_order(kept):
    """The third one asks for b before the second one does, which waits for a: each entity has its order."""
    for name, keys in (("first", "ab"), ("second", "ab"), ("third", "b")):
        holding(kept, keys, instance_id=name)
    left = []
    for inside in ("first", "third", "second"):
        kept.restart()
        kept.settle()
        for name in ("first", "second", "third"):
            expected = "outside" if name in left else "inside" if name == inside else None
            assert where(kept.hub.handle(name)) == expected
        assert not is_free(kept, "b")
        kept.hub.handle(inside).raise_event("go")
        kept.settle()
        left.append(inside)
    assert is_free(kept, "a", "b")


def test_row_30_there_are_no_orphans_to_clean_up_and_none_is_made_of_who_still_holds(kept):
    holding(kept, "a", instance_id="holds")
    kept.signal(B, "deposit", 1)
    kept.settle()
    assert kept.client.clean_entity_storage() == df.CleanEntityStorageResult(0, 0)
    assert not is_free(kept, "a")


def test_row_30_a_lock_whose_owner_is_gone_is_released_when_the_hub_opens(kept):
    """A file in which an orchestration was deleted by hand: nobody could ever release its lock."""
    holding(kept, "ab", instance_id="gone")
    kept.signal(A, "deposit", 1)
    kept.settle()
    assert kept.hub.entity_state(A) is None
    kept.hub._store.purge(["gone"])
    kept.restart()
    kept.settle()
    assert kept.hub.entity_state(A) == 101
    assert counted(kept.records(B), "LockReleased") == 1
    assert is_free(kept, "a", "b")


def test_row_30_a_hub_that_is_closed_within_a_section_is_let_go_without_a_word(kept, monkeypatch):
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    holding(kept, "a", instance_id="holds")
    for _ in range(2):
        kept.restart()
        kept.settle()
        gc.collect()
    assert [repr(one.exc_value) for one in complaints] == []
    assert owners(kept) == {}
    assert not is_free(kept, "a")
