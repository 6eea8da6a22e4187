"""`handle.fork`: an instance that shares another one's past up to an event, and goes on by itself."""

from datetime import timedelta

import pytest

import durablenb as df
from tests.changing.conftest import journal_of
from tests.notebook.reading import page_of, text_of


def kinds(handle):
    return [type(event).__name__ for event in handle.history()]


def event_of(handle, kind, number=0):
    """The id of an event of a kind."""
    return [event.event_id for event in handle.history() if type(event).__name__ == kind][number]


def reviewed(hub):
    """An orchestration that judges, improves while it isn't good, and publishes; all calls are noted."""
    calls = hub.calls = []

    def noted(name, function):
        def activity(value):
            calls.append(name)
            return function(value)

        hub.add_activity(activity, name)

    noted("judge", len)
    noted("improve", lambda text: f"{text}!")
    noted("publish", lambda text: f"{text} is out")

    @hub.orchestrator
    def review(context):
        text = context.get_input()
        while (yield context.call_activity("judge", text)) < 7:
            text = yield context.call_activity("improve", text)
        return (yield context.call_activity("publish", text))

    handle = hub.start(review, "draft", instance_id="origin")
    assert handle.result(20) == "draft!! is out"
    calls.clear()
    return handle


@pytest.fixture
def review(hub):
    return reviewed(hub)


@pytest.fixture
def any_review(any_hub):
    return reviewed(any_hub)


# -- the past that is shared ---------------------------------------------------------------------


def test_what_was_done_by_then_is_not_done_again_and_its_history_is_a_copy(any_hub, any_review):
    at = event_of(any_review, "TaskCompleted", 2)
    fork = any_review.fork(at=at, instance_id="fork")
    assert fork.result(20) == "draft!! is out"
    assert any_hub.calls == ["improve", "judge", "publish"]
    first, *rest = fork.history()[:at]
    begin, *past = any_review.history()[:at]
    assert rest == past
    assert (first.name, first.input, first.timestamp) == ("review", '"draft"', begin.timestamp)
    (origin,) = first.forked_from
    assert (origin.instance_id, origin.event_id) == ("origin", at)


def test_what_belongs_to_one_episode_is_shared_as_a_whole(hub):
    hub.add_activity(lambda n: n, name="work")

    @hub.orchestrator
    def several(context):
        yield context.task_all([context.call_activity("work", n) for n in range(3)])

    handle = hub.start(several)
    handle.result()
    forks = [handle.fork(at=at) for at in (2, 3, 4, 5)]
    assert [fork.status().forked_at for fork in forks] == [5] * 4


def test_without_a_place_all_is_shared_but_the_episode_in_which_it_ended(hub, review):
    fork = review.fork()
    assert fork.result(20) == "draft!! is out"
    assert hub.calls == []
    assert fork.status().forked_at == event_of(review, "OrchestratorStarted", -1) - 1


def test_a_failed_orchestration_can_be_tried_another_way(hub):
    def refuse(n):
        raise ValueError("declined")

    hub.add_activity(refuse, "charge")

    @hub.orchestrator
    def order(context):
        return (yield context.call_activity("charge", 1))

    handle = hub.start(order)
    handle.wait()
    assert handle.fork(results={"#0": "paid by hand"}).result() == "paid by hand"
    with pytest.raises(ValueError, match="declined"):
        handle.fork().result()


def test_what_failed_because_its_code_no_longer_fitted_goes_on_in_its_fork_when_that_is_mended(opened):
    def open_hub(function):
        hub = opened(on_nondeterminism="fail")
        hub.add_activity(lambda n: n, name="work")
        hub.add_orchestrator(function, "fragile")
        return hub

    def as_it_was(context):
        one = yield context.call_activity("work", 1)
        return one, (yield context.wait_for_external_event("Go"))

    with open_hub(as_it_was) as hub:
        handle = hub.start("fragile", instance_id="origin")
        hub.clock.advance()
        handle.raise_event("Go", 2)
    with open_hub(lambda context: (yield context.call_activity("work", 2))) as hub:
        handle = hub.handle("origin")
        with pytest.raises(df.NonDeterminismError):
            handle.result()
        hub.add_orchestrator(as_it_was, "fragile")
        fork = handle.fork()
        assert fork.status().forked_at == event_of(handle, "EventRaised")
        assert fork.result() == (1, 2)


