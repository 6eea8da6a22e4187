"""Which call begins next, and when: a queue with a clock that is passed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from durablenb.engine.call_queue import CallQueue, Place

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def at(seconds: float) -> datetime:
    return NOON + seconds * SECOND


@dataclass(eq=False)
class Call:
    instance_id: str = "a"
    priority: int = 0
    number: int = 0
    is_wanted: bool = True
    requested: int = 0
    place: Place | None = field(default=None, repr=False)


def queue_of(*calls: Call, concurrency=None, rate=None) -> CallQueue[Call]:
    queue: CallQueue[Call] = CallQueue(concurrency, rate)
    for call in calls:
        queue.add(call)
    return queue


def taken(queue: CallQueue[Call], now: float = 0, *, begins: bool = True) -> list[Call]:
    """All calls that may begin now, and that begin at once."""
    calls = []
    while (one := queue.take(at(now))) is not None:
        call, call.place = one
        if begins:
            call.place.begin(at(now))
        calls.append(call)
    return calls


def numbered(count: int, instance_id: str = "a", priority: int = 0) -> list[Call]:
    return [Call(instance_id, priority, number) for number in range(count)]


def test_no_more_calls_run_than_there_are_places():
    queue = queue_of(*numbered(5), concurrency=2)
    first, second = taken(queue)
    assert (first.number, second.number, queue.running, len(queue)) == (0, 1, 2, 3)
    assert taken(queue) == []
    assert queue.next_free(at(0)) is None, "another call has to end first"
    second.place.release()
    assert [call.number for call in taken(queue)] == [2]


def test_no_more_calls_begin_in_a_period_than_the_rate_allows():
    queue = queue_of(*numbered(7), rate=(3, 10 * SECOND))
    assert len(taken(queue, 0)) == 3
    assert queue.next_free(at(4)) == at(10)
    assert taken(queue, 9.999) == []
    assert len(taken(queue, 10)) == 3
    assert len(taken(queue, 100)) == 1
    assert queue.next_free(at(100)) is None, "nothing waits"


def test_a_call_that_an_executor_holds_back_counts_until_it_begins():
    queue = queue_of(*numbered(4), rate=(2, 10 * SECOND))
    early, late = taken(queue, 0, begins=False)
    early.place.begin(at(0))
    assert queue.next_free(at(1)) == at(10)
    assert [call.number for call in taken(queue, 10)] == [2]
    assert queue.next_free(at(15)) == at(20)
    late.place.begin(at(18))
    assert [call.number for call in taken(queue, 20)] == [3], "10 and 18 lie in one period, and 20 doesn't"


def test_a_call_that_never_begins_uses_nothing_up():
    queue = queue_of(*numbered(2), concurrency=1, rate=(1, 10 * SECOND))
    (call,) = taken(queue, begins=False)
    call.place.release()
    assert [call.number for call in taken(queue)] == [1]


def test_a_call_that_begins_twice_counts_twice():
    queue = queue_of(*numbered(4), rate=(2, 10 * SECOND))
    call, _ = taken(queue, 0)
    call.place.begin(at(5))
    assert len(taken(queue, 10)) == 1
    assert queue.next_free(at(10)) == at(15)


def test_calls_with_a_higher_priority_begin_first():
    queue = queue_of(Call(priority=0), Call(priority=5), Call(priority=-1), Call(priority=5), concurrency=9)
    assert [call.priority for call in taken(queue)] == [5, 5, 0, -1]


def test_instances_take_turns():
    many, few = numbered(10_000, "many"), numbered(3, "few")
    queue = queue_of(*many, *few, concurrency=6)
    assert [(call.instance_id, call.number) for call in taken(queue)] == [
        ("many", 0),
        ("few", 0),
        ("many", 1),
        ("few", 1),
        ("many", 2),
        ("few", 2),
    ]


def test_calls_that_are_not_wanted_any_more_take_no_place_and_wake_nobody():
    gone = [Call("gone", is_wanted=False) for _ in range(3)]
    queue = queue_of(*gone, rate=(1, SECOND))
    assert queue.next_free(at(0)) is None
    assert (len(queue), taken(queue)) == (0, [])


def test_other_limits_hold_at_once():
    queue = queue_of(*numbered(9), concurrency=1, rate=(2, 10 * SECOND))
    assert len(taken(queue)) == 1
    queue.change(3, (2, 10 * SECOND))
    assert len(taken(queue)) == 1
    queue.change(3, (1, 60 * SECOND))
    assert queue.next_free(at(30)) == at(60)
    queue.change(3, None)
    assert len(taken(queue, 30)) == 1


def test_starts_from_before_count():
    queue = queue_of(*numbered(3), rate=(2, 10 * SECOND))
    queue.recall([(at(-20), at(-20)), (at(-3), at(-3))])
    assert len(taken(queue)) == 1
    assert queue.next_free(at(0)) == at(7)


def test_places_that_are_given_at_one_moment_have_times_of_their_own():
    queue = queue_of(rate=(9, 10 * SECOND))
    queue.recall([(at(5), at(6))])
    granted = [queue.admit(at(5)).granted_at for _ in range(3)]
    assert len({at(5), *granted}) == 4
    assert max(granted) < at(5.001)


def test_a_clock_that_was_set_back_stops_nothing_for_longer_than_a_period():
    queue = queue_of(*numbered(3), rate=(1, 10 * SECOND))
    assert len(taken(queue, 1_000_000)) == 1
    assert queue.next_free(at(0)) == at(10)
    assert len(taken(queue, 10)) == 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("request"), st.sampled_from("abc"), st.integers(-1, 1)),
        st.tuples(st.just("request"), st.just("a"), st.integers(0, 0)),
        st.tuples(st.just("end"), st.integers(0, 9), st.none()),
        st.tuples(st.just("pass"), st.integers(1, 12), st.none()),
        st.tuples(st.just("drop"), st.integers(0, 9), st.none()),
        st.tuples(st.just("begin"), st.integers(0, 9), st.none()),
    ),
    max_size=120,
)


@given(
    steps,
    st.integers(1, 4) | st.none(),
    st.tuples(st.integers(1, 4), st.integers(1, 20)) | st.none(),
    st.booleans(),
)
def test_a_queue_does_what_a_simple_model_does(steps, concurrency, rate, is_late):
    """The model looks at all calls each time, and knows nothing of heaps, turns and windows."""
    limit = None if rate is None else (rate[0], rate[1] * SECOND)
    queue: CallQueue[Call] = CallQueue(concurrency, limit)
    waiting: list[Call] = []
    running: list[Call] = []
    unbegun: list[Call] = []
    starts: list[float] = []
    served: dict[str, int] = {}
    now = turn = 0

    def may_begin() -> bool:
        recent = [start for start in starts if start > now - rate[1]] if rate else []
        has_place = concurrency is None or len(running) < concurrency
        return has_place and (rate is None or len(recent) + len(unbegun) < rate[0])

    for step, which, priority in steps:
        turn += 1
        if step == "request":
            call = Call(which, priority, turn, requested=turn)
            if not any((one.instance_id, one.priority) == (which, priority) for one in waiting):
                served[which, priority] = turn  # it comes behind the others
            waiting.append(call)
            queue.add(call)
        elif step == "end" and running:
            call = running.pop(which % len(running))
            call.place.release()
            if call in unbegun:
                unbegun.remove(call)
        elif step == "begin" and unbegun:
            call = unbegun.pop(which % len(unbegun))
            call.place.begin(at(now))
            starts.append(now)
        elif step == "pass":
            now += which
        elif step == "drop" and waiting:
            call = waiting.pop(which % len(waiting))
            call.is_wanted = False
            queue.remove(lambda one: not one.is_wanted)
        while (one := queue.take(at(now))) is not None:
            call, call.place = one
            assert may_begin(), "there are limits"
            turn += 1
            best = max(other.priority for other in waiting)
            assert call.priority == best, "priorities are respected"
            equals = [other for other in waiting if other.priority == best]
            assert served[call.instance_id, best] == min(
                served[other.instance_id, best] for other in equals
            ), "instances take turns"
            own = [other for other in equals if other.instance_id == call.instance_id]
            assert call is own[0], "calls of an instance begin in their order"
            served[call.instance_id, best] = turn
            waiting.remove(call)
            running.append(call)
            if is_late and rate:
                unbegun.append(call)
            else:
                call.place.begin(at(now))
                starts.append(now)
        assert not (waiting and may_begin()), "no call waits that may begin"
        assert (len(queue), queue.running) == (len(waiting), len(running))
        free = queue.next_free(at(now))
        if waiting and rate and (concurrency is None or len(running) < concurrency):
            assert free is not None
            assert free > at(now)
            if not unbegun:
                recent = sorted(start for start in starts if start > now - rate[1])
                assert free == at(recent[-rate[0]] + rate[1])
        else:
            assert free is None
    if rate:
        for start in starts:
            inside = [other for other in starts if start <= other < start + rate[1]]
            assert len(inside) <= rate[0], "never more in any period"
