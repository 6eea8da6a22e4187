"""Critical sections over random entities: all come to their end, in order, alone, and money is kept."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from durablenb.core.registry import Activity, Registry
from durablenb.engine import messages
from durablenb.engine.clocks import VirtualClock
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.engine.options import EngineOptions
from durablenb.lab.memory_store import MemoryStore
from durablenb.model import events as ev
from durablenb.model.entities import EntityId
from durablenb.store.duckdb_store import DuckStore
from tests.properties.drivers import codec

KEYS = "abcde"
BALANCE = 100


def entity_of(key):
    return EntityId("vault", key)


def vault(context):
    """Money, and who is inside; a second one who comes in is refused, and so is an overdraft."""
    balance, inside = context.get_state(lambda: [BALANCE, None])
    given = context.get_input()
    if context.operation_name == "come":
        assert inside is None, f"{inside} and {given} are inside"
        inside = given
    elif context.operation_name == "go":
        assert inside == given, f"{given} goes and {inside} is inside"
        inside = None
    else:
        balance += given
        if balance < 0:
            raise ValueError("not enough")
    context.set_state([balance, inside])
    return balance


def visitor(context):
    """Visits each set of vaults in turn, and moves money around the ring of them."""
    refused = 0
    for keys, amount, is_slow in context.get_input():
        with (yield context.lock([entity_of(key) for key in keys])) as section:
            for entity in section.entities:
                yield context.call_entity(entity, "come", context.instance_id)
            for source, target in zip(
                section.entities, section.entities[1:] + section.entities[:1], strict=True
            ):
                try:
                    yield context.call_entity(source, "change", -amount)
                except ValueError:
                    refused += 1
                    continue
                if is_slow:
                    yield context.call_activity("pause")
                yield context.call_entity(target, "change", amount)
            for entity in section.entities:
                yield context.call_entity(entity, "go", context.instance_id)
    return refused


def code():
    registry = Registry()
    registry.add_entity(vault, "vault")
    registry.add_activity(Activity("pause", lambda: None))
    registry.add_orchestrator(visitor, "visitor")
    return registry


visits = st.tuples(
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=4), st.sampled_from((0, 1, 60)), st.booleans()
)
visitors = st.lists(st.lists(visits, min_size=1, max_size=3), min_size=2, max_size=10)
lives = st.lists(st.integers(0, 60), max_size=3)


def visited(store, all_visits, lives_):
    """The journal after all visitors have come and gone; the process dies after so many steps, and again."""
    clock = VirtualClock()
    engine = opened(store, clock)
    for number, visits_ in enumerate(all_visits):
        engine.ask(messages.Start(str(number), "visitor", codec.encode(visits_)))
    engine.committer.commit()
    for steps in lives_:
        for _ in range(steps):
            engine.step()
        with engine._lock:
            engine._state.instances.unload()
        engine = opened(store, clock)
    while engine.step() is not None:
        pass
    engine.committer.commit()
    assert engine.open_count == 0, "they wait for each other"
    assert not engine._state.entities._sections


def opened(store, clock):
    return Engine(store, clock, code(), Executors("inline"), EngineOptions())


def check(store, all_visits):
    """All have come to their end; nobody was inside with another, or came before who had asked before."""
    for number in range(len(all_visits)):
        last = store.load([str(number)])[str(number)][-1]
        assert isinstance(last, ev.ExecutionCompleted), last
    states = store.entity_states(None)
    used = {str(entity_of(key)) for visits_ in all_visits for keys, _, _ in visits_ for key in keys}
    assert states.keys() == used
    balances = [codec.decode(text) for text in states.values()]
    assert sum(balance for balance, _ in balances) == BALANCE * len(used)
    assert all(balance >= 0 and inside is None for balance, inside in balances)
    locks = defaultdict(list)
    for instance_id in used:
        for record in store.records(instance_id):
            if isinstance(record.event, (ev.LockEnqueued, ev.LockTaken, ev.LockReleased)):
                locks[instance_id, record.execution_id].append(record.event)
    for events in locks.values():
        asked = [event.event_id for event in events if isinstance(event, ev.LockEnqueued)]
        taken = [event.task_id for event in events if isinstance(event, ev.LockTaken)]
        assert taken == asked, "first come, first served"
        turns = [event for event in events if not isinstance(event, ev.LockEnqueued)]
        for take, release in zip(turns[::2], turns[1::2], strict=True):
            assert (type(take), type(release)) == (ev.LockTaken, ev.LockReleased)
            assert take.task_id == release.task_id


@settings(max_examples=25)
@given(visitors, lives)
def test_all_visitors_come_to_their_end_in_turn_and_alone(all_visits, lives_):
    store = MemoryStore()
    visited(store, all_visits, lives_)
    check(store, all_visits)


@settings(max_examples=4)
@given(visitors, lives)
def test_all_visitors_come_to_their_end_in_turn_and_alone_on_disk(tmp_path_factory, all_visits, lives_):
    store = DuckStore(tmp_path_factory.mktemp("vaults") / "hub.duckdb")
    try:
        visited(store, all_visits, lives_)
        check(store, all_visits)
    finally:
        store.close()


def test_many_who_want_the_same_are_served_in_the_order_in_which_they_came():
    store, count = MemoryStore(), 30
    visited(store, [[(KEYS, 1, True)]] * count, [])
    check(store, [[(KEYS, 1, True)]] * count)
    ends = [record.instance_id for record in store.journal if isinstance(record.event, ev.ExecutionCompleted)]
    assert ends == [str(number) for number in range(count)]
