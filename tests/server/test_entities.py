"""Entities over HTTP: signals, states, lists in pages, and deleting."""

import json

import pytest

from durablenb import EntityId
from tests.server.conftest import PATIENCE

TOKEN = "x-ms-continuation-token"


def wait_for(made, *entity_ids):
    """Wait until all operations are done: an orchestration that locks the entities comes after them."""

    @made.hub.orchestrator
    def visits(context):
        with (yield context.lock(list(entity_ids))):
            return True

    assert made.hub.start(visits).result(PATIENCE)


def test_a_signal_is_on_disk_when_it_is_answered_and_the_state_can_be_read(fresh):
    for amount in (1, 41):
        answer = fresh.http.post("/entities/Counter/a?op=add", json=amount)
        assert (answer.status_code, answer.content) == (202, b"")
    wait_for(fresh, EntityId("Counter", "a"))
    state = fresh.http.get("/entities/counter/a")
    assert (state.status_code, state.json()) == (200, {"value": 42})


@pytest.mark.parametrize(
    ("content", "kind", "kept"),
    [
        (b"plain text", "text/plain", "plain text"),
        (b"5", "text/plain", "5"),
        (b"5", "application/json", 5),
        (b'"5"', "application/json", "5"),
        (b"", "application/json", None),
        (b"", "text/plain", None),
    ],
)
def test_json_is_a_value_and_anything_else_is_a_text(fresh, content, kind, kept):
    headers = {"Content-Type": kind}
    fresh.http.post("/entities/Counter/a?op=keep", content=content, headers=headers)
    wait_for(fresh, EntityId("Counter", "a"))
    assert fresh.http.get("/entities/Counter/a").json() == {"value": kept}


def test_an_unknown_entity_is_answered_with_404(served):
    assert served.http.get("/entities/Counter/nobody").status_code == 404


def test_a_signal_to_an_entity_that_is_not_registered_is_answered_with_400(served):
    answer = served.http.post("/entities/Konter/a?op=add", json=1)
    assert answer.status_code == 400
    assert "Did you mean 'counter'?" in answer.json()["ExceptionMessage"]


@pytest.mark.parametrize("path", ["Counter/a", "Counter/a?op=", "Co%40unter/a?op=add", "Counter/a%23?op=add"])
def test_a_signal_without_a_name_or_with_a_bad_id_is_answered_with_400(served, path):
    assert served.http.post(f"/entities/{path}", json=1).status_code == 400


def test_what_is_no_json_or_no_text_is_answered_with_400(served):
    for kind, content in (("application/json", b"{"), ("text/plain", b"\xff")):
        headers = {"Content-Type": kind}
        answer = served.http.post("/entities/Counter/a?op=add", content=content, headers=headers)
        assert answer.status_code == 400


def test_deleting_asks_for_the_operation_delete(fresh):
    fresh.http.post("/entities/Cell/a?op=set", json=1)
    fresh.http.delete("/entities/Cell/a")
    asked = fresh.hub.sql("select operation from entity_operations order by seq").fetchall()
    assert asked == [("set",), ("delete",)]


def test_the_list_has_pages_names_and_times(fresh):
    for key in "abc":
        fresh.hub.client.signal_entity(EntityId("Counter", key), "add", 1)
        fresh.hub.client.signal_entity(EntityId("Cell", key), "set", key)
    wait_for(fresh, *(EntityId(name, key) for name in ("Counter", "Cell") for key in "abc"))
    whole = fresh.http.get("/entities").json()
    assert [list(one) for one in whole] == [["entityId", "lastOperationTime", "state"]] * 6
    found, token = [], ""
    while True:
        answer = fresh.http.get("/entities?top=4&fetchState=true", headers={TOKEN: token})
        found += answer.json()
        token = answer.headers[TOKEN]
        if not token:
            break
    assert [tuple(one["entityId"].values()) for one in found] == [
        *(("cell", key) for key in "abc"),
        *(("counter", key) for key in "abc"),
    ]
    assert [one["state"] for one in found] == ["a", "b", "c", *[{"value": 1}] * 3]
    assert [one["state"] for one in whole] == [None] * 6
    assert len(fresh.http.get("/entities/COUNTER/").json()) == 3
    times = sorted(one["lastOperationTime"] for one in whole)
    assert len(fresh.http.get("/entities", params={"lastOperationTimeFrom": times[-1]}).json()) == 1
    assert len(fresh.http.get("/entities", params={"lastOperationTimeTo": times[0]}).json()) == 1
    assert fresh.http.get("/entities", headers={TOKEN: "?"}).status_code == 400


def test_a_state_is_json_for_everybody(fresh):
    fresh.hub.client.signal_entity(EntityId("Counter", "a"), "keep", (1, {2: "two"}))
    wait_for(fresh, EntityId("Counter", "a"))
    assert json.loads(fresh.http.get("/entities/Counter/a").text) == {"value": [1, [[2, "two"]]]}
