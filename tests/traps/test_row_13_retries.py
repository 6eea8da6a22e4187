"""Row 13: retries, to the count and to the second."""

import json
from datetime import timedelta

import pytest

import durablenb as df
from tests.traps.corpus import after
from tests.traps.lab import counted


class Flaky:
    """An activity that fails a number of times, and notes when it was called."""

    def __init__(self, lab, failures, error=ValueError):
        self.lab, self.failures, self.error = lab, failures, error
        self.calls: list[float] = []
        self.began = lab.clock.now()

    def __call__(self, value):
        self.calls.append((self.lab.clock.now() - self.began) / timedelta(seconds=1))
        if len(self.calls) <= self.failures:
            raise self.error(f"call {len(self.calls)}")
        return value


def retrying(options):
    def orchestrator(context):
        return (yield context.call_activity_with_retry("flaky", options, "value"))

    return orchestrator


def run_flaky(lab, failures, options, error=ValueError):
    flaky = Flaky(lab, failures, error)
    lab.activity(flaky, "flaky")
    lab.orchestrator(retrying(options), "retrying")
    handle = lab.start("retrying")
    return flaky, handle


def times_of_failures(lab, *numbers, **options):
    """The seconds at which an activity is called that never succeeds."""
    flaky, handle = run_flaky(lab, 99, df.RetryOptions(*numbers, **options))
    assert handle.wait(10).runtime_status == "Failed"
    return flaky.calls


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_row_13_it_is_called_until_it_succeeds(lab, failures):
    flaky, handle = run_flaky(lab, failures, df.RetryOptions(5_000, 3))
    assert handle.result(10) == "value"
    assert flaky.calls == [0, 5, 10][: failures + 1]


@pytest.mark.parametrize("attempts", [0, 1, 2, 5])
def test_row_13_the_attempts_are_exactly_as_many_as_asked_for_and_at_least_one(lab, attempts):
    flaky, handle = run_flaky(lab, 99, df.RetryOptions(1_000, attempts))
    made = max(attempts, 1)
    with pytest.raises(ValueError, match=f"call {made}"):
        handle.result(10)
    assert len(flaky.calls) == counted(handle.history(), "TaskScheduled") == made
    assert counted(handle.history(), "TimerCreated") == made - 1  # and none after the last failure


def test_row_13_waits_grow_by_the_coefficient_up_to_the_cap(lab):
    """Without a cap, no wait is longer than six days."""
    capped = {"backoff_coefficient": 2.0, "max_retry_interval_in_milliseconds": 10_000}
    assert times_of_failures(lab, 1_000, 7, **capped) == [0, 1, 3, 7, 15, 25, 35]
    days = [seconds / 86_400 for seconds in times_of_failures(lab, 86_400_000, 6, backoff_coefficient=10.0)]
    assert days == [0, 1, 7, 13, 19, 25]


def test_row_13_a_coefficient_beyond_all_bounds_gives_the_cap():
    options = df.RetryOptions(1, 10**9, backoff_coefficient=1e300)
    assert options.delay(100) == timedelta(days=6)


@pytest.mark.parametrize(("limit", "calls"), [(35_000, [0, 10, 20, 30, 40]), (30_000, [0, 10, 20, 30])])
def test_row_13_a_failure_at_the_time_limit_or_after_it_is_the_last(lab, limit, calls):
    """With 35 s the failure at 30 s is before the limit, so there is one more attempt."""
    assert times_of_failures(lab, 10_000, 100, retry_timeout_in_milliseconds=limit) == calls


def test_row_13_the_time_limit_goes_by_the_orchestrations_clock_in_a_late_replay_too(disk):
    """By the wall clock a replay a year later would give up where the first time went on."""
    options = df.RetryOptions(10_000, 3, retry_timeout_in_milliseconds=60_000)
    run_flaky(disk, 2, options)

    def waits(context):
        value = yield context.call_activity_with_retry("flaky", options, "value")
        yield context.wait_for_external_event("go")
        return value

    handle = disk.start(waits, instance_id="late")
    disk.advance(seconds=10)
    disk.advance(seconds=10)
    disk.restart()
    disk.clock.advance(days=365)
    handle = disk.hub.handle("late")
    handle.raise_event("go")
    assert handle.result() == "value"


