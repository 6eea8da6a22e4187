"""Statuses of Azure's endpoint become histories that can be displayed and replayed."""

import json
from datetime import UTC, datetime, timedelta

import pytest

import durablenb as df
from durablenb.model.events import (
    EntityOperationCalled,
    EntityOperationSignaled,
    EventSubscribed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
)
from tests.journal import azure_statuses
from tests.journal.azure_statuses import ANSWERS, CHAIN, answer, at, began, changed, did, ended


def imported(hub, told):
    (handle,) = hub.import_history(told)
    return handle


def kinds(handle):
    return [type(event).__name__ for event in handle.history()]


@pytest.mark.parametrize("name", ANSWERS)
def test_local_code_goes_through_what_azure_told_which_shows_in_every_view(hub, name):
    told, orchestrator = ANSWERS[name]
    handle = imported(hub, told)
    replay = handle.replay(orchestrator)
    assert replay.fits, replay.trace.mismatch
    assert hub.replay(handle, orchestrator).fits
    assert handle.status().runtime_status == told["runtimeStatus"]
    assert handle.history().timeline()
    assert "order" in handle._repr_mimebundle_()["text/html"]
    spans = hub.sql("select count(*) > 0 from spans where instance_id = ?", [handle.id])
    assert spans.fetchall() == [(True,)]


def test_each_asking_gets_its_place_its_time_and_its_input_back(hub):
    handle = imported(hub, CHAIN)
    step = ["TaskScheduled", "TaskCompleted", "OrchestratorStarted"]
    assert kinds(handle) == ["ExecutionStarted", "OrchestratorStarted", *step, *step, "ExecutionCompleted"]
    started, _, asked, *_ = handle.history()
    assert started.timestamp == datetime(2026, 3, 1, 8, 0, 0, 123456, UTC)  # six of seven digits
    assert asked.timestamp == datetime(2026, 3, 1, 8, 0, 1, 0, UTC)
    inputs = [json.loads(event.input) for event in handle.history() if isinstance(event, TaskScheduled)]
    assert inputs == [7, {"seat": 7}]
    assert started.is_partial  # it is Azure's telling
    assert hub.sql("select origin, made_by from imports").fetchall() == [("a value in Python", "azure")]


def test_tasks_are_numbered_in_the_order_in_which_they_were_asked_for(hub):
    history = imported(hub, azure_statuses.FAN_OUT).history()
    asked = {event.task_id: event.input for event in history if isinstance(event, TaskScheduled)}
    assert asked == {n: str(n) for n in range(7)}
    ends = [event.task_id for event in history if isinstance(event, TaskCompleted)]
    assert ends == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("given", ['"{\\"a\\": 1}"', '"Tokyo"'])
def test_an_input_that_azure_s_python_client_made_a_text_of_is_the_value(hub, given):
    value = json.loads(json.loads(given)) if given.startswith('"{') else "Tokyo"
    told = changed(CHAIN, input=json.loads(given))
    told["historyEvents"][0]["Input"] = given
    assert imported(hub, told).status().input_ == value


def test_a_wait_is_put_before_the_event_that_ended_it(hub):
    history = imported(hub, azure_statuses.APPROVAL).history()
    (place,) = [n for n, event in enumerate(history) if isinstance(event, EventSubscribed)]
    assert kinds(imported(hub, azure_statuses.APPROVAL))[place + 1] == "EventRaised"
    (row,) = hub.sql("select status, input from external_events").fetchall()
    assert row == ("Taken", "true")


def test_an_orchestration_that_only_waited_has_an_episode_all_the_same(hub):
    def only_waits(context):
        return (yield context.wait_for_external_event("Go"))

    raised = {"EventType": "EventRaised", "Name": "Go", "Input": '"now"', "Timestamp": at(5)}
    handle = imported(hub, answer([began(), raised, ended("now", 6)], "now"))
    assert handle.replay(only_waits).fits


def test_a_failure_has_the_type_that_its_text_names(hub):
    handle = imported(hub, azure_statuses.RETRIED)
    first = next(event for event in handle.history() if isinstance(event, TaskFailed))
    assert (first.failure.error_type, first.failure.message) == ("builtins.ValueError", "no money")
    with pytest.raises(df.TaskFailedError, match="still no money"):
        handle.result()


