"""An entity whose state is None exists, as in Azure; what only a default was changed of isn't kept."""

import json
from dataclasses import dataclass

import httpx
import pytest

import durablenb as df
from durablenb.model.address import MANAGEMENT
from tests.entities.conftest import Kernel

HELD, ASKED, GONE, NEVER = (df.EntityId("Box", key) for key in ("held", "asked", "gone", "never"))


@dataclass
class Order:
    number: int


def box(context):
    if context.operation_name == "hold":
        context.set_state(context.get_input())
    elif context.operation_name == "ask":
        context.set_result(context.get_state(expected_type=Order))
    elif context.operation_name == "fill":
        context.get_state(dict)["a"] = context.get_input()
    elif context.operation_name == "go":
        context.destruct_on_exit()
    return context.is_newly_constructed


@pytest.fixture
def hub(tmp_path):
    with Kernel(tmp_path / "hub.duckdb", mode="kernel") as hub:
        hub.add_entity(box, "Box")
        for entity, operation in ((HELD, "hold"), (ASKED, "ask"), (GONE, "hold"), (GONE, "go")):
            hub.client.signal_entity(entity, operation)
        hub.settle()
        yield hub


def test_it_is_read_and_listed_as_one_that_exists(hub):
    for entity in (HELD, ASKED):
        for expected in (None, Order, dict):
            read = hub.client.read_entity_state(entity, expected_type=expected)
            assert (read.entity_exists, read.entity_state) == (True, None)
            assert hub.entity_state(entity, expected) is None
    for entity in (GONE, NEVER):
        assert not hub.client.read_entity_state(entity).entity_exists
    assert [(str(one.entity_id), one.state) for one in hub.client.list_entities()] == [
        ("@box@asked", None),
        ("@box@held", None),
    ]
    rows = hub.sql("select key, entity_exists, state from entities order by key").fetchall()
    assert [(key, exists, state and json.loads(state)) for key, exists, state in rows] == [
        ("asked", True, None),
        ("gone", False, None),
        ("held", True, None),
    ]


def test_it_is_not_new_for_the_next_operation_and_cleaning_leaves_it(hub):
    @hub.orchestrator
    def both(context):
        return [(yield context.call_entity(HELD, "look")), (yield context.call_entity(NEVER, "look"))]

    assert hub.client.clean_entity_storage().empty_entities_removed == 1
    assert hub.run(both) == [False, True]
    assert hub.client.read_entity_state(HELD).entity_exists
    assert not hub.client.read_entity_state(NEVER).entity_exists, "it was only looked at"


def test_a_default_that_is_changed_and_not_set_is_not_kept_and_said_so(hub, caplog):
    hub.client.signal_entity(NEVER, "fill", 1)
    hub.client.signal_entity(ASKED, "look")
    hub.client.signal_entity(HELD, "hold", {"b": 2})
    hub.client.signal_entity(HELD, "fill", 1)
    hub.settle()
    assert not hub.client.read_entity_state(NEVER).entity_exists
    assert hub.entity_state(HELD) == {"a": 1, "b": 2}, "what was changed inside of the state counts"
    (said,) = [one.getMessage() for one in caplog.records]
    assert "'fill' of @box@never" in said
    assert "set_state" in said


def test_it_is_the_same_in_a_file_an_export_and_the_hub_opened_again(hub, tmp_path):
    hub.export([HELD, GONE], tmp_path / "export.json")
    hub.close()
    with df.open_history(tmp_path / "hub.duckdb") as file:
        assert [str(one.entity_id) for one in file.entities()] == ["@box@asked", "@box@held"]
        assert file.entity_state(HELD, Order) is None
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as again:
        assert again.client.read_entity_state(HELD).entity_exists
    with df.TaskHub(":memory:", mode="kernel") as other:
        other.import_history(tmp_path / "export.json")
        assert other.client.read_entity_state(HELD).entity_exists
        assert not other.client.read_entity_state(GONE).entity_exists


def test_over_http_it_is_null_and_not_missing():
    with df.TaskHub(":memory:") as hub, hub.serve(port=0) as server:
        hub.add_entity(box, "Box")
        hub.run(hub.orchestrator(lambda context: (yield context.call_entity(HELD, "hold")), name="settled"))
        base, headers = server.url + MANAGEMENT, {"x-functions-key": server.key}
        found = httpx.get(f"{base}/entities/Box/held", headers=headers)
        assert (found.status_code, found.json()) == (200, None)
        assert httpx.get(f"{base}/entities/Box/never", headers=headers).status_code == 404
        remote = df.TaskHub.connect(server.url, key=server.key)
        assert remote.entity("Box", "held").state(Order) is None
        assert remote.client.read_entity_state(HELD).entity_exists
