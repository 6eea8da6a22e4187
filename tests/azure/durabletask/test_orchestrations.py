"""An orchestrator's code may rely on the same things on a durabletask worker as in a hub."""

import http.server
import threading
import uuid
from datetime import timedelta

import pytest
from durabletask.client import OrchestrationStatus

import durablenb as df
from tests.azure.conftest import PATIENCE


def first_of(hub):
    """Register orchestrators in both styles under the names `plain` and `coroutine`."""

    @hub.activity
    def square(number):
        return number * number

    @hub.orchestrator
    def plain(context):
        squares = yield context.task_all([context.call_activity(square, n) for n in range(3)])
        return [*squares, (yield context.call_sub_orchestrator("coroutine", 7))]

    @hub.orchestrator
    async def coroutine(context):
        return await context.call_activity("SQUARE", context.get_input())


def test_generators_and_coroutines_call_each_other(bridge):
    first_of(bridge.hub)
    bridge.serve()
    assert bridge.run("plain") == [0, 1, 4, 49]


def test_two_workers_share_the_instances(bridge):
    first_of(bridge.hub)
    bridge.serve(workers=2)
    instances = [bridge.start("plain") for _ in range(10)]
    assert [bridge.result(instance_id) for instance_id in instances] == [[0, 1, 4, 49]] * 10


def test_a_fan_out_of_many_calls(bridge):
    @bridge.hub.activity
    async def number(value):
        return value

    @bridge.hub.orchestrator
    def fan(context):
        return sum((yield context.task_all([context.call_activity(number, n) for n in range(300)])))

    bridge.serve()
    assert bridge.run("fan") == sum(range(300))


def test_retries_end_with_a_success(bridge):
    tries = []

    @bridge.hub.activity
    def unsteady(_):
        tries.append(len(tries))
        if len(tries) < 3:
            raise ConnectionError("not yet")
        return len(tries)

    @bridge.hub.orchestrator
    def persist(context):
        return (yield context.call_activity_with_retry(unsteady, df.RetryOptions(1_000, 3)))

    bridge.serve()
    assert bridge.run("persist") == 3


def test_a_failure_that_is_not_retriable_ends_the_retries(bridge):
    @bridge.hub.activity
    def expired(_):
        tries.append(1)
        raise df.NonRetriableError("expired")

    @bridge.hub.orchestrator
    def pay(context):
        try:
            yield context.call_activity_with_retry(expired, df.RetryOptions(1_000, 3))
        except df.NonRetriableError as error:
            return error.details.message

    tries = []
    bridge.serve()
    assert bridge.run("pay") == "expired"
    assert len(tries) == 1


def test_retries_ask_the_handler_and_end_with_the_last_failure(bridge):
    @bridge.hub.activity
    def broken(_):
        tries.append(1)
        raise ValueError("for good")

    @bridge.hub.orchestrator
    def child(context):
        handle = lambda failure: failure.error_type != "builtins.ValueError"  # noqa: E731
        yield context.call_activity_with_retry(broken, df.RetryOptions(1_000, 5, handle=handle))

    @bridge.hub.orchestrator
    def parent(context):
        try:
            yield context.call_sub_orchestrator_with_retry(child, df.RetryOptions(1_000, 2))
        except df.TaskFailedError as error:  # the in-memory backend drops the type of a child's failure
            return error.details.message.split(" \n")[0]

    tries = []
    bridge.serve()
    assert bridge.run("parent") == "Activity function 'broken' failed: for good"
    assert len(tries) == 2  # once for each of the two children


def test_a_call_knows_itself_and_keeps_its_key_over_retries(bridge):
    @bridge.hub.activity
    def pays(amount, activity: df.ActivityContext):
        assert activity is df.current_activity()
        activity.progress(1, 2)
        activity.checkpoint(amount)
        calls.append((activity.instance_id, activity.name, activity.attempt, activity.key))
        if activity.attempt < 2:
            raise ConnectionError
        return activity.key

    @bridge.hub.activity
    async def looks(_):
        return [df.current_activity().name, df.current_activity().attempt]

    @bridge.hub.orchestrator
    def asks(context):
        options = df.RetryOptions(1_000, 3)
        keys = [*context.get_input(), (yield context.call_activity_with_retry(pays, options, 5))]
        if len(keys) == 1:
            context.continue_as_new(keys)
            return
        return [*keys, (yield context.call_activity(looks))]

    calls = []
    bridge.serve()
    instance_id = bridge.start("asks", [])
    first, second, looked = bridge.result(instance_id)
    assert first != second
    assert calls == [(instance_id, "pays", attempt, key) for key in (first, second) for attempt in (1, 2)]
    assert looked == ["looks", 1]