def test_a_terminated_orchestration_goes_on_in_its_fork(waiting):
    waiting.terminate("a mistake")
    fork = waiting.fork()
    fork.raise_event("Go", 1)
    assert fork.result() == 1
    assert str(waiting.status().runtime_status) == "Terminated"


def test_nothing_of_an_origin_is_disturbed_whether_it_is_open_or_not(hub, review, waiting):
    before = list(review.history())
    review.fork(at=4).result(20)
    assert list(review.history()) == before
    fork = waiting.fork()
    waiting.raise_event("Go", "origin")
    assert waiting.result() == "origin"
    hub.clock.advance()
    assert str(fork.status().runtime_status) == "Running"
    fork.raise_event("Go", "fork")
    assert fork.result() == "fork"


def test_it_survives_a_restart(opened):
    def open_hub():
        hub = opened()
        hub.add_activity(lambda n: n + 1, name="work")

        @hub.orchestrator
        def work(context):
            one = yield context.call_activity("work", 1)
            yield context.wait_for_external_event("Go")
            ids = [context.instance_id, context.new_uuid()]
            return one, (yield context.call_activity("work", 10)), ids

        return hub

    with open_hub() as hub:
        handle = hub.start("work", instance_id="origin")
        hub.clock.advance()
        handle.fork(instance_id="fork", results={"#0": 5})
    with open_hub() as hub:
        fork = hub.handle("fork")
        fork.raise_event("Go")
        hub.clock.advance()
        one, ten, ids = fork.result()
        assert (one, ten, ids[0]) == (5, 11, "fork")
        assert hub.replay(fork).fits


# -- other results, another input ----------------------------------------------------------------


def test_a_result_is_replaced_by_its_event_by_its_request_or_by_its_task(hub, review):
    completed = event_of(review, "TaskCompleted")
    for key in (completed, event_of(review, "TaskScheduled"), "#0"):
        hub.calls.clear()
        fork = review.fork(results={key: 9})
        assert fork.result(20) == "draft is out"
        assert hub.calls == ["publish"]
        assert fork.status().forked_at == completed


def test_a_failure_is_replaced_for_a_result_and_a_result_for_a_failure(any_review):
    fork = any_review.fork(results={"#0": ValueError("illegible")})
    with pytest.raises(ValueError, match="illegible"):
        fork.result(20)
    assert type(fork.history()[3]).__name__ == "TaskFailed"
    again = fork.fork(results={4: 9})
    assert again.result(20) == "draft is out"


def test_what_is_open_gets_its_result_and_is_not_asked_for(hub, review):
    for number, result in ((0, "draft is out"), (2, "draft! is out")):
        hub.calls.clear()
        at = event_of(review, "TaskScheduled", number)
        fork = review.fork(at=at, results={f"#{number}": 9})
        assert fork.result(20) == result
        assert hub.calls == ["publish"]
        assert fork.status().forked_at == at


def test_an_event_that_was_raised_can_have_said_something_else(waiting):
    waiting.raise_event("Go", "no")
    assert waiting.result() == "no"
    raised = event_of(waiting, "EventRaised")
    assert waiting.fork(results={raised: "yes"}).result() == "yes"
    with pytest.raises(ValueError, match="can't be a failure"):
        waiting.fork(results={raised: ValueError()})


def test_another_input_begins_anew_unless_the_code_has_seen_it(review):
    assert review.fork(input="excellent").result(20) == "excellent is out"
    fork = review.fork(at=1, input=None, instance_id="none")
    assert fork.status().input_ is None
    assert fork.status().forked_at == 1
    with pytest.raises(ValueError, match=r"has seen its input.*at=1"):
        review.fork(at=4, input="other")


def test_a_change_that_the_shared_past_contradicts_is_refused_and_the_right_place_is_named(hub, review):
    at, place = event_of(review, "TaskCompleted", 2), event_of(review, "TaskCompleted")
    before = journal_of(hub)
    with pytest.raises(df.NonDeterminismError) as caught:
        review.fork(at=at, results={"#0": 9}, instance_id="fork")
    said = str(caught.value)
    assert f"Fork at event {place} or before" in said
    assert "recorded is TaskScheduled 'improve' #1, requested is TaskScheduled 'publish' #1" in said
    assert journal_of(hub) == before
    assert not hub.client.get_status("fork")
    assert review.fork(at=place, results={"#0": 9}).result(20) == "draft is out"


