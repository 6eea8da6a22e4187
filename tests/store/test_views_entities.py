"""The rows of entities in the views of a hub's file."""

import pytest

import durablenb as df


@pytest.fixture
def store(opened):
    return opened(None)


def test_each_operation_knows_the_state_before_it_and_after_it(store, noted):
    noted.open("@c@a@b")
    noted.do("@c@a@b", noted.ask("@c@a@b", "add"), "1")
    noted.fail("@c@a@b", noted.ask("@c@a@b", "fail"))
    noted.do("@c@a@b", noted.ask("@c@a@b", "get"))
    noted.open("@c@a@b")
    noted.do("@c@a@b", noted.ask("@c@a@b", "delete"), "null")
    noted.do("@c@a@b", noted.ask("@c@a@b", "add"), "7")
    noted.ask("@c@a@b", "wait")
    noted.write()
    rows = store.query("""
        select name, key, operation, status, state_before::int, state_after::int, failure ->> 'ErrorMessage'
        from entity_operations order by seq
    """)
    assert rows == [
        ("c", "a@b", "add", "Completed", None, 1, None),
        ("c", "a@b", "fail", "Failed", 1, 1, "bad luck"),
        ("c", "a@b", "get", "Completed", 1, 1, None),
        ("c", "a@b", "delete", "Completed", 1, None, None),
        ("c", "a@b", "add", "Completed", None, 7, None),
        ("c", "a@b", "wait", "Pending", None, None, None),
    ]


def test_states_follow_the_order_in_which_operations_were_done_not_asked(store, noted):
    noted.open("@c@a")
    for_later, for_now = noted.ask("@c@a"), noted.ask("@c@a")
    noted.do("@c@a", for_now, "1")
    noted.do("@c@a", for_later, "2")
    noted.write()
    rows = store.query(
        "select number, state_before::int, state_after::int from entity_operations order by seq"
    )
    assert rows == [(for_later, 1, 2), (for_now, None, 1)]


def test_a_lock_is_waited_for_held_and_released_or_given_up(store, noted):
    noted.open("@c@a")
    first, second, third, fourth = (noted.lock("@c@a") for _ in range(4))
    noted.grant("@c@a", first)
    noted.release("@c@a", first)
    noted.release("@c@a", third)
    noted.grant("@c@a", second)
    noted.write()
    rows = store.query("""
        select status, owner, owner_task, position, epoch(wait_time), epoch(held_time)
        from entity_locks order by seq
    """)
    assert rows == [
        ("Released", "transfer", 3, 1, 4, 1),
        ("Held", "transfer", 3, 1, 6, None),
        ("Canceled", "transfer", 3, 1, 4, None),
        ("Waiting", "transfer", 3, 1, None, None),
    ]
    assert store.query("select locked_by, entity_exists, state from entities") == [("transfer", False, None)]
    assert fourth == 4


def test_an_entity_is_a_row_with_its_state_and_its_last_operation(store, noted):
    noted.open("@c@a")
    noted.do("@c@a", noted.ask("@c@a", "set"), '{"n": 1}')
    noted.fail("@c@a", noted.ask("@c@a", "break"))
    noted.ask("@c@a", "wait")
    noted.write()
    rows = store.query("""
        select instance_id, name, key, entity_exists, state ->> 'n', last_operation, operations, failures,
               queue_length, locked_by, epoch(last_modified - created)
        from entities
    """)
    assert rows == [("@c@a", "c", "a", True, "1", "break", 2, 1, 1, None, 5)]


def test_calls_and_locks_are_spans_of_the_orchestration():
    account = df.EntityId("Account", "a")
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.entity(name="Account")
        def add(context):
            if context.operation_name == "fail":
                raise ValueError("no")
            context.set_state(context.get_state(lambda: 0) + context.get_input())

        @hub.orchestrator
        def work(context):
            context.signal_entity(account, "add", 1)
            with (yield context.lock([account, df.EntityId("Account", "b")])):
                yield context.call_entity(account, "add", 2)
            yield context.call_entity(account, "fail", 2)

        handle = hub.start(work, instance_id="w")
        handle.wait()
        kinds = "select kind, name, status from spans where instance_id = 'w' order by seq"
        assert hub.sql(kinds).fetchall() == [
            ("lock", "@account@a, @account@b", "Completed"),
            ("entity call", "@account@a.add", "Completed"),
            ("entity call", "@account@a.fail", "Failed"),
        ]
        assert hub.sql("select kind, name from critical_path('w') order by step").fetchall() == [
            ("lock", "@account@a, @account@b"),
            ("entity call", "@account@a.add"),
            ("entity call", "@account@a.fail"),
        ]
        calls = "select operation, status, input::int, failure ->> 'ErrorType' from entity_calls order by seq"
        assert hub.sql(calls).fetchall() == [
            ("add", "Completed", 2, None),
            ("fail", "Failed", 2, "builtins.ValueError"),
        ]
        asked = "select operation, sent_by, sent_by_task, is_signal, input::int from entity_operations"
        assert hub.sql(f"{asked} order by seq").fetchall() == [
            ("add", "w", 0, True, 1),
            ("add", "w", 2, False, 2),
            ("fail", "w", 3, False, 2),
        ]
        assert hub.sql("select count(*) from executions").fetchall() == [(1,)]