def test_a_failure_with_details_is_that_failure(hub):
    failed = azure_statuses.failed("pay", 7, "no money", 1, 2)
    inner = {"ErrorType": "KeyError", "ErrorMessage": "'x'"}
    failed["FailureDetails"] = {"ErrorType": "Bank.NoMoney", "ErrorMessage": "none", "InnerFailure": inner}
    handle = imported(hub, answer([began(), failed, ended(1, 3)], 1))
    (found,) = [event.failure for event in handle.history() if isinstance(event, TaskFailed)]
    assert (found.error_type, found.message) == ("Bank.NoMoney", "none")
    assert (found.inner.error_type, found.inner.message) == ("builtins.KeyError", "'x'")


def test_messages_to_entities_are_calls_and_signals(hub):
    history = imported(hub, azure_statuses.COUNTING).history()
    (signal,) = [event for event in history if isinstance(event, EntityOperationSignaled)]
    (call,) = [event for event in history if isinstance(event, EntityOperationCalled)]
    assert (signal.entity_id, signal.name, signal.input) == ("@counter@a", "add", "1")
    assert (call.name, hub.sql("select result from entity_calls").fetchall()) == ("get", [("41",)])


def test_a_critical_section_is_one(hub):
    def in_section(context):
        account = df.EntityId("account", "a")
        with (yield context.lock([account])):
            return (yield context.call_entity(account, "get"))

    def sent(seconds, name="op", **message):
        text = json.dumps({"parent": "azure-1", **message})
        return {
            "EventType": "EventSent",
            "InstanceId": "@account@a",
            "Name": name,
            "Input": text,
            "Timestamp": at(seconds),
        }

    def back(number, seconds, **message):
        return {
            "EventType": "EventRaised",
            "Name": number,
            "Input": json.dumps(message),
            "Timestamp": at(seconds),
        }

    history = [
        began(),
        sent(1, id="lock-1", lockset=[{"name": "account", "key": "a"}], pos=0),
        back("lock-1", 2),
        sent(2.1, id="call-1", op="get", signal=False, input=None),
        back("call-1", 3, result="5"),
        sent(3.1, name="release", id="lock-1"),
        ended(5, 3.2),
    ]
    handle = imported(hub, answer(history, 5))
    assert "EntityLockRequested" in kinds(handle)
    assert kinds(handle).count("EntityUnlockSent") == 1
    assert handle.replay(in_section).fits


def test_an_entity_s_error_is_the_call_s(hub):
    told = changed(azure_statuses.COUNTING)
    told["historyEvents"][3]["Input"] = json.dumps({"result": '"broken"', "exceptionType": "ValueError"})
    handle = imported(hub, told)
    assert hub.sql("select status from entity_calls").fetchall() == [("Failed",)]
    assert not handle.replay(azure_statuses.counting).fits


def test_one_that_waits_stands_where_it_stood(hub):
    pending = {"EventType": "TaskScheduled", "Name": "pay", "Input": '["7"]', "Timestamp": at(3)}
    handle = imported(hub, answer([began(), did("reserve", 7, 1, 1, 2), pending], None, status="Running"))

    def code(context):
        yield context.call_activity("reserve", 7)
        yield context.call_activity("pay", 7)

    assert handle.status().runtime_status == "Running"
    assert handle.replay(code).fits
    assert handle.history().timeline().count("…") == 1


def test_one_that_has_not_begun_has_no_history(hub):
    handle = imported(hub, answer(None, None, status="Pending"))
    assert (handle.status().runtime_status, kinds(handle)) == ("Pending", ["ExecutionStarted"])


def test_one_that_was_suspended_or_terminated_is_that(hub):
    paused = {"EventType": "ExecutionSuspended", "Reason": "lunch", "Timestamp": at(3)}
    ended_by = {"EventType": "ExecutionTerminated", "Input": "enough", "Timestamp": at(4)}
    twice = {
        "EventType": "ExecutionCompleted",
        "OrchestrationStatus": "Terminated",
        "Result": "enough",
        "Timestamp": at(4),
    }
    begun = [began(), did("reserve", 7, 1, 1, 2), paused]
    first = imported(hub, answer(begun, None, status="Suspended", instance_id="s"))
    second = imported(hub, answer([*begun, ended_by, twice], "enough", status="Terminated", instance_id="t"))
    assert first.status().runtime_status == "Suspended"
    assert (second.status().runtime_status, second.status().output) == ("Terminated", "enough")
    assert kinds(second).count("ExecutionTerminated") == 1