def test_an_input_in_the_past_that_would_be_another_one_is_named(hub):
    hub.add_activity(lambda n: n, name="work")

    @hub.orchestrator
    def chain(context):
        one = yield context.call_activity("work", 1)
        return (yield context.call_activity("work", one))

    handle = hub.start(chain)
    handle.result()
    with pytest.raises(df.NonDeterminismError, match=r"input: recorded '1', requested '2'"):
        handle.fork(at=7, results={4: 2})


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ({99: 1}, "There is no event 99"),
        ({"#99": 1}, "There is no task #99"),
        ({"first": 1}, "results has 'first'; expected the id of an event"),
        ({2: 1}, "Event 2, OrchestratorStarted, has no result"),
        ({True: 1}, "results has True"),
    ],
)
def test_results_of_what_has_none_are_refused(review, results, says):
    with pytest.raises(ValueError, match=says):
        review.fork(at=4, results=results)


def test_a_timer_has_no_result_to_replace(hub):
    @hub.orchestrator
    def patient(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.wait_for_external_event("Go")

    handle = hub.start(patient)
    hub.clock.run_until_idle()
    for key in ("#0", event_of(handle, "TimerCreated"), event_of(handle, "TimerFired")):
        with pytest.raises(ValueError, match="TimerCreated #0, has no result to replace"):
            handle.fork(results={key: 1})


# -- what is open at the cut ---------------------------------------------------------------------


def test_a_timer_that_was_cancelled_by_then_is_not_set_again(hub):
    @hub.orchestrator
    def hasty(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        timer.cancel()
        yield context.wait_for_external_event("Go")
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=2))

    handle = hub.start(hasty)
    hub.clock.run_until_idle()
    fork = handle.fork(at=event_of(handle, "TimerCanceled"))
    fork.raise_event("Go")
    hub.clock.run_until_idle()
    assert fork.status().runtime_status == "Completed"
    assert [event.task_id for event in fork.history() if type(event).__name__ == "TimerFired"] == [2]


def test_activities_timers_and_children_that_are_open_are_asked_for_again(hub):
    calls = []

    def work(n):
        calls.append(n)
        return n

    hub.add_activity(work)
    hub.add_orchestrator(lambda context: (yield context.call_activity("work", "child")), name="child")

    @hub.orchestrator
    def parent(context):
        own = context.call_activity("work", "own")
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        return (yield context.task_all([own, timer, context.call_sub_orchestrator("child")]))

    handle = hub.start(parent, instance_id="origin")
    assert handle.result() == ["own", None, "child"]
    fork = handle.fork(at=2, instance_id="fork")
    assert fork.result() == ["own", None, "child"]
    assert calls == ["own", "child"] * 2
    children = [status.instance_id for status in hub.instances(name="child")]
    assert len(set(children)) == 2
    assert {hub.handle(one).status().parent_instance_id for one in children} == {"origin", "fork"}
    assert hub.replay([handle, fork]).fits


def test_a_child_that_had_ended_is_not_started_again_and_keeps_its_id_in_the_past(hub):
    hub.add_orchestrator(lambda context: context.get_input(), name="child")

    @hub.orchestrator
    def parent(context):
        one = yield context.call_sub_orchestrator("child", 1)
        return one, (yield context.call_sub_orchestrator("child", 2))

    handle = hub.start(parent, instance_id="origin")
    handle.result()
    fork = handle.fork(at=event_of(handle, "SubOrchestrationInstanceCompleted"), instance_id="fork")
    assert fork.result() == (1, 2)
    parents = [status.parent_instance_id for status in hub.instances(name="child")]
    assert sorted(parents) == ["fork", "origin", "origin"]
    grand = fork.fork(instance_id="grand")
    assert grand.result() == (1, 2)
    assert hub.replay([fork, grand]).fits


def test_a_child_that_is_open_under_an_id_that_was_given_is_refused_with_what_to_do(hub):
    hub.add_orchestrator(lambda context: context.get_input(), name="child")

    @hub.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator("child", 1, instance_id="the child"))

    handle = hub.start(parent)
    handle.result()
    with pytest.raises(
        ValueError, match=r"The child 'the child' is at work.*Fork before event 3.*results=\{3:"
    ):
        handle.fork(at=3)
    assert handle.fork(at=3, results={3: "another"}).result() == "another"
    assert handle.fork().result() == 1


