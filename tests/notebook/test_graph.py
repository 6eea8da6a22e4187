"""Instances and hubs as graphs of networkx, on which its algorithms are of use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import networkx
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import durablenb as df
from durablenb.analysis.graph import execution_graph
from durablenb.analysis.networkx_graphs import networkx_graph
from tests.notebook.reading import SHARED, page_of, scene
from tests.notebook.scenes import SCENES, Stage, stage

START = datetime(2026, 1, 1, tzinfo=UTC)


def onward(graph: networkx.DiGraph) -> networkx.DiGraph:
    """The graph without what leads back."""
    return networkx.subgraph_view(graph, filter_edge=lambda *edge: not graph.edges[edge]["is_back"])


def partners(graph: networkx.DiGraph, relation: str) -> set[tuple[str, str]]:
    return {(one, two) for one, two, edge in graph.edges(data=True) if edge["relation"] == relation}


# -- one instance --------------------------------------------------------------------------------


def test_a_handle_gives_a_networkx_graph() -> None:
    graph = scene("fanned").graph()
    assert isinstance(graph, networkx.DiGraph)
    assert list(networkx.topological_sort(graph)) == ["start", "crunch", "join #1", "merge", "end"]
    crunch = graph.nodes["crunch"]
    assert (crunch["kind"], crunch["status"], crunch["count"], crunch["attempts"]) == (
        "activity",
        "failed",
        20,
        20,
    )
    assert (crunch["failed"], crunch["completed"]) == (1, 19)
    assert crunch["ended"] - crunch["asked"] == timedelta(milliseconds=80)
    assert len(crunch["event_ids"]) == 40
    assert graph.nodes["end"]["status"] == "Completed"
    assert graph.edges["crunch", "join #1"]["relation"] == "awaits"
    assert graph.edges["join #1", "merge"]["relation"] == "scheduled-by"
    assert graph.edges["start", "crunch"]["relation"] == "scheduled-by"


def test_equal_names_get_numbers_and_loops_go_back() -> None:
    def twice(context):
        for name in ("reserve", "ship", "reserve", "start"):
            yield context.call_activity(name, 1)

    made = stage()
    made.activity("start")
    made.orchestrator(twice)
    graph = networkx_graph(execution_graph(list(made.done("twice").history())))
    assert list(graph) == ["start", "reserve", "ship", "reserve #3", "start #4", "end"]
    assert scene("looped").graph().edges["timer", "poll"]["is_back"] is True


@pytest.mark.parametrize("name", SCENES)
def test_every_node_and_edge_is_described_and_placed_and_without_what_leads_back_there_are_no_cycles(
    name: str,
) -> None:
    handle = scene(name)
    graph = handle.graph()
    assert graph.graph["instance_id"] == handle.id
    for _, node in graph.nodes(data=True):
        assert {"kind", "name", "status", "count", "instance_id"} <= set(node)
        if "stage" in node:
            assert START <= node["asked"] <= node["started"] <= node["ended"]
            assert 0 <= node["seconds"] <= (node["ended"] - node["asked"]).total_seconds()
    relations = {"awaits", "scheduled-by", "starts", "calls", "signals", "locks"}
    for *_, edge in graph.edges(data=True):
        assert set(edge) == {"relation", "count", "is_back", "seconds"}
        assert edge["relation"] in relations
    generations = list(networkx.topological_generations(onward(graph)))
    assert generations[0] == ["start"]
    assert sum(map(len, generations)) == len(graph)
    for placed in (graph, handle.graph(depth=3)):
        places = networkx.get_node_attributes(placed, "pos")
        assert places.keys() == set(placed)
        assert len(set(places.values())) == len(places)
        for source, target, edge in onward(placed).edges(data=True):
            if edge["relation"] in ("awaits", "scheduled-by") and len(placed) < 8:
                assert places[source][0] < places[target][0]


def test_the_longest_path_is_what_decided_how_long_it_took() -> None:
    handle = scene("crossing")
    graph = handle.graph()
    path = networkx.dag_longest_path(graph, "seconds")
    assert path == ["start", "reserve", "join #1", "charge", "merge"]
    history = handle.history()
    whole = (history[-1].timestamp - history[0].timestamp).total_seconds()
    assert networkx.dag_longest_path_length(graph, "seconds") == pytest.approx(whole)


def test_the_seconds_of_a_loop_are_those_of_its_rounds_and_what_goes_on_at_the_same_time_counts_once() -> (
    None
):
    graph = scene("looped").graph()
    assert graph.nodes["poll"]["seconds"] == pytest.approx(14 * 0.05)
    assert graph.nodes["timer"]["seconds"] == pytest.approx(13 * 600)
    assert networkx.dag_longest_path(onward(graph), "seconds") == ["start", "poll", "timer"]
    assert scene("fanned").graph().nodes["crunch"]["seconds"] == pytest.approx(20 * 0.004)


def test_sub_orchestrations_start_instances() -> None:
    handle = scene("failed")
    assert not partners(handle.graph(), "starts")
    graph = handle.graph(depth=1)
    query = "select child_instance_id, lower(status) from sub_orchestrations where instance_id = $id"
    status_of = dict(handle.hub.sql(query, {"id": handle.id}).fetchall())
    assert {child for _, child in partners(graph, "starts")} == set(status_of)
    for child, status in status_of.items():
        node = graph.nodes[child]
        assert (node["kind"], node["instance_id"], node["status"]) == ("orchestration", child, status)
    assert networkx.descendants(graph, "doomed") - set(status_of) >= {"end"}


def test_an_instance_that_is_named_as_a_step_is_another_node() -> None:
    def parent(context):
        yield context.call_sub_orchestrator("chain", 1, "chain")

    made = stage()
    made.orchestrator(parent)
    graph = made.done("parent").graph(depth=1)
    assert partners(graph, "starts") == {("chain", "chain (instance)")}
    assert graph.nodes["chain (instance)"]["instance_id"] == "chain"


def test_calls_signals_and_locks_lead_to_entities() -> None:
    graph = scene("transferred").graph()
    assert {entity for _, entity in partners(graph, "calls")} == {"@account@a", "@account@b"}
    assert {entity for _, entity in partners(graph, "locks")} == {"@account@a", "@account@b"}
    assert {entity for _, entity in partners(graph, "signals")} == {"@audit@all"}
    assert graph.nodes["@account@a"]["kind"] == "entity"
    assert networkx.dag_longest_path(graph, "seconds")[-1] == "@account@b.deposit"


def test_an_open_step_ends_when_something_was_last_heard() -> None:
    graph = scene("running").graph()
    assert "end" not in graph
    assert graph.nodes["charge"]["status"] == "open"
    assert graph.nodes["charge"]["ended"] >= graph.nodes["charge"]["asked"]


# -- a hub ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full() -> Stage:
    made = stage()
    SHARED.append(made.hub)
    for name in ("failed", "transferred", "waiting"):
        SCENES[name](made)
    return made


def test_a_hub_is_a_graph_of_instances_and_entities(full: Stage) -> None:
    graph = full.hub.graph()
    instances = {status.instance_id for status in full.hub.instances()}
    entities = {name for (name,) in full.hub.sql("select instance_id from entities").fetchall()}
    assert set(graph) == instances | entities
    assert {node for node, kind in graph.nodes(data="kind") if kind == "entity"} == entities
    assert all(node["created"] <= node["last_updated"] for _, node in graph.nodes(data=True))


def test_its_edges_are_as_many_as_there_are_rows(full: Stage) -> None:
    graph = full.hub.graph()
    for relation, event_type in {
        "starts": "SubOrchestrationInstanceCreated",
        "calls": "EntityOperationCalled",
        "signals": "EntityOperationSignaled",
    }.items():
        ((rows,),) = full.hub.sql(
            "select count(*) from history where event_type = $type", {"type": event_type}
        ).fetchall()
        assert sum(edge.get(relation, 0) for *_, edge in graph.edges(data=True)) == rows
    assert graph.edges["transfer", "@account@a"] == {"calls": 2, "locks": 1, "count": 3}


def test_a_family_is_what_an_instance_leads_to(full: Stage) -> None:
    family = {row[1] for row in full.hub.sql("from tree('family')").fetchall()}
    assert networkx.descendants(full.hub.graph(), "family") | {"family"} == family


def test_who_was_purged_is_still_named() -> None:
    made = stage()
    SCENES["failed"](made)
    child = next(child for _, child in partners(made.hub.handle("family").graph(depth=1), "starts"))
    made.hub.handle(child).purge()
    assert made.hub.graph().nodes[child]["kind"] == "purged"


def test_an_empty_hub_is_an_empty_graph() -> None:
    with df.TaskHub(":memory:", mode="kernel") as hub:
        assert len(hub.graph()) == 0


# -- positions, and graphs as pictures ------------------------------------------------------------


def test_networkx_draws_our_picture() -> None:
    graph = scene("crossing").graph()
    figure = Figure()
    FigureCanvasAgg(figure)
    networkx.draw(graph, networkx.get_node_attributes(graph, "pos"), ax=figure.add_subplot())
    figure.canvas.draw()


def test_a_notebook_shows_a_graph_and_what_was_made_of_it(full: Stage) -> None:
    whole = scene("fanned").graph()
    page = page_of(whole)
    assert repr(whole) in (f"<{page.text.strip()}>", "<graph of fan_out: 5 nodes, 4 edges>")
    assert {"crunch \N{MULTIPLICATION SIGN} 20", "merge"} <= set(page.picture().texts)
    assert "merge" not in page_of(whole.subgraph(["start", "crunch"]).copy()).picture().texts
    assert "transfer" in page_of(full.hub.graph()).picture().texts


def test_a_graph_shows_nodes_that_were_added_to_it_as_far_as_they_have_a_place() -> None:
    graph = scene("fanned").graph()
    graph.add_node("mine")
    assert "1 node without a position" in page_of(graph).text


def test_a_family_is_a_tree_from_left_to_right(full: Stage) -> None:
    graph = full.hub.graph()
    places = networkx.get_node_attributes(graph, "pos")
    assert len(set(places.values())) == len(graph)
    for source, target, edge in graph.edges(data=True):
        assert "starts" not in edge or places[source][0] < places[target][0]


# -- the picture ---------------------------------------------------------------------------------


def test_a_loop_of_one_step_has_a_frame_and_is_no_stack_as_a_fan_out_is() -> None:
    def train(context):
        for n in range(6):
            yield context.call_activity("work", n)
        yield context.task_all([context.call_activity("merge", n) for n in range(3)])

    made = stage()
    made.activity("work")
    made.activity("merge")
    made.orchestrator(train)
    picture = page_of(made.done("train")).pictures[1]
    assert "\N{CLOCKWISE OPEN CIRCLE ARROW} 6 rounds" in picture.texts
    assert "6 completed" in picture.texts
    assert [text for text in picture.texts if text.startswith("\N{MULTIPLICATION SIGN}")] == [
        "\N{MULTIPLICATION SIGN} 3"
    ]


def test_generations_before_the_shown_one_have_a_bar_each() -> None:
    def again(context):
        number = context.get_input()
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=number + 1))
        if number < 3:
            context.continue_as_new(number + 1)

    made = stage()
    made.orchestrator(again)
    picture = page_of(made.done("again", 0)).pictures[1]
    assert "3 generations before this one" in picture.texts
    bars = [title for title in picture.titles if title.startswith("generation ")]
    assert bars == [f"generation {n}: {n + 1} s, 1 call" for n in range(3)]


def test_a_name_is_not_cut_if_there_is_room_beside_its_box() -> None:
    def one(context):
        yield context.call_activity("estimate_the_seasonal_components", 1)

    made = stage()
    made.activity("estimate_the_seasonal_components")
    made.orchestrator(one)
    assert "estimate_the_seasonal_components" in page_of(made.done("one")).pictures[1].texts


def test_a_fan_out_of_the_same_name_is_no_round_of_the_loop_before_it() -> None:
    def work(context):
        for n in range(5):
            yield context.call_activity("work", n)
        yield context.task_all([context.call_activity("work", n) for n in range(20)])

    made = stage()
    made.activity("work")
    made.orchestrator(work)
    graph = made.done("work").graph()
    assert [(node, step["count"]) for node, step in graph.nodes(data=True) if step["kind"] == "activity"] == [
        ("work", 5),
        ("work #2", 20),
    ]
