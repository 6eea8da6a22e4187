"""Starts over HTTP: their responses, status codes and URLs."""

import httpx
import pytest

from tests.server.conftest import PATIENCE

WAIT = {"timeout": "20", "pollingInterval": "0.1"}


def test_a_start_is_answered_with_202_and_where_to_ask(served):
    answer = served.http.post("/orchestrators/approval", json=None)
    urls = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == urls["statusQueryGetUri"]
    assert answer.headers["retry-after"] == "10"
    assert answer.headers["content-type"] == "application/json"
    assert list(urls) == [
        "id",
        "statusQueryGetUri",
        "sendEventPostUri",
        "terminatePostUri",
        "rewindPostUri",
        "purgeHistoryDeleteUri",
        "restartPostUri",
        "suspendPostUri",
        "resumePostUri",
    ]
    assert len(urls["id"]) == 32
    assert int(urls["id"], 16)


def test_each_url_of_the_answer_does_what_it_says(served):
    urls = served.http.post("/orchestrators/approval").json()
    plain = httpx.Client(timeout=PATIENCE)  # without the key in a header
    assert plain.get(urls["statusQueryGetUri"]).status_code == 202
    assert plain.post(urls["suspendPostUri"].replace("{text}", "a rest")).status_code == 202
    assert plain.post(urls["resumePostUri"].replace("{text}", "go%20on")).status_code == 202
    event = urls["sendEventPostUri"].replace("{eventName}", "ApprovalEvent")
    assert plain.post(event, json=True).status_code == 202
    served.hub.handle(urls["id"]).wait(PATIENCE)
    assert plain.post(urls["rewindPostUri"].replace("{text}", "")).status_code == 412
    again = plain.post(urls["restartPostUri"]).json()
    assert again["id"] != urls["id"]
    assert plain.post(again["terminatePostUri"].replace("{text}", "enough")).status_code == 202
    assert served.hub.handle(again["id"]).status().output == "enough"
    assert plain.delete(urls["purgeHistoryDeleteUri"]).json() == {"instancesDeleted": 1}
    plain.close()


def test_an_id_of_ones_own_is_taken(served):
    assert served.start("approval", instance_id="order 7, größer") == "order 7, größer"
    assert served.status("order 7, größer").json()["name"] == "approval"


def test_an_id_that_is_open_is_answered_with_409(served):
    served.start("approval", instance_id="taken")
    answer = served.http.post("/orchestrators/approval/taken")
    assert answer.status_code == 409
    assert "is open" in answer.json()["ExceptionMessage"]


def test_an_id_that_has_ended_may_be_used_again(served):
    served.start("echo", 1, "again")
    served.hub.handle("again").wait(PATIENCE)
    served.start("echo", 2, "again")
    assert served.hub.handle("again").result(PATIENCE) == 2


@pytest.mark.parametrize("instance_id", ["@counter@a", "a%23b", "a%3Fb", "a%5Cb", "a%00b", "x" * 257])
def test_an_id_that_breaks_the_rules_is_answered_with_400(served, instance_id):
    answer = served.http.post(f"/orchestrators/echo/{instance_id}")
    assert answer.status_code == 400
    assert answer.json()["Message"] == "One or more of the arguments submitted is incorrect"


def test_an_unknown_orchestrator_is_answered_in_azures_words_with_those_that_there_are(served):
    answer = served.http.post("/orchestrators/ecko")
    assert answer.status_code == 400
    assert list(answer.json()) == ["Message", "ExceptionMessage", "ExceptionType", "StackTrace"]
    told = answer.json()["ExceptionMessage"]
    assert told.startswith("The function 'ecko' doesn't exist, is disabled, or is not an orchestrator")
    assert "Did you mean 'echo'?" in told
    assert answer.json()["StackTrace"] == ""


def test_without_a_body_the_input_is_none(served):
    answer = served.http.post("/orchestrators/echo", headers={"Content-Length": "0"}, params=WAIT)
    assert (answer.status_code, answer.json()) == (200, None)


def test_the_version_is_what_the_context_has(served):
    answer = served.http.post("/orchestrators/versioned", params={**WAIT, "version": "2.0"})
    assert answer.json() == "2.0"


@pytest.mark.parametrize("value", [None, 0, False, "", [], {}, "Tokyo", "5", '"5"', [1, {"a": None}], 1e300])
def test_waiting_gives_the_output_alone_and_a_value_posted_is_the_value_got(served, value):
    answer = served.http.post("/orchestrators/echo", json=value, params=WAIT)
    assert (answer.status_code, answer.json()) == (200, value)