def test_what_was_raised_and_not_taken_yet_is_there_for_the_fork(hub):
    hub.add_activity(lambda: "worked", name="work")

    @hub.orchestrator
    def later(context):
        worked = yield context.call_activity("work")
        return worked, (yield context.wait_for_external_event("Early"))

    handle = hub.start(later)
    handle.raise_event("Early", "bird")
    assert handle.result() == ("worked", "bird")
    raised = event_of(handle, "EventRaised")
    assert handle.fork(at=raised).result() == ("worked", "bird")
    assert handle.fork(at=event_of(handle, "TaskCompleted")).result() == ("worked", "bird")


COUNTER = df.EntityId("Counter", "a")


@pytest.fixture
def counted(hub):
    @hub.entity
    class Counter:
        def __init__(self):
            self.value = 0

        def add(self, amount: int):
            self.value += amount
            return self.value

    return hub


def test_calls_of_entities_that_are_open_are_asked_again_and_signals_are_not(counted):
    @counted.orchestrator
    def counting(context):
        context.signal_entity(COUNTER, "add", 100)
        return (yield context.call_entity(COUNTER, "add", 1))

    handle = counted.start(counting)
    assert handle.result() == 101
    assert handle.fork(at=2).result() == 102
    assert handle.fork().result() == 101


def test_in_a_critical_section_nothing_can_be_forked(counted):
    @counted.orchestrator
    def careful(context):
        yield context.create_timer(context.current_utc_datetime)
        with (yield context.lock([COUNTER])):
            yield context.call_entity(COUNTER, "add", 1)
        return (yield context.call_entity(COUNTER, "add", 10))

    handle = counted.start(careful)
    assert handle.result() == 11
    asked, left = event_of(handle, "EntityLockRequested"), event_of(handle, "EntityUnlockSent")
    says = rf"in a critical section.*@counter@a.*Fork at event {asked - 2} or"
    for at in range(asked, left - 1):
        with pytest.raises(ValueError, match=says):
            handle.fork(at=at)
    assert handle.fork(at=asked - 2).result() == 22
    assert handle.fork(at=left).result() == 32


def test_a_fork_of_a_suspended_instance_is_suspended_too(hub, waiting):
    waiting.suspend()
    fork = waiting.fork()
    fork.raise_event("Go", 1)
    hub.clock.advance()
    assert str(fork.status().runtime_status) == "Suspended"
    fork.resume()
    assert fork.result() == 1


def test_a_fork_of_one_that_starts_later_starts_then(hub):
    hub.add_orchestrator(lambda context: context.current_utc_datetime.hour, name="later")
    handle = hub.start("later", start_at=hub.clock.now() + timedelta(hours=5))
    fork = handle.fork()
    hub.clock.advance(hours=4)
    assert str(fork.status().runtime_status) == "Pending"
    hub.clock.advance(hours=1)
    assert fork.result() == 5


def test_one_that_waits_for_more_code_waits_in_its_fork_too(hub):
    hub.add_activity(lambda n: n, name="work")

    @hub.orchestrator
    def growing(context):
        yield context.call_activity("work", 1)
        yield ...

    handle = hub.start(growing)
    hub.clock.advance()
    fork = handle.fork()
    with pytest.raises(df.WaitTimeoutError, match="waits for more code"):
        fork.result()

    @hub.orchestrator(name="growing")
    def grown(context):
        yield context.call_activity("work", 1)
        return (yield context.call_activity("work", 2))

    assert (handle.result(), fork.result()) == (2, 2)


# -- who it is -----------------------------------------------------------------------------------


def test_ids_are_the_origins_where_the_past_is_shared_and_its_own_from_there(hub):
    hub.add_activity(lambda values: values, name="keep")

    @hub.orchestrator
    def identities(context):
        seen = []
        for _ in range(2):
            who = [
                context.instance_id,
                context.parent_instance_id,
                context.new_uuid(),
                str(context.new_guid()),
            ]
            seen.append((yield context.call_activity("keep", who)))
        return seen

    @hub.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator("identities", instance_id="origin"))

    hub.run(parent, instance_id="parent")
    handle = hub.handle("origin")
    first, second = handle.result()
    assert first[:2] == second[:2] == ["origin", "parent"]
    fork = handle.fork(at=4, instance_id="fork")
    shared, own = fork.result()
    assert shared == first
    assert own[:2] == ["fork", None]
    assert {*own[2:]}.isdisjoint(second[2:])
    grand = fork.fork(instance_id="grand")
    assert grand.result() == [shared, own]
    assert hub.replay([fork, grand]).fits