def test_what_has_no_counterpart_is_kept_as_a_line_of_the_log(hub):
    odd = {"EventType": "GenericEvent", "Data": "Rewound: pay", "Timestamp": at(2.5)}
    handle = imported(hub, answer([began(), odd, ended(1, 3)], 1))
    (line,) = handle.logs()
    assert (line.logger, json.loads(line.message)["Data"]) == ("azure", "Rewound: pay")
    assert line.timestamp == datetime(2026, 3, 1, 8, 0, 2, 500_000, UTC)


def test_events_may_have_the_numbers_that_the_host_has_for_them(hub):
    told = changed(CHAIN)
    told["historyEvents"][1]["EventType"] = 5
    assert kinds(imported(hub, told)).count("TaskCompleted") == 2


def test_names_of_functions_are_compared_as_the_host_does(hub):
    told = changed(CHAIN)
    told["historyEvents"][1]["FunctionName"] = "Reserve"
    assert imported(hub, told).replay(azure_statuses.chain).fits


def test_a_list_of_answers_is_imported_as_one(hub):
    handles = hub.import_history([CHAIN, changed(CHAIN, instanceId="azure-2"), CHAIN])
    assert [handle.id for handle in handles] == ["azure-1", "azure-2"]
    assert all(hub.replay(handles, azure_statuses.chain))


def test_a_timer_that_azure_split_is_the_one_that_the_code_asks_for(hub):
    def patient(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(days=10))

    def day(n):
        return f"2026-03-{1 + n:02}T08:00:01.0000000Z"

    def timer(start, due):
        return {"EventType": "TimerCreated", "FireAt": day(due), "Timestamp": day(start)}

    def fired(due):
        return {"EventType": "TimerFired", "FireAt": day(due), "Timestamp": day(due)}

    history = [
        began(),
        timer(0, 3),
        fired(3),
        timer(3, 6),
        fired(6),
        timer(6, 9),
        fired(9),
        timer(9, 10),
        fired(10),
    ]
    end = {**ended(None, 0), "Timestamp": day(10)}
    assert imported(hub, answer([*history, end], None)).replay(patient).fits


def test_a_call_that_was_never_awaited_is_not_missed(hub):
    def lazy(context):
        context.call_activity("note", "in passing")  # Azure does that only when it is awaited
        return (yield context.call_activity("reserve", 7))

    assert imported(hub, answer([began(), did("reserve", 7, 1, 1, 2), ended(1, 3)], 1)).replay(lazy).fits


def test_an_activity_that_ends_after_the_code_did_is_no_matter(hub):
    def first_of_two(context):
        calls = [context.call_activity("count", 1), context.call_activity("count", 2)]
        return (yield context.task_any(calls)).result

    told = answer([began(), did("count", 2, 20, 1.1, 2), did("count", 1, 10, 1, 5), ended(20, 5.1)], 20)
    assert imported(hub, told).replay(first_of_two).fits


# -- code that doesn't fit -------------------------------------------------------------------------


def another_activity(context):
    yield context.call_activity("reserve", context.get_input())
    yield context.call_activity("charge", {"seat": 7})


def another_input(context):
    return (yield context.call_activity("reserve", 8))


def an_earlier_end(context):
    return (yield context.call_activity("reserve", 7))


def one_more(context):
    yield from azure_statuses.chain(context)
    yield context.call_activity("print")


def another_result(context):
    yield from azure_statuses.chain(context)
    return "something else"


def another_timer(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=20))
    return (yield context.call_activity("wake", "up"))


def another_failure(context):
    raise KeyError("elsewhere")
    yield