def test_an_activity_of_a_foreign_orchestrator_has_no_key(bridge):
    """durabletask doesn't say in which execution it was called."""
    bridge.hub.add_activity(lambda _: [df.current_activity().instance_id, df.current_activity().key], "tells")

    def foreign(context, _):
        return (yield context.call_activity("tells", input=1))

    bridge.foreign.append(foreign)
    bridge.serve()
    instance_id = bridge.start("foreign")
    assert bridge.result(instance_id) == [instance_id, ""]


def test_failures_keep_type_message_and_traceback(bridge):
    class OutOfStock(Exception):
        pass

    @bridge.hub.activity
    def order(item):
        try:
            {}[item]
        except KeyError as error:
            raise OutOfStock(f"no {item}") from error

    @bridge.hub.orchestrator
    def catches(context):
        try:
            yield context.call_activity(order, "tea")
        except df.TaskFailedError as error:
            details = error.details
            return [str(error).split(" \n")[0], details.error_type, details.message, details.inner.error_type]

    @bridge.hub.orchestrator
    def fails(context):
        yield context.call_activity(order, "tea")

    bridge.serve()
    name = f"{__name__}.{test_failures_keep_type_message_and_traceback.__name__}.<locals>.OutOfStock"
    assert bridge.run("catches") == [
        "Activity function 'order' failed: no tea",
        name,
        "no tea",
        "builtins.KeyError",
    ]
    failure = bridge.failure("fails")
    assert failure.message.startswith("Activity function 'order' failed: no tea \n   File ")
    assert "raise OutOfStock(" in failure.message
    assert "durabletask/worker.py" not in failure.message
    assert "in fails" in failure.stack_trace
    assert failure.inner_failure.error_type == name


def test_a_failure_without_a_text_has_its_types_name(bridge):
    @bridge.hub.activity
    def fails(_):
        raise ConnectionError

    @bridge.hub.orchestrator
    def asks(context):
        try:
            yield context.call_activity(fails)
        except ConnectionError as error:
            return error.details.message

    bridge.serve()
    assert bridge.run("asks") == "ConnectionError"


def test_a_call_of_an_unknown_activity_fails_and_is_not_retried(bridge):
    @bridge.hub.orchestrator
    def asks(context):
        yield context.call_activity_with_retry("nobody", df.RetryOptions(1_000, 5))

    bridge.serve()
    assert "Activity function named 'nobody' was not registered" in bridge.failure("asks").message


def test_events_come_in_order_and_wait_for_their_wait(bridge):
    @bridge.hub.orchestrator
    def collects(context):
        yield context.wait_for_external_event("begin")
        items = []
        for _ in range(3):
            items.append((yield context.wait_for_external_event("Item")))
        return items

    bridge.serve()
    first, second = bridge.start("collects"), bridge.start("collects")
    for number in range(3):
        for instance_id in (first, second):
            bridge.raise_event(instance_id, "item", [instance_id, number])
    for instance_id in (first, second):
        bridge.raise_event(instance_id, "BEGIN")
        assert bridge.result(instance_id) == [[instance_id, number] for number in range(3)]


def test_a_wait_that_lost_leaves_the_event_to_the_next(bridge):
    """The loop makes a new wait in each iteration; the event reaches the one that is awaited."""

    @bridge.hub.orchestrator
    def polls(context):
        seen = 0
        while True:
            event = context.wait_for_external_event("Stop")
            timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
            if (yield context.task_any([event, timer])) is event:
                timer.cancel()
                return [event.result, seen > 0]
            seen += 1
            if seen == 3:
                yield context.call_activity(stop, context.instance_id)

    @bridge.hub.activity
    def stop(instance_id):
        bridge.raise_event(instance_id, "Stop", "now")

    bridge.serve()
    assert bridge.run("polls") == ["now", True]


