"""The entity that the simulator runs, what its operations come to, and the orchestrators that use it."""

from datetime import timedelta
from random import Random
from typing import Any

from durablenb.model.entities import EntityId
from durablenb.model.errors import OrchestrationCanceledError
from tests.simulation.orchestrators import fate

KEYS = ("x", "y", "z")
OPERATIONS = ("add", "add", "add", "fail", "clear", "pass on", "again", "start")


def entity_of(key: str) -> EntityId:
    return EntityId("tally", key)


def tally(context):
    """Counts, fails on purpose, and hands on what it is told to."""
    fate.glance()
    operation, given = context.operation_name, context.get_input()
    count = context.get_state(lambda: 0) if operation != "get" else context.get_state()
    if operation == "add":
        context.set_state(count + given)
        return count + given
    if operation == "clear":
        context.destruct_on_exit()
    if operation == "fail":
        context.set_state(-1)
        context.signal_entity(entity_of("x"), "add", -1)
        raise ValueError("on purpose")
    if operation == "pass on":
        for key in KEYS[given:]:
            context.signal_entity(entity_of(key), "add", given)
    if operation == "again" and given:
        context.signal_entity(context.entity_id, "again", given - 1)
    if operation == "start":
        context.start_new("one_flaky", f"of-{context.entity_key}", given)
    return count


def expected(key: str, operation: str, given: Any, state: Any) -> tuple[Any, Any, list[tuple[str, Any]]]:
    """Of an operation that doesn't fail: its result, the state after it, and what it sends to whom."""
    if operation == "get":
        return state, state, []
    count = state or 0
    if operation == "add":
        return count + given, count + given, []
    after = None if operation == "clear" else state
    sent: list[tuple[str, Any]] = []
    if operation == "pass on":
        sent = [(str(entity_of(one)), given) for one in KEYS[given:]]
    if operation == "again" and given:
        sent = [(str(entity_of(key)), given - 1)]
    return count, after, sent


def some_keys(random: Random) -> list[str]:
    return [random.choice(KEYS) for _ in range(random.randint(1, 3))]


# -- orchestrators -------------------------------------------------------------------------------


def counting(context):
    """Signals, calls, and is failed by an operation."""
    key = context.get_input()[0]
    context.signal_entity(entity_of(key), "add", 1)
    calls = [context.call_entity(entity_of(one), "add", n) for n, one in enumerate(KEYS)]
    context.signal_entity(entity_of(key), "pass on", 1)
    results = yield context.task_all(calls)
    try:
        yield context.call_entity(entity_of(key), "fail")
    except ValueError:
        return len(results)


def reminding(context):
    """Signals for later; some of it comes due when this has ended long ago."""
    for seconds in (-5, 3, 60, 3):
        due = context.current_utc_datetime + timedelta(seconds=seconds)
        context.signal_entity(entity_of(context.get_input()[0]), "add", 1, at=due)
    yield context.call_entity(entity_of(context.get_input()[0]), "again", 2)
    return "reminded"


def alone(context):
    """Sees no change of others in a critical section, however long it takes."""
    chosen = [entity_of(key) for key in context.get_input()]
    with (yield context.lock(chosen)):
        before = yield context.call_entity(chosen[0], "add", 1)
        yield context.call_activity("double", 1)
        after = yield context.call_entity(chosen[-1], "add", 1)
        yield context.wait_for_external_event("Go")
        again = yield context.call_entity(chosen[0], "get")
        if (again - before) != (chosen[0] == chosen[-1]):
            return "disturbed"
        context.call_entity(chosen[-1], "add", after)
    return "alone"


def moving(context):
    """Goes on as new inside of a critical section, and then from outside of one."""
    keys, left = context.get_input()
    with (yield context.lock([entity_of(key) for key in keys])) as section:
        for entity in section.entities:
            yield context.call_entity(entity, "add", 1)
        if left == 2:
            context.continue_as_new([keys, 1])
            return None
    if left:
        context.continue_as_new([keys, 0])
        return None
    return "moved"


def losing(context):
    """Fails in a critical section, if things are broken, or while it waits for one."""
    lock = context.lock([entity_of(key) for key in context.get_input()])
    broken = context.call_activity("broken", 1)
    with (yield lock) as section:
        for entity in section.entities:
            yield context.call_entity(entity, "add", 1)
        yield broken
    return "kept"


def hasty(context):
    """Asks for a lock, and for more before it has it; it may give up."""
    chosen = entity_of(context.get_input()[0])
    lock = context.lock([entity_of(key) for key in context.get_input()])
    context.signal_entity(chosen, "add", 1)
    call = context.call_entity(chosen, "add", 1)
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
    yield context.task_any([lock, timer])
    if not context.is_locked:
        return "gave up"
    with lock.result:
        return (yield call)


def unlocking(context):
    """Is canceled while it waits for a critical section, or in one, and enters another one."""
    chosen = [entity_of(key) for key in context.get_input()]
    entered = 0
    for _ in range(2):
        try:
            with (yield context.lock(chosen)):
                entered += 1
                yield context.wait_for_external_event("Go")
        except OrchestrationCanceledError:
            yield context.call_entity(chosen[0], "add", 1)
    return entered


ORCHESTRATORS = {
    "unlocking": (unlocking, lambda given, result: result in (0, 1, 2)),
    "counting": (counting, lambda given, result: result == 3),
    "reminding": (reminding, lambda given, result: result == "reminded"),
    "alone": (alone, lambda given, result: result == "alone"),
    "losing": (losing, lambda given, result: result == "kept"),
    "hasty": (hasty, lambda given, result: result == "gave up" or isinstance(result, int)),
}
"""By name, with what they may complete with; they are given some keys."""