def test_waiting_for_one_that_fails_gives_its_status(served):
    answer = served.http.post("/orchestrators/fails", params=WAIT)
    assert (answer.status_code, answer.json()["runtimeStatus"]) == (200, "Failed")
    asked = {**WAIT, "returnInternalServerErrorOnFailure": "true"}
    assert served.http.post("/orchestrators/fails", params=asked).status_code == 500


def test_waiting_in_vain_gives_the_urls(served):
    asked = {"timeout": "0.05", "pollingInterval": "0.01"}
    answer = served.http.post("/orchestrators/approval", params=asked)
    assert answer.status_code == 202
    assert answer.json()["id"]


@pytest.mark.parametrize(
    "asked",
    [
        {"timeout": "20"},
        {"pollingInterval": "1"},
        {"timeout": "soon", "pollingInterval": "1"},
        {"timeout": "-1", "pollingInterval": "1"},
        {"timeout": "nan", "pollingInterval": "inf"},
    ],
)
def test_only_both_times_together_mean_to_wait(served, asked):
    assert served.http.post("/orchestrators/approval", params=asked).status_code == 202


@pytest.mark.parametrize("body", [b"{", b"tokyo", b"\xff", b"NaN", b"[1e999]", b"[" * 100_000, b"1" * 5_000])
def test_what_is_no_json_is_answered_with_400(served, body):
    answer = served.http.post("/orchestrators/echo", content=body)
    assert (answer.status_code, answer.json()["Message"]) == (400, "Invalid JSON content")


def test_restarting_takes_the_input_and_an_id_of_its_own(served):
    first = served.run("echo", {"a": 1})
    answer = served.http.post(f"/instances/{first}/restart", params=WAIT)
    assert (answer.status_code, answer.json()) == (200, {"a": 1})
    asked = {"restartWithNewInstanceId": "false"}
    assert served.http.post(f"/instances/{first}/restart", params=asked).json()["id"] == first


def test_restarting_under_an_id_that_is_open_is_answered_with_409(served):
    instance_id = served.start("approval")
    answer = served.http.post(f"/instances/{instance_id}/restart?restartWithNewInstanceId=False")
    assert answer.status_code == 409


def test_restarting_what_there_is_not_is_answered_with_400(served):
    answer = served.http.post("/instances/nobody/restart")
    assert answer.status_code == 400
    assert answer.json()["Message"] == "InstanceId does not match a valid orchestration instance."


def test_to_attach_is_answered_with_the_instance_that_exists(served):
    for _ in range(2):
        answer = served.http.post("/orchestrators/approval/order-7", json=1, params={"ifExists": "attach"})
        assert (answer.status_code, answer.json()["id"]) == (202, "order-7")
    served.hub.handle("order-7").raise_event("ApprovalEvent", True)
    served.hub.handle("order-7").wait(PATIENCE)
    asked = {**WAIT, "ifExists": "attach"}
    ended = served.http.post("/orchestrators/approval/order-7", json=1, params=asked)
    assert (ended.status_code, ended.json()) == (200, {"approved": True})
    begun = "select count(*) from history where instance_id = 'order-7' and event_type = 'ExecutionStarted'"
    assert served.hub.sql(begun).fetchall() == [(1,)]


@pytest.mark.parametrize(("name", "value"), [("echo", 1), ("approval", 2)])
def test_to_attach_to_another_orchestrator_or_input_is_answered_with_409(served, name, value):
    instance_id = f"attached-{name}"
    served.start("approval", 1, instance_id)
    asked = {"ifExists": "attach"}
    answer = served.http.post(f"/orchestrators/{name}/{instance_id}", json=value, params=asked)
    assert answer.status_code == 409
    assert answer.json()["ExceptionType"] == "InstanceExistsError"


def test_to_restart_replaces_what_is_open(served):
    served.start("approval", 1, "replaced")
    asked = {**WAIT, "ifExists": "restart"}
    answer = served.http.post("/orchestrators/echo/replaced", json=2, params=asked)
    assert (answer.status_code, answer.json()) == (200, 2)


@pytest.mark.parametrize(("place", "word"), [("echo", "attach"), ("echo", "restart"), ("echo/own", "atach")])
def test_a_word_that_is_unknown_or_an_id_that_is_missing_is_answered_with_400(served, place, word):
    answer = served.http.post(f"/orchestrators/{place}", json=1, params={"ifExists": word})
    assert answer.status_code == 400
    assert "if_exists" in answer.json()["ExceptionMessage"]
    assert not served.status("own").is_success
