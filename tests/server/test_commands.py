"""Commands to an instance over HTTP: their status codes, and their effects."""

import pytest

from tests.server.conftest import PATIENCE

COMMANDS = ["cancel", "terminate", "suspend", "resume"]


@pytest.mark.parametrize("word", ["raiseEvent", "raiseevent", "RAISEEVENT"])
def test_an_event_lets_an_approval_go_on(served, word):
    instance_id = served.start("approval")
    answer = served.http.post(f"/instances/{instance_id}/{word}/ApprovalEvent", json=True)
    assert (answer.status_code, answer.content) == (202, b"")
    assert served.hub.handle(instance_id).result(PATIENCE) == {"approved": True}


def test_an_event_may_have_any_name(served):
    @served.hub.orchestrator
    def odd(context):
        return (yield context.wait_for_external_event("a/b c?d#e, ü"))

    instance_id = served.start("odd")
    for path in ("nobody/waits/for/this", "a%2Fb%20c%3Fd%23e%2C%20%C3%BC"):
        assert served.http.post(f"/instances/{instance_id}/raiseEvent/{path}", json=5).status_code == 202
    assert served.hub.handle(instance_id).result(PATIENCE) == 5


def test_an_event_without_a_name_is_answered_with_404(served):
    path = f"/instances/{served.start('approval')}/raiseEvent"
    assert [served.http.post(path + end, json=1).status_code for end in ("", "/", "/%20")] == [404, 404, 400]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_an_event_has_to_be_json(served, kind):
    headers = {} if kind is None else {"Content-Type": kind}
    path = f"/instances/{served.start('approval')}/raiseEvent/ApprovalEvent"
    answer = served.http.post(path, content=b"true", headers=headers)
    assert (answer.status_code, answer.json()) == (400, "Only application/json request content is supported")
    broken = served.http.post(path, content=b"yes", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["Message"]) == (400, "Invalid JSON content")


def test_json_may_say_its_encoding(served):
    instance_id = served.start("approval")
    answer = served.http.post(
        f"/instances/{instance_id}/raiseEvent/ApprovalEvent",
        content='\ufeff"für"'.encode(),
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert answer.status_code == 202
    assert served.hub.handle(instance_id).result(PATIENCE) == {"approved": "für"}


def test_an_event_for_one_that_has_ended_is_answered_with_410(served):
    answer = served.http.post(f"/instances/{served.run('echo')}/raiseEvent/E", json=1)
    assert answer.status_code == 410
    assert "takes no events any more" in answer.json()


def test_an_event_for_nobody_is_answered_with_404(served):
    assert served.http.post("/instances/nobody/raiseEvent/E", json=1).status_code == 404


@pytest.mark.parametrize("word", [*COMMANDS, "rewind"])
def test_a_command_to_nobody_is_answered_with_404(served, word):
    answer = served.http.post(f"/instances/nobody/{word}?reason=r")
    assert answer.status_code == 404
    assert "nobody" in answer.json()


@pytest.mark.parametrize("word", COMMANDS)
def test_a_command_to_one_that_has_ended_is_answered_with_410(served, word):
    answer = served.http.post(f"/instances/{served.run('echo')}/{word}")
    assert answer.status_code == 410
    assert "is Completed" in answer.json()


def test_terminating_keeps_the_reason(served):
    instance_id = served.start("approval")
    answer = served.http.post(f"/instances/{instance_id}/terminate", params={"reason": "no more, äöü"})
    assert (answer.status_code, answer.content) == (202, b"")
    shown = served.status(instance_id)
    assert shown.status_code == 200
    assert (shown.json()["runtimeStatus"], shown.json()["output"]) == ("Terminated", "no more, äöü")


def test_canceling_lets_the_code_end_it_and_keeps_the_reason(served):
    instance_id = served.start("approval")
    answer = served.http.post(f"/instances/{instance_id}/cancel", params={"reason": "no more, äöü"})
    assert (answer.status_code, answer.content) == (202, b"")
    assert served.hub.handle(instance_id).wait(PATIENCE).runtime_status == "Canceled"
    shown = served.status(instance_id)
    assert shown.status_code == 200
    assert (shown.json()["runtimeStatus"], shown.json()["output"]) == ("Canceled", "no more, äöü")


def test_suspending_and_resuming_twice_does_no_harm(served):
    instance_id = served.start("approval")
    for _ in range(2):
        assert served.http.post(f"/instances/{instance_id}/Suspend?reason=r").status_code == 202
        assert served.status(instance_id).json()["runtimeStatus"] == "Suspended"
    assert served.status(instance_id).status_code == 202
    served.http.post(f"/instances/{instance_id}/raiseEvent/ApprovalEvent", json=1)
    assert served.status(instance_id).json()["runtimeStatus"] == "Suspended"
    for _ in range(2):
        assert served.http.post(f"/instances/{instance_id}/resume").status_code in (202, 410)
    assert served.hub.handle(instance_id).result(PATIENCE) == {"approved": 1}


def test_a_failed_one_is_rewound(served):
    instance_id = served.run("mends", "the vase")
    assert served.status(instance_id).json()["runtimeStatus"] == "Failed"
    answer = served.http.post(f"/instances/{instance_id}/rewind?reason=mended")
    assert (answer.status_code, answer.content) == (202, b"")
    assert served.hub.handle(instance_id).result(PATIENCE) == "the vase is whole"


def test_only_a_failed_one_can_be_rewound(served):
    ended = served.http.post(f"/instances/{served.run('echo')}/rewind")
    is_open = served.http.post(f"/instances/{served.start('approval')}/rewind")
    assert (ended.status_code, is_open.status_code) == (412, 412)
    assert "only a failed one can be rewound" in is_open.json()


def test_one_whose_code_is_gone_can_not_be_rewound(fresh):
    instance_id = fresh.run("fails")
    fresh.hub._registry.orchestrators.pop("fails")
    answer = fresh.http.post(f"/instances/{instance_id}/rewind")
    assert answer.status_code == 400
    assert "isn't registered" in answer.json()["ExceptionMessage"]
