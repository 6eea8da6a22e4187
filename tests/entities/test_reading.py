"""Clients read the states of entities, and remove empty ones."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest

import durablenb as df
from tests.store.scribe import BEGINNING

A, B = df.EntityId("Counter", "a"), df.EntityId("Counter", "b")


@pytest.fixture
def counting(hub):
    @hub.entity(name="Counter")
    def counter(context):
        if context.operation_name == "delete":
            context.destruct_on_exit()
        elif context.operation_name == "add":
            context.set_state(context.get_state(lambda: 0) + context.get_input())

    @hub.orchestrator
    def hold(context):
        with (yield context.lock([A])):
            yield context.wait_for_external_event("go")

    return hub


def add(hub, entity, *amounts):
    for amount in amounts:
        hub.client.signal_entity(entity, "add", amount)


def test_a_state_that_is_not_there_differs_from_one_that_is_none(counting):
    add(counting, A, 5)
    assert counting.client.read_entity_state(A) == df.EntityStateResponse(False, None)
    counting.settle()
    assert counting.client.read_entity_state(A) == df.EntityStateResponse(True, 5)
    counting.client.signal_entity(A, "delete")
    counting.settle()
    assert counting.client.read_entity_state(A) == df.EntityStateResponse(False, None)
    assert counting.entity_state(A) is None


def test_a_state_is_read_as_the_class_that_is_asked_for(hub):
    @dataclass
    class Account:
        balance: int = 0

        def deposit(self, amount: int):
            self.balance += amount

    hub.add_entity(Account)
    account = hub.entity(Account, "a")
    account.deposit(5)
    hub.settle()
    assert account.state() == {"balance": 5}
    assert account.state(Account) == Account(5)
    assert hub.entity_state(account.entity_id, Account) == Account(5)
    assert hub.client.read_entity_state(account.entity_id, expected_type=Account).entity_state == Account(5)


def test_azures_client_reads_too(counting):
    add(counting, A, 5)
    counting.settle()
    client = df.DurableOrchestrationClient(counting)
    assert asyncio.run(client.read_entity_state(A)).entity_state == 5
    assert [one.state for one in asyncio.run(client.list_entities())] == [5]
    assert asyncio.run(client.clean_entity_storage()) == df.CleanEntityStorageResult(0, 0)


def test_the_state_as_of_a_moment_and_before_there_was_one(counting):
    clock = counting._engine.clock
    begin = clock.now()
    for amount in (1, 2, 3):
        clock.advance(hours=1)
        add(counting, A, amount)
        counting.settle()
    hours = [begin + timedelta(hours=hours) for hours in (0, 1, 1.5, 2, 3, 99)]
    assert [counting.entity_state(A, as_of=moment) for moment in hours] == [None, 1, 1, 3, 6, 6]
    assert counting.entity_state(A, as_of=hours[2].replace(tzinfo=None)) == 1


def test_entities_are_listed_with_their_states_their_queues_and_their_locks(counting):
    add(counting, A, 1)
    add(counting, B, 2)
    counting.settle()
    handle = counting.start("hold", instance_id="holder")
    counting.settle()
    add(counting, A, 3, 4)
    counting.settle()
    first, second = counting.client.list_entities("COUNTER")
    assert (first.entity_id, first.state, first.backlog_queue_size, first.locked_by) == (A, 1, 2, "holder")
    assert (second.entity_id, second.state, second.backlog_queue_size, second.locked_by) == (B, 2, 0, None)
    assert [one.state for one in counting.client.list_entities(fetch_state=False)] == [None, None]
    assert counting.client.list_entities("other") == []
    handle.raise_event("go")
    counting.settle()
    assert [one.state for one in counting.client.list_entities()] == [8, 2]


def test_entities_are_listed_that_were_asked_for_something_lately(counting):
    clock = counting._engine.clock
    add(counting, A, 1)
    add(counting, B, 1)
    counting.settle()
    clock.advance(hours=2)
    noon = clock.now()
    add(counting, B, 1)
    counting.settle()
    assert [one.entity_id for one in counting.client.list_entities(since=noon)] == [B]
    assert [one.entity_id for one in counting.client.list_entities(since=noon - timedelta(hours=3))] == [A, B]


def test_what_is_left_of_deleted_entities_is_cleared_away_and_only_that(counting):
    add(counting, A, 1)
    add(counting, B, 1)
    counting.client.signal_entity(B, "delete")
    counting.client.signal_entity(df.EntityId("Counter", "never"), "look")
    counting.settle()
    counting.client.signal_entity(
        df.EntityId("Counter", "waits"), "add", 1, at=BEGINNING + timedelta(days=900)
    )
    assert counting.client.clean_entity_storage(remove_empty_entities=False).empty_entities_removed == 0
    assert counting.client.clean_entity_storage() == df.CleanEntityStorageResult(2, 0)
    left = counting.sql("select distinct instance_id from history order by all").fetchall()
    assert left == [("@counter@a",), ("@counter@waits",)]
    add(counting, B, 7)
    counting.settle()
    assert counting.entity_state(B) == 7


def test_clearing_away_does_not_touch_a_lock_that_is_held_and_entities_are_no_instances(counting):
    add(counting, A, 1)
    counting.settle()
    assert counting.client.get_status_all() == []
    assert counting.sql("select count(*) from instances").fetchall() == [(0,)]
    handle = counting.start("hold")
    counting.settle()
    assert counting.client.clean_entity_storage() == df.CleanEntityStorageResult(0, 0)
    assert counting.client.list_entities()[0].locked_by == handle.id