class CardExpired(df.NonRetriableError):
    """Fails whichever attempt it is."""


@pytest.mark.parametrize("error", [df.NonRetriableError, CardExpired])
def test_row_13_a_failure_that_is_not_retriable_is_the_last(disk, error):
    asked = []
    options = df.RetryOptions(1_000, 9, handle=lambda failure: not asked.append(failure))
    flaky, handle = run_flaky(disk, 99, options, error)
    for _ in range(2):
        with pytest.raises(error, match="call 1"):
            handle.result()
        ((failure,),) = disk.hub.sql("SELECT failure FROM activities").fetchall()
        assert json.loads(failure)["IsNonRetriable"] is True
        handle = disk.restart(handle.id)
    assert (len(flaky.calls), asked) == (1, [])


def test_row_13_a_child_that_lets_it_pass_is_not_retried_either(lab):
    flaky = Flaky(lab, 99, CardExpired)
    lab.activity(flaky, "flaky")
    lab.orchestrator(retrying(df.RetryOptions(1_000, 3)), "child")

    def parent(context):
        try:
            yield context.call_sub_orchestrator_with_retry("child", df.RetryOptions(1_000, 3))
        except CardExpired as error:
            return error.details.is_non_retriable, error.details.is_caused_by(df.NonRetriableError)

    assert lab.run(parent) == (True, True)
    assert len(flaky.calls) == 1


def test_row_13_a_handler_is_asked_once_for_each_failure_and_its_no_ends_it(unverified):
    seen = []

    def handler(failure):
        seen.append((failure.error_type, failure.message))
        return failure.message != "call 2"

    flaky, handle = run_flaky(unverified, 99, df.RetryOptions(1_000, 9, handle=handler))
    with pytest.raises(ValueError, match="call 2"):
        handle.result()
    assert seen == [("builtins.ValueError", "call 1"), ("builtins.ValueError", "call 2")]
    assert len(flaky.calls) == 2


def test_row_13_a_handler_is_asked_once_for_each_failure_in_a_replay(unverified):
    seen = []
    options = df.RetryOptions(1_000, 4, handle=lambda failure: not seen.append(failure.message))
    flaky = Flaky(unverified, 2)
    unverified.activity(flaky, "flaky")

    def retries(context):
        yield context.call_activity_with_retry("flaky", options, "value")
        yield context.wait_for_external_event("go")

    unverified.start(retries, instance_id="r")
    unverified.advance(seconds=1)
    unverified.advance(seconds=1)
    assert seen == ["call 1", "call 2"]
    handle = unverified.restart("r")
    handle.raise_event("go")
    handle.result()
    assert seen == ["call 1", "call 2"] * 2
    assert len(flaky.calls) == 3


def test_row_13_a_handler_goes_by_the_reason_or_by_the_class_of_the_error(lab):
    class Temporary(Exception):
        pass

    class Permanent(Exception):
        pass

    def is_temporary(failure):
        return failure.error_type.endswith("Temporary")

    def is_known(failure):
        return not failure.is_caused_by(LookupError)

    flaky, handle = run_flaky(lab, 2, df.RetryOptions(1_000, 5, handle=is_temporary), Temporary)
    assert handle.result(10) == "value"
    for handler, error in ((is_temporary, Permanent), (is_known, KeyError)):
        flaky, handle = run_flaky(lab, 2, df.RetryOptions(1_000, 5, handle=handler), error)
        with pytest.raises(df.TaskFailedError, match="call 1"):
            handle.result(10)
        assert len(flaky.calls) == 1


def test_row_13_a_handler_that_raises_fails_the_call_with_its_own_error(lab):
    def handler(failure):
        raise LookupError("handler's fault")

    _, handle = run_flaky(lab, 99, df.RetryOptions(1_000, 5, handle=handler))
    with pytest.raises(LookupError, match="handler's fault"):
        handle.result(10)


def test_row_13_a_retry_a_year_away_happens_after_a_year(lab):
    year = 365 * 86_400_000
    calls = times_of_failures(lab, year, 2, max_retry_interval_in_milliseconds=year)
    assert calls == [0, 365 * 86_400]