@pytest.mark.parametrize(
    ("code", "told", "recorded", "requested"),
    [
        (another_activity, CHAIN, "TaskScheduled 'pay' #1", "TaskScheduled 'charge' #1"),
        (another_input, CHAIN, "TaskScheduled 'reserve' #0", "TaskScheduled 'reserve' #0"),
        (an_earlier_end, CHAIN, "ExecutionCompleted", "ExecutionCompleted"),
        (one_more, CHAIN, "ExecutionCompleted", "TaskScheduled 'print' #2"),
        (another_result, CHAIN, "ExecutionCompleted", "ExecutionCompleted"),
        (another_timer, azure_statuses.TIMER, "TimerCreated #0", "TimerCreated #0"),
        (another_failure, answer([began(), ended(1, 3)], 1), "ExecutionCompleted", "ExecutionFailed"),
    ],
)
def test_code_that_does_otherwise_parts_there(hub, code, told, recorded, requested):
    (fit,) = hub.replay(imported(hub, told), code)
    assert (fit.misfit.recorded, fit.misfit.requested) == (recorded, requested)


def test_the_explorer_walks_through_it(hub):
    explorer = imported(hub, CHAIN).explore(azure_statuses.chain)
    assert explorer.replay.fits
    explorer.close()


def test_what_comes_from_azure_can_t_be_forked(hub):
    hub.add_orchestrator(azure_statuses.chain, "order")
    with pytest.raises(ValueError, match="from Azure, which doesn't tell all of it: it can be replayed"):
        imported(hub, CHAIN).fork()


def test_redact_sees_what_is_imported():
    def redact(kind, value):
        return "gone" if kind == "result" else value

    with df.TaskHub(":memory:", mode="kernel", redact=redact) as hub:
        assert imported(hub, CHAIN).status().output == "gone"


class Parcel:
    def __init__(self, weight):
        self.weight = weight

    @staticmethod
    def to_json(parcel):
        return {"weight": parcel.weight}

    @staticmethod
    def from_json(fields):
        return Parcel(fields["weight"])


def parcel(weight):
    return {"__class__": "Parcel", "__module__": __name__, "__data__": {"weight": weight}}


def test_code_goes_through_a_history_with_objects_in_azures_envelope(hub):
    hub.register_type(Parcel)

    def order(context):
        packed = yield context.call_activity("pack", context.get_input())
        return packed.weight + context.get_input().weight

    text = json.dumps(json.dumps(parcel(2)))
    history = [{**began(), "Input": text}, did("pack", parcel(2), parcel(3), 1, 2), ended(5, 3)]
    handle = imported(hub, {**answer(history, 5), "input": json.dumps(parcel(2))})
    assert handle.replay(order).fits, handle.replay(order).trace.mismatch


# -- other shapes ----------------------------------------------------------------------------------


def test_entities_in_a_list_are_left_out(hub):
    entity = {**CHAIN, "name": "@counter@k", "instanceId": "@counter@k", "historyEvents": None}
    assert [handle.id for handle in hub.import_history([entity, CHAIN, entity])] == ["azure-1"]
    assert hub.import_history([entity]) == []


def test_what_the_clients_of_other_languages_write_down_is_read(hub):
    plain = {key: value for key, value in CHAIN.items() if key != "historyEvents"}
    of_javascript = {**plain, "instanceId": "js", "history": CHAIN["historyEvents"]}
    net = {key[0].upper() + key[1:]: value for key, value in plain.items()}
    of_net = {**net, "InstanceId": "net", "History": CHAIN["historyEvents"]}
    found = hub.import_history([of_javascript, of_net])
    assert [handle.id for handle in found] == ["js", "net"]
    assert all(handle.replay(azure_statuses.chain).fits for handle in found)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            {key: CHAIN[key] for key in CHAIN if key not in ("name", "instanceId")},
            "no instanceId and no name",
        ),
        ({key: CHAIN[key] for key in CHAIN if key != "runtimeStatus"}, "it has no runtimeStatus"),
        (CHAIN["historyEvents"], "it is one event of a history.* Ask the status endpoint"),
        ([{"PartitionKey": "a", "RowKey": "0", "EventType": "ExecutionStarted"}], "the rows of a table"),
        ([CHAIN, 5], "number 2 is .* it is 5, and not an object"),
    ],
)
def test_what_is_no_answer_is_refused_with_what_it_lacks(hub, told, said):
    with pytest.raises(ValueError, match=said):
        hub.import_history(told)
    assert hub.instances() == []
