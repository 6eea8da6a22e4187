"""Row 29: entities that exist or don't, and operations for later."""

from datetime import timedelta
from random import Random

import durablenb as df
from tests.traps.corpus import asked, counter, journal

A, B = df.EntityId("Counter", "a"), df.EntityId("Counter", "b")
J = df.EntityId("journal", "j")


# -- existing ------------------------------------------------------------------------------------


def test_row_29_what_was_deleted_is_made_anew_by_a_later_operation(counting):
    results = asked(counting, A, ("add", 5), ("del",), ("get",), ("del",), ("add", 1))
    assert results == [5, None, None, None, 1]
    assert counting.client.read_entity_state(A) == df.EntityStateResponse(True, 1)


def test_row_29_deleting_and_making_anew_in_one_batch(counting):
    for name, given in [("add", 5), ("del", None), ("add", 1), ("del", None)]:
        counting.signal(A, name, given)
    counting.settle()
    assert counting.client.read_entity_state(A) == df.EntityStateResponse(False)
    assert counting.client.list_entities() == []
    assert counting.client.clean_entity_storage().empty_entities_removed == 1
    assert counting.records(A) == []
    assert asked(counting, A, ("add", 2)) == [2]


def test_row_29_a_false_state_is_a_state_also_after_a_restart(disk):
    states = {
        df.EntityId("Counter", str(key)): state for key, state in enumerate([0, False, "", [], {}, 0.0])
    }
    disk.entity(counter, "Counter")
    for entity, state in states.items():
        disk.signal(entity, "set", state)
    disk.settle()
    disk.restart()
    assert [one.entity_id for one in disk.client.list_entities()] == [*states]
    for entity, state in states.items():
        response = disk.client.read_entity_state(entity)
        assert (response.entity_exists, repr(response.entity_state)) == (True, repr(state))
        assert repr(asked(disk, entity, ("get",))) == repr([state])


def test_row_29_an_entity_that_was_only_asked_does_not_exist(counting):
    assert asked(counting, A, ("get",)) == [None]
    assert counting.client.read_entity_state(A) == df.EntityStateResponse(False)
    assert counting.client.read_entity_state(B) == df.EntityStateResponse(False)
    assert counting.hub.entity_state(B) is None
    assert counting.client.list_entities() == []


def test_row_29_names_are_compared_without_case_and_keys_with_case(counting):
    for name in ("Counter", "COUNTER", "counter"):
        counting.signal(df.EntityId(name, "a"), "add", 1)
    counting.signal(df.EntityId("counter", "A"), "add", 10)
    assert asked(counting, df.EntityId("cOUNTER", "a"), ("get",)) == [3]
    assert asked(counting, df.EntityId("counter", "A"), ("get",)) == [10]  # it exists once it has done it
    assert {str(one.entity_id) for one in counting.client.list_entities("COUNTER")} == {
        "@counter@a",
        "@counter@A",
    }


# -- signals for later ---------------------------------------------------------------------------


def clockwork(context):
    """Ticks each hour until it has ticked as often as it was told at first."""
    ticks = [*context.get_state(list), context.get_input()]
    context.set_state(ticks)
    if context.get_input() > 1:
        next_time = START + timedelta(hours=len(ticks))
        context.signal_entity(context.entity_id, "tick", context.get_input() - 1, at=next_time)


START = df.VirtualClock().now()
CLOCK = df.EntityId("clockwork", "c")


def test_row_29_an_entity_that_signals_itself_for_later_goes_on_through_restarts(disk):
    disk.entity(clockwork)
    disk.signal(CLOCK, "tick", 4)
    disk.settle()
    for expected in ([4], [4, 3], [4, 3, 2], [4, 3, 2, 1], [4, 3, 2, 1]):
        assert disk.hub.entity_state(CLOCK) == expected
        disk.restart()
        disk.advance(minutes=59)
        assert disk.hub.entity_state(CLOCK) == expected
        disk.advance(minutes=1)


def test_row_29_an_entity_that_signals_itself_at_once_lets_others_come_in_between(counting):
    @counting.entity
    def loop(context):
        context.set_state([*context.get_state(list), context.operation_name])
        if context.operation_name == "turn" and context.get_input():
            context.signal_entity(context.entity_id, "turn", context.get_input() - 1)

    looping = df.EntityId("loop", "l")
    counting.signal(looping, "turn", 50)
    assert asked(counting, looping, ("stop",)) == [None]
    counting.settle()
    state = counting.hub.entity_state(looping)
    assert (state.count("turn"), state.count("stop")) == (51, 1)


def test_row_29_many_signals_for_later_come_each_when_it_is_due(counting):
    now = counting.clock.now()
    minutes = [*range(1, 61)] * 2
    Random(29).shuffle(minutes)
    for number, minute in enumerate(minutes):
        counting.signal(J, "tell", [minute, number], at=now + timedelta(minutes=minute))
    counting.signal(J, "tell", "at once")
    counting.settle()
    assert counting.hub.entity_state(J) == ["at once"]
    counting.advance(minutes=20)
    assert len(counting.hub.entity_state(J)) == 41
    counting.advance(minutes=100)
    _, *told = counting.hub.entity_state(J)
    assert told == sorted([minute, number] for number, minute in enumerate(minutes))


def test_row_29_signals_for_later_are_kept_over_a_restart_in_their_order(disk):
    """Those that come due while the hub is closed are done by their times, before what is asked then."""
    disk.entity(journal)
    now = disk.clock.now()
    for number, hour in enumerate([3, 1, 2, 1, 30]):
        disk.signal(J, "tell", [hour, number], at=now + timedelta(hours=hour))
    disk.restart()
    disk.advance(hours=1)
    assert disk.hub.entity_state(J) == [[1, 1], [1, 3]]
    disk.hub.close()
    disk.clock.advance(hours=9)
    disk.open()
    disk.signal(J, "tell", "now")
    disk.settle()
    assert disk.hub.entity_state(J) == [[1, 1], [1, 3], [2, 2], [3, 0], "now"]


def test_row_29_a_signal_that_came_due_keeps_its_place_before_what_was_asked_after_that(disk):
    """It stood in the queue already when the hub was closed: the entity's cell had not run."""
    disk.entity(journal)
    now = disk.clock.now()
    disk.signal(J, "tell", "due at one", at=now + timedelta(hours=1))
    disk.signal(J, "tell", "due at three", at=now + timedelta(hours=3))
    disk.restart()
    disk.hub._registry.activities.pop("@journal")
    disk.orchestrator(lambda context: context.signal_entity(J, "tell", "asked at two"), "asks")
    disk.advance(hours=2)
    disk.run("asks")
    disk.hub.close()
    disk.clock.advance(hours=2)
    disk.open()
    disk.settle()
    assert disk.hub.entity_state(J) == ["due at one", "asked at two", "due at three"]