def test_row_13_each_attempt_is_a_task_of_its_own_that_names_the_first(lab):
    _, handle = run_flaky(lab, 2, df.RetryOptions(1_000, 3))
    handle.result(10)
    asked = [event for event in handle.history() if type(event).__name__ == "TaskScheduled"]
    timers = [event for event in handle.history() if type(event).__name__ == "TimerCreated"]
    assert [(e.task_id, e.attempt, e.retry_of) for e in asked] == [(0, 1, None), (2, 2, 0), (4, 3, 0)]
    assert [(e.task_id, e.retry_of) for e in timers] == [(1, 0), (3, 0)]


@pytest.mark.parametrize("instance_id", [None, "kid"])
def test_row_13_a_child_is_run_again_under_the_same_id_if_it_has_one(lab, instance_id):
    calls = []

    @lab.activity
    def note(child_id):
        calls.append(child_id)
        return len(calls)

    @lab.orchestrator
    def child(context):
        count = yield context.call_activity(note, context.instance_id)
        if count < 3:
            raise ValueError(f"try {count}")
        return count

    def parent(context):
        return (
            yield context.call_sub_orchestrator_with_retry(
                child, df.RetryOptions(1_000, 3), None, instance_id
            )
        )

    handle = lab.start(parent)
    assert handle.result(10) == 3
    assert len(set(calls)) == (1 if instance_id else 3)
    if instance_id:
        assert set(calls) == {"kid"}
        assert lab.client.get_status("kid").output == 3


def test_row_13_retries_in_a_fan_out_go_on_side_by_side(lab):
    flaky = {name: Flaky(lab, failures) for name, failures in (("a", 2), ("b", 0), ("c", 1))}
    for name, activity in flaky.items():
        lab.activity(activity, name)

    def fan_out(context):
        options = df.RetryOptions(1_000, 3)
        tasks = [context.call_activity_with_retry(name, options, name) for name in flaky]
        return (yield context.task_all(tasks))

    assert lab.run(fan_out) == ["a", "b", "c"]
    assert [activity.calls for activity in flaky.values()] == [[0, 1, 2], [0], [0, 1]]


def test_row_13_the_wait_goes_on_after_a_restart_and_no_attempt_is_made_twice(disk):
    flaky, handle = run_flaky(disk, 2, df.RetryOptions(60_000, 3))
    disk.settle()
    for _ in range(2):
        handle = disk.restart(handle.id)
        disk.advance(seconds=60)
    assert handle.result() == "value"
    assert flaky.calls == [0, 60, 120]


def test_row_13_a_retried_call_is_one_task_to_wait_for_with_others(lab):
    flaky = Flaky(lab, 1)
    lab.activity(flaky, "flaky")

    def races(context):
        call = context.call_activity_with_retry("flaky", df.RetryOptions(60_000, 2), "value")
        timer = after(context, seconds=30)
        winner = yield context.task_any([call, timer])
        return [winner is timer, call.is_completed, (yield call)]

    assert lab.run(races) == [True, False, "value"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 3), "first_retry_interval_in_milliseconds is 0"),
        ((-1, 3), "first_retry_interval_in_milliseconds is -1"),
        ((1, -1), "max_number_of_attempts is -1"),
        ((1, True), "max_number_of_attempts is True"),
        (("1", 3), "first_retry_interval_in_milliseconds is '1'"),
        ((1, 3, 0.5), "backoff_coefficient is 0.5"),
        ((1, 3, 1.0, 0), "max_retry_interval_in_milliseconds is 0"),
        ((1, 3, 1.0, 1, -5), "retry_timeout_in_milliseconds is -5"),
    ],
)
def test_row_13_numbers_out_of_range_are_refused_with_their_name(arguments, text):
    with pytest.raises(ValueError, match=text):
        df.RetryOptions(*arguments)


def test_row_13_something_else_than_retry_options_is_refused(lab):
    def mistaken(context):
        yield context.call_activity_with_retry("flaky", 3, "value")

    with pytest.raises(TypeError, match=r"retry_options is a int; expected RetryOptions"):
        lab.run(mistaken)