def test_continue_as_new_keeps_events_status_and_ids_apart(bridge):
    @bridge.hub.orchestrator
    def child(context):
        return context.instance_id
        yield

    @bridge.hub.orchestrator
    def rounds(context):
        done = context.get_input()
        if not done:
            context.set_custom_status({"began": True})
        got = yield context.wait_for_external_event("Item")
        done = [*done, [got, (yield context.call_sub_orchestrator(child))]]
        if len(done) < 4:
            context.continue_as_new(done)
            return
        return [done, context.custom_status]

    bridge.serve()
    instance_id = bridge.start("rounds", [])
    for number in range(4):
        bridge.raise_event(instance_id, "Item", number)
    done, status = bridge.result(instance_id)
    assert [number for number, _ in done] == [0, 1, 2, 3]
    assert len({child_id for _, child_id in done}) == 4
    assert status == {"began": True}
    state = bridge.client.get_orchestration_state(instance_id)
    assert state.get_custom_status() == {"began": True}


def test_an_event_that_was_taken_and_not_read_moves_to_the_next_execution(bridge):
    @bridge.hub.orchestrator
    def leaves(context):
        if context.get_input():
            return (yield context.wait_for_external_event("Item"))
        item = context.wait_for_external_event("Item")
        yield context.wait_for_external_event("Go")
        assert item.id is not None
        context.continue_as_new(True)

    bridge.serve()
    instance_id = bridge.start("leaves", False)
    bridge.raise_event(instance_id, "Item", 5)
    bridge.raise_event(instance_id, "Go")
    assert bridge.result(instance_id) == 5


def test_ids_times_and_status_are_the_same_in_each_replay(bridge):
    @bridge.hub.activity
    def nothing(_):
        return None

    @bridge.hub.orchestrator
    def identities(context):
        made = [context.new_uuid(), context.new_guid(), context.current_utc_datetime]
        seen.append([*made])
        context.set_custom_status("first")
        yield context.call_activity(nothing)
        made.append(context.new_uuid())
        context.set_custom_status([1, made[0]])
        yield context.call_activity(nothing)
        return [made, context.instance_id, context.parent_instance_id, context.is_replaying]

    seen = []
    bridge.serve()
    instance_id = bridge.start("identities")
    made, own, parent, is_replaying = bridge.result(instance_id)
    assert isinstance(made[1], uuid.UUID)
    assert len({str(part) for part in made}) == 4
    assert len(seen) > 1
    assert all(each == made[:3] for each in seen)
    assert (own, parent, is_replaying) == (instance_id, None, False)
    assert bridge.client.get_orchestration_state(instance_id).get_custom_status() == [1, made[0]]


def test_a_child_may_have_an_id(bridge):
    @bridge.hub.orchestrator
    def child(context):
        return context.instance_id
        yield

    @bridge.hub.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator(child, instance_id=f"child-of-{context.instance_id}"))

    bridge.serve()
    instance_id = bridge.start("parent")
    assert bridge.result(instance_id) == f"child-of-{instance_id}"


def test_versions_run_their_own_code(bridge):
    @bridge.hub.orchestrator(name="greet", version="1")
    def first(context):
        return "hello"
        yield

    @bridge.hub.orchestrator(name="greet", version="2")
    def second(context):
        return ["hi", context.version]
        yield

    @bridge.hub.orchestrator
    def asks(context):
        return (yield context.call_sub_orchestrator("greet", version="1"))

    bridge.serve()
    assert bridge.run("greet", version="1") == "hello"
    assert bridge.run("greet", version="2") == ["hi", "2"]
    assert bridge.run("asks") == "hello"
    assert "Registered are: '1', '2'" in bridge.failure("greet").message


def test_termination_runs_finally_without_effect(bridge):
    @bridge.hub.activity
    def clean(_):
        cleaned.append(1)

    @bridge.hub.orchestrator
    def waits(context):
        try:
            yield context.wait_for_external_event("never")
        finally:
            yield context.call_activity(clean)

    cleaned = []
    bridge.serve()
    instance_id = bridge.start("waits")
    bridge.client.wait_for_orchestration_start(instance_id)
    bridge.client.terminate_orchestration(instance_id, output="enough")
    assert bridge.state(instance_id).runtime_status is OrchestrationStatus.TERMINATED
    assert cleaned == []


