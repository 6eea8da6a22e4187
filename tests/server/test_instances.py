"""Statuses over HTTP, lists of instances in pages, and purging."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.server.conftest import PATIENCE

TOKEN = "x-ms-continuation-token"


def test_an_open_instance_is_answered_with_202_and_its_own_url(served):
    instance_id = served.start("approval", {"amount": 7})
    answer = served.status(instance_id, showInput="true")
    assert answer.status_code == 202
    assert answer.headers["location"] == str(answer.request.url)
    assert answer.headers["retry-after"] == "5"


def test_the_status_has_azures_fields(served):
    instance_id = served.run("echo", {"amount": 7})
    answer = served.status(instance_id)
    shown = answer.json()
    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert list(shown) == [
        "name",
        "instanceId",
        "runtimeStatus",
        "input",
        "customStatus",
        "output",
        "createdTime",
        "lastUpdatedTime",
    ]
    assert (shown["name"], shown["instanceId"], shown["runtimeStatus"]) == ("echo", instance_id, "Completed")
    assert (shown["input"], shown["output"], shown["customStatus"]) == ({"amount": 7}, {"amount": 7}, None)
    for time in (shown["createdTime"], shown["lastUpdatedTime"]):
        told = datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - told) < timedelta(seconds=PATIENCE)


def test_the_input_can_be_left_out(served):
    shown = served.status(served.run("echo", "secret"), showInput="false", showHistory="true").json()
    assert shown["input"] is None
    assert "Input" not in shown["historyEvents"][0]


def test_the_history_is_there_when_it_is_asked_for(served):
    instance_id = served.run("mends", "history")
    assert "historyEvents" not in served.status(instance_id).json()
    events = served.status(instance_id, showHistory="True").json()["historyEvents"]
    assert [event["EventType"] for event in events] == ["ExecutionStarted", "TaskFailed", "ExecutionFailed"]
    done = served.run("echo", 5)
    shown = served.status(done, showHistory="true", showHistoryOutput="true").json()["historyEvents"]
    assert shown[-1]["Result"] == 5
    assert "Result" not in served.status(done, showHistory="true").json()["historyEvents"][-1]


def test_a_failed_one_is_answered_with_200_or_500_as_asked(served):
    instance_id = served.run("fails")
    assert served.status(instance_id).status_code == 200
    answer = served.status(instance_id, returnInternalServerErrorOnFailure="true")
    assert answer.status_code == 500
    assert answer.json()["output"] == "Orchestrator function 'fails' failed: no luck"


@pytest.mark.parametrize("value", ["maybe", "1", ""])
def test_a_flag_that_is_neither_true_nor_false_is_ignored(served, value):
    instance_id = served.run("echo", 1)
    assert served.status(instance_id, showInput=value, showHistory=value).json()["input"] == 1


def test_an_unknown_instance_is_answered_with_404(served):
    answer = served.status("nobody")
    assert answer.status_code == 404
    assert answer.json() == "No instance with ID 'nobody' found. GET /instances lists them."


def test_the_list_goes_on_from_page_to_page(fresh):
    ids = [fresh.start("approval", instance_id=f"{number:02}") for number in range(25)]
    found, token, sizes = [], "", []
    while True:
        answer = fresh.http.get("/instances", params={"top": 10}, headers={TOKEN: token})
        found += [one["instanceId"] for one in answer.json()]
        sizes.append(len(answer.json()))
        token = answer.headers[TOKEN]
        if not token:
            break
    assert (found, sizes) == (ids, [10, 10, 5])


def test_the_pages_stay_right_when_what_was_listed_is_purged(fresh):
    ids = [fresh.start("echo", instance_id=str(number)) for number in range(6)]
    for one in ids:
        fresh.hub.handle(one).wait(PATIENCE)
    first = fresh.http.get("/instances", params={"top": 3})
    for one in first.json():
        fresh.http.delete(f"/instances/{one['instanceId']}")
    rest = fresh.http.get("/instances", params={"top": 3}, headers={TOKEN: first.headers[TOKEN]})
    assert [one["instanceId"] for one in rest.json()] == ids[3:]
    assert rest.headers[TOKEN] == ""


def test_a_page_has_a_hundred_and_a_thousand_at_the_most(fresh):
    for number in range(101):
        fresh.hub.client.start_new("approval", str(number))
    assert len(fresh.http.get("/instances").json()) == 100
    for top in ("0", "-1", "many"):
        assert len(fresh.http.get("/instances", params={"top": top}).json()) == 100
    assert len(fresh.http.get("/instances", params={"top": "999999"}).json()) == 101


@pytest.mark.parametrize("token", ["nonsense", "W10=", "WyJ4IiwgMV0=", "é".encode(), "[" * 9])
def test_a_token_of_somebody_else_is_answered_with_400(served, token):
    assert served.http.get("/instances", headers={TOKEN: token}).status_code == 400


def test_the_list_takes_azures_filters(fresh):
    fresh.start("approval", instance_id="a-1")
    fresh.start("echo", 5, "a-2")
    fresh.start("fails", instance_id="b-1")
    for ended in ("a-2", "b-1"):
        fresh.hub.handle(ended).wait(PATIENCE)

    def ids(**query):
        return [one["instanceId"] for one in fresh.http.get("/instances", params=query).json()]

    assert ids(instanceIdPrefix="a-") == ["a-1", "a-2"]
    assert ids(runtimeStatus="Failed") == ["b-1"]
    assert ids(runtimeStatus="failed,Completed") == ["a-2", "b-1"]
    assert ids(runtimeStatus=["Failed", "Running"]) == ["a-1", "b-1"]
    assert ids(runtimeStatus="Unheard") == ["a-1", "a-2", "b-1"]
    since = fresh.hub.handle("a-2").status().created_time
    assert ids(createdTimeFrom=f"{since:%Y-%m-%dT%H:%M:%S.%fZ}") == ["a-2", "b-1"]
    assert ids(createdTimeFrom=since.isoformat()) == ["a-2", "b-1"]
    assert ids(createdTimeTo=f"{since:%Y-%m-%dT%H:%M:%S.%f}0Z") == ["a-1", "a-2"]
    assert ids(createdTimeFrom="yesterday") == ["a-1", "a-2", "b-1"]
    listed = fresh.http.get("/instances", params={"showInput": "false", "instanceIdPrefix": "a-2"}).json()
    assert listed[0]["input"] is None
    assert "historyEvents" not in listed[0]


def test_a_plus_sign_in_a_time_need_not_be_encoded(fresh):
    fresh.start("approval", instance_id="a")
    answer = fresh.http.get("/instances?createdTimeFrom=2999-01-01T00:00:00+00:00")
    assert answer.json() == []


def test_purging_one_tells_how_many_went(served):
    instance_id = served.run("echo")
    answer = served.http.delete(f"/instances/{instance_id}")
    assert (answer.status_code, answer.json()) == (200, {"instancesDeleted": 1})
    assert served.http.delete(f"/instances/{instance_id}").status_code == 404


def test_purging_past_generations_tells_how_many_went(fresh):
    @fresh.hub.orchestrator
    def rounds(context):
        number = context.get_input()
        if number < 4:
            context.continue_as_new(number + 1)
        else:
            return number

    for name in ("a", "b"):
        fresh.start("rounds", 0, name)
        fresh.hub.handle(name).wait(PATIENCE)
    past = "/instances/a/pastGenerations"
    answers = [fresh.http.delete(past, params=one).json() for one in ({"keep": "3"}, {}, {})]
    assert answers == [{"generationsDeleted": count} for count in (1, 3, 0)]
    assert fresh.http.delete("/instances/b/pastGenerations?keep=9223372036854775807").json() == {
        "generationsDeleted": 0
    }
    for keep in ("", "-1", "many", "1.5", "²", "9223372036854775808"):
        answer = fresh.http.delete(past, params={"keep": keep})
        assert answer.status_code == 400
        assert "expected a whole number from 0 to 9223372036854775807" in answer.text
    for unknown in ("nobody", "@counter@nobody"):
        assert fresh.http.delete(f"/instances/{unknown}/pastGenerations").status_code == 404


def test_purging_one_that_is_open_is_answered_with_412(served):
    answer = served.http.delete(f"/instances/{served.start('approval')}")
    assert answer.status_code == 412
    assert "Terminate it" in answer.json()


def test_purging_many_needs_a_time_and_leaves_the_open_ones(fresh):
    answer = fresh.http.delete("/instances")
    assert answer.status_code == 400
    assert answer.json() == "Please provide value for 'createdTimeFrom' parameter."
    asked = {"createdTimeFrom": "2020-01-01T00:00:00Z"}
    assert fresh.http.delete("/instances", params=asked).status_code == 404
    fresh.start("approval", instance_id="open")
    fresh.run("echo")
    fresh.run("fails")
    only = fresh.http.delete("/instances", params={**asked, "runtimeStatus": "Failed"})
    assert (only.status_code, only.json()) == (200, {"instancesDeleted": 1})
    before = {**asked, "createdTimeTo": "2020-01-02"}
    assert fresh.http.delete("/instances", params=before).status_code == 404
    assert fresh.http.delete("/instances/", params=asked).json() == {"instancesDeleted": 1}
    assert [one["instanceId"] for one in fresh.http.get("/instances").json()] == ["open"]
