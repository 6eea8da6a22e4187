"""The client: every method, what it takes, refuses and says."""

from datetime import timedelta

import pytest

import durablenb as df
from tests.client.corpus import fails, quick, waits

# -- start_new -----------------------------------------------------------------------------------


def test_start_new_takes_what_azures_takes_in_azures_order(client):
    assert client.start_new("quick", "my-id", {"a": 1}, "2.0") == "my-id"
    status = client.wait_for_completion("my-id", 10)
    assert (status.input_, status.version, status.output) == ({"a": 1}, "2.0", {"a": 1})


def test_start_new_makes_an_id_of_32_hexadecimal_digits(client):
    first, second = client.start_new("quick"), client.start_new(quick)
    assert first != second
    assert len(first) == 32
    assert int(first, 16)


def test_start_new_returns_once_the_start_is_on_disk(tmp_path):
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as hub:
        hub.add_orchestrator(waits)
        instance_id = hub.client.start_new("waits", None, 5)
        assert hub.sql("select instance_id, input from instances").fetchall() == [(instance_id, "5")]


def test_start_new_keeps_tags_and_the_scheduled_start(lab, client):
    start_at = lab.clock.now() + timedelta(hours=1)
    instance_id = client.start_new(waits, tags={"team": "blue"}, start_at=start_at)
    status = client.get_status(instance_id)
    assert (status.tags, status.scheduled_start_time) == ({"team": "blue"}, start_at)


@pytest.mark.parametrize("tags", [{"a": 1}, {1: "a"}, {"a": None}], ids=repr)
def test_start_new_refuses_tags_that_are_not_text_by_text(client, tags):
    with pytest.raises(TypeError, match="Tags are text by text"):
        client.start_new(quick, tags=tags)


def test_start_new_refuses_what_is_no_orchestrator_or_no_status(client):
    with pytest.raises(df.FunctionNotFoundError, match="Did you mean 'quick'"):
        client.start_new("quik")
    with pytest.raises(ValueError, match="function_name cannot be empty"):
        client.start_new("")
    with pytest.raises(TypeError, match="Expected a function or its name, not a int"):
        client.start_new(5)
    with pytest.raises(ValueError, match="'Finished' is not a valid"):
        client.start_new(quick, dedupe_statuses=["Finished"])
    assert client.get_status_all() == []


def test_the_error_for_an_unknown_activity_lists_the_users_activities_only():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_activity(lambda n: n, name="slow")
        hub.add_entity(lambda context: None, name="account")

        @hub.orchestrator
        def order(context):
            return (yield context.call_activity("fetsch", 1))

        with pytest.raises(df.FunctionNotFoundError, match="Registered are: 'slow'\\. Run the cell"):
            hub.run(order)


def test_start_new_takes_a_registered_function_by_whatever_name_it_has(lab, client):
    def spelled_otherwise(context):
        return context.instance_id

    lab.orchestrator(spelled_otherwise, "Its Name")
    instance_id = client.start_new(spelled_otherwise)
    assert client.wait_for_completion(instance_id, 10).name == "Its Name"


# -- raise_event ---------------------------------------------------------------------------------


def test_raise_event_refuses_nobody_the_ended_and_the_nameless(client):
    instance_id = client.start_new(quick)
    client.wait_for_completion(instance_id, 10)
    with pytest.raises(df.InstanceStateError, match=f"'{instance_id}' is Completed and takes no events"):
        client.raise_event(instance_id, "go")
    with pytest.raises(df.InstanceNotFoundError, match="No instance with ID 'nobody' found"):
        client.raise_event("nobody", "go")
    for name in ("", "  "):
        with pytest.raises(ValueError, match="external_event_name cannot be empty"):
            client.raise_event(instance_id, name)
    with pytest.raises(TypeError, match="An external event's name is text, not int"):
        client.raise_event(instance_id, 5)
    with pytest.raises(df.NotSerializableError, match=r"value is a builtins\.object"):
        client.raise_event(instance_id, "go", object())


# -- terminate, suspend, resume ------------------------------------------------------------------


def test_terminate_takes_a_reason_of_any_kind_as_text(client):
    for reason, text in (("why", "why"), (5, "5"), (None, "None")):
        instance_id = client.start_new(waits)
        client.terminate(instance_id, reason)
        assert client.get_status(instance_id).output == text


def test_the_end_of_a_terminated_one_is_told_as_azure_tells_it(client):
    instance_id = client.start_new(waits)
    client.terminate(instance_id, "enough")
    for shows in (True, False):
        told = client.get_status(instance_id, True, show_history_output=shows, show_input=shows).history
        plain = [{key: value for key, value in one.items() if key != "Timestamp"} for one in told[-2:]]
        assert plain == [
            {"EventType": "ExecutionTerminated", **({"Input": "enough"} if shows else {})},
            {
                "EventType": "ExecutionCompleted",
                "OrchestrationStatus": "Terminated",
                **({"Result": "enough"} if shows else {}),
            },
        ]


# -- waiting -------------------------------------------------------------------------------------


def test_wait_for_completion_gives_the_status_whichever_it_is(client):
    client.start_new(quick, "q", 1)
    client.start_new(fails, "f")
    client.start_new(waits, "t")
    client.terminate("t", "why")
    statuses = [client.wait_for_completion(i, 10) for i in ("q", "f", "t")]
    assert [str(status.runtime_status) for status in statuses] == ["Completed", "Failed", "Terminated"]


def test_wait_for_completion_raises_at_the_end_of_its_time_and_again_and_then_waits_on(client, lab):
    client.start_new(waits, "w")
    lab.settle()
    for _ in range(2):
        with pytest.raises(df.WaitTimeoutError, match=r"w (did not end within 0.02 s|waits, and nothing)"):
            client.wait_for_completion("w", 0.02)
    client.raise_event("w", "go")
    assert client.wait_for_completion("w", 10)


def test_result_gives_the_value_or_raises(client):
    client.start_new(quick, "q", {"a": 1})
    client.start_new(fails, "f")
    client.start_new(waits, "t")
    client.terminate("t")
    assert client.result("q", 10) == {"a": 1}
    with pytest.raises(ValueError, match="Orchestrator function 'fails' failed: broken") as caught:
        client.result("f", 10)
    assert isinstance(caught.value, df.TaskFailedError)
    assert caught.value.details.message == "broken"
    with pytest.raises(df.OrchestrationTerminatedError, match="no reason was given"):
        client.result("t", 10)


def test_the_former_names_still_work(client):
    client.start_new(quick, "q", {"a": 1})
    with pytest.warns(DeprecationWarning, match=r"use client\.result\."):
        assert client.result_of("q", 10) == {"a": 1}
    with pytest.warns(DeprecationWarning, match=r"use client\.status\."):
        assert client.status_of("q") == client.status("q")


# -- purge: what is common; the cases of this and of rewind and restart are in tests/traps --------


def test_purges_answer_with_azures_result(client):
    client.start_new(quick, "q")
    client.wait_for_completion("q", 10)
    assert client.purge_instance_history("q") == df.PurgeHistoryResult(1)
    assert client.purge_instance_history_by(runtime_status=["Completed"]) == df.PurgeHistoryResult(0)


def test_purging_by_nothing_or_by_what_is_no_time_is_refused(client):
    client.start_new(quick, "q")
    client.wait_for_completion("q", 10)
    for nothing in ((), (None, None, None)):
        with pytest.raises(ValueError, match="needs a condition"):
            client.purge_instance_history_by(*nothing)
    with pytest.raises(TypeError, match="Expected a datetime, not '2026'"):
        client.purge_instance_history_by("2026")
    assert client.get_status("q")
