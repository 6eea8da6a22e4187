"""The list of a hub's live view: a row for each root, what it does now, and what is true by the clock."""

from __future__ import annotations

import re
from typing import Any

import pytest

from durablenb.notebook.live.hub import HubList
from tests.notebook.reading import Page, page_of, scene, tell, text_of
from tests.notebook.scenes import Stage, stage


def rows_of(view: HubList) -> list[str]:
    """The texts of the rows."""
    view._written = None
    view.refresh()
    rows = re.findall(r"<tr>(<td.*?)</tr>", view.instances.decode())
    return [" ".join(Page(row.replace("<td", "<p").replace("</td", "</p")).text.split()) for row in rows]


def families(made: Stage) -> HubList:
    """Two roots with three children each, of which one has failed."""
    made.activity("work", 1, fails=lambda part, _: part == 2)

    def child(context: Any) -> Any:
        yield context.call_activity("work", context.get_input())

    def parent(context: Any) -> Any:
        children = [context.call_sub_orchestrator("child", part) for part in range(3)]
        yield context.task_all(children, return_exceptions=True)

    made.orchestrator(child)
    made.orchestrator(parent)
    for instance_id in ("one", "two"):
        made.hub.start("parent", instance_id=instance_id)
    made.settle()
    return made.hub.watch().list


def test_sub_orchestrations_are_folded_under_their_roots() -> None:
    view = families(stage())
    rows = rows_of(view)
    assert [row.split()[0] for row in rows] == ["one", "two"]
    bars = re.findall(r'class="dnb-fold" title="([^"]*)"', view.instances.decode())
    assert bars == ["1 failed, 2 completed"] * 2
    assert "2 instances" in text_of(view, "instances")
    tell(view, "unfold", id="one")
    rows = rows_of(view)
    assert len(rows) == 5
    assert rows[4].startswith("two")
    assert all("child" in row for row in rows[1:4])
    tell(view, "unfold", id="one")
    assert len(rows_of(view)) == 2
    tell(view, "set", name="status", value="Failed")
    assert len(rows_of(view)) == 2  # the failed children
    assert len(view._hub._relation(view.pane.sql).fetchall()) == 2


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("waiting", "waits for Approval, 2 h, and 1 more"),
        ("running", "charge, queued, 0 s"),
        ("between_attempts", "attempt 2 of 'flaky' in 1 s"),
        ("suspended", "waits for being resumed"),
        ("scheduled", "waits for the time of its start"),
    ],
)
def test_a_row_says_what_its_instance_does_now(name: str, says: str) -> None:
    (row,) = rows_of(scene(name).hub.watch().list)
    assert says in row


def test_a_row_has_the_share_done_and_the_custom_status() -> None:
    made = stage()
    made.activity("slow", 0.5)

    def slowly(context: Any) -> Any:
        context.set_custom_status("stage 2")
        yield context.task_all([context.call_activity("slow", part) for part in range(10)])

    made.orchestrator(slowly)
    made.begin("slowly", steps=5)
    view = made.hub.watch().list
    assert "slow 30% \N{MIDDLE DOT} stage 2" in rows_of(view)[0]


def test_times_are_those_of_the_last_event_and_of_the_clock() -> None:
    made = stage()
    made.activity("slow", 60)

    def slowly(context: Any) -> Any:
        yield context.task_all([context.call_activity("slow", part) for part in range(9)])

    made.orchestrator(slowly)
    made.begin("slowly", steps=4)
    view = made.hub.watch().list
    assert rows_of(view)[0].endswith("slow 22% 60 s ago 3 min ago")
    assert b"1 call finished in the 120 s before 00:03:00" in view.pace
    assert "2026-01-01 00:02:00.000" in page_of(made.hub).text
    made.clock.advance(seconds=600)
    view._drawn_at = view._listed_at = 0
    view.refresh()
    assert "finished in the 120 s before 00:13:00" in view.pace.decode()
    assert b"0 calls finished" in view.pace
    assert "11 min ago" in text_of(view, "instances")


def test_a_click_on_a_title_orders_the_rows_and_another_one_turns_them_round() -> None:
    made = stage()
    for name in ("a", "c", "b"):
        made.orchestrator(lambda context: context.get_input(), name)
        made.done(name)
        made.clock.advance(seconds=1)
    view = made.hub.watch().list
    orders = [[row[0] for row in rows_of(view)]]
    for _ in range(2):
        tell(view, "sort", name="orchestrator")
        orders.append([row[0] for row in rows_of(view)])
    tell(view, "sort", name="status'; drop table journal")
    assert orders == [["b", "c", "a"], ["a", "b", "c"], ["c", "b", "a"]]


def test_a_hub_whose_kernel_was_restarted_names_the_cells_to_run(tmp_path: Any) -> None:
    made = Stage(tmp_path / "hub.duckdb")
    made.orchestrator(lambda context: (yield context.wait_for_external_event("Go")), "season")
    for instance_id in ("one", "two"):
        made.hub.start("season", instance_id=instance_id)
    made.settle()
    made.reopen()
    says = "2 unfinished instances will resume: run the cells that define season."
    view = made.hub.watch().list
    assert says in text_of(view, "head")
    assert says in page_of(made.hub).text
    made.orchestrator(lambda context: (yield context.wait_for_external_event("Go")), "season")
    rows = rows_of(view)
    assert says not in text_of(view, "head")
    assert all("waits for Go" in row for row in rows)
