"""Entities: what is asked of them in the picture of an orchestration, and a picture of each of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import durablenb as df
from durablenb.analysis.graph import ExecutionGraph, execution_graph
from tests.notebook.reading import bundle_of, page_of, page_of_scene, scene, text_of
from tests.notebook.scenes import AUDIT, SCENES, A, B, Stage, furnish, stage


def flow(name: str) -> ExecutionGraph:
    return execution_graph(list(scene(name).history()))


def flow_from(orchestrator) -> ExecutionGraph:
    made = stage()
    made.orchestrator(orchestrator)
    return execution_graph(list(made.done(orchestrator.__name__).history()))


def steps(found: ExecutionGraph) -> list[tuple[str, str, int, int]]:
    return [(step.name, step.kind, step.stage, len(step.calls)) for step in found.steps]


@pytest.fixture
def made() -> Stage:
    return stage()


def shop(made: Stage, key: str = "one") -> df.EntityHandle:
    return made.hub.entity("Shop", key)


# -- in an orchestration -------------------------------------------------------------------------


def test_calls_signals_and_locks_are_steps_and_nothing_waits_for_a_signal() -> None:
    found = flow("transferred")
    assert steps(found) == [
        ("@account@a, @account@b", "lock", 0, 1),
        ("@account@a.withdraw", "entity call", 1, 1),
        ("charge", "activity", 2, 1),
        ("@account@b.deposit", "entity call", 3, 1),
        ("@audit@all.note", "signal", 4, 1),
        ("@account@a.get", "entity call", 4, 1),
    ]
    assert {(edge.source, edge.target) for edge in found.edges if 5 in (edge.source, edge.target)} == {(4, 5)}
    assert found.joins == ()


def test_an_orchestration_that_ends_with_a_signal_goes_through_it() -> None:
    def telling(context):
        yield context.call_activity("reserve", 1)
        context.signal_entity(AUDIT, "note", 1)

    found = flow_from(telling)
    assert {(edge.source, edge.target) for edge in found.edges} == {("start", 1), (1, 2), (2, "end")}


def test_what_is_asked_of_many_entities_of_one_name_is_one_step_and_of_a_few_one_each() -> None:
    def few(context):
        yield context.task_all([context.call_entity(one, "get") for one in (A, B)])

    found = flow("tallied")
    assert steps(found) == [("@shop@*.open", "signal", 0, 40), ("@shop@*.count", "entity call", 0, 40)]
    (join,) = found.joins
    assert (join.came, join.of, join.is_all) == (40, 40, True)
    assert [step[0] for step in steps(flow_from(few))] == ["@account@a.get", "@account@b.get"]


def test_a_loop_over_many_entities_is_folded() -> None:
    def round_trip(context):
        for place in range(10):
            yield context.call_entity(df.EntityId("Shop", str(place)), "count", 1)

    found = flow_from(round_trip)
    assert steps(found) == [("@shop@*.count", "entity call", 0, 10)]
    assert [loop.times for loop in found.loops] == [10]


def test_the_graph_names_the_operation_and_the_entity() -> None:
    graph = page_of_scene("transferred").picture(0)
    assert {"lock", "withdraw", "deposit", "get"} <= set(graph.texts)
    assert f"note {chr(0x2192)} @audit@all" in graph.texts
    assert "entity call @account@a.withdraw: 1 completed" in graph.titles
    assert "lock @account@a, @account@b: 1 granted" in graph.titles
    assert "signal @audit@all.note: 1 sent" in graph.titles


def test_the_timeline_shows_how_long_entities_were_locked() -> None:
    timeline = page_of_scene("transferred").picture(1)
    assert "@account@a, @account@b locked for 2.3 s" in timeline.titles
    assert "signal @audit@all.note: sent" in timeline.titles
    assert {"wait for a lock, critical section", "signal"} <= set(timeline.texts)
    open_section = page_of_scene("in_a_section").picture(1)  # until now
    assert "@account@a, @account@b locked for 1.8 s" in open_section.titles


def test_a_lock_lasts_from_when_it_was_granted(made: Stage) -> None:
    handle = SCENES["locked_out"](made)
    made.hub.handle("keeper").raise_event("Done")
    handle.wait()
    titles = page_of(handle).picture(1).titles
    assert "@account@a, @account@b locked for 2.3 s" in titles


def test_the_history_says_which_entity_and_which_operation() -> None:
    handle = scene("transferred")
    texts = page_of(handle).texts
    assert "EntityOperationCalled @account@a.withdraw" in texts
    assert "EntityLockRequested @account@a, @account@b" in texts
    assert "EntityOperationCalled '@account@a.withdraw' #1  30" in str(handle.history())


def test_a_wait_for_a_lock_says_who_has_it() -> None:
    page = page_of_scene("locked_out")
    assert "the lock of @account@a, @account@b" in page.texts
    assert "@account@b is locked by keeper." in page.text
    assert "2026-01-01 00:00:00, 5 min by 00:05:00" in page.texts


def test_a_wait_for_an_operation_says_what_else_the_entity_has_to_do() -> None:
    page = page_of_scene("queued")
    assert "the entity's operation '@account@a.withdraw'" in page.texts
    assert "@account@a has 3 other operations to do." in page.text


def test_a_wait_for_an_operation_of_a_locked_entity_says_who_locked_it(made: Stage) -> None:
    made.begin("keeper", steps=3)

    def looking(context):
        return (yield context.call_entity(B, "get"))

    made.orchestrator(looking)
    handle = made.begin("looking")
    made.settle()
    assert "@account@b is locked by keeper." in page_of(handle).text


def test_what_an_orchestration_has_locked_itself_keeps_it_from_nothing() -> None:
    page = page_of_scene("in_a_section")
    assert "the entity's operation '@account@b.deposit'" in page.texts
    assert "is locked by" not in page.text


def test_an_entity_whose_cell_was_not_run_blocks_its_caller_and_says_so(tmp_path: Path) -> None:
    made = stage(tmp_path / "hub.duckdb")
    SCENES["queued"](made)
    made.reopen()
    furnish(made, without=("Account",))
    made.settle()
    page = page_of(made.hub.handle("asking"))
    assert "an entity that is blocked" in page.texts
    assert "waits for 'account': run the cell that defines it" in page.text
    entity = made.hub.entity("Account", "a")
    assert page_of(entity).pictures[0].alt == "Not loaded"
    assert "It waits for the cell that defines" in page_of(entity).text
    assert repr(entity) == "<account a: Not loaded, 0 operations, 4 in its queue>"


# -- one entity ----------------------------------------------------------------------------------


def test_an_entity_shows_its_state_and_what_it_did_last(made: Stage) -> None:
    entity = shop(made)
    for amount in (5, 20, 7):
        entity.open(amount)
    made.settle()
    assert repr(entity) == "<shop one: Idle, 3 operations>"
    page = page_of(entity)
    assert [picture.alt for picture in page.pictures] == [
        "Idle",
        "shop one: Idle, 3 operations, state 32",
    ]
    assert {"32", "0", "open", "done"} <= set(page.picture().texts)
    assert "the state after each operation" in page.picture().titles
    place = page.texts.index("Last 3 operations")
    assert [text for text in page.texts[place:] if text.strip()][6:12] == [
        "2026-01-01 00:00:00.000",
        "open",
        "5",
        "signal",
        "a client",
        "5",
    ]


def test_the_text_of_an_entity_is_the_same_in_every_run(made: Stage) -> None:
    entity = shop(made)
    entity.open(5)
    made.done("tally", 1)
    entity.signal("close")
    made.settle()
    entity.signal("open", 1, at=made.clock.now() + timedelta(days=1))
    assert text_of(entity) == (
        "<shop one: No state, 2 operations, 1 in its queue>\n"
        "to do: open\n"
        "operation  input  caller    result\n"
        "─────────  ─────  ────────  ──────\n"
        "open       5      a client  5\n"
        "close             a client  5"
    )


def test_a_failed_signal_is_seen_with_the_line_that_raised(made: Stage) -> None:
    account = made.hub.entity("Account", "a")
    account.deposit(50)
    account.withdraw(900)
    for _ in range(12):  # more than are told of
        account.deposit(1)
    made.settle()
    page = page_of(account)
    place = page.texts.index("withdraw")
    assert page.texts[place : place + 2] == ["withdraw", "a client"]
    assert "900 is more than 150" in page.text
    assert "withdraw, line" in page.text
    assert 'raise ValueError(f"{amount} is more than {self.balance}")' in page.texts
    assert "14 operations, 1 failed" in page.text
    account.withdraw(900)
    made.settle()
    assert text_of(account).splitlines()[-1].split("  ")[-1] == "failed: ValueError: 900 is more than 162"
    assert "withdraw: 1 failed" in page.picture().titles
    assert "failed" in page.picture().texts


def test_the_one_field_that_is_a_number_is_drawn_and_the_others_stand_below(made: Stage) -> None:
    account = made.hub.entity("Account", "a")
    for amount in (30, 20):
        account.deposit(amount)
    made.settle()
    picture = page_of(account).picture()
    assert picture.alt == "account a: Idle, 2 operations, balance 150"
    assert picture.texts[:4] == ["balance", "150", "owner", "Ada"]
    assert "balance after each operation" in picture.titles


def test_a_state_without_a_number_or_with_several_is_not_drawn(made: Stage) -> None:
    @made.hub.entity
    def pair(context):
        context.set_state({"x": 1, "y": 2, "names": list("abc")})

    entity = made.hub.entity(pair, "one")
    entity.go()
    entity.go()
    made.settle()
    picture = page_of(entity).picture()
    assert {"x", "1", "y", "2", "names", '["a", "b", "c"]'} <= set(picture.texts)
    assert not any("after each operation" in title for title in picture.titles)


def test_a_deleted_entity_has_a_gap_in_its_course(made: Stage) -> None:
    entity = shop(made)
    for operation, amount in (("open", 5), ("close", None), ("open", 3)):
        entity.signal(operation, amount)
    made.settle()
    (line,) = [
        path.attrib["d"]
        for path in page_of(entity).picture().root.iter("{http://www.w3.org/2000/svg}path")
        if any(child.text == "the state after each operation" for child in path)
    ]
    assert line.count("M") == 2


def test_a_locked_entity_says_by_whom_and_who_waits() -> None:
    made = stage()
    SCENES["locked_out"](made)
    entity = made.hub.entity("Account", "b")
    assert repr(entity) == "<account b: Locked, 0 operations>"
    page = page_of(entity)
    assert page.pictures[0].alt == "Locked"
    assert {"locked by keeper", "lock for transfer"} <= set(page.picture().texts)
    assert text_of(entity).splitlines()[1:] == ["locked by keeper", "lock requested by transfer"]


def test_a_busy_entity_shows_its_queue_with_what_comes_next_first() -> None:
    made = stage()
    SCENES["queued"](made)
    entity = made.hub.entity("Account", "a")
    assert f"deposit {chr(215)} 3" in page_of(entity).picture().texts
    assert "To do: 4 operations" in page_of(entity).texts
    assert text_of(entity).splitlines()[1] == "to do: deposit, deposit, deposit, withdraw"


def test_a_long_queue_says_how_much_more_there_is(made: Stage) -> None:
    entity = shop(made)
    for place in range(30):
        entity.signal(f"a rather long name of an operation, number {place}")
    texts = page_of(entity).picture().texts
    drawn = [text for text in texts if text.startswith("a rather")]
    assert 0 < len(drawn) < 10
    assert f"{30 - len(drawn)} more" in texts
    assert "20 more" in page_of(entity).texts
    assert text_of(entity).splitlines()[1].endswith("…, and 20 more")


def test_what_is_asked_for_later_makes_an_entity_not_busy(made: Stage) -> None:
    entity = shop(made)
    entity.signal("open", 1, at=made.clock.now() + timedelta(days=1))
    page = page_of(entity)
    assert page.pictures[0].alt == "No state"
    assert "not before 2026-01-02 00:00:00.000 UTC" in page.picture().titles
    assert "2026-01-02 00:00:00.000" in page.texts


def test_an_entity_of_which_nothing_was_asked_can_be_shown(made: Stage) -> None:
    entity = shop(made, "never")
    assert text_of(entity) == "<shop never: No state, 0 operations>"
    assert "nothing was done yet" in page_of(entity).picture().texts


def test_an_entity_of_a_closed_hub_is_a_line_of_text(made: Stage) -> None:
    entity = shop(made)
    made.hub.close()
    assert bundle_of(entity) == {"text/plain": "<entity @shop@one of a closed hub>"}


def test_operations_named_as_what_notebooks_ask_for_are_no_operations(made: Stage) -> None:
    entity = shop(made)
    assert not hasattr(entity, "_repr_html_")
    assert not hasattr(entity, "_ipython_display_")
    assert shop(made).entity_id == df.EntityId("shop", "one")


def test_an_entity_can_be_shown_while_threads_write_and_its_numbers_agree() -> None:
    with df.TaskHub(":memory:") as hub:

        @hub.entity
        def count(context):
            context.set_state(context.get_state(lambda: 0) + 1)

        entity = hub.entity(count, "one")
        for _ in range(20):
            entity.go()
            shown = entity._shown()
            assert len(shown.done) == shown.operations == (shown.state or 0)
            assert "text/html" in bundle_of(entity)


# -- large ones ----------------------------------------------------------------------------------


def test_a_huge_state_is_cut(made: Stage) -> None:
    @made.hub.entity
    def hoard(context):
        context.set_state({f"field {place}": "x" * 300 for place in range(2_000)})

    entity = made.hub.entity(hoard, "one")
    entity.go()
    made.settle()
    html = bundle_of(entity)["text/html"]
    assert len(html) < 60_000
    assert "characters more" in html
    assert "… 1,995 fields more" in page_of(entity).picture().texts
    assert len(text_of(entity)) < 2_000


def test_many_operations_are_the_last_two_hundred(made: Stage) -> None:
    entity = shop(made)
    for place in range(450):
        entity.signal(f"kind {place % 9}", 1)
    made.settle()
    html = bundle_of(entity)["text/html"]
    assert len(html) < 60_000
    picture = page_of(entity).picture()
    assert any(text.startswith("operations 251 to 450, as of 2026") for text in picture.texts)
    assert "4 more names" in picture.texts
    assert picture.texts[1] == "450"


# -- the hub -------------------------------------------------------------------------------------


def test_a_hub_shows_its_entities_beside_its_instances() -> None:
    made = stage()
    SCENES["tallied"](made)
    made.hub.client.signal_entity(A, "withdraw", 900)
    made.settle()
    SCENES["queued"](made)
    page = page_of(made.hub)
    assert page.picture().alt == "2 instances: 1 Running, 1 Completed; 40 entities"
    assert {"entities", "operations", "shop", "80 Completed", "account", "1 Failed", "4 Pending"} <= set(
        page.picture().texts
    )
    place = page.texts.index("Entities: 2 names")
    assert page.texts[place + 7 :][:12] == ["account", *"01140", "shop", "40", "80", *"000"]
    assert text_of(made.hub).splitlines()[-4:] == [
        "entity   existing  operations  failed  in queues",
        "───────  ────────  ──────────  ──────  ─────────",
        "account         0           1       1          4",
        "shop           40          80       0          0",
    ]


def test_a_hub_of_entities_alone_says_nothing_of_instances(made: Stage) -> None:
    shop(made).open(1)
    made.settle()
    page = page_of(made.hub)
    assert page.picture().alt == "0 instances; 1 entity"
    assert not any("No instances yet" in text for text in [*page.texts, *page.picture().texts])
    hub = scene("completed").hub  # and one of instances alone nothing of entities
    assert "entit" not in page_of(hub).text + text_of(hub)


def test_very_many_names_of_entities_are_folded(made: Stage) -> None:
    for number in range(60):
        made.hub.add_entity(lambda context: context.set_state(1), f"kind {number:02}")
        made.hub.client.signal_entity(df.EntityId(f"kind {number:02}", "x"), "go")
    made.settle()
    page = page_of(made.hub)
    assert "53 more names" in page.picture().texts
    assert "20 more" in page.texts
    assert "… 30 names more" in text_of(made.hub)