def test_a_fork_of_a_child_answers_nobody(hub, waiting):
    @hub.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator("waiting", instance_id="child"))

    handle = hub.start(parent)
    hub.clock.advance()
    fork = hub.handle("child").fork()
    fork.raise_event("Go", "fork")
    assert fork.result() == "fork"
    assert fork.status().parent_instance_id is None
    hub.handle("child").raise_event("Go", "child")
    assert handle.result() == "child"


def test_tags_and_version_are_kept(hub):
    @hub.orchestrator(version="7")
    def tagged(context):
        return context.version
        yield

    handle = hub.start(tagged, tags={"team": "a"})
    handle.result()
    fork = handle.fork(at=1)
    assert fork.result() == "7"
    assert fork.status().tags == {"team": "a"}


def test_of_an_eternal_orchestration_the_current_round_is_forked_and_later_rounds_tell_it_too(hub):
    @hub.orchestrator
    def eternal(context):
        seen = context.instance_id
        amount = yield context.wait_for_external_event("Add")
        if amount is None:
            return context.get_input(), seen
        context.continue_as_new(context.get_input() + amount)

    handle = hub.start(eternal, 1)
    hub.clock.advance()
    handle.raise_event("Add", 10)
    hub.clock.advance()
    fork = handle.fork(instance_id="fork")
    assert fork.status().created_time is not None
    for amount in (100, None):
        fork.raise_event("Add", amount)
        hub.clock.advance()
    assert fork.result() == (111, "fork")
    assert (fork.status().forked_from, len(hub.instances())) == (handle.id, 2)
    assert hub.sql("select created_time is not null from instances").fetchall() == [(True,), (True,)]


def test_a_rewound_origin_is_forked_since_its_rewind_by_the_ids_that_its_history_shows(hub):
    broken = [True]
    hub.add_activity(lambda: 1 / 0 if broken else "fine", name="work")

    @hub.orchestrator
    def fragile(context):
        one = yield context.call_activity("work")
        yield context.call_activity("keep", one)
        return one, (yield context.wait_for_external_event("Go"))

    hub.add_activity(lambda value: value, name="keep")
    handle = hub.start(fragile)
    handle.wait()
    broken.clear()
    handle.rewind()
    hub.clock.advance()
    at = event_of(handle, "TaskCompleted")
    with pytest.raises(df.NonDeterminismError, match=f"Fork at event {at} or before"):
        handle.fork(at=event_of(handle, "EventSubscribed"), results={at: "better"})
    assert at > 4
    fork = handle.fork(results={at: "better"})
    fork.raise_event("Go", 1)
    assert fork.result() == ("better", 1)
    assert [event.event_id for event in fork.history()] == list(range(1, len(fork.history()) + 1))
    assert fork.status().forked_at == at


def test_a_fork_can_be_rewound(hub):
    broken = [True]
    hub.add_activity(lambda text: text, name="keep")
    hub.add_activity(lambda: 1 / 0 if broken else "fine", name="work")

    @hub.orchestrator
    def fragile(context):
        first = yield context.call_activity("keep", context.instance_id)
        return first, (yield context.call_activity("work")), context.instance_id

    handle = hub.start(fragile, instance_id="origin")
    handle.wait()
    fork = handle.fork(at=4, instance_id="fork")
    fork.wait()
    broken.clear()
    fork.rewind()
    assert fork.result() == ("origin", "fine", "fork")
    assert hub.replay(fork).fits


def test_a_rewind_does_not_touch_a_child_of_the_past_that_is_shared(hub):
    broken = [True]
    hub.add_activity(lambda: 1 / 0 if broken else "fine", name="work")
    hub.add_orchestrator(lambda context: (yield context.call_activity("work")), name="child")

    @hub.orchestrator
    def parent(context):
        try:
            return (yield context.call_sub_orchestrator("child"))
        except ZeroDivisionError:
            yield context.create_timer(context.current_utc_datetime)
            raise

    handle = hub.start(parent)
    handle.wait()
    (child,) = hub.instances(name="child")
    before = list(hub.handle(child.instance_id).history())
    fork = handle.fork(at=event_of(handle, "TimerFired"))
    fork.wait()
    broken.clear()
    fork.rewind()
    with pytest.raises(df.InstanceExistsError, match="belongs to the instance that this one was forked from"):
        fork.result()
    assert list(hub.handle(child.instance_id).history()) == before
    handle.rewind()
    assert handle.result() == "fine"