def test_http_calls_poll_until_the_work_is_done(bridge):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.answer(202, b"accepted", Location="/status")

        def do_GET(self):
            polls.append(self.path)
            self.answer(202 if len(polls) < 3 else 200, b"done", Location="/status")

        def answer(self, status, body, **headers):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    @bridge.hub.orchestrator
    def calls(context):
        response = yield context.call_http("POST", context.get_input(), {"some": "work"})
        return [response.status_code, response.content]

    polls = []
    bridge.serve()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}/work"
        assert bridge.run("calls", uri) == [200, "done"]
        server.shutdown()
    assert polls == ["/status"] * 3


def test_the_log_of_an_orchestrator_is_written_once(bridge, caplog):
    @bridge.hub.activity
    def nothing(_):
        return None

    @bridge.hub.orchestrator
    def says(context):
        context.logger.info("begun")
        for _ in range(3):
            yield context.call_activity(nothing)

    bridge.serve()
    with caplog.at_level("INFO", logger="durablenb.orchestrator.says"):
        bridge.run("says")
    assert [record.message for record in caplog.records if record.name.endswith(".says")] == ["begun"]


@pytest.mark.parametrize("wrong", [None, 5, "text"])
def test_a_wait_for_what_is_no_task_fails_with_the_line(bridge, wrong):
    @bridge.hub.orchestrator
    def confused(context):
        yield wrong

    bridge.serve()
    assert "which isn't a task" in bridge.failure("confused").message


def test_code_that_waits_for_more_fails_at_the_call(bridge):
    """The code behind a helper isn't seen at registration."""

    def rest(context):
        yield ...

    @bridge.hub.orchestrator
    def grows(context):
        yield from rest(context)

    bridge.serve()
    failure = bridge.failure("grows")
    assert failure.error_type == "builtins.NotImplementedError"
    assert "'grows' waits for more code" in failure.message


def test_activities_get_several_arguments(bridge):
    @bridge.hub.activity
    def scale(numbers, factor: float, *, digits=0):
        return [round(number * factor, digits) for number in numbers]

    @bridge.hub.orchestrator
    def asks(context):
        options = df.RetryOptions(1_000, 2)
        return [
            (yield context.call_activity(scale, [1, 2], 1.5, digits=1)),
            (yield context.call_activity_with_retry(scale, options, (3,), factor=2)),
        ]

    bridge.serve()
    assert bridge.run("asks") == [[1.5, 3.0], [6]]


def test_a_time_out_fails_the_call_and_the_late_result_is_dropped(bridge):
    @bridge.hub.activity(timeout=1)
    def works(name, seconds=0):
        if seconds:
            late.wait(seconds)
        return name

    @bridge.hub.orchestrator
    def asks(context):
        days = 24 * 3600
        results = [(yield context.call_activity(works, "in time", timeout=3 * days))]
        try:
            yield context.call_activity(works, "late", seconds=PATIENCE, timeout=0.5)
        except TimeoutError as error:
            results.append(error.details.message)
        late.set()
        return [*results, (yield context.call_activity(works, "next"))]

    late = threading.Event()
    report = bridge.serve()
    assert bridge.run("asks") == ["in time", "The call took longer than 0.5 s.", "next"]
    assert report.differences == {"works": "runs in the worker's threads, without timeout=1.0."}


def test_a_canceled_call_fails_at_once_and_losers_can_be_canceled(bridge):
    @bridge.hub.activity
    def works(name):
        if name == "slow":
            late.wait(PATIENCE)
        return name

    @bridge.hub.orchestrator
    def asks(context):
        slow = context.call_activity(works, "slow")
        fast = context.call_activity(works, "fast")
        winner = yield context.task_any([slow, fast], cancel_losers=True)
        assert winner is fast
        try:
            yield slow
        except df.TaskFailedError as error:
            return [winner.result, error.details.error_type.rpartition(".")[2]]

    late = threading.Event()
    bridge.serve()
    assert bridge.run("asks") == ["fast", "TaskCanceledError"]
    late.set()