# -- what can't be -------------------------------------------------------------------------------


def test_what_can_not_be_is_refused(hub):
    hub.add_activity(lambda n: n, name="work")

    @hub.orchestrator
    def work(context):
        yield context.call_activity("work", 1)
        yield context.wait_for_external_event("Go")

    handle = hub.start(work, instance_id="origin")
    hub.clock.advance()
    with pytest.raises(
        ValueError, match="There is no event 99 in the current execution: it has the events 1 to 6"
    ):
        handle.fork(at=99)
    with pytest.raises(ValueError, match="needs an id of its own"):
        handle.fork(instance_id="origin")
    handle.fork(instance_id="fork")
    with pytest.raises(df.InstanceExistsError, match="'fork' is open"):
        handle.fork(instance_id="fork")
    with pytest.raises(ValueError, match="control characters"):
        handle.fork(instance_id="a/b")
    handle.raise_event("Go")
    handle.result()
    with pytest.raises(ValueError, match=r"nothing would be left to do. Fork at event 7 or before"):
        handle.fork(at=9)
    handle.purge()
    with pytest.raises(df.InstanceNotFoundError):
        handle.fork()


def test_without_its_code_nothing_is_forked_and_missing_activities_are_waited_for(opened):
    def work(context):
        return (yield context.call_activity("work", 1))

    with opened() as hub:
        hub.add_activity(lambda n: n, name="work")
        hub.run(hub.orchestrator(work), instance_id="origin")
    with opened() as hub:
        handle = hub.handle("origin")
        with pytest.raises(df.FunctionNotFoundError, match="'work' isn't registered"):
            handle.fork(at=3)
        hub.add_orchestrator(work)
        fork = handle.fork(at=3)
        with pytest.raises(df.FunctionNotFoundError, match="waits for 'work'"):
            fork.result()
        hub.add_activity(lambda n: n + 1, name="work")
        assert fork.result() == 2


def test_changed_code_that_does_not_fit_the_past_is_refused(hub):
    hub.add_activity(lambda n: n, name="work")
    hub.add_orchestrator(lambda context: (yield context.call_activity("work", 1)), name="work")
    handle = hub.start("work")
    handle.result()
    hub.add_orchestrator(lambda context: (yield context.call_activity("work", 2)), name="work")
    with pytest.raises(df.NonDeterminismError, match="Fork at event 1 or before"):
        handle.fork(at=4)
    assert handle.fork(at=1).result() == 2


# -- how it shows --------------------------------------------------------------------------------


def test_both_say_so_and_queries_find_them(hub, review):
    fork = review.fork(at=4, instance_id="fork")
    fork.result(20)
    assert repr(fork) == "<review fork: Completed, forked from origin>"
    assert (fork.status().forked_from, fork.status().forked_at) == ("origin", 4)
    assert (review.status().forked_from, review.status().forked_at) == (None, None)
    query = "select instance_id, forked_from, forked_at from instances order by instance_id"
    assert hub.sql(query).fetchall() == [("fork", "origin", 4), ("origin", None, None)]
    assert "forked from origin at event 4" in page_of(fork).text
    assert "forked from origin at event 4" in text_of(fork)
    assert "forked as fork" in page_of(review).text
    assert "forked as fork" in text_of(review)
    assert "origin, at event 4" in page_of(fork.status()).text
    for _ in range(4):
        review.fork(at=4)
    assert "and 2 more" in text_of(review)


def test_a_file_that_is_only_read_says_so_too(opened, tmp_path):
    with opened() as hub:
        hub.add_activity(lambda n: n, name="work")
        hub.add_orchestrator(lambda context: (yield context.call_activity("work", 1)), name="work")
        handle = hub.start("work", instance_id="origin")
        handle.result()
        handle.fork(at=4, instance_id="fork").result()
    with df.open_history(tmp_path / "hub.duckdb") as file:
        assert file.handle("fork").status().forked_from == "origin"
        assert "forked as fork" in text_of(file.handle("origin"))
